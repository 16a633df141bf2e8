"""What every formula here needs of its numbers."""

import torch
from torch.nn.functional import logsigmoid


def wide(x):
    """`x` in float32 at least: half precision is computed there, and rounded once at the end."""
    return x if x.dtype in (torch.float32, torch.float64) else x.float()


def softplus(x):
    """log(1 + e^x), exact on both sides; ``torch.nn.functional.softplus`` drops e^-x from 20 on."""
    return -logsigmoid(-x)


def class_dim(input):
    """The dimension that holds the classes: (C,) or (N, C, d1, ...)."""
    return 0 if input.ndim == 1 else 1


def lead_of_others(z, index, dim):
    """How far the other scores together are ahead of score `index`: log of the sum of e^(z_j - z_t) over j other than t.

    The loss of a right answer is softplus of this: 1 - p is never formed, so nothing cancels.
    """
    ahead = z - z.gather(dim, index)
    # The most negative number and not -inf, whose gradient would be NaN where there is no other class.
    ahead = ahead.scatter(dim, index, torch.finfo(z.dtype).min)
    # The gradient of torch.logsumexp is e^(x - result), and a large result has few digits behind the point. Here it is a
    # quotient of exponentials. (The clamp is for a right answer of score -inf.)
    largest = ahead.detach().amax(dim, keepdim=True).clamp(max=torch.finfo(z.dtype).max)
    return (largest + (ahead - largest).exp().sum(dim, keepdim=True).log()).squeeze(dim)


def reduce(loss, reduction, count=None):
    """The losses, their sum, or their mean: the sum over `count`, which is their number unless given."""
    if reduction == "none":
        return loss
    if reduction == "sum":
        return loss.sum()
    return loss.mean() if count is None else loss.sum() / count
