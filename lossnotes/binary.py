"""Losses of yes/no answers."""

import functools

import torch
import torch.nn.functional as F
from torch import Tensor

from lossnotes import _checks
from lossnotes._numeric import reduce, softplus, times, wide, wide_dtype
from lossnotes._roads import answers, evaluate
from lossnotes._roads.blocks import ClosedForm
from lossnotes._roads.few import are_few
from lossnotes._tracing import is_at_hand, is_traced, leaf_of_fx
from lossnotes._types import Reduction


@leaf_of_fx
def binary_cross_entropy_with_logits(
    input: Tensor,
    target: Tensor,
    weight: Tensor | None = None,
    *,
    pos_weight: Tensor | None = None,
    reduction: Reduction = "mean",
) -> Tensor:
    r"""Cross-entropy of yes/no answers and the sigmoid of the scores, exact for confident scores on either side.

    .. math:: \ell = w \big( \omega \, y \log (1 + e^{-z}) + (1 - y) \log (1 + e^{z}) \big)

    Parameters
    ----------
    input : tensor, any shape
        Scores (logits): any real numbers, no sigmoid before.
    target : tensor of floats, shape of `input`
        Probabilities of yes in [0, 1]; 0 and 1 for hard labels.
    weight : tensor of floats or integers that broadcasts to `input`, optional
        Weights of the answers.
    pos_weight : tensor of floats or integers that broadcasts to `input`, optional
        The weight :math:`\omega` of yes: above 1 trades precision for recall.
    reduction : str
        ``"mean"`` (over the number of answers, whatever their weights), ``"sum"`` or ``"none"``.

    Returns
    -------
    tensor, shape () or that of `input`
        In nats, in the dtype of `input`. A mean over nothing is NaN, as in PyTorch.

    Raises
    ------
    TypeError
        `input` or `target` is not a floating-point tensor, or `weight` or `pos_weight` is not a tensor of floats or integers.
    ValueError
        Shapes or devices do not agree, a target lies outside [0, 1], or `reduction` is unknown.

    Notes
    -----
    Values are checked on the CPU, on other devices only inside `strict`, since a GPU would have to wait, and never under
    ``torch.compile`` and ``torch.func``. Unchecked, invalid values give a result that means nothing.

    An infinite score gives the limit: 0 where the target agrees with it, else inf; PyTorch's can be NaN. NaN gives NaN. A weight
    of 0 takes away even an infinite loss.

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
    _checks.are_options(fn, reduction=reduction)
    _checks.is_floating_pair(fn, input, target)
    weight = _checks.as_factor_of(fn, "weight", weight, input)
    pos_weight = _checks.as_factor_of(fn, "pos_weight", pos_weight, input)
    how = {"reduction": reduction, "check": functools.partial(_checks.are_answers, fn, target)}
    if weight is None and pos_weight is None:
        if are_few(input) and not target.requires_grad and _are_hard(target):
            lead = wide(input) * torch.rsub(target.to(wide_dtype(input)), 1, alpha=2)
            return reduce(F.softplus(lead, threshold=50), reduction).to(input.dtype)
        compiled = answers.focal_for_a_compiler
        return evaluate(surprisal_of_answers, input, target, closed_form=OF_ANSWERS, compiled=compiled, **how)
    return evaluate(weighted_surprisal_of_answers, input, target, weight, pos_weight, closed_form=OF_WEIGHTED, **how)


# The formulas. z are scores, y what they should have been.


def surprisal_of_answers(z, y):
    return times(y, softplus(-z)) + times(1 - y, softplus(z))


def weighted_surprisal_of_answers(z, y, weight, pos_weight):
    yes = y if pos_weight is None else pos_weight * y
    loss = times(yes, softplus(-z)) + times(1 - y, softplus(z))
    return loss if weight is None else times(weight, loss)


def _are_hard(y):
    """Whether every answer is 0 or 1. Then a loss is softplus of how far the wrong answer is ahead, which cancels nowhere."""
    if is_traced(y) or not is_at_hand(y):
        return False
    y = wide(y)
    return torch.equal(y, y * y) and y.sum().item() < torch.inf  # which is its own square, too


# Their closed forms.
OF_ANSWERS = ClosedForm(answers.focal)
OF_WEIGHTED = ClosedForm(answers.weighted_surprisal)
