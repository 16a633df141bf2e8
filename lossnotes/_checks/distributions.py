"""Probabilities, distributions, and tables of them."""

import contextlib
import math
from collections.abc import Iterator, Mapping

import torch

from lossnotes._checks.answers import is_dense
from lossnotes._checks.options import is_dim
from lossnotes._checks.values import a, at, first, lie_within, not_finite, shown, values_can_be_read
from lossnotes._numeric import wide


def as_floating(fn, **inputs):
    """Each input as a floating-point tensor; lists and numbers take the dtype and device of a tensor beside them."""
    like = next((x for x in inputs.values() if isinstance(x, torch.Tensor) and x.is_floating_point()), None)
    tensors = []
    for name, x in inputs.items():
        given = x
        if not isinstance(x, torch.Tensor):
            dtype = like.dtype if like is not None and not hasattr(x, "dtype") else None
            try:
                x = torch.as_tensor(x, dtype=dtype, device=None if like is None else like.device)
            except (TypeError, ValueError, RuntimeError) as error:
                fix = _to_numbers(name, x, str(error))
                raise TypeError(
                    f"{fn}: {name} is {a(type(x).__name__)} that torch.as_tensor does not take ({error}); expected a "
                    f"tensor or a list of numbers. Try {fix}."
                ) from None
        is_dense(fn, name, x)
        if x.is_complex() or x.dtype == torch.bool:
            raise TypeError(
                f"{fn}: {name} has dtype {x.dtype}; expected real numbers. "
                f"Try {name}.{'real' if x.is_complex() else 'float()'}{as_tensor_first(name, given).removesuffix(',')}."
            )
        tensors.append(x if x.is_floating_point() else x.to(torch.get_default_dtype() if like is None else like.dtype))
    return tensors


def _to_numbers(name, x, error):
    """What makes a list of numbers of what is none."""
    if hasattr(x, "astype"):
        return f"{name}.astype(float)"
    if isinstance(x, list | tuple) and any(isinstance(row, torch.Tensor) for row in x):
        return f"torch.stack({name})"
    if any(words in error for words in ("expected sequence of length", "not list", "not a sequence")):
        return "a list whose rows have equal length"
    if isinstance(x, Mapping):
        return f"list({name}.values())"
    if isinstance(x, Iterator):  # which could be tried only once
        return f"[float(x) for x in {name}]"
    for fix, make in _NUMBERS.items():
        with contextlib.suppress(TypeError, ValueError, OverflowError):
            make(x)
            return fix.format(name)
    return f"{name}=[[0.5, 0.0], [0.0, 0.5]]" if name == "joint" else f"{name}=[0.5, 0.5]"


_NUMBERS = {
    "float({0})": float,
    "[float(x) for x in {0}]": lambda p: [float(x) for x in p],
    "[[float(x) for x in row] for row in {0}]": lambda p: [[float(x) for x in row] for row in p],
}


def as_tensor_first(name, given):
    """What a fix adds where a list was passed, which has no methods."""
    return "" if isinstance(given, torch.Tensor) else f" with {name} = torch.tensor({name}),"


def has_cases(fn, name, p, given):
    """A distribution has a dimension for its cases."""
    if p.ndim == 0:
        raise ValueError(
            f"{fn}: {name} is a single number; expected a distribution, at least one dimension. "
            f"Try torch.stack([{name}, 1 - {name}]){as_tensor_first(name, given)} if it is the probability of one of two cases."
        )


def agree(fn, dim, given, **pair):
    """Two tensors have as many cases along `dim`, share a device, and broadcast elsewhere. Returns `dim` from the end."""
    (name_p, p), (name_q, q) = pair.items()
    if p.device != q.device:
        raise ValueError(
            f"{fn}: {name_p} is on {p.device} but {name_q} is on {q.device}; expected one device. Try {name_q}.to({name_p}.device)."
        )
    has_cases(fn, name_p, p, given[name_p])
    has_cases(fn, name_q, q, given[name_q])
    longer = (name_p, p) if p.ndim >= q.ndim else (name_q, q)
    is_dim(fn, *longer, dim)
    dim = dim if dim < 0 else dim - longer[1].ndim
    shapes = f"{fn}: {name_p} has shape {tuple(p.shape)} but {name_q} has shape {tuple(q.shape)}"
    if min(p.ndim, q.ndim) < -dim or p.shape[dim] != q.shape[dim]:
        raise ValueError(
            f"{shapes}; expected as many cases in both along dim {dim}. Try {name_q} over the same cases, with 0 where it has none."
        )
    try:
        torch.broadcast_shapes(p.shape, q.shape)
    except RuntimeError:
        raise ValueError(
            f"{shapes}; expected them to agree along dim {dim} and to broadcast elsewhere. "
            f"Try {name_p}.unsqueeze(-2) for every {name_p} against every {name_q}."
        ) from None
    return dim


