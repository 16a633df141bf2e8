"""Losses of a classifier that predicts probabilities."""

import functools
import math

import torch
import torch.nn.functional as F
from torch import Tensor

from lossnotes import _checks
from lossnotes._numeric import class_dim, of_classes, reduce, softplus, times, wide, wide_dtype, zero_unless
from lossnotes._numeric import lead_of_others as lead
from lossnotes._roads import classes, evaluate, evaluate_linear
from lossnotes._roads.blocks import ClosedForm
from lossnotes._roads.few import LEAST, are_few
from lossnotes._tracing import leaf_of_fx, with_whole_classes
from lossnotes._types import Reduction
from lossnotes.scores import log_softmax_of


@leaf_of_fx
def nll_loss(
    input: Tensor,
    target: Tensor,
    weight: Tensor | None = None,
    *,
    ignore_index: int = -100,
    reduction: Reduction = "mean",
) -> Tensor:
    r"""Negative log-likelihood: minus the log-probability of the right class. Takes no logarithm: `input` is one already.

    .. math:: \ell_n = -w_{t_n} \log p_{n, t_n}, \qquad \text{mean} = \frac{\sum_n \ell_n}{\sum_n w_{t_n}}

    Parameters
    ----------
    input : tensor, shape (C,), (N, C) or (N, C, d1, ...)
        Log-probabilities, as `log_softmax` gives them.
    target : tensor of integers, shape (), (N,) or (N, d1, ...)
        Indices of the right classes, 0 to C - 1, or `ignore_index`.
    weight : tensor, shape (C,), optional
        Weights of the classes; 1 unless given.
    ignore_index : int
        Targets of this value count for nothing.
    reduction : str
        ``"mean"`` (weighted, over the targets that count), ``"sum"`` or ``"none"``.

    Returns
    -------
    tensor, shape () or that of `target`
        In nats, in the dtype of `input`. A mean over nothing is NaN, as in PyTorch.

    Raises
    ------
    TypeError
        `input` or `weight` is not a floating-point tensor, `target` is not a tensor of integers, or `ignore_index` is not an
        integer.
    ValueError
        Shapes or devices do not agree, a target is no class, a row of `input` that counts holds plain probabilities or scores,
        or `reduction` is unknown.

    Notes
    -----
    Values are checked on the CPU, on other devices only inside `strict`, since a GPU would have to wait, and never under
    ``torch.compile`` and ``torch.func``. Unchecked, an invalid target gives a result that means nothing, or PyTorch's own error.

    A log-probability of -inf costs inf. A weight of 0 takes away even that, where PyTorch gives NaN.

    Examples
    --------
    >>> import torch, lossnotes as ln
    >>> log_p = torch.tensor([[0.7, 0.2, 0.1], [0.1, 0.8, 0.1]]).log()
    >>> ln.nll_loss(log_p, torch.tensor([0, 1]))
    tensor(0.2899)

    References
    ----------
    Bishop, C. M., "Pattern Recognition and Machine Learning", 2006, section 4.3.4. Derived in :doc:`/book/losses/nll`.
    """
    fn = "nll_loss"
    _checks.are_options(fn, reduction=reduction, ignore_index=ignore_index)
    _checks.is_classification(fn, input, target, weight)
    target = _checks.as_classes(fn, target)
    ignored = None if _checks.are_classes(fn, input, target, ignore_index) else ignore_index
    _checks.are_log_probabilities(fn, input, target, ignored)
    dim = class_dim(input)
    input = with_whole_classes(input, dim)
    share, count = weights_of(target, weight, ignored, wide_dtype(input))
    loss = -wide(input).gather(dim, _index(target, ignored).unsqueeze(dim)).squeeze(dim)
    return reduce(of_counted(loss, target, share, ignored), reduction, count).to(input.dtype)


