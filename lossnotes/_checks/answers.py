"""Losses of single answers: a score, and what it should have been, of the same shape."""

import torch

from lossnotes._checks.values import a, at, first, lie_within, not_finite, shown, values_can_be_read
from lossnotes._numeric import wide, wide_dtype


def is_floating_tensor(fn, name, x):
    """`x` is a tensor of floating-point numbers."""
    if not isinstance(x, torch.Tensor):
        raise TypeError(f"{fn}: {name} is {a(type(x).__name__)}; expected a tensor. Try torch.as_tensor({name}).")
    if not x.is_floating_point():
        fix = "real" if x.is_complex() else "float()"
        raise TypeError(f"{fn}: {name} has dtype {x.dtype}; expected floating point. Try {name}.{fix}.")
    is_dense(fn, name, x)


_SPARSE = {torch.sparse_coo, torch.sparse_csr, torch.sparse_csc, torch.sparse_bsr, torch.sparse_bsc}


def is_dense(fn, name, x):
    """`x` holds all its numbers, the zeros, too."""
    if x.layout in _SPARSE:
        raise TypeError(f"{fn}: {name} is sparse; expected a dense tensor. Try {name}.to_dense().")


def share_a_device(fn, input, **others):
    """Every tensor is where `input` is."""
    for name, x in others.items():
        if x.device != input.device:
            raise ValueError(
                f"{fn}: input is on {input.device} but {name} is on {x.device}; expected one device. Try {name}.to(input.device)."
            )


def is_same_shape(fn, input, target):
    """`target` has the shape of `input`. (N,) against (N, 1) would make N × N losses without a word."""
    if input.shape == target.shape:
        return
    said = f"{fn}: input has shape {tuple(input.shape)} but target has shape {tuple(target.shape)}; "
    try:
        said += f"they would broadcast to {tuple(torch.broadcast_shapes(input.shape, target.shape))}."
    except RuntimeError:
        said += "expected the same shape."
    shorter, longer = sorted((("input", input), ("target", target)), key=lambda pair: pair[1].numel())
    fix = f"target of shape {tuple(input.shape)}"
    if input.shape == target.shape[::-1] and 1 not in input.shape:
        fix = "target.mT" if input.ndim == 2 else "target.permute(*reversed(range(target.ndim)))"
    elif input.numel() == target.numel():
        fix = "target.reshape(input.shape)"
        for name, long, short in (("target", target, input), ("input", input, target)):
            for d in range(long.ndim):
                if long.shape[d] == 1 and long.shape[:d] + long.shape[d + 1 :] == short.shape:
                    fix = f"{name}.squeeze({d})"
    elif "broadcast" in said and torch.broadcast_shapes(input.shape, target.shape) == longer[1].shape:
        fix = "target.expand_as(input) if that is meant" if longer[0] == "input" else "input.expand_as(target)"
    elif input.ndim == target.ndim and input.shape[1:] == target.shape[1:]:
        fix = f"{longer[0]}[: len({shorter[0]})] if they are in the same order"
    raise ValueError(f"{said} Try {fix}.")


def is_floating_pair(fn, input, target):
    """Predictions, and as many targets of the same kind."""
    is_floating_tensor(fn, "input", input)
    is_floating_tensor(fn, "target", target)
    share_a_device(fn, input, target=target)
    is_same_shape(fn, input, target)


def are_answers(fn, target):
    """Every target is a probability of yes."""
    if not values_can_be_read(target):
        return
    if lie_within(target.detach(), 0, 1):
        return
    y = wide(target.detach())
    wrong = ~((y >= 0) & (y <= 1))
    index = first(wrong)
    value = y[tuple(index)].item()
    fix = "torch.sigmoid(target) if these are scores"
    if value > 1:
        fix = "target / target.max() if these are on another scale"
    if (strange := not_finite("target", y)) is not None:
        fix = strange
    elif -1e-4 < value < 1 + 1e-4:
        fix = "target.clamp(0, 1) if this is rounding"
    if bool(((y == -1) | (y == 1)).all()):
        fix = "(target + 1) / 2 for targets of -1 and +1"
    raise ValueError(f"{fn}: {at('target', index)} is {shown(value)}; expected a value in [0, 1]. Try {fix}.")


