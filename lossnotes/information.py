"""How much a message tells: information content, entropy, and the divergences between distributions."""

from __future__ import annotations

import math

import torch
from torch import Tensor

from lossnotes import _checks
from lossnotes._numeric import common_dtype, log_in, log_or_0, not_negative, one_unless, times_log_ratio, wide, widest, zero_unless
from lossnotes._roads import distributions, evaluate
from lossnotes._roads.blocks import ClosedForm
from lossnotes._tracing import leaf_of_fx
from lossnotes._types import ArrayLike


@leaf_of_fx
def information_content(p: ArrayLike, *, base: float = math.e) -> Tensor:
    r"""Information content (surprisal) of an event of probability `p`, elementwise.

    .. math:: I(p) = -\log p

    Parameters
    ----------
    p : tensor or nested list of float, any shape
        Probabilities in [0, 1].
    base : float
        Base of the logarithm: e gives nats, 2 bits, 10 bans.

    Returns
    -------
    tensor, shape of `p`
        In nats unless `base` says otherwise; ``inf`` where p = 0.

    Raises
    ------
    TypeError
        `p` is not made of real numbers, or `base` is not a number.
    ValueError
        A value of `p` lies outside [0, 1] or is NaN, or `base` is not above 1.

    Notes
    -----
    Values are checked on the CPU, on other devices only inside `strict`, since a GPU would have to wait, and never under
    ``torch.compile`` and ``torch.func``. Unchecked, invalid values give a result that means nothing.

    Examples
    --------
    >>> import lossnotes as ln
    >>> ln.information_content([1.0, 0.5, 0.125], base=2)
    tensor([0., 1., 3.])

    References
    ----------
    Shannon, C. E., "A Mathematical Theory of Communication", 1948. Derived in :doc:`/book/information/information-content`.
    """
    fn = "information_content"
    (x,) = _checks.as_floating(fn, p=p)
    _checks.is_number_above(fn, "base", base, 1)
    _checks.are_probabilities(fn, "p", x, dim=None, given=p)
    return (0 - log_in(wide(x), base)).to(x.dtype)  # 0 - x and not -x, so that certainty prints as 0, not as -0


@leaf_of_fx
def entropy(p: ArrayLike, *, dim: int = -1, base: float = math.e) -> Tensor:
    r"""Entropy of a distribution: its expected information content.

    .. math:: H(p) = -\sum_i p_i \log p_i

    Impossible cases add nothing (:math:`0 \log 0 = 0`). There the true slope is infinite; the gradient given is 0, so that
    a case which cannot happen does not spoil those which can.

    Parameters
    ----------
    p : tensor or nested list of float, shape (..., C, ...)
        Distributions: values in [0, 1] that sum to 1 along `dim`. Nothing is normalised for you.
    dim : int
        The dimension that holds the C cases.
    base : float
        Base of the logarithm: e gives nats, 2 bits, 10 bans.

    Returns
    -------
    tensor, shape of `p` without `dim`
        In nats unless `base` says otherwise; from 0 (certainty) to log C (all cases equally likely).

    Raises
    ------
    TypeError
        `p` is not made of real numbers, or `dim` or `base` has the wrong type.
    ValueError
        `p` is not a distribution along `dim`, `dim` is out of range, or `base` is not above 1.

    Notes
    -----
    Values are checked on the CPU, on other devices only inside `strict`, since a GPU would have to wait, and never under
    ``torch.compile`` and ``torch.func``. Unchecked, invalid values give a result that means nothing.

    Examples
    --------
    >>> import lossnotes as ln
    >>> ln.entropy([1/2, 1/4, 1/8, 1/16, 1/64, 1/64, 1/64, 1/64], base=2)
    tensor(2.)

    References
    ----------
    Shannon, C. E., "A Mathematical Theory of Communication", 1948. Derived in :doc:`/book/information/entropy`.
    """
    p, dim = _distributions("entropy", dim, base, p=p)
    how = {"closed_form": ENTROPY, "reduction": "none", "along": dim}
    return evaluate(expected_surprisal, p, **how, dim=dim, base=base)


def expected_surprisal(x, dim, base):
    return 0 - (x * log_or_0(x, base)).sum(dim)


ENTROPY = ClosedForm(distributions.expected_surprisal)