@leaf_of_fx
def cross_entropy(
    input: Tensor,
    target: Tensor,
    weight: Tensor | None = None,
    *,
    ignore_index: int = -100,
    reduction: Reduction = "mean",
    label_smoothing: float = 0.0,
) -> Tensor:
    r"""Cross-entropy of the true classes and the softmax of the scores: `log_softmax`, then `nll_loss`.

    .. math:: \ell_n = -w_{t_n} \log \mathrm{softmax}(z_n)_{t_n}
              \quad\text{or}\quad
              \ell_n = -\sum_c w_c \, y_{n,c} \log \mathrm{softmax}(z_n)_c

    for a class :math:`t_n` or class probabilities :math:`y_n`. Label smoothing :math:`\varepsilon` puts
    :math:`(1 - \varepsilon) y + \varepsilon / C` for y.

    Parameters
    ----------
    input : tensor, shape (C,), (N, C) or (N, C, d1, ...)
        Scores (logits): any real numbers, no softmax before.
    target : tensor of integers, shape (), (N,) or (N, d1, ...); or of floats, shape of `input`
        Indices of the right classes, 0 to C - 1, or `ignore_index`; or class probabilities in [0, 1]. As in PyTorch, the
        probabilities of an example need not sum to 1.
    weight : tensor, shape (C,), optional
        Weights of the classes; 1 unless given.
    ignore_index : int
        Targets of this value count for nothing. Only for class indices.
    reduction : str
        ``"mean"`` (over class indices weighted by `weight`, over probabilities not), ``"sum"`` or ``"none"``.
    label_smoothing : float
        From 0 (none) to 1 (every class alike).

    Returns
    -------
    tensor, shape () or that of the class indices
        In nats, in the dtype of `input`. A mean over nothing is NaN, as in PyTorch.

    Raises
    ------
    TypeError
        `input` or `weight` is not a floating-point tensor, `target` is not a tensor of numbers, `ignore_index` is not an integer,
        or `label_smoothing` is not a number.
    ValueError
        Shapes or devices do not agree, a target is no class or no probability, `ignore_index` is 0 or above with class
        probabilities, `label_smoothing` is outside [0, 1], or `reduction` is unknown.

    Notes
    -----
    Values are checked on the CPU, on other devices only inside `strict`, since a GPU would have to wait, and never under
    ``torch.compile`` and ``torch.func``. Unchecked, an invalid target gives a result that means nothing, or PyTorch's own error.

    At infinite scores the loss is the limit. The class of a score of inf has the probability 1, where PyTorch, and `log_softmax`
    here, give NaN; that of -inf has the probability 0, which masks it. Two scores of inf give
    NaN, or inf for the index of another class; a row of -inf and NaN give NaN. A weight or a target probability of 0 takes away even
    an infinite loss, where PyTorch gives NaN. Label smoothing asks for every class, so that with it one infinite score makes the
    loss inf, and two scores of inf make it NaN.

    Examples
    --------
    >>> import torch, lossnotes as ln
    >>> scores = torch.tensor([[2.0, 0.0, 0.0], [0.0, 3.0, 0.0]])
    >>> ln.cross_entropy(scores, torch.tensor([0, 1]))
    tensor(0.1672)
    >>> ln.cross_entropy(scores, torch.tensor([[0.9, 0.1, 0.0], [0.0, 1.0, 0.0]]))
    tensor(0.2672)

    References
    ----------
    Bishop, C. M., "Pattern Recognition and Machine Learning", 2006, section 4.3.4. Label smoothing: Szegedy, C., et al.,
    "Rethinking the Inception Architecture for Computer Vision", 2016.
    Derived in :doc:`/book/information/cross-entropy`.
    """
    _checks.is_classification("cross_entropy", input, target, weight, probabilities=True)
    input = with_whole_classes(input, class_dim(input))
    evaluate_scores = functools.partial(evaluate, along=class_dim(input))
    options = weight, ignore_index, reduction, label_smoothing
    return _cross_entropy("cross_entropy", input, evaluate_scores, (input,), target, *options)


