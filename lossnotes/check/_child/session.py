"""One submission: its files are run, statement by statement, and its functions are called. Answers are data."""

import ast
import asyncio
import base64
import contextlib
import difflib
import functools
import inspect
import linecache
import os
import re
import sys
import types

import torch

from . import guard, stand_in
from .callables import code_of, is_stub, pretended, signature, uses
from .data import packed_result, unpack
from .plain import FREE, OnlyPlain
from .reading import pieces, statements
from .words import clean, described, kind

MOST = 40  # errors that are told


class Session:
    """Answers requests: "load", "call", "pull", "device". `tell` sends what is not an answer: which statement is running."""

    lifted = False  # whether the fence is to be lifted again: never in a child, which ends with it

    def __init__(self, tell=lambda message: None):
        self.tell, self.functions, self.origins, self.files, self.calls = tell, {}, {}, {}, 0
        self.rivals, self.modules = {}, []  # functions of other files by the names of those that are graded
        self.errors, self.notes, self.last = [], [], None
        self.fence, self.home = None, os.getcwd()

    def answer(self, request):
        return getattr(self, f"_{request['do']}")(request)

    # --- loading ---

    def _load(self, request):
        """Run every statement but those with a number in ``skip``, which did not end or ended the process."""
        names, skip = request["names"], set(request["skip"])
        readable = []
        for name, raw in request["files"]:
            try:
                readable.append((name, pieces(name, base64.b64decode(raw))))
            except ValueError as error:
                self.errors.append(f"{name}: {error}")
        forbidden = request["forbidden"] or _defined(readable) & set(names)
        self.allowed = guard.all_names(request["allowed"])
        self.fence = guard.Fence(set(forbidden) - set(request["allowed"]), request["allowed"], self.lifted)
        stand_in.install(set(request["allowed"]), request["library"])
        number = 0
        for name, found in readable:
            number = self._run(name, found, names, skip, number)
        missing = [name for name in names if name not in self.functions]
        functions = {name: self._about(name, fn, names) for name, fn in self.functions.items()}
        self._give(request["given"])
        return {"functions": functions, "errors": self.errors[:MOST], "notes": [*self.notes, *self._near(missing)][:MOST]}

    def _about(self, name, fn, names):
        rivals = [{"signature": signature(rival), "file": file} for rival, file in self.rivals.get(name, ())]
        about = {"signature": signature(fn), "stub": is_stub(fn), "file": self.origins[name], "rivals": rivals}
        return about | {"uses": uses(fn, set(names) - {name})}

    def _give(self, given):
        """Put functions of the grader's in the place of the student's: right ones, to judge what is built on them."""
        for name, source in given.items():
            right = {"torch": torch}
            exec(compile(source, "given", "exec"), right)
            for module in self.modules:
                module.__dict__[name] = right[name]

    def _run(self, name, found, names, skip, number):
        module = _module(name)
        self.modules.append(module)
        flags, written = 0, {}
        for title, source in found:
            file = f"{name}, {title}" if title else name
            where = f"{file}: " if title else f"{name}: "
            self.files[file] = source
            linecache.cache[file] = (len(source), None, source.splitlines(keepends=True), file)
            for node, wrong in statements(source):
                number += 1
                if node is None:
                    self.errors.append(clean(where + wrong, 300))
                    continue
                if number in skip:
                    continue
                self.tell({"running": number, "where": f"{where}line {node.lineno}"})
                try:
                    flags = _execute(node, file, module.__dict__, flags)
                except BaseException as error:
                    missing = ". This package is not installed where it is graded" * isinstance(error, ModuleNotFoundError)
                    self.errors.append(clean(where + described(error, file) + missing, 300))
                self._watch(module, names, written)
        self._restore(module, names, written, name)
        for key in names:
            value = module.__dict__.get(key)
            if value is None:
                continue
            if not callable(value) or isinstance(value, type):
                self.notes.append(
                    f"{key} is a {type(value).__name__ if not isinstance(value, type) else 'class'}; expected a function"
                )
            elif self._own(value):
                self._keep(key, value, name)
            else:
                self.notes.append(
                    f"{key} is imported from {clean(str(getattr(value, '__module__', 'elsewhere')), 60)}, and not yours"
                )
        self.names = set(module.__dict__)
        self.callables = [k for k, v in module.__dict__.items() if callable(v) and not k.startswith("_") and self._own(v)]
        return number

    def _watch(self, module, names, written):
        """Keep the last function under each name: a later cell may use the name for something else."""
        for key in names:
            value = module.__dict__.get(key)
            if value is not written.get(key) and callable(value) and not isinstance(value, type) and self._own(value):
                written[key] = value

    def _restore(self, module, names, written, name):
        for key in names:
            value, last = module.__dict__.get(key), written.get(key)
            if last is not None and value is not last:
                own = callable(value) and not isinstance(value, type)
                now = "deleted" if value is None else "another function" if own else f"a {clean(type(value).__name__, 60)}"
                self.notes.append(
                    f"{key} is {now} at the end of {name}; the function of that name that stood there before is graded"
                )
                module.__dict__[key] = last

    def _keep(self, key, value, name):
        """The last of several, but a stub does not take the place of what is written. Of another file's, the grader decides."""
        code = getattr(getattr(code_of(value), "__code__", None), "co_filename", name).partition(", code cell ")[0]
        origin = os.path.basename(code) if os.path.dirname(code) == self.home else code
        before = self.functions.get(key)
        if before is not None and before is not value and not is_stub(before):
            if is_stub(value):
                return
            if origin != self.origins[key]:
                self.rivals.setdefault(key, []).append((before, self.origins[key]))
        self.functions[key], self.origins[key] = value, origin

    def _own(self, fn):
        """Whether the submission made it: not what it imported from elsewhere. An object is made where it stands."""
        if isinstance(fn, type) or inspect.isbuiltin(fn) or type(fn).__name__ in ("ufunc", "OpOverload", "OpOverloadPacket"):
            return False
        return self._ours(code_of(fn)) or not inspect.isroutine(fn) and not hasattr(fn, "__wrapped__")

    def _ours(self, fn):
        """Whether the code stands in one of the files, or in one that they have written beside them."""
        file = getattr(getattr(fn, "__code__", None), "co_filename", "")
        return file in self.files or os.path.dirname(file) == self.home

    def _near(self, missing):
        """Of what is missing: what has nearly its name, and what is defined where nobody else can call it."""
        said = []
        own = getattr(self, "callables", [])
        for name in missing:
            near = [k for k in own if k not in self.functions and _alike(k, name)]
            if near:
                said.append(f"there is no {name}, but {near[0]}: is that its name?")
        for source in self.files.values():
            for node, _ in statements(source):
                inside = [n.name for n in ast.walk(node) if isinstance(n, ast.FunctionDef) and n is not node] if node else []
                said += [
                    f"{name} is defined inside of something else, where nobody can call it" for name in inside if name in missing
                ]
        return said

    # --- calling ---

    def _call(self, request):
        args = [unpack(x) for x in request["args"]]
        options = {k: unpack(x) for k, x in request["options"].items()}
        for i in request["grad"]:
            args[i].requires_grad_()
        before = [x.detach().clone() if isinstance(x, torch.Tensor) else x for x in args]
        self.calls += 1
        torch.default_generator.manual_seed(self.calls)  # another seed for each call, so that what is random shows
        self.last = None
        try:
            with self._rule(request["name"]):
                value = self._function(request)(*args, **options)
        except BaseException as error:
            return {"error": described(error, self._file(request)) or "an error", "kind": kind(error)}
        changed = [i for i, x in enumerate(before) if isinstance(x, torch.Tensor) and not _same(x, args[i])]
        slope = bool(request["grad"]) and isinstance(value, torch.Tensor) and value.requires_grad
        if slope:
            self.last = value, [args[i] for i in request["grad"]]
        return {"value": packed_result(value), "changed": changed, "slope": slope}

    def _function(self, request):
        """The one that is asked for: that of another file where there is a number of a rival."""
        number = request.get("rival")
        return self.functions[request["name"]] if number is None else self.rivals[request["name"]][number][0]

    def _rule(self, name):
        """What a call may use: plain operations, unless nothing ready-made would do the exercise."""
        return contextlib.nullcontext() if name in FREE else OnlyPlain(name, self.allowed)

    def _pull(self, request):
        try:
            value, leaves = self.last
            slopes = torch.autograd.grad(value, leaves, unpack(request["slope"]), allow_unused=True)
        except BaseException as error:
            return {"error": described(error, None), "kind": kind(error)}
        return {"slopes": [None if slope is None else packed_result(slope) for slope in slopes]}

    def _device(self, request):
        return {"device": pretended(self._function(request), [unpack(x) for x in request["args"]])}

    def _file(self, request):
        return getattr(getattr(code_of(self._function(request)), "__code__", None), "co_filename", None)


