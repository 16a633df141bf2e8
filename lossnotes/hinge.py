"""Losses that ask for a margin and then for nothing more."""

import functools

import torch
from torch import Tensor

from lossnotes import _checks
from lossnotes._numeric import class_dim
from lossnotes._roads import answers, evaluate
from lossnotes._roads.blocks import ClosedForm
from lossnotes._tracing import leaf_of_fx, with_whole_classes
from lossnotes._types import Reduction


@leaf_of_fx
def hinge_loss(input: Tensor, target: Tensor, *, margin: float = 1.0, reduction: Reduction = "mean") -> Tensor:
    r"""Hinge loss of a yes/no answer.

    .. math:: \ell = \max(0, m - y z)

    Parameters
    ----------
    input : tensor, any shape
        Scores: any real numbers.
    target : tensor, shape of `input`
        -1 for no and +1 for yes, as floats or integers.
    margin : float
        The lead m that a right answer should have, at least 0.
    reduction : str
        ``"mean"``, ``"sum"`` or ``"none"``.

    Returns
    -------
    tensor, shape () or that of `input`
        In the unit of the scores, in the dtype of `input`. A mean over nothing is NaN.

    Raises
    ------
    TypeError
        `input` is not a floating-point tensor, `target` is not a tensor of floats or integers, or `margin` is not a number.
    ValueError
        Shapes or devices do not agree, a target is neither -1 nor +1, `margin` is negative, or `reduction` is unknown.

    Notes
    -----
    Values are checked on the CPU, on other devices only inside `strict`, since a GPU would have to wait, and never under
    ``torch.compile`` and ``torch.func``. Unchecked, invalid values give a result that means nothing.

    An infinite score gives the limit, 0 or inf.

    Examples
    --------
    >>> import torch, lossnotes as ln
    >>> ln.hinge_loss(torch.tensor([2.0, 0.5, -1.0]), torch.tensor([1, 1, 1]), reduction="none")
    tensor([0.0000, 0.5000, 2.0000])

    References
    ----------
    Cortes, C., and Vapnik, V., "Support-Vector Networks", 1995.
    Compared in :doc:`/book/practice/choosing-a-loss`.
    """
    fn = "hinge_loss"
    _checks.are_options(fn, reduction=reduction, margin=margin)
    _checks.is_signed_pair(fn, input, target)
    how = {"reduction": reduction, "check": functools.partial(_checks.are_signs, fn, target), "closed_form": HINGE}
    return evaluate(hinge, input, target, **how, margin=margin)


def hinge(z, y, margin):
    return torch.relu(margin - y * z)


HINGE = ClosedForm(answers.hinge)


@leaf_of_fx
def multiclass_hinge_loss(input: Tensor, target: Tensor, *, margin: float = 1.0, reduction: Reduction = "mean") -> Tensor:
    r"""Hinge loss of Crammer and Singer: the right class should lead the best of the others by a margin.

    .. math:: \ell_n = \max\big(0, m + \max_{j \ne t_n} z_{n,j} - z_{n,t_n}\big)

    ``torch.nn.functional.multi_margin_loss`` is another: it sums over the other classes, and divides by C.

    Parameters
    ----------
    input : tensor, shape (C,), (N, C) or (N, C, d1, ...)
        Scores: any real numbers.
    target : tensor of integers, shape (), (N,) or (N, d1, ...)
        Indices of the right classes, 0 to C - 1.
    margin : float
        The lead m that the right class should have, at least 0.
    reduction : str
        ``"mean"``, ``"sum"`` or ``"none"``.

    Returns
    -------
    tensor, shape () or that of `target`
        In the unit of the scores, in the dtype of `input`. A mean over nothing is NaN.

    Raises
    ------
    TypeError
        `input` is not a floating-point tensor, `target` is not a tensor of integers, or `margin` is not a number.
    ValueError
        Shapes or devices do not agree, a target is no class, `margin` is negative, or `reduction` is unknown.

    Notes
    -----
    Values are checked on the CPU, on other devices only inside `strict`, since a GPU would have to wait, and never under
    ``torch.compile`` and ``torch.func``. Unchecked, an invalid target gives a result that means nothing, or PyTorch's own error.

    Infinite scores give the limit, 0 or inf, and inf where the right score is -inf; NaN where the right score and another are inf.

    Examples
    --------
    >>> import torch, lossnotes as ln
    >>> ln.multiclass_hinge_loss(torch.tensor([[2.0, 1.5, -1.0]]), torch.tensor([0]))
    tensor(0.5000)

    References
    ----------
    Crammer, K., and Singer, Y., "On the Algorithmic Implementation of Multiclass Kernel-based Vector Machines", 2001.
    Compared in :doc:`/book/practice/choosing-a-loss`.
    """
    fn = "multiclass_hinge_loss"
    _checks.are_options(fn, reduction=reduction, margin=margin)
    _checks.is_classification(fn, input, target)
    target = _checks.as_classes(fn, target)
    _checks.are_classes(fn, input, target)
    input = with_whole_classes(input, class_dim(input))
    return evaluate(hinge_of_classes, input, target, reduction=reduction, along=class_dim(input), margin=margin)


def hinge_of_classes(z, target, margin):
    dim = class_dim(z)
    if z.shape[dim] == 0:
        return z.sum(dim)
    index = target.unsqueeze(dim)
    # Not z - z_t first, which is NaN for two infinite scores. The most negative number, as -inf would be NaN beside another.
    best_of_others = z.scatter(dim, index, torch.finfo(z.dtype).min).amax(dim)
    return torch.relu(margin + (best_of_others - z.gather(dim, index).squeeze(dim)))