@leaf_of_fx
def cross_entropy_between(p: ArrayLike, q: ArrayLike, *, dim: int = -1, base: float = math.e) -> Tensor:
    r"""Cross-entropy of two distributions: the expected information content under `q` of what happens as `p` says.

    .. math:: H(p, q) = -\sum_i p_i \log q_i = H(p) + D(p \,\|\, q)

    Parameters
    ----------
    p, q : tensor or nested list of float, shape (..., C, ...)
        Distributions: values in [0, 1] that sum to 1 along `dim`. Both have C cases along `dim` and broadcast elsewhere.
    dim : int
        The dimension that holds the C cases, counted in the broadcast shape.
    base : float
        Base of the logarithm: e gives nats, 2 bits, 10 bans.

    Returns
    -------
    tensor, the broadcast shape without `dim`
        In nats unless `base` says otherwise; ``inf`` where q = 0 < p, and at least H(p).

    Raises
    ------
    TypeError
        `p` or `q` is not made of real numbers, or `dim` or `base` has the wrong type.
    ValueError
        `p` or `q` is not a distribution along `dim`, their shapes or devices do not agree, `dim` is out of range, or `base` is
        not above 1.

    Notes
    -----
    Values are checked on the CPU, on other devices only inside `strict`, since a GPU would have to wait, and never under
    ``torch.compile`` and ``torch.func``. Unchecked, invalid values give a result that means nothing.

    Examples
    --------
    >>> import lossnotes as ln
    >>> ln.cross_entropy_between([0.5, 0.5], [0.25, 0.75], base=2)
    tensor(1.2075)

    References
    ----------
    Cover, T. M., and Thomas, J. A., "Elements of Information Theory", 2nd edition, 2006.
    Derived in :doc:`/book/information/cross-entropy`.
    """
    p, q, dim = _distributions("cross_entropy_between", dim, base, p=p, q=q)
    how = {"closed_form": CROSS_ENTROPY, "reduction": "none", "along": dim}
    return evaluate(expected_surprisal_under, p, q, **how, dim=dim, base=base)


def expected_surprisal_under(x, y, dim, base):
    return 0 - (x * log_in(one_unless((x > 0) | (y > 0), y), base)).sum(dim)


CROSS_ENTROPY = ClosedForm(distributions.expected_surprisal_under, slopes=2)


@leaf_of_fx
def kl_divergence(p: ArrayLike, q: ArrayLike, *, dim: int = -1, base: float = math.e) -> Tensor:
    r"""Kullback–Leibler divergence D(p ‖ q) of `p` from `q`: what it costs to believe `q` where `p` is true.

    .. math:: D(p \,\|\, q) = \sum_i p_i \log \frac{p_i}{q_i}

    The order is that of the formula; ``torch.nn.functional.kl_div`` takes (log q, p).

    :math:`0 \log 0 = 0`; as in `entropy`, the slope of :math:`p \log p` at 0 counts as 0, though it is infinite.

    Parameters
    ----------
    p, q : tensor or nested list of float, shape (..., C, ...)
        Distributions: values in [0, 1] that sum to 1 along `dim`. Both have C cases along `dim` and broadcast elsewhere.
    dim : int
        The dimension that holds the C cases, counted in the broadcast shape.
    base : float
        Base of the logarithm: e gives nats, 2 bits, 10 bans.

    Returns
    -------
    tensor, the broadcast shape without `dim`
        In nats unless `base` says otherwise; never negative, 0 where p = q, ``inf`` where q = 0 < p.

    Raises
    ------
    TypeError
        `p` or `q` is not made of real numbers, or `dim` or `base` has the wrong type.
    ValueError
        `p` or `q` is not a distribution along `dim`, their shapes or devices do not agree, `dim` is out of range, or `base` is
        not above 1.

    Notes
    -----
    Values are checked on the CPU, on other devices only inside `strict`, since a GPU would have to wait, and never under
    ``torch.compile`` and ``torch.func``. Unchecked, invalid values give a result that means nothing.

    Examples
    --------
    >>> import lossnotes as ln
    >>> ln.kl_divergence([0.5, 0.5], [0.25, 0.75], base=2)
    tensor(0.2075)

    References
    ----------
    Kullback, S., and Leibler, R. A., "On Information and Sufficiency", 1951.
    Derived in :doc:`/book/information/kl-divergence`.
    """
    p, q, dim = _distributions("kl_divergence", dim, base, p=p, q=q)
    how = {"closed_form": DIVERGENCE, "reduction": "none", "along": dim}
    return evaluate(divergence, p, q, **how, dim=dim, base=base)


def divergence(x, y, dim, base):
    terms = times_log_ratio(widest(x), widest(y), base)  # of nearly equal distributions they cancel
    return not_negative(terms.sum(dim))


