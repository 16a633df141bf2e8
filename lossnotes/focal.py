"""Cross-entropy that turns easy examples down."""

import functools

import torch
from torch import Tensor

from lossnotes import _checks
from lossnotes._numeric import class_dim, log_sigmoid, one_unless, softplus, times, wide_dtype
from lossnotes._roads import answers, evaluate
from lossnotes._tracing import leaf_of_fx, with_whole_classes
from lossnotes._types import Reduction
from lossnotes.binary import OF_ANSWERS, surprisal_of_answers
from lossnotes.classification import OF_CLASSES, lead_of_others, of_counted, surprisal_of_classes, weights_of


@leaf_of_fx
def sigmoid_focal_loss(
    input: Tensor,
    target: Tensor,
    *,
    alpha: float | None = None,
    gamma: float = 2.0,
    reduction: Reduction = "mean",
) -> Tensor:
    r"""Focal loss of yes/no answers: cross-entropy times how wrong the answer was, to a power.

    .. math:: \ell = \alpha_t \, (1 - p_t)^\gamma \, \mathrm{BCE}(z, y), \qquad
              1 - p_t = y \, \sigma(-z) + (1 - y) \, \sigma(z), \qquad
              \alpha_t = \alpha y + (1 - \alpha) (1 - y)

    Without alpha and with gamma = 0 it is `binary_cross_entropy_with_logits`. For a hard label the gradient with respect to
    `target` treats the factor :math:`(1 - p_t)^\gamma` as a constant; the gradient with respect to `input` is exact everywhere.

    Parameters
    ----------
    input : tensor, any shape
        Scores (logits): any real numbers, no sigmoid before.
    target : tensor of floats, shape of `input`
        Probabilities of yes in [0, 1]; 0 and 1 for hard labels.
    alpha : float, optional
        Weight of yes in [0, 1]; no has 1 - alpha. Off unless given.
    gamma : float
        From 0 (plain cross-entropy) on: how strongly easy examples are turned down.
    reduction : str
        ``"mean"`` (over the number of answers, whatever `alpha`), ``"sum"`` or ``"none"``.

    Returns
    -------
    tensor, shape () or that of `input`
        In nats times the factors, in the dtype of `input`. A mean over nothing is NaN.

    Raises
    ------
    TypeError
        `input` or `target` is not a floating-point tensor, or `alpha` or `gamma` is not a number.
    ValueError
        Shapes or devices do not agree, a target or `alpha` lies outside [0, 1], `gamma` is negative, or `reduction` is
        unknown.

    Notes
    -----
    Values are checked on the CPU, on other devices only inside `strict`, since a GPU would have to wait, and never under
    ``torch.compile`` and ``torch.func``. Unchecked, invalid values give a result that means nothing.

    Infinite scores count as in `binary_cross_entropy_with_logits`.

    Examples
    --------
    >>> import torch, lossnotes as ln
    >>> z, y = torch.tensor([3.0, 0.0, -3.0]), torch.ones(3)
    >>> ln.sigmoid_focal_loss(z, y, gamma=2.0, reduction="none")
    tensor([1.0928e-04, 1.7329e-01, 2.7663e+00])

    References
    ----------
    Lin, T.-Y., Goyal, P., Girshick, R., He, K., and Dollár, P., "Focal Loss for Dense Object Detection", 2017.
    Derived in :doc:`/book/losses/focal-loss`.
    """
    fn = "sigmoid_focal_loss"
    _checks.are_options(fn, reduction=reduction, alpha=alpha, gamma=gamma)
    _checks.is_floating_pair(fn, input, target)
    check = functools.partial(_checks.are_answers, fn, target)
    # A power below 1 has an infinite slope at 0, and only the formula itself avoids that.
    compiled = None if 0 < gamma < 1 else answers.focal_for_a_compiler
    how = dict(closed_form=OF_ANSWERS, compiled=compiled, reduction=reduction, check=check)
    return evaluate(focal_of_answers, input, target, **how, alpha=alpha, gamma=gamma)


def focal_of_answers(z, y, alpha, gamma):
    loss = surprisal_of_answers(z, y)
    if gamma != 0:
        loss = times(torch.exp(gamma * _log_wrongness(z, y)), loss)
    if alpha is not None:
        loss = times(alpha * y + (1 - alpha) * (1 - y), loss)
    return loss