@leaf_of_fx
def linear_cross_entropy(
    input: Tensor,
    linear_weight: Tensor,
    target: Tensor,
    *,
    linear_bias: Tensor | None = None,
    weight: Tensor | None = None,
    reduction: Reduction = "mean",
    ignore_index: int | None = -100,
    label_smoothing: float = 0.0,
) -> Tensor:
    r"""Cross-entropy of the scores of a linear layer, which ``backward`` never holds whole.

    .. math:: \ell_n = \mathrm{CE}(W x_n + b, t_n)

    The same as ``cross_entropy(input @ linear_weight.T + linear_bias, target)``, a block of examples at a time: for N tokens
    and a vocabulary of V, the N × V scores are most of the memory of a language model's step. Other derivatives hold them whole,
    several times: those of ``torch.func``, forward ones, those that are to be differentiated again, and those with respect to
    `target` or `weight`. So does ``torch.compile``.

    Parameters
    ----------
    input : tensor, shape (H,) or (N, H)
        What the last layer takes: a row of H features for each example.
    linear_weight : tensor, shape (C, H)
        Weights W of the layer, as ``torch.nn.Linear`` keeps them.
    target : tensor of integers, shape () or (N,); or of floats, shape (C,) or (N, C)
        Indices of the right classes, 0 to C - 1, or `ignore_index`; or class probabilities in [0, 1].
    linear_bias : tensor, shape (C,), optional
        Bias b of the layer.
    weight : tensor, shape (C,), optional
        Weights of the classes; 1 unless given.
    reduction : str
        ``"mean"`` (over class indices weighted by `weight`, over probabilities not), ``"sum"`` or ``"none"``.
    ignore_index : int, optional
        Targets of this value count for nothing. Only for class indices; None is -100 for them.
    label_smoothing : float
        From 0 (none) to 1 (every class alike).

    Returns
    -------
    tensor, shape () or that of the class indices
        In nats, in the dtype of `input`, to which the scores are rounded, too, as a layer's are; under ``torch.autocast`` they
        are computed in its dtype, and the loss is float32, but float64 stays float64. A mean over nothing is NaN, as in PyTorch.

    Raises
    ------
    TypeError
        `input`, `linear_weight`, `linear_bias` or `weight` is not a floating-point tensor, the first three differ in dtype,
        `target` is not a tensor of numbers, `ignore_index` is not an integer, or `label_smoothing` is not a number.
    ValueError
        Shapes or devices do not agree, a target is no class or no probability, `ignore_index` is 0 or above with class
        probabilities, `label_smoothing` is outside [0, 1], or `reduction` is unknown.

    Notes
    -----
    Values are checked on the CPU, on other devices only inside `strict`, since a GPU would have to wait, and never under
    ``torch.compile`` and ``torch.func``. Unchecked, an invalid target gives a result that means nothing, or PyTorch's own error.

    Infinite scores count as in `cross_entropy`.

    Examples
    --------
    >>> import torch, lossnotes as ln
    >>> features, W = torch.eye(2), torch.tensor([[2.0, 0.0], [0.0, 3.0], [0.0, 0.0]])
    >>> ln.linear_cross_entropy(features, W, torch.tensor([0, 1]))
    tensor(0.1672)

    References
    ----------
    Wijmans, E., et al., "Cut Your Losses in Large-Vocabulary Language Models", 2025.
    Measured in :doc:`/book/practice/losses-at-scale`.
    """
    fn = "linear_cross_entropy"
    layer, dtype = _checks.as_layer(fn, input, linear_weight, linear_bias, target)
    input, linear_weight, linear_bias = layer
    ignore_index = -100 if ignore_index is None else ignore_index
    one = input.ndim == 1
    # Shape, dtype and device of the scores, without the memory.
    scores = input.new_empty(()).expand(input.shape[:-1] + linear_weight.shape[:1])
    _checks.is_classification(fn, scores, target, weight, probabilities=True, name="input @ linear_weight.T")
    if one:
        input, target, scores = input.unsqueeze(0), target.unsqueeze(0), scores.unsqueeze(0)
    evaluate_layer = functools.partial(evaluate_linear, dtype=dtype)
    options = weight, ignore_index, reduction, label_smoothing
    loss = _cross_entropy(fn, scores, evaluate_layer, (input, linear_weight, linear_bias), target, *options)
    return loss.squeeze(0) if one and reduction == "none" else loss


def _cross_entropy(fn, scores, evaluate, inputs, target, weight, ignore_index, reduction, label_smoothing):
    """`evaluate` of cross-entropy from `inputs`, which give scores of the shape of `scores`."""
    _checks.are_options(fn, reduction=reduction, ignore_index=ignore_index, label_smoothing=label_smoothing)
    dtype, dim = wide_dtype(scores), class_dim(scores)
    if target.is_floating_point():
        _checks.are_class_probabilities(fn, target, ignore_index)
        y = target
        if label_smoothing != 0:
            y = target.to(torch.promote_types(dtype, wide_dtype(target)))
            y = y * (1 - label_smoothing) + label_smoothing / (scores.shape[dim] or 1)
        count = math.prod([n for d, n in enumerate(scores.shape) if d != dim])
        how = {"closed_form": OF_DISTRIBUTIONS, "reduction": reduction, "count": count}
        return evaluate(surprisal_of_distributions, *inputs, y, **how, weight=weight)

    target = _checks.as_classes(fn, target)
    if weight is None and label_smoothing == 0 and scores is inputs[0]:
        loss = _in_double(scores, target, ignore_index, reduction) if are_few(scores) else None
        if loss is not None:
            return loss
    ignore_index = None if _checks.are_classes(fn, scores, target, ignore_index) else ignore_index
    share, count = weights_of(target, weight, ignore_index, dtype)
    how = {"reduction": reduction, "count": count, "ignore_index": ignore_index}
    if label_smoothing == 0:
        return evaluate(surprisal_of_classes, *inputs, target, share, closed_form=OF_CLASSES, **how)
    how |= {"weight": weight, "label_smoothing": label_smoothing}
    return evaluate(surprisal_of_smoothed, *inputs, target, share, closed_form=OF_SMOOTHED, **how)


