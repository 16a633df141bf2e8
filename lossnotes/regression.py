"""Squared error."""

import torch
import torch.nn.functional as F
from torch import Tensor

from lossnotes import _checks
from lossnotes._numeric import times, wide_dtype
from lossnotes._roads import answers, evaluate, few
from lossnotes._roads.blocks import ClosedForm
from lossnotes._tracing import is_at_hand, is_traced, leaf_of_fx
from lossnotes._types import Reduction


@leaf_of_fx
def mse_loss(input: Tensor, target: Tensor, *, weight: Tensor | None = None, reduction: Reduction = "mean") -> Tensor:
    r"""Mean squared error.

    .. math:: \ell = w (x - y)^2, \qquad \text{mean} = \frac{\sum \ell}{\sum w}

    Parameters
    ----------
    input : tensor, any shape
        Predictions.
    target : tensor of floats, shape of `input`
        What they should have been. Shapes are never broadcast.
    weight : tensor, shape of `input`, optional
        Weights of the squares; 1 unless given. As in PyTorch, the mean is divided by their sum.
    reduction : str
        ``"mean"``, ``"sum"`` or ``"none"``.

    Returns
    -------
    tensor, shape () or that of `input`
        In the square of the unit of `target`, in the dtype of `input`. A mean over nothing, or over weights that sum to 0, is NaN.

    Raises
    ------
    TypeError
        `input`, `target` or `weight` is not a floating-point tensor.
    ValueError
        Shapes or devices do not agree, or `reduction` is unknown.

    Examples
    --------
    >>> import torch, lossnotes as ln
    >>> ln.mse_loss(torch.tensor([1.0, 2.0]), torch.tensor([1.0, 4.0]))
    tensor(2.)

    References
    ----------
    Bishop, C. M., "Pattern Recognition and Machine Learning", 2006, section 3.1.1. Derived in :doc:`/book/losses/mse`.
    """
    fn = "mse_loss"
    _checks.are_options(fn, reduction=reduction)
    _checks.is_floating_pair(fn, input, target)
    if weight is None and _loses_nothing_in_pytorch(input, target):
        if input.numel() <= few.FEW:
            return F.mse_loss(input, target, reduction=reduction)
        # PyTorch's mean is a number whose memory has the size of the losses, and that of the slope of a mean is as large.
        losses = F.mse_loss(input, target, reduction="none")
        if reduction == "none":
            return losses
        return losses.sum() / input.numel() if reduction == "mean" else losses.sum()
    if weight is None:
        return evaluate(squared_error, input, target, closed_form=SQUARED_ERROR, reduction=reduction)
    weight = _checks.as_weight_of_each(fn, weight, input)
    dtype = torch.promote_types(wide_dtype(input), wide_dtype(weight))  # half precision holds no large sum
    count = weight.sum(dtype=dtype) if reduction == "mean" else None
    return evaluate(weighted_squared_error, input, target, weight, reduction=reduction, count=count)


def squared_error(x, y):
    return (x - y) ** 2


def weighted_squared_error(x, y, weight):
    return times(weight, (x - y) ** 2)


SQUARED_ERROR = ClosedForm(answers.squared_error)


def _loses_nothing_in_pytorch(input, target):
    """Whether PyTorch's own is as exact, and the fastest: for a few numbers; and where it counts how often memory is read, since it
    has one operation for the losses and one for the slopes. Half precision it would round twice."""
    if is_traced(input, target) or not input.dtype == target.dtype == wide_dtype(input):
        return False
    return not is_at_hand(input) or input.numel() <= few.FEW