def _log_wrongness(z, y):
    """log(1 - p_t). For a hard label the logarithm of a sigmoid, which never underflows; for a soft one the sum is above 0."""
    hard = (y == 0) | (y == 1)
    soft = one_unless(~hard, y * torch.sigmoid(-z) + (1 - y) * torch.sigmoid(z))
    return torch.where(hard, log_sigmoid(torch.where(y == 1, -z, z)), torch.log(soft))


@leaf_of_fx
def softmax_focal_loss(
    input: Tensor,
    target: Tensor,
    weight: Tensor | None = None,
    *,
    gamma: float = 2.0,
    ignore_index: int = -100,
    reduction: Reduction = "mean",
) -> Tensor:
    r"""Focal loss of classes: cross-entropy times how improbable the right class seemed, to a power.

    .. math:: \ell_n = w_{t_n} \, (1 - p_{n,t_n})^\gamma \, (-\log p_{n,t_n}), \qquad p_n = \mathrm{softmax}(z_n)

    With gamma = 0 it is `cross_entropy`, weighted mean included.

    Parameters
    ----------
    input : tensor, shape (C,), (N, C) or (N, C, d1, ...)
        Scores (logits): any real numbers, no softmax before.
    target : tensor of integers, shape (), (N,) or (N, d1, ...)
        Indices of the right classes, 0 to C - 1, or `ignore_index`.
    weight : tensor, shape (C,), optional
        Weights of the classes; 1 unless given.
    gamma : float
        From 0 (plain cross-entropy) on: how strongly easy examples are turned down.
    ignore_index : int
        Targets of this value count for nothing.
    reduction : str
        ``"mean"`` (weighted, over the targets that count), ``"sum"`` or ``"none"``.

    Returns
    -------
    tensor, shape () or that of `target`
        In nats times the factors, in the dtype of `input`. A mean over nothing is NaN, as in PyTorch.

    Raises
    ------
    TypeError
        `input` or `weight` is not a floating-point tensor, `target` is not a tensor of integers, `gamma` is not a number, or
        `ignore_index` is not an integer.
    ValueError
        Shapes or devices do not agree, a target is no class, `gamma` is negative, or `reduction` is unknown.

    Notes
    -----
    Values are checked on the CPU, on other devices only inside `strict`, since a GPU would have to wait, and never under
    ``torch.compile`` and ``torch.func``. Unchecked, an invalid target gives a result that means nothing, or PyTorch's own error.

    Infinite scores count as in `cross_entropy`.

    Examples
    --------
    >>> import torch, lossnotes as ln
    >>> ln.softmax_focal_loss(torch.tensor([[2.0, 0.0, 0.0]]), torch.tensor([0]), gamma=2.0)
    tensor(0.0109)

    References
    ----------
    Lin, T.-Y., Goyal, P., Girshick, R., He, K., and Dollár, P., "Focal Loss for Dense Object Detection", 2017.
    Derived in :doc:`/book/losses/focal-loss`.
    """
    fn = "softmax_focal_loss"
    _checks.are_options(fn, reduction=reduction, gamma=gamma, ignore_index=ignore_index)
    _checks.is_classification(fn, input, target, weight)
    target = _checks.as_classes(fn, target)
    ignored = None if _checks.are_classes(fn, input, target, ignore_index) else ignore_index
    input = with_whole_classes(input, class_dim(input))
    share, count = weights_of(target, weight, ignored, wide_dtype(input))
    how = {"reduction": reduction, "along": class_dim(input), "count": count, "closed_form": OF_CLASSES}
    return evaluate(focal_of_classes, input, target, share, **how, ignore_index=ignored, gamma=gamma)


def focal_of_classes(z, target, share, ignore_index, gamma):
    if gamma == 0:
        return surprisal_of_classes(z, target, share, ignore_index)
    lead = lead_of_others(z, target, ignore_index)
    # 1 - p is the sigmoid of the lead, and its power is taken in logarithms: no 1 - p cancels, and no power of 0 has an
    # infinite slope.
    loss = times(torch.exp(gamma * log_sigmoid(lead)), softplus(lead))
    return of_counted(loss, target, share, ignore_index)
