"""Scores to probabilities."""

import torch

from lossnotes import _checks


def softmax(input, dim, *, temperature=1.0):
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

    Returns
    -------
    tensor, shape and dtype of `input`
        Probabilities that sum to 1 along `dim`.

    Raises
    ------
    TypeError
        `input` is not a floating-point tensor, or `dim` or `temperature` has the wrong type.
    ValueError
        `dim` is out of range, or `temperature` is not above 0.

    Examples
    --------
    >>> import torch, lossnotes as ln
    >>> ln.softmax(torch.tensor([1.0, 2.0, 3.0]), dim=0)
    tensor([0.0900, 0.2447, 0.6652])

    References
    ----------
    Bridle, J. S., "Probabilistic Interpretation of Feedforward Classification Network Outputs, with Relationships to
    Statistical Pattern Recognition", 1990.
    """
    return _log_softmax("softmax", input, dim, temperature).exp().to(input.dtype)


def log_softmax(input, dim, *, temperature=1.0):
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

    Returns
    -------
    tensor, shape and dtype of `input`
        Log-probabilities in nats, at most 0.

    Raises
    ------
    TypeError
        `input` is not a floating-point tensor, or `dim` or `temperature` has the wrong type.
    ValueError
        `dim` is out of range, or `temperature` is not above 0.

    Examples
    --------
    >>> import torch, lossnotes as ln
    >>> ln.log_softmax(torch.tensor([0.0, 1000.0]), dim=0)
    tensor([-1000.,     0.])

    References
    ----------
    Blanchard, P., Higham, D. J., and Higham, N. J., "Accurately computing the log-sum-exp and softmax functions", 2021.
    """
    return _log_softmax("log_softmax", input, dim, temperature).to(input.dtype)


def _log_softmax(fn, input, dim, temperature):
    _checks.is_floating_tensor(fn, "input", input)
    _checks.is_dim(fn, "input", input, dim)
    _checks.is_number_above(fn, "temperature", temperature, 0)
    z = input.float() if input.dtype in (torch.float16, torch.bfloat16) else input
    if z.numel() == 0:
        return z / temperature
    # Softmax does not change when all scores move together. Move the largest to 0, and no exponential overflows.
    largest, k = z.detach().max(dim, keepdim=True)
    z = (z - largest) / temperature
    top = z.gather(dim, k)
    others = z.exp().scatter(dim, k, 0).sum(dim, keepdim=True)
    # log(1 + others) loses a small `others`, and so does 1 - p in the gradient of a confident score: log1p keeps the first,
    # and a formula for the largest score by itself, -log(1 + sum of e^(z_j - z_k) over the others), the second.
    log_p = z - torch.log1p(others + torch.expm1(top))
    return log_p.scatter(dim, k, 0 - torch.log1p(others * torch.exp(-top)))
