"""The textbook twin of each function: the formula as it stands in books, for chapters to show where it breaks.

No checks, no care for rounding, mean reduction, classes in the last dimension. Do not train with these.
"""

import math

import torch
from torch import Tensor


def information_content(p: Tensor, *, base: float = math.e) -> Tensor:
    """-log p"""
    return -torch.log(p) / math.log(base)


def entropy(p: Tensor, *, dim: int = -1, base: float = math.e) -> Tensor:
    """-sum p log p: NaN where p = 0"""
    return -(p * torch.log(p)).sum(dim) / math.log(base)


def cross_entropy_between(p: Tensor, q: Tensor, *, dim: int = -1, base: float = math.e) -> Tensor:
    """-sum p log q: NaN where p = q = 0"""
    return -(p * torch.log(q)).sum(dim) / math.log(base)


def kl_divergence(p: Tensor, q: Tensor, *, dim: int = -1, base: float = math.e) -> Tensor:
    """sum p log(p / q): NaN where p = 0, and negative by rounding where p is near q"""
    return (p * torch.log(p / q)).sum(dim) / math.log(base)


def jensen_shannon_divergence(p: Tensor, q: Tensor, *, dim: int = -1, base: float = math.e) -> Tensor:
    """Half the divergences to the mixture: NaN where p or q is 0"""
    m = (p + q) / 2
    return (kl_divergence(p, m, dim=dim, base=base) + kl_divergence(q, m, dim=dim, base=base)) / 2


def conditional_entropy(joint: Tensor, *, base: float = math.e) -> Tensor:
    """-sum p(x, y) log(p(x, y) / p(x)): NaN where a pair never occurs"""
    return -(joint * torch.log(joint / joint.sum(-1, keepdim=True))).sum((-2, -1)) / math.log(base)


def mutual_information(joint: Tensor, *, base: float = math.e) -> Tensor:
    """sum p(x, y) log(p(x, y) / (p(x) p(y))): NaN where a pair never occurs"""
    independent = joint.sum(-1, keepdim=True) * joint.sum(-2, keepdim=True)
    return (joint * torch.log(joint / independent)).sum((-2, -1)) / math.log(base)


def softmax(input: Tensor, dim: int, *, temperature: float = 1.0, dtype: torch.dtype | None = None) -> Tensor:
    """exp over sum of exp: NaN from a score of 89 on in float32 (inf / inf), or where all are -104 or less (0 / 0)"""
    e = torch.exp(input.to(dtype or input.dtype) / temperature)
    return e / e.sum(dim, keepdim=True)


def log_softmax(input: Tensor, dim: int, *, temperature: float = 1.0, dtype: torch.dtype | None = None) -> Tensor:
    """Logarithm of softmax: 0 where softmax is rounded to 1, -inf where to 0, NaN where it is NaN"""
    return torch.log(softmax(input, dim, temperature=temperature, dtype=dtype))


def nll_loss(input: Tensor, target: Tensor) -> Tensor:
    """Mean of minus the log-probability of the right class"""
    return -input.gather(-1, target.unsqueeze(-1)).mean()


def cross_entropy(input: Tensor, target: Tensor) -> Tensor:
    """Mean of -log softmax of the right class: 0, inf or NaN for confident scores, as `log_softmax`"""
    return nll_loss(log_softmax(input, -1), target)


def linear_cross_entropy(
    input: Tensor,
    linear_weight: Tensor,
    target: Tensor,
    *,
    linear_bias: Tensor | None = None,
) -> Tensor:
    """Cross-entropy of all scores at once: N × V of them in memory"""
    scores = input @ linear_weight.T
    return cross_entropy(scores if linear_bias is None else scores + linear_bias, target)


def distributed_mean(total: Tensor, count: float | Tensor) -> Tensor:
    """The mean of this process alone: not that of the step where processes count unequal numbers"""
    return total / count


def binary_cross_entropy_with_logits(input: Tensor, target: Tensor) -> Tensor:
    """-y log p - (1 - y) log(1 - p): inf or NaN once p is rounded to 0 or 1; of a no, 0 once 1 - p is rounded to 1"""
    p = torch.sigmoid(input)
    return -(target * torch.log(p) + (1 - target) * torch.log(1 - p)).mean()


def mse_loss(input: Tensor, target: Tensor) -> Tensor:
    """Mean of the square: broadcasts (N,) against (N, 1) without a word"""
    return ((input - target) ** 2).mean()


def hinge_loss(input: Tensor, target: Tensor, *, margin: float = 1.0) -> Tensor:
    """Mean of max(0, m - y z)"""
    return torch.clamp(margin - target * input, min=0).mean()


def multiclass_hinge_loss(input: Tensor, target: Tensor, *, margin: float = 1.0) -> Tensor:
    """Mean of max(0, m + best other - right)"""
    right = input.gather(-1, target.unsqueeze(-1))
    others = input.scatter(-1, target.unsqueeze(-1), -torch.inf)
    return torch.clamp(margin + others.amax(-1) - right.squeeze(-1), min=0).mean()


def sigmoid_focal_loss(input: Tensor, target: Tensor, *, alpha: float | None = None, gamma: float = 2.0) -> Tensor:
    """alpha_t (1 - p_t)^gamma times cross-entropy, p_t = exp(-cross-entropy)

    1 - p_t loses its digits as p_t nears 1. Of a no, the loss is 0 where 1 - p is rounded to 1 (in float32 from -18 down). Once p is
    rounded to 0 or 1 (from -89 down, from 17 up), the loss is inf where that is wrong, and NaN where it is right: 0 times log 0.
    """
    p = torch.sigmoid(input)
    bce = -(target * torch.log(p) + (1 - target) * torch.log(1 - p))
    loss = (1 - torch.exp(-bce)) ** gamma * bce
    if alpha is not None:
        loss = (alpha * target + (1 - alpha) * (1 - target)) * loss
    return loss.mean()


def softmax_focal_loss(input: Tensor, target: Tensor, *, gamma: float = 2.0) -> Tensor:
    """(1 - p_t)^gamma (-log p_t)

    1 - p_t loses its digits as p_t nears 1. Once p_t is rounded to 1 (in float32 by a lead of 17), the loss is 0; it is inf where
    p_t is rounded to 0, and NaN where `softmax` is.
    """
    p = softmax(input, -1).gather(-1, target.unsqueeze(-1))
    return ((1 - p) ** gamma * -torch.log(p)).mean()
