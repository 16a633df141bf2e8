"""What a callable is, whatever its form: function, lambda, module, partial, decorated, compiled, written in C."""

import ast
import inspect
import textwrap

import torch


def code_of(fn):
    """The function with the source: a module's `forward`, a partial's function, what a decorator wraps."""
    for _ in range(20):  # a wrapper may wrap itself
        inner = getattr(fn, "__wrapped__", None) or getattr(fn, "func", None) or getattr(fn, "_torchdynamo_orig_callable", None)
        if inner is None or not callable(inner):
            break
        fn = inner
    if isinstance(fn, torch.nn.Module):
        return type(fn).forward
    if not inspect.isroutine(fn) and not isinstance(fn, type) and hasattr(type(fn), "__call__"):
        return type(fn).__call__
    return fn


def signature(fn):
    """What it takes, as data: names by position and whether each must be given, names by keyword, and whether any other is.

    None where nothing says so: of what is written in C.
    """
    try:
        parameters = list(inspect.signature(code_of(fn) if isinstance(fn, torch.nn.Module) else fn).parameters.values())
    except Exception:  # a signature may be anything, too
        return None
    placed = [p for p in parameters if p.kind in (p.POSITIONAL_ONLY, p.POSITIONAL_OR_KEYWORD)]
    if isinstance(fn, torch.nn.Module):
        placed = placed[1:]  # self
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
        if isinstance(statement, ast.Pass) or (
            isinstance(statement, ast.Expr) and isinstance(statement.value, ast.Constant)
        ):
            continue
        if not (isinstance(statement, ast.Raise) and "NotImplementedError" in ast.dump(statement)):
            return False
        break
    return True


def pretended(fn, args):
    """What becomes of the device: ``"kept"``, ``"mixed"``, ``"lost"``, or None where that takes a real one.

    The tensors only pretend to be on another device, so that none is needed.
    """
    from torch._subclasses.fake_tensor import FakeTensorMode

    mode = FakeTensorMode(allow_non_fake_inputs=True)
    with mode:
        args = [torch.empty(x.shape, dtype=x.dtype, device="meta") if isinstance(x, torch.Tensor) else x for x in args]
    try:
        with mode:
            value = fn(*args)
    except BaseException as error:
        text = type(error).__name__ + str(error)
        return "mixed" if "FakeTensorDeviceMismatch" in text or "device" in text else None
    if not isinstance(value, torch.Tensor):
        return "lost"
    return "kept" if value.device.type == "meta" else "lost"
