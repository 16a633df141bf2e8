"""Options: numbers, names and integers."""

import math
import numbers

import torch

from lossnotes._checks.answers import is_floating_tensor
from lossnotes._checks.values import a, values_can_be_read
from lossnotes._numeric import wide, widest_dtype


def are_options(fn, **options):
    """The options of a loss, which mean the same in each. A module asks when it is made, its function in every call."""
    for name, option in options.items():
        _OPTIONS[name](fn, name, option)


def _is_number(fn, name, x, usual):
    if isinstance(x, numbers.Real) and not isinstance(x, bool):
        return
    fix = f"{name}={usual}"
    if hasattr(x, "item") and math.prod(x.shape) == 1:
        fix = f"{name}={name}.item()"
    raise TypeError(f"{fn}: {name} is {a(type(x).__name__)}; expected a number. Try {fix}.")


def is_number_above(fn, name, x, low):
    """`x` is a finite number above `low`."""
    _is_number(fn, name, x, f"{low + 1:.1f}")
    if not low < x < math.inf:
        raise ValueError(f"{fn}: {name} is {x}; expected a finite number above {low}. Try {name}={low + 1:.1f}.")


def is_number_from(fn, name, x, low):
    """`x` is a finite number, `low` or more."""
    _is_number(fn, name, x, f"{low + 1:.1f}")
    if not low <= x < math.inf:
        raise ValueError(f"{fn}: {name} is {x}; expected a finite number, {low} or more. Try {name}={low + 1:.1f}.")


def is_share(fn, name, x):
    """`x` is a number from 0 to 1."""
    _is_number(fn, name, x, "0.1")
    if not 0 <= x <= 1:
        raise ValueError(f"{fn}: {name} is {x}; expected a number from 0 to 1. Try {name}=0.1.")


def is_alpha(fn, name, x):
    """`x` is the weight of yes, or None."""
    if x is None:
        return
    if isinstance(x, numbers.Real) and x == -1:
        raise ValueError(f"{fn}: {name} is {x}; expected a number from 0 to 1, or None for no weights. Try {name}=None.")
    is_array = hasattr(x, "item")  # a tensor, or one of NumPy
    if isinstance(x, list | tuple) or (is_array and math.prod(x.shape) != 1):
        fix = f"softmax_focal_loss(input, target, weight=torch.as_tensor({name})) for weights of classes"
        if not is_array and len(x) == 1:
            fix = f"{name}={name}[0]"
        elif len(x) == 2 and (not is_array or x.ndim == 1):
            fix = f"{name}={name}[1]{'.item()' if is_array else ''} for the weight of yes, or {fix}"
        said = a(type(x).__name__)
        raise TypeError(f"{fn}: {name} is {said}; expected a number, the weight of yes. Try {fix}.")
    is_share(fn, name, x)


def is_integer(fn, name, x, usual=-100):
    """`x` is an integer, which int64 holds, as targets are."""
    if not isinstance(x, numbers.Integral) or isinstance(x, bool):
        fix = f"{name}={usual}"
        if isinstance(x, torch.Tensor) and x.numel() == 1:
            fix = f"{name}={name}.item()" if not x.is_floating_point() else f"{name}=int({name})"
        raise TypeError(f"{fn}: {name} is {a(type(x).__name__)}; expected an integer. Try {fix}.")
    if not -(2**63) <= x < 2**63:
        raise ValueError(f"{fn}: {name} is {x}; expected an integer that int64 holds. Try {name}={usual}.")


def is_floating_dtype(fn, dtype):
    """`dtype` is a floating-point type of PyTorch."""
    if not isinstance(dtype, torch.dtype):
        raise TypeError(f"{fn}: dtype is {a(type(dtype).__name__)}; expected a torch.dtype. Try dtype=torch.float32.")
    if not dtype.is_floating_point:
        raise TypeError(f"{fn}: dtype is {dtype}; expected a floating-point type. Try dtype=torch.float32.")


def is_one_of(fn, name, x, choices):
    """`x` is one of a few names."""
    if not isinstance(x, str) or x not in choices:
        raise ValueError(
            f"{fn}: {name} is {x!r}; expected one of {', '.join(map(repr, choices))}. Try {name}={next(iter(choices))!r}."
        )


def is_dim(fn, name, x, dim):
    """`dim` is an integer that names a dimension of `x`."""
    if not isinstance(dim, numbers.Integral) or isinstance(dim, bool):
        raise TypeError(f"{fn}: dim is {a(type(dim).__name__)}; expected an integer. Try dim=-1.")
    ndim = max(x.ndim, 1)  # as in PyTorch, a single number has the dimension 0
    if not -ndim <= dim < ndim:
        raise ValueError(
            f"{fn}: dim is {dim} but {name} has shape {tuple(x.shape)}; expected a dim from {-ndim} to {ndim - 1}. Try dim=-1."
        )


def as_count(fn, count, device):
    """`count` as a tensor on `device`: a single number, 0 or more."""
    if not isinstance(count, numbers.Real | torch.Tensor) or isinstance(count, bool):
        raise TypeError(f"{fn}: count is {a(type(count).__name__)}; expected a number. Try (target != -100).sum().")
    if not isinstance(count, torch.Tensor):
        # Of no default dtype, which may hold neither a large count nor a tiny one.
        count = torch.tensor(float(count), dtype=widest_dtype(device), device=device)
    count = count.detach().to(device)
    count = wide(count) if count.is_floating_point() else count
    if count.is_complex() or count.dtype == torch.bool:
        raise TypeError(f"{fn}: count has dtype {count.dtype}; expected a number. Try (target != -100).sum().")
    if count.ndim:
        raise ValueError(f"{fn}: count has shape {tuple(count.shape)}; expected a single number. Try count.sum().")
    if values_can_be_read(count) and not count >= 0:
        raise ValueError(f"{fn}: count is {count:g}; expected 0 or more. Try (target != -100).sum().")
    if values_can_be_read(count) and count.isinf():
        raise ValueError(
            f"{fn}: count is inf; expected a finite number. Try weight.sum(dtype=torch.float32) if weights are summed."
        )
    return count


_OPTIONS = {
    "reduction": lambda fn, name, x: is_one_of(fn, name, x, ("mean", "sum", "none")),
    "ignore_index": is_integer,
    "label_smoothing": is_share,
    "alpha": is_alpha,
    "gamma": lambda fn, name, x: is_number_from(fn, name, x, 0),
    "margin": lambda fn, name, x: is_number_from(fn, name, x, 0),
    "weight": lambda fn, name, x: x is None or is_floating_tensor(fn, name, x),
}
