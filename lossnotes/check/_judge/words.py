"""What is said of a call: the call as one could type it, what came, and how numbers are written."""

import math

import torch

from lossnotes.check._judge.numbers import as_tensor
from lossnotes.check._judge.outcome import Foreign


def shown(spec, case, single=False, most=24):
    """The call, as one could type it unless an input has too many numbers, and that it is one in float32, where it is."""
    inputs = [number(x, most=most) for x in case.args]
    options = [f"{k}={number(v) if isinstance(v, torch.Tensor | float) else repr(v)}" for k, v in case.options.items()]
    single = single or any(isinstance(x, torch.Tensor) and x.dtype == torch.float32 for x in case.args)
    return f"{spec.name}({', '.join(inputs + options)})" + " in float32" * single


def came(got, expected=None):
    """What came of a call, and what should have: with as many digits as it takes to tell them apart."""
    wanted = "an error" if expected is None else number(expected)
    if not got:
        return f"{raised(got)}; expected {wanted}"
    value = as_tensor(got.value)
    if value is None:
        what = "None" if got.value is None else f"a {kind(got.value)}"
        return f"returned {what}; expected {wanted}"
    return f"gave {apart(value, expected)}"


def raised(got):
    """What is said of a call without a value."""
    return f"raised {got.error}" if got.ended else got.error


def kind(value):
    """What a value is called that is no tensor."""
    return value.named if isinstance(value, Foreign) else type(value).__name__


def apart(value, expected):
    """Both numbers, with as many digits as it takes to tell them apart."""
    if expected is None:
        return f"{number(value)}; expected an error"
    for digits in (4, 7, 10, 17):
        got, wanted = number(value, digits), number(expected, digits)
        if got != wanted:
            break
    return f"{got}; expected {wanted}"


def number(x, digits=4, most=24):
    """An argument in a few characters."""
    if isinstance(x, float):
        return str(_rounded(x, digits))
    if not isinstance(x, torch.Tensor):
        return getattr(x, "__name__", repr(x))
    if x.numel() > most:
        return f"<{'x'.join(map(str, x.shape))} numbers>"
    return str(_rounded(x.detach().tolist(), digits)).replace("'", "")


def _rounded(x, digits):
    if isinstance(x, list):
        return [_rounded(y, digits) for y in x]
    if isinstance(x, float) and math.isfinite(x):
        short = float(f"{x:.{digits}g}")
        return float(f"{x:.10g}") if short in (0, 1) else short  # what is almost certain is not certain
    return x
