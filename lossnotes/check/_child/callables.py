"""What a callable is, whatever its form: function, lambda, module, partial, decorated, compiled, written in C."""

import ast
import inspect
import logging
import textwrap
from unittest import mock

import torch


def code_of(fn):
    """The function with the source: a module's `forward`, a partial's function, what a decorator wraps."""
    for _ in range(20):  # a wrapper may wrap itself
        names = ("__wrapped__", "func", "pyfunc", "_torchdynamo_orig_callable")  # the third is NumPy's, of `vectorize`
        inner = next(filter(None, (getattr(fn, name, None) for name in names)), None)
        if inner is None or not callable(inner):
            break
        fn = inner
    if isinstance(fn, torch.nn.Module):
        return getattr(type(fn), "forward", fn)
    if is_function(fn):
        return fn.__self__.forward
    if not inspect.isroutine(fn) and not isinstance(fn, type) and hasattr(type(fn), "__call__"):  # noqa: B004 (the class has one of its own)
        return type(fn).__call__
    return fn


def is_function(fn):
    """Whether it is the `apply` of a `torch.autograd.Function`."""
    owner = getattr(fn, "__self__", None)
    return isinstance(owner, type) and issubclass(owner, torch.autograd.Function) and getattr(fn, "__name__", "") == "apply"


def _scripted(fn):
    """The arguments of what TorchScript has compiled, or None."""
    schema = getattr(fn, "schema", None) or getattr(getattr(fn, "forward", None), "schema", None)
    return [x for x in schema.arguments if x.name != "self"] if isinstance(schema, torch._C.FunctionSchema) else None


def signature(fn):
    """What it takes, as data: names by position and whether each must be given, names by keyword, and whether any other is.

    None where nothing says so: of what is written in C.
    """
    try:
        if (scripted := _scripted(fn)) is not None:
            placed = [[str(x.name), not x.has_default_value()] for x in scripted]
            return {"placed": placed, "named": [name for name, _ in placed], "any": False}
        inside = isinstance(fn, torch.nn.Module) or is_function(fn) or hasattr(fn, "pyfunc")
        parameters = list(inspect.signature(code_of(fn) if inside else fn).parameters.values())
    except Exception:  # a signature may be anything, too
        return None
    placed = [p for p in parameters if p.kind in (p.POSITIONAL_ONLY, p.POSITIONAL_OR_KEYWORD)]
    if isinstance(fn, torch.nn.Module):
        placed = placed[1:]  # self
    if is_function(fn):  # its context, where that is not set up apart; and it is called by position alone
        placed = placed[fn.__self__.setup_context is torch.autograd.Function.setup_context :]
        return {"placed": [[str(p.name), p.default is p.empty] for p in placed], "named": [], "any": False}
    return {
        "placed": [[str(p.name), p.default is p.empty] for p in placed],
        "named": [str(p.name) for p in parameters if p.kind in (p.POSITIONAL_OR_KEYWORD, p.KEYWORD_ONLY)],
        "any": any(p.kind is p.VAR_KEYWORD for p in parameters),
    }


def is_stub(fn):
    """Whether there is nothing in the function but its docstring, ``pass``, ``...`` or ``raise NotImplementedError``."""
    try:
        (tree,) = ast.parse(textwrap.dedent(inspect.getsource(code_of(fn)))).body
    except Exception:  # no source, or none that can be read
        return False
    if not isinstance(tree, ast.FunctionDef):
        return False
    for statement in tree.body:
        if isinstance(statement, ast.Pass) or (isinstance(statement, ast.Expr) and isinstance(statement.value, ast.Constant)):
            continue
        if not (isinstance(statement, ast.Raise) and "NotImplementedError" in ast.dump(statement)):
            return False
        break
    return True


def uses(fn, names):
    """Which of the `names` a function calls, itself or through other functions of its module."""
    waiting, seen, found = [code_of(fn)], set(), set()
    while waiting:
        fn = waiting.pop()
        codes = [getattr(fn, "__code__", None)]
        for code in codes:
            if inspect.iscode(code) and code not in seen:
                seen.add(code)
                codes += code.co_consts
                found |= set(code.co_names) & set(names)
                waiting += [f for f in map(fn.__globals__.get, code.co_names) if inspect.isfunction(f)]
    return sorted(found)


def pretended(fn, args):
    """What becomes of the device: ``"kept"``, ``"mixed"``, ``"lost"``, or None where that takes a real one.

    The tensors only pretend to be on another device, so that none is needed.
    """
    from torch._subclasses.fake_tensor import FakeTensorMode

    mode = FakeTensorMode(allow_non_fake_inputs=True)
    with mode:
        args = [torch.empty(x.shape, dtype=x.dtype, device="meta") if isinstance(x, torch.Tensor) else x for x in args]
    # What fails there is said by the report; PyTorch would write a long traceback as well.
    log = logging.getLogger("torch._subclasses.fake_tensor")
    try:
        with mode, mock.patch.object(log, "disabled", True):
            value = fn(*args)
    except BaseException as error:
        text = type(error).__name__ + str(error)
        return "mixed" if "FakeTensorDeviceMismatch" in text or "device" in text else None
    if not isinstance(value, torch.Tensor):
        return "lost"
    return "kept" if value.device.type == "meta" else "lost"