DIVERGENCE = ClosedForm(distributions.divergence, slopes=2)


@leaf_of_fx
def jensen_shannon_divergence(p: ArrayLike, q: ArrayLike, *, dim: int = -1, base: float = math.e) -> Tensor:
    r"""Jensen–Shannon divergence: how far `p` and `q` lie from the distribution half-way between them.

    .. math:: \mathrm{JS}(p, q) = \tfrac12 D(p \,\|\, m) + \tfrac12 D(q \,\|\, m), \qquad m = \tfrac12 (p + q)

    :math:`0 \log 0 = 0`; as in `entropy`, the slope of :math:`p \log p` at 0 counts as 0, though it is infinite.

    Parameters
    ----------
    p, q : tensor or nested list of float, shape (..., C, ...)
        Distributions: values in [0, 1] that sum to 1 along `dim`. Both have C cases along `dim` and broadcast elsewhere.
    dim : int
        The dimension that holds the C cases, counted in the broadcast shape.
    base : float
        Base of the logarithm: e gives nats, 2 bits, 10 bans.

    Returns
    -------
    tensor, the broadcast shape without `dim`
        In nats unless `base` says otherwise; symmetric, from 0 (p = q) to log 2 (nothing in common).

    Raises
    ------
    TypeError
        `p` or `q` is not made of real numbers, or `dim` or `base` has the wrong type.
    ValueError
        `p` or `q` is not a distribution along `dim`, their shapes or devices do not agree, `dim` is out of range, or `base` is
        not above 1.

    Notes
    -----
    Values are checked on the CPU, on other devices only inside `strict`, since a GPU would have to wait, and never under
    ``torch.compile`` and ``torch.func``. Unchecked, invalid values give a result that means nothing.

    Examples
    --------
    >>> import lossnotes as ln
    >>> ln.jensen_shannon_divergence([1.0, 0.0], [0.0, 1.0], base=2)
    tensor(1.)

    References
    ----------
    Lin, J., "Divergence Measures Based on the Shannon Entropy", 1991.
    Derived in :doc:`/book/information/kl-divergence`.
    """
    p, q, dim = _distributions("jensen_shannon_divergence", dim, base, p=p, q=q)
    how = {"closed_form": FROM_THE_MIDDLE, "reduction": "none", "along": dim}
    return evaluate(divergence_from_the_middle, p, q, **how, dim=dim, base=base)


def divergence_from_the_middle(x, y, dim, base):
    p, q = widest(x), widest(y)
    middle = (p + q) / 2
    middle = torch.where(middle > 0, middle, p + q)  # half of the smallest number is 0
    log_of_middle = log_or_0(middle, base)
    terms = p * (log_or_0(p, base) - log_of_middle) + q * (log_or_0(q, base) - log_of_middle)
    return _near_the_middle(terms, p.detach(), q.detach(), base).sum(dim) / 2


FROM_THE_MIDDLE = ClosedForm(distributions.divergence_from_the_middle, slopes=2)


def _near_the_middle(terms, p, q, base):
    """`terms`, with exact values where p and q are so near that the logarithms cancel. The gradient stays that of those.

    With p = m (1 + u) and q = m (1 - u) they are m (1 + u) log(1 + u) + m (1 - u) log(1 - u), and what is of first order in u
    cancels. Written like this it never comes up.
    """
    both = p + q
    near = (p - q).abs() < both / 2
    u = zero_unless(near, p - q) / one_unless(near, both)
    exact = both * (u * torch.atanh(u) + torch.log1p(-u * u) / 2) / math.log(base)
    return terms + zero_unless(near, exact - terms.detach())


def _distributions(fn, dim, base, **inputs):
    """The checked inputs, brought to one dtype and shape, and `dim` counted from the front."""
    tensors = _checks.as_floating(fn, **inputs)
    _checks.is_number_above(fn, "base", base, 1)
    if len(tensors) == 1:
        _checks.has_cases(fn, *inputs, *tensors, *inputs.values())
        _checks.is_dim(fn, *inputs, *tensors, dim)
    else:
        dim = _checks.agree(fn, dim, inputs, **dict(zip(inputs, tensors)))
    for name, x in zip(inputs, tensors):
        _checks.is_distribution(fn, name, x, dim, inputs[name])
    dtype = common_dtype(*tensors)
    tensors = torch.broadcast_tensors(*(x.to(dtype) for x in tensors))
    return *tensors, dim % tensors[0].ndim
