"""What one variable tells about another: entropies of a table of their joint probabilities."""

from __future__ import annotations

import math

from torch import Tensor

from lossnotes import _checks
from lossnotes._numeric import log_or_0, not_negative, one_unless, times_log_ratio, wide, widest, without_cancelling
from lossnotes._tracing import leaf_of_fx
from lossnotes._types import ArrayLike


@leaf_of_fx
def conditional_entropy(joint: ArrayLike, *, base: float = math.e) -> Tensor:
    r"""Conditional entropy H(Y|X): what is still open about y once x is known.

    .. math:: H(Y \mid X) = -\sum_{x, y} p(x, y) \log p(y \mid x) = H(X, Y) - H(X)

    :math:`0 \log 0 = 0`; as in `entropy`, the slope of :math:`p \log p` at 0 counts as 0, though it is infinite.

    Parameters
    ----------
    joint : tensor or nested list of float, shape (..., X, Y)
        Tables ``joint[..., x, y]`` of probabilities; each sums to 1.
    base : float
        Base of the logarithm: e gives nats, 2 bits, 10 bans.

    Returns
    -------
    tensor, shape (...)
        In nats unless `base` says otherwise; from 0 (x tells y) to H(Y) (x tells nothing).

    Raises
    ------
    TypeError
        `joint` is not made of real numbers, or `base` is not a number.
    ValueError
        `joint` has fewer than two dimensions or does not sum to 1, or `base` is not above 1.

    Notes
    -----
    Values are checked on the CPU, on other devices only inside `strict`, since a GPU would have to wait, and never under
    ``torch.compile`` and ``torch.func``. Unchecked, invalid values give a result that means nothing.

    Examples
    --------
    >>> import lossnotes as ln
    >>> ln.conditional_entropy([[0.5, 0.0], [0.25, 0.25]], base=2)
    tensor(0.5000)

    References
    ----------
    Shannon, C. E., "A Mathematical Theory of Communication", 1948. Derived in :doc:`/book/information/entropy`.
    """
    fn = "conditional_entropy"
    (given,) = _checks.as_floating(fn, joint=joint)
    _checks.is_number_above(fn, "base", base, 1)
    _checks.is_joint(fn, given, joint)
    table = wide(given)
    x = table.sum(-1, keepdim=True)
    return (0 - times_log_ratio(table, x, base).sum((-2, -1))).to(given.dtype)


@leaf_of_fx
def mutual_information(joint: ArrayLike, *, base: float = math.e) -> Tensor:
    r"""Mutual information I(X;Y): what knowing x tells about y, and y about x.

    .. math:: I(X; Y) = \sum_x p(x) \, D\big(p(\cdot \mid x) \,\|\, p(y)\big) = H(Y) - H(Y \mid X)

    :math:`0 \log 0 = 0`; as in `entropy`, the slope of :math:`p \log p` at 0 counts as 0, though it is infinite.

    Parameters
    ----------
    joint : tensor or nested list of float, shape (..., X, Y)
        Tables ``joint[..., x, y]`` of probabilities; each sums to 1.
    base : float
        Base of the logarithm: e gives nats, 2 bits, 10 bans.

    Returns
    -------
    tensor, shape (...)
        In nats unless `base` says otherwise; from 0 (independent) to the smaller of H(X) and H(Y).

    Raises
    ------
    TypeError
        `joint` is not made of real numbers, or `base` is not a number.
    ValueError
        `joint` has fewer than two dimensions or does not sum to 1, or `base` is not above 1.

    Notes
    -----
    Values are checked on the CPU, on other devices only inside `strict`, since a GPU would have to wait, and never under
    ``torch.compile`` and ``torch.func``. Unchecked, invalid values give a result that means nothing.

    Examples
    --------
    >>> import lossnotes as ln
    >>> ln.mutual_information([[0.5, 0.0], [0.0, 0.5]], base=2)
    tensor(1.)

    References
    ----------
    Shannon, C. E., "A Mathematical Theory of Communication", 1948. Derived in :doc:`/book/information/entropy`.
    """
    fn = "mutual_information"
    (given,) = _checks.as_floating(fn, joint=joint)
    _checks.is_number_above(fn, "base", base, 1)
    _checks.is_joint(fn, given, joint)
    table = widest(given)  # nearly independent, the terms cancel
    x = table.sum(-1, keepdim=True)
    y = table.sum(-2, keepdim=True)
    log_ratio = log_or_0(table, base) - log_or_0(x, base) - log_or_0(y, base)
    y_given_x = table / one_unless(x > 0, x)  # and not p(x, y) / (p(x) p(y)), whose product can underflow
    return not_negative((table * without_cancelling(log_ratio, y_given_x, y, base)).sum((-2, -1))).to(given.dtype)
