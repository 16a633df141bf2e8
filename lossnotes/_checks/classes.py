"""Losses of classes: a row of scores, and the right class of it or a probability for each class."""

import torch

from lossnotes._checks.answers import is_dense, is_floating_tensor, share_a_device
from lossnotes._checks.distributions import are_probabilities
from lossnotes._checks.values import a, at, first, lie_within, values_can_be_read
from lossnotes._numeric import wide


def is_classification(fn, input, target, weight=None, *, probabilities=False, name="input"):
    """Scores of C classes, the right class of each (or the probability of each class), a weight for each class."""
    is_floating_tensor(fn, "input", input)
    if input.ndim == 0:
        raise ValueError(f"{fn}: input is a single number; expected shape (C,), (N, C) or (N, C, ...). Try input[None].")
    if not isinstance(target, torch.Tensor):
        raise TypeError(f"{fn}: target is {a(type(target).__name__)}; expected a tensor. Try torch.as_tensor(target).")
    is_dense(fn, "target", target)
    share_a_device(fn, input, target=target)
    dim = 0 if input.ndim == 1 else 1
    wanted = input.shape[:dim] + input.shape[dim + 1 :]
    if weight is None and target.dtype == torch.int64 and target.shape == wanted:
        return
    shapes = f"{name} has shape {tuple(input.shape)} but target has shape {tuple(target.shape)}"
    if target.is_floating_point() and not (probabilities and target.shape == input.shape):
        if probabilities and target.shape != wanted:
            raise ValueError(
                f"{fn}: {shapes}; expected {tuple(input.shape)} for class probabilities, {tuple(wanted)} for class "
                f"indices. Try {_to_classes(input, target, wanted)}."
            )
        fix = "target.long()" if target.shape == wanted else _to_classes(input, target, wanted)
        fix = f"target.argmax(dim={dim})" if target.shape == input.shape else fix
        raise TypeError(f"{fn}: target has dtype {target.dtype}; expected class indices, torch.int64. Try {fix}.")
    if target.is_complex() or target.dtype == torch.bool:
        fix = "target.real.long()" if target.is_complex() else "target.long()"
        if target.shape == input.shape:
            fix += f".argmax(dim={dim}) for one-hot rows"
        raise TypeError(f"{fn}: target has dtype {target.dtype}; expected class indices, torch.int64. Try {fix}.")
    if not target.is_floating_point() and target.shape != wanted:
        fix = _to_classes(input, target, wanted)
        raise ValueError(f"{fn}: {shapes}; expected class indices of shape {tuple(wanted)}. Try {fix}.")
    if weight is not None:
        is_floating_tensor(fn, "weight", weight)
        share_a_device(fn, input, weight=weight)
        if weight.shape != input.shape[dim : dim + 1]:
            n_classes = input.shape[dim]
            fix = f"weight=torch.ones({n_classes}), with your weights for the ones"
            if weight.shape == wanted:
                arguments = "input, linear_weight, target" if fn == "linear_cross_entropy" else "input, target"
                fix = f'(weight * {fn}({arguments}, reduction="none")).mean() for a weight of each example'
            elif weight.numel() == n_classes:
                fix = "weight.flatten()"
            elif weight.numel() == 1:
                fix = f"weight.expand({n_classes})"
            raise ValueError(
                f"{fn}: weight has shape {tuple(weight.shape)} but {name} has {n_classes} classes; expected shape "
                f"({n_classes},), one weight a class. Try {fix}."
            )


def are_classes(fn, input, target, ignore_index=None):
    """Every target is a class or `ignore_index`. True where all are seen to be classes."""
    if not values_can_be_read(target):
        return False
    classes = input.shape[0 if input.ndim == 1 else 1]
    if lie_within(target, 0, classes - 1) and not (ignore_index is not None and 0 <= ignore_index < classes):
        return True
    wrong = (target < 0) | (target >= classes)
    if ignore_index is not None:
        wrong = wrong & (target != ignore_index)
    if wrong.any():
        index = first(wrong)
        value = target[tuple(index)].item()
        fix = f"input with {value + 1} classes"
        counted = target if ignore_index is None else target[target != ignore_index]
        all_count = counted.numel() == target.numel()
        if classes == 1 and counted.min() >= 0 and counted.max() <= 1:
            fix = _YES_OR_NO[fn].format(dim=0 if input.ndim == 1 else 1)  # there is nothing to learn from one class
        elif value == classes and counted.min() > 0:
            fix = "target - 1" if all_count else f"torch.where(target == {ignore_index}, target, target - 1)"
            fix += " if the classes count from 1"
        elif value < 0 and ignore_index is not None:
            fix = f"ignore_index={value}" if all_count else f"torch.where(target == {value}, {ignore_index}, target)"
            fix += " if such targets should not count"
        elif value < 0:
            rows = "input.movedim(1, -1)" if input.ndim > 2 else "input"
            fix = f"{rows}[target >= 0] and target[target >= 0] if such targets should not count"
        wanted = f"a class from 0 to {classes - 1}" if classes else "no target, as input has no class"
        raise ValueError(f"{fn}: {at('target', index)} is {value}; expected {wanted}. Try {fix}.")
    return False


