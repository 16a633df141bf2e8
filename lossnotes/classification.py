"""Losses of a classifier that predicts probabilities."""

import torch

from lossnotes import _checks
from lossnotes._numeric import class_dim, lead_of_others, reduce, softplus, wide
from lossnotes.scores import log_softmax


def nll_loss(input, target, weight=None, *, ignore_index=-100, reduction="mean"):
    r"""Negative log-likelihood: minus the log-probability of the right class. Takes no logarithm: `input` is one already.

    .. math:: \ell_n = -w_{t_n} \log p_{n, t_n}, \qquad \text{mean} = \frac{\sum_n \ell_n}{\sum_n w_{t_n}}

    Parameters
    ----------
    input : tensor, shape (C,), (N, C) or (N, C, d1, ...)
        Log-probabilities, as `log_softmax` gives them.
    target : tensor of int64, shape (), (N,) or (N, d1, ...)
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
        `input` or `weight` is not a floating-point tensor, or `target` is not a tensor of integers.
    ValueError
        Shapes or devices do not agree, a target is no class, a row of `input` holds plain probabilities, or `reduction` is
        unknown.

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
    _checks.is_reduction(fn, reduction)
    _checks.is_integer(fn, "ignore_index", ignore_index, -100)
    _checks.is_classification(fn, input, target, weight)
    target = target.long()  # as a uint8, -100 would be 156
    _checks.are_classes(fn, input, target, ignore_index)
    _checks.are_not_probabilities(fn, input)
    index, share = _right_answers(input, target, weight, ignore_index)
    loss = -wide(input).gather(class_dim(input), index).squeeze(class_dim(input))
    return _weighted(loss, share, target != ignore_index, reduction).to(input.dtype)


def cross_entropy(input, target, weight=None, *, ignore_index=-100, reduction="mean", label_smoothing=0.0):
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
    target : tensor of int64, shape (), (N,) or (N, d1, ...); or of floats, shape of `input`
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
        `input` or `weight` is not a floating-point tensor, or `target` is not a tensor of numbers.
    ValueError
        Shapes or devices do not agree, a target is no class or no probability, `label_smoothing` is outside [0, 1], or
        `reduction` is unknown.

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
    fn = "cross_entropy"
    _checks.is_reduction(fn, reduction)
    _checks.is_integer(fn, "ignore_index", ignore_index, -100)
    _checks.is_share(fn, "label_smoothing", label_smoothing)
    _checks.is_classification(fn, input, target, weight, probabilities=True)
    z, dim = wide(input), class_dim(input)
    if target.is_floating_point():
        _checks.are_class_probabilities(fn, target, ignore_index)
        y = wide(target) * (1 - label_smoothing) + label_smoothing / input.shape[dim]
        return reduce(_expected_surprisal(y, z, weight, dim), reduction).to(input.dtype)

    target = target.long()  # as a uint8, -100 would be 156
    _checks.are_classes(fn, input, target, ignore_index)
    index, share = _right_answers(input, target, weight, ignore_index)
    counted = target != ignore_index
    loss = softplus(lead_of_others(z, index, dim))
    if label_smoothing == 0:
        return _weighted(loss, share, counted, reduction).to(input.dtype)
    loss = (1 - label_smoothing) * share * loss
    loss = loss + _expected_surprisal(torch.full_like(z, label_smoothing / input.shape[dim]), z, weight, dim)
    loss = torch.where(counted, loss, 0)
    return reduce(loss, reduction, torch.where(counted, share, 0).sum()).to(input.dtype)


def binary_cross_entropy_with_logits(input, target, weight=None, *, pos_weight=None, reduction="mean"):
    r"""Cross-entropy of yes/no answers and the sigmoid of the scores, exact for confident scores on either side.

    .. math:: \ell = w \big( \omega \, y \log (1 + e^{-z}) + (1 - y) \log (1 + e^{z}) \big)

    Parameters
    ----------
    input : tensor, any shape
        Scores (logits): any real numbers, no sigmoid before.
    target : tensor of floats, shape of `input`
        Probabilities of yes in [0, 1]; 0 and 1 for hard labels.
    weight : tensor that broadcasts to `input`, optional
        Weights of the answers.
    pos_weight : tensor that broadcasts to `input`, optional
        The weight :math:`\omega` of yes: above 1 trades precision for recall.
    reduction : str
        ``"mean"``, ``"sum"`` or ``"none"``.

    Returns
    -------
    tensor, shape () or that of `input`
        In nats, in the dtype of `input`.

    Raises
    ------
    TypeError
        An argument is not a floating-point tensor.
    ValueError
        Shapes or devices do not agree, a target lies outside [0, 1], or `reduction` is unknown.

    Examples
    --------
    >>> import torch, lossnotes as ln
    >>> ln.binary_cross_entropy_with_logits(torch.tensor([2.0, -1.0]), torch.tensor([1.0, 0.0]))
    tensor(0.2201)

    References
    ----------
    Bishop, C. M., "Pattern Recognition and Machine Learning", 2006, section 4.3.2.
    Derived in :doc:`/book/losses/softmax`.
    """
    fn = "binary_cross_entropy_with_logits"
    _checks.is_reduction(fn, reduction)
    _checks.is_binary(fn, input, target)
    _checks.broadcasts_to_input(fn, "weight", weight, input)
    _checks.broadcasts_to_input(fn, "pos_weight", pos_weight, input)
    z, y = wide(input), wide(target)
    yes, no = y * softplus(-z), (1 - y) * softplus(z)
    loss = (yes if pos_weight is None else wide(pos_weight) * yes) + no
    if weight is not None:
        loss = wide(weight) * loss
    return reduce(loss, reduction).to(input.dtype)


def _right_answers(input, target, weight, ignore_index):
    """Indices to gather with, and the weight of each target. Ignored targets point to class 0."""
    index = torch.where(target == ignore_index, 0, target).long()
    # index_select and not weight[index], which asks for a value where vmap has none.
    every = torch.ones_like(index, dtype=wide(input).dtype)
    share = every if weight is None else wide(weight).index_select(0, index.flatten()).reshape(index.shape)
    return index.unsqueeze(class_dim(input)), share


def _weighted(loss, share, counted, reduction):
    """Losses of the targets that count, reduced: the mean divides by the sum of their weights.

    ``torch.where`` and not a product: 0 times an infinite loss is NaN, and so is the gradient of a mean over nothing.
    """
    return reduce(torch.where(counted, share * loss, 0), reduction, torch.where(counted, share, 0).sum())


def _expected_surprisal(y, z, weight, dim):
    """Cross-entropy of class probabilities `y` and softmax(z), each class weighted."""
    log_p = log_softmax(z, dim)
    log_p = torch.where((y == 0) & (log_p == -torch.inf), 0, log_p)  # 0 log 0 = 0
    if weight is not None:
        y = y * wide(weight).reshape([-1 if d == dim else 1 for d in range(z.ndim)])
    return -(y * log_p).sum(dim)