def is_signed_pair(fn, input, target):
    """Scores, and for each a sign, of any real type."""
    is_floating_tensor(fn, "input", input)
    if not isinstance(target, torch.Tensor):
        raise TypeError(f"{fn}: target is {a(type(target).__name__)}; expected a tensor. Try torch.as_tensor(target).")
    if target.is_complex() or target.dtype == torch.bool:
        fix = "target.real" if target.is_complex() else "2 * target.float() - 1"
        raise TypeError(f"{fn}: target has dtype {target.dtype}; expected real numbers, -1 and +1. Try {fix}.")
    is_dense(fn, "target", target)
    share_a_device(fn, input, target=target)
    is_same_shape(fn, input, target)


def are_signs(fn, target):
    """Every target is -1 or +1."""
    if not values_can_be_read(target):
        return
    y = wide(target)  # as a uint8, -1 would be 255
    wrong = (y != 1) & (y != -1)
    if wrong.any():
        index = first(wrong)
        value = y[tuple(index)].item()
        fix = "target.sign() if its sign is the answer"
        if bool(((y == 0) | (y == 1)).all()):
            fix = f"2 * {'target' if target.dtype.is_signed else 'target.int()'} - 1 for targets of 0 and 1"
        elif y.isnan().any():
            fix = "target.isnan().nonzero() to find where NaN comes in"
        elif (y == 0).any():
            fix = "input[target != 0] and target[target != 0] if 0 is no answer"
        raise ValueError(f"{fn}: {at('target', index)} is {shown(value)}; expected -1 or +1. Try {fix}.")


def is_factor(fn, name, x):
    """`x` is a tensor of weights of answers, which may be integers; or None."""
    integers = isinstance(x, torch.Tensor) and not x.is_floating_point() and not x.is_complex() and x.dtype != torch.bool
    if integers:
        is_dense(fn, name, x)
    elif x is not None:
        is_floating_tensor(fn, name, x)


def as_factor_of(fn, name, x, input):
    """Weights that can be multiplied with the losses, in the shape and dtype of the losses; or None."""
    is_factor(fn, name, x)
    if x is None:
        return None
    x = x if x.is_floating_point() else x.to(wide_dtype(input))
    share_a_device(fn, input, **{name: x})
    try:
        return x.expand(input.shape)
    except RuntimeError:
        pass
    raise ValueError(
        f"{fn}: {name} has shape {tuple(x.shape)} but input has shape {tuple(input.shape)}; expected a shape that "
        f"broadcasts to that of input. Try {_as_factor(name, x, input)}."
    )


def _as_factor(name, x, input):
    """The move that puts weights beside what they weigh: channels first of all, as PyTorch has them."""
    if x.numel() == input.numel():
        return f"{name}.reshape(input.shape)"
    along = [d for d in (1, *range(input.ndim)) if d < input.ndim and input.shape[d] == x.numel()]
    if along:
        view = ", ".join(["-1", *("1" for _ in range(input.ndim - 1 - along[0]))])
        return f"{name}.view({view})" if x.ndim == 1 else f"{name}.reshape({view})"
    wanted = (*(input.shape[1:2] if input.ndim > 1 else input.shape), *(1 for _ in input.shape[2:]))
    return f"{name}=torch.ones({', '.join(map(str, wanted)) or '()'}), with your weights for the ones"


def as_weight_of_each(fn, weight, input):
    """A weight for each number, of exactly the shape of `input`."""
    is_floating_tensor(fn, "weight", weight)
    share_a_device(fn, input, weight=weight)
    if weight.shape != input.shape:
        fix = "weight=torch.ones_like(input), with your weights for the ones"
        if weight.numel() == input.numel():
            fix = "weight.reshape(input.shape)"
        elif weight.shape == input.shape[:1] != input.shape[-1:]:
            fix = f"weight.reshape({', '.join(['-1', *('1' for _ in input.shape[1:])])}).expand_as(input)"
        elif _expands(weight, input):
            fix = "weight.expand_as(input)"
        raise ValueError(
            f"{fn}: weight has shape {tuple(weight.shape)} but input has shape {tuple(input.shape)}; expected the same "
            f"shape. Try {fix}."
        )
    return weight


def _expands(x, y):
    try:
        return torch.broadcast_shapes(x.shape, y.shape) == y.shape
    except RuntimeError:
        return False