# What is meant where there is one score for each target, which is 0 or 1.
_YES_OR_NO = dict.fromkeys(
    ("cross_entropy", "nll_loss", "linear_cross_entropy"),
    "binary_cross_entropy_with_logits(input.squeeze({dim}), target.to(input.dtype)) for one score of yes or no",
)
_YES_OR_NO["linear_cross_entropy"] = (
    "binary_cross_entropy_with_logits((input @ linear_weight.mT).squeeze(-1), target.to(input.dtype)) for one score of yes or no"
)
_YES_OR_NO["softmax_focal_loss"] = "sigmoid_focal_loss(input.squeeze({dim}), target.to(input.dtype)) for one score of yes or no"
_YES_OR_NO["multiclass_hinge_loss"] = "hinge_loss(input.squeeze({dim}), 2 * target - 1) for one score of yes or no"


def are_class_probabilities(fn, target, ignore_index):
    """Probabilities of the classes as targets; as in PyTorch they need not sum to 1."""
    if ignore_index >= 0:
        raise ValueError(
            f"{fn}: ignore_index is {ignore_index} but target has dtype {target.dtype}; expected class indices with it. "
            f"Try target.argmax(dim={1 if target.ndim > 1 else 0})."
        )
    are_probabilities(fn, "target", target, 1 if target.ndim > 1 else 0, given=target)


# Log-probabilities that were rounded to bfloat16 sum to 1 within 5e-3, and the scores of trained models are off by factors.
_LOG_SUM_TOLERANCE = 0.1


def are_log_probabilities(fn, input, target, ignore_index):
    """The exponentials of every row sum to 1, where the target of the row counts."""
    if not values_can_be_read(input):
        return
    dim = 0 if input.ndim == 1 else 1
    log_p = wide(input.detach())
    if log_p.numel() == 0:
        return
    total = log_p.logsumexp(dim)
    wrong = total.abs() > _LOG_SUM_TOLERANCE
    if ignore_index is not None:
        wrong &= target != ignore_index
    if not wrong.any():
        return
    index = first(wrong)
    at_row = (*index[:dim], slice(None), *index[dim:])
    row = log_p[at_row]
    where = f"input[{', '.join(':' if isinstance(i, slice) else str(i) for i in at_row)}]"
    if bool((row >= 0).all()) and abs(row.sum().item() - 1) < 0.05:
        raise ValueError(
            f"{fn}: {where} lies in [0, 1] and sums to 1, as probabilities do; expected log-probabilities. "
            f"Try input.log(), or cross_entropy on the scores."
        )
    raise ValueError(
        f"{fn}: the exponentials of {where} sum to {total[tuple(index)].exp().item():.4g}; expected log-probabilities, whose "
        f"exponentials sum to 1. Try log_softmax(input, dim={dim}), if these are scores."
    )


def as_classes(fn, target):
    """Indices as int64: as a uint8, -100 would be 156. A number above what an int64 holds is no index."""
    if target.dtype == torch.uint64 and values_can_be_read(target) and target.numel():
        signed = target.view(torch.int64)
        if signed.min() < 0:
            index = first(signed < 0)
            value = signed[tuple(index)].item()
            raise ValueError(
                f"{fn}: {at('target', index)} is {value + 2**64}; expected class indices, torch.int64. "
                f"Try target.view(torch.int64), which has {value} there."
            )
    return target.long()


def _to_classes(input, target, wanted):
    """What makes class indices of shape `wanted`, or class probabilities, of a target that has another shape."""
    dim = 0 if input.ndim == 1 else 1
    one = [d for d in range(target.ndim) if target.shape[d] == 1]
    floats = target.is_floating_point()
    fix = f"target of shape {tuple(wanted)}"
    if target.shape == input.shape[:-1]:
        fix = "input.movedim(-1, 1)"  # classes last
    elif target.shape == input.shape:
        fix = f"target.argmax(dim={dim}) for one-hot rows"
    elif target.numel() == wanted.numel() and target.ndim == len(wanted) + 1 and one:
        fix = f"target.squeeze({one[-1]})" + ".long()" * floats
    elif target.numel() == wanted.numel():
        fix = f"target.reshape({tuple(wanted)})" + ".long()" * floats
    elif target.ndim == input.ndim > 2 and target.movedim(-1, 1).shape == input.shape:
        fix = "target.movedim(-1, 1)" if floats else "target.argmax(dim=-1) for one-hot rows"
    elif target.ndim == input.ndim == 2 and target.mT.shape == input.shape:
        fix = "target.mT" if floats else "target.argmax(dim=0) for one-hot columns"
    return fix