# The formulas. z are scores, y what they should have been.


def surprisal_of_classes(z, target, share, ignore_index):
    return of_counted(softplus(lead_of_others(z, target, ignore_index)), target, share, ignore_index)


def surprisal_of_distributions(z, y, weight):
    """Cross-entropy of class probabilities `y` and softmax(z), each class weighted."""
    y = y if weight is None else y * of_classes(weight, z)
    return times(y, -log_softmax_of(z, class_dim(z))).sum(class_dim(z))


def surprisal_of_smoothed(z, target, share, weight, ignore_index, label_smoothing):
    of_target = softplus(lead_of_others(z, target, ignore_index))
    of_target = (1 - label_smoothing) * (of_target if share is None else times(share, of_target))
    z = _counted(z, target, ignore_index)
    even = torch.full_like(z, label_smoothing / (z.shape[class_dim(z)] or 1))
    return of_counted(of_target + surprisal_of_distributions(z, even, weight), target, None, ignore_index)


# Their closed forms.
OF_CLASSES = ClosedForm(classes.focal, makes_copies=False, widens=True)
OF_DISTRIBUTIONS = ClosedForm(classes.surprisal_of_distributions)
OF_SMOOTHED = ClosedForm(classes.surprisal_of_smoothed, makes_copies=False)


def weights_of(target, weight, ignore_index, dtype):
    """The weight of each target (None: 1 each), and the sum of the weights of those that count, in `dtype`."""
    if ignore_index is None and weight is None:
        return None, target.numel()
    counted = torch.ones_like(target, dtype=torch.bool) if ignore_index is None else target != ignore_index
    if weight is None:
        return None, counted.sum()
    # index_select and not weight[index], which asks for a value where vmap has none.
    index = _index(target, ignore_index)
    share = weight.to(dtype).index_select(0, index.flatten()).reshape(index.shape)
    return share, zero_unless(counted, share).sum()


def of_counted(loss, target, share, ignore_index):
    """Weighted losses, and 0 for targets that do not count.

    Put to 0 and not multiplied with it: 0 times an infinite loss is NaN, and so is the gradient of a mean over nothing.
    """
    loss = loss if share is None else times(share, loss)
    return loss if ignore_index is None else zero_unless(target != ignore_index, loss)


def lead_of_others(z, target, ignore_index):
    """How far the other scores together are ahead of that of the target (see `_numeric.lead_of_others`)."""
    dim = class_dim(z)
    return lead(_counted(z, target, ignore_index), _index(target, ignore_index).unsqueeze(dim), dim)


def _counted(z, target, ignore_index):
    """The scores, and zeros in rows that do not count: what is infinite there would make the gradient NaN."""
    return z if ignore_index is None else zero_unless((target != ignore_index).unsqueeze(class_dim(z)), z)


def _index(target, ignore_index):
    """Indices to gather with: ignored targets point to class 0."""
    return target if ignore_index is None else zero_unless(target != ignore_index, target)


def _in_double(scores, target, ignore_index, reduction):
    """PyTorch's own cross-entropy, computed in float64, or None where that is not as exact, or a target is no class."""
    z, dim = scores.double(), class_dim(scores)
    log_p = torch.log_softmax(z, dim)
    try:
        loss = F.nll_loss(log_p, target, ignore_index=ignore_index, reduction=reduction)
    except IndexError:
        return None
    highest = log_p.detach().max().item()
    if not highest < -LEAST:  # a class is next to certain, or nothing is known
        least = LEAST * target.numel() if reduction == "sum" else LEAST
        if not (highest <= 0 and reduction != "none" and loss.item() > least):
            return None
        if z.requires_grad:
            z.register_hook(functools.partial(_with_slope_of_right, target=target, dim=dim))
    return loss.to(scores.dtype)


def _with_slope_of_right(slope, target, dim):
    """The slope of the right score, p - 1, has no digits left where p is next to 1. But softmax does not change when all scores
    move together, so the slopes of a row sum to 0."""
    index = target.clamp(0, slope.shape[dim] - 1).unsqueeze(dim)  # where a target does not count, all slopes are 0
    return slope.scatter_add(dim, index, slope.sum(dim, keepdim=True).neg())