def _defined(readable):
    """The names that the files seem to define."""
    sources = "\n".join(piece.source for _, found in readable for piece in found)
    return {a or b for a, b in re.findall(r"^\s*def\s+(\w+)|^(\w+)\s*=", sources, re.MULTILINE)}


def _alike(found, name):
    a, b = (s.lower().replace("_", "") for s in (found, name))
    return a == b or bool(difflib.get_close_matches(a, [b], cutoff=0.8))


def _same(before, after):
    try:
        return before.shape == after.shape and torch.equal(before, after.detach())
    except BaseException:  # it may have become anything
        return False


class _Shell:
    """IPython's shell as far as cells call it: whatever is asked, nothing happens."""

    def __getattr__(self, name):
        return lambda *_, **__: None


def _module(name):
    """A module of its own, in `sys.modules`, as dataclasses and pickle want it; of a notebook it is the main one."""
    title = "__main__" if name.endswith(".ipynb") else os.path.basename(name).removesuffix(".py")
    module = types.ModuleType(title)
    module.__file__ = os.path.abspath(name)
    sys.argv = [module.__file__]
    sys.modules[title if title not in sys.modules or title == "__main__" else "homework"] = module
    shell = _Shell()
    module.__dict__.update(display=lambda *_, **__: None, get_ipython=lambda: shell)
    return module


def _execute(node, file, namespace, flags):
    """Run one statement; gives the flags of what it imports from the future, for those below."""
    code = compile(ast.Module([node], []), file, "exec", flags | ast.PyCF_ALLOW_TOP_LEVEL_AWAIT, dont_inherit=True)
    if code.co_flags & inspect.CO_COROUTINE:
        asyncio.run(eval(code, namespace))
    else:
        exec(code, namespace)
    return flags | (code.co_flags & _future_flags())


@functools.cache
def _future_flags():
    import __future__

    flags = 0
    for name in __future__.all_feature_names:
        flags |= getattr(__future__, name).compiler_flag
    return flags