def are_probabilities(fn, name, p, dim=-1, *, given):
    """Every value lies in [0, 1], and none is NaN. Each is an event by itself where `dim` is None.

    `given` is what was passed, a tensor or a list.
    """
    if not values_can_be_read(p):
        return
    if lie_within(p.detach(), 0, 1):
        return
    p = wide(p.detach())
    wrong = ~((p >= 0) & (p <= 1))
    index = first(wrong)
    value = p[tuple(index)].item()
    alone = dim is None and p.numel() == 1
    dim = -1 if dim is None else dim
    fix, what = f"torch.softmax({name}, dim={dim})", "if these are scores"
    if isinstance(dim, tuple):
        fix = f"torch.softmax({name}.flatten(-2), dim=-1).view_as({name})"
    if (strange := not_finite(name, p)) is not None:
        fix, what = strange.split(" ", 1)
    elif -1e-4 < value < 1 + 1e-4:
        fix, what = f"{name}.clamp(0, 1)", "if this is rounding"
    elif alone:  # divided by its own sum, it would be certain
        fix, what = f"{name} / 100", "if this is a percentage"
        if value > 100:
            fix, what = f"1 / {name}", "if it happens once in so many times"
        elif value < 0:
            fix, what = f"torch.sigmoid({name})", "if this is a score"
    elif p.ge(0).all():
        fix, what = _as_shares(name, given, dim), "if these are counts"
    fix = f"{fix}{as_tensor_first(name, given)} {what}"
    raise ValueError(f"{fn}: {at(name, index)} is {shown(value)}; a probability lies in [0, 1]. Try {fix}.")


# How far from 1 a sum of correctly rounded probabilities may honestly be. A float64 row may have passed through float32.
_SUM_TOLERANCE = {torch.float64: 1e-5, torch.float32: 1e-4, torch.float16: 1e-2, torch.bfloat16: 2e-2}


def _as_shares(name, given, dim, total=None):
    if total == 0:
        name = f"({name} + 1)"  # nothing was counted, and 0 / 0 is no share
    elif isinstance(given, torch.Tensor) and given.itemsize == 1:
        name = f"{name}.float()"  # which 8 bits cannot sum
    return f"{name} / {name}.sum(dim={dim}, keepdim=True)"


def _off_one(p, dim):
    """The sums along `dim`, and which of them are not 1."""
    total = wide(p.detach()).sum(dim)
    limits = torch.finfo(p.dtype)
    cases = math.prod(p.shape[d] for d in (dim if isinstance(dim, tuple) else (dim,)))
    # Tiny probabilities have no digits of their own: each is off by up to the smallest number.
    rounding = cases * limits.tiny * limits.eps
    return total, (total - 1).abs() > _SUM_TOLERANCE.get(p.dtype, 0.1) + rounding


def is_distribution(fn, name, p, dim, given):
    """Probabilities that sum to 1 along `dim` (an integer or a tuple of them)."""
    are_probabilities(fn, name, p, dim, given=given)
    if not values_can_be_read(p):
        return
    total, wrong = _off_one(p, dim)
    if wrong.any():
        index = first(wrong)
        value = total[tuple(index)].item()
        row = list(map(str, index))
        dims = dim if isinstance(dim, tuple) else (dim,)
        for d in sorted(d % p.ndim for d in dims):
            row.insert(d, ":")
        where = f"{name}[{', '.join(row)}]" if index else name
        fix = f"{_as_shares(name, given, dim, value)}{as_tensor_first(name, given)} if these are counts"
        if p.numel() == 0:
            fix = f"{name} with at least one case"
        raise ValueError(f"{fn}: {where} sums to {value:.6g}; a distribution sums to 1. Try {fix}.")


def is_joint(fn, joint, given):
    """The last two dimensions hold a table of probabilities that sums to 1."""
    if joint.ndim < 2:
        raise ValueError(
            f"{fn}: joint has shape {tuple(joint.shape)}; expected (..., X, Y), a table with a row for each x. "
            f"Try joint[:, None] * conditional."
        )
    is_distribution(fn, "joint", joint, (-2, -1), given)
