"""Scores to probabilities."""

import math

import torch
from torch import Tensor

from lossnotes import _checks
from lossnotes._numeric import wide
from lossnotes._tracing import leaf_of_fx, with_whole_classes


@leaf_of_fx
def softmax(input: Tensor, dim: int, *, temperature: float = 1.0, dtype: torch.dtype | None = None) -> Tensor:
    r"""Softmax: scores to a distribution.

    .. math:: \mathrm{softmax}(z)_i = \frac{e^{z_i / T}}{\sum_j e^{z_j / T}}

    Parameters
    ----------
    input : tensor, shape (..., C, ...)
        Scores (logits): any real numbers.
    dim : int
        The dimension that holds the C scores.
    temperature : float
        T > 0. Above 1 flattens the distribution, below 1 sharpens it.
    dtype : torch.dtype, optional
        Floating-point type that `input` is brought to first; its own unless given.

    Returns
    -------
    tensor, shape of `input`, dtype of `input` unless `dtype` says otherwise
        Probabilities that sum to 1 along `dim`.

    Raises
    ------
    TypeError
        `input` is not a floating-point tensor, or `dim`, `temperature` or `dtype` has the wrong type.
    ValueError
        `dim` is out of range, or `temperature` is not above 0.

    Notes
    -----
    As in PyTorch, a score of -inf has the probability 0, and a row with inf, with NaN or with nothing but -inf is NaN. The
    losses take the limit at inf (see `cross_entropy`).

    Examples
    --------
    >>> import torch, lossnotes as ln
    >>> ln.softmax(torch.tensor([1.0, 2.0, 3.0]), dim=0)
    tensor([0.0900, 0.2447, 0.6652])

    References
    ----------
    Bridle, J. S., "Probabilistic Interpretation of Feedforward Classification Network Outputs, with Relationships to
    Statistical Pattern Recognition", 1990. Derived in :doc:`/book/losses/softmax`.
    """
    log_p, dtype = _log_softmax("softmax", input, dim, temperature, dtype)
    return log_p.exp().to(dtype)


@leaf_of_fx
def log_softmax(input: Tensor, dim: int, *, temperature: float = 1.0, dtype: torch.dtype | None = None) -> Tensor:
    r"""Logarithm of softmax, exact also where softmax rounds to 0 or to 1.

    .. math:: \log \mathrm{softmax}(z)_i = \frac{z_i}{T} - \log \sum_j e^{z_j / T}

    Parameters
    ----------
    input : tensor, shape (..., C, ...)
        Scores (logits): any real numbers.
    dim : int
        The dimension that holds the C scores.
    temperature : float
        T > 0. Above 1 flattens the distribution, below 1 sharpens it.
    dtype : torch.dtype, optional
        Floating-point type that `input` is brought to first; its own unless given.

    Returns
    -------
    tensor, shape of `input`, dtype of `input` unless `dtype` says otherwise
        Log-probabilities in nats, at most 0.

    Raises
    ------
    TypeError
        `input` is not a floating-point tensor, or `dim`, `temperature` or `dtype` has the wrong type.
    ValueError
        `dim` is out of range, or `temperature` is not above 0.

    Notes
    -----
    As in PyTorch, a score of -inf stays -inf, and a row with inf, with NaN or with nothing but -inf is NaN. The
    losses take the limit at inf (see `cross_entropy`).

    Examples
    --------
    >>> import torch, lossnotes as ln
    >>> ln.log_softmax(torch.tensor([0.0, 1000.0]), dim=0)
    tensor([-1000.,     0.])

    References
    ----------
    Blanchard, P., Higham, D. J., and Higham, N. J., "Accurately computing the log-sum-exp and softmax functions", 2021.
    Derived in :doc:`/book/losses/softmax`.
    """
    log_p, dtype = _log_softmax("log_softmax", input, dim, temperature, dtype)
    return log_p.to(dtype)


def _log_softmax(fn, input, dim, temperature, dtype):
    """Checked log-softmax, and the dtype of the result."""
    _checks.is_floating_tensor(fn, "input", input)
    _checks.is_dim(fn, "input", input, dim)
    _checks.is_number_above(fn, "temperature", temperature, 0)
    if dtype is not None:
        _checks.is_floating_dtype(fn, dtype)
        input = input.to(dtype)
    z = wide(with_whole_classes(input, dim))
    return log_softmax_of(z, dim, temperature, as_pytorch=True), input.dtype


def log_softmax_of(z, dim, temperature=1.0, *, as_pytorch=False):
    """The formula of `log_softmax`.

    A class whose score is inf has the probability 1. In PyTorch such a row is NaN; the losses take the limit.
    """
    limits = torch.finfo(z.dtype)
    if not torch.compiler.is_compiling() and z.numel() == 0:
        return z.clone()
    # Softmax does not change when all scores move together. Move the largest to 0, and no exponential overflows.
    largest, k = z.detach().max(dim, keepdim=True)
    # A temperature below what the dtype holds would be 0 there, and 0 / 0 is NaN. So is inf - inf.
    highest = math.inf if as_pytorch else limits.max
    z = (z - largest.clamp(max=highest)) / max(float(temperature), limits.tiny)
    top = z.gather(dim, k)
    others = z.scatter(dim, k, limits.min).exp().sum(dim, keepdim=True)  # and not the other way: 0 times e^inf is NaN
    # For the largest score this is -log(1 + others), and log(exp(top) + others) would lose a small `others`.
    rest = torch.log1p(others * torch.exp(-top))
    return (z - (top + rest)).scatter(dim, k, 0 - rest)
