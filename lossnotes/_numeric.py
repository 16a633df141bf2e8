"""What every formula here needs of its numbers."""

import functools
import math

import torch

_WIDE = torch.float32, torch.float64


def wide_dtype(x):
    """float32 at least: half precision is computed there, and rounded once at the end."""
    return x.dtype if x.dtype in _WIDE else torch.float32


def wide(x):
    """`x` in float32 at least."""
    return x if x.dtype in _WIDE else x.to(torch.float32)


def common_dtype(*tensors):
    """One dtype for all: their own, or what PyTorch promotes them to. It promotes no 8-bit floats, which count as float32."""
    dtypes = {x.dtype for x in tensors}
    if len(dtypes) > 1:
        dtypes = {torch.float32 if dtype.itemsize == 1 else dtype for dtype in dtypes}
    return functools.reduce(torch.promote_types, dtypes)


def widest_dtype(device):
    """float64, where a difference of nearly equal numbers has digits left; float32 on mps, which has no other."""
    return torch.float32 if device.type == "mps" else torch.float64


def widest(x):
    """`x` in the widest dtype of its device."""
    return x.to(widest_dtype(x.device))


def zero_unless(mask, x):
    """`x` where the mask holds, and 0 elsewhere.

    Used before what would be NaN there. Put after it, ``torch.where`` would hide the NaN in the value alone: the gradient of the
    branch not taken is 0 times NaN.
    """
    return torch.where(mask, x, 0)


def one_unless(mask, x):
    """`x` where the mask holds, and 1 elsewhere: before a logarithm or a quotient, as `zero_unless`."""
    return torch.where(mask, x, 1)


def softplus(x):
    """log(1 + e^x): a straight part, and a bend that never overflows. Exact on both sides, and so are its derivatives.

    ``torch.nn.functional.softplus`` drops e^-x from 20 on, and the second derivative of ``logsigmoid`` is 0 from 37 on.
    """
    size = torch.where(x > 0, x, -x)  # abs has no slope at 0
    return torch.relu(x) + torch.log1p(torch.exp(-size))


def log_sigmoid(x):
    """log(1 / (1 + e^-x))"""
    return -softplus(-x)


def times(share, loss):
    """``share * loss``, of which a share of 0 takes nothing, not even of an infinite loss (0 times inf would be NaN).

    A loss that is infinite grows as its score does, times `share`; how `share` itself changes is lost beside that. The product
    rule would make 0 times inf of it.
    """
    bounded = loss != torch.inf
    endless = torch.where(share == 0, 0, share.detach() * loss)
    return torch.where(bounded, share * zero_unless(bounded, loss), endless)


def class_dim(input):
    """The dimension that holds the classes: (C,) or (N, C, d1, ...)."""
    return 0 if input.ndim == 1 else 1


def of_classes(weight, z):
    """A weight for each class, in a shape that meets the classes of `z`."""
    return weight.to(z.dtype).reshape([-1 if d == class_dim(z) else 1 for d in range(z.ndim)])


def lead_of_others(z, index, dim):
    """How far the other scores together are ahead of score `index`: log of the sum of e^(z_j - z_t) over j other than t.

    The loss of a right answer is softplus of this: 1 - p is never formed, so nothing cancels.
    """
    limits = torch.finfo(z.dtype)
    if z.shape[dim] == 0:
        return z.sum(dim)
    right = z.gather(dim, index)
    # An infinite score has no distance to others. Then they are measured from 0, and what is left, infinite, comes last.
    origin = zero_unless(~right.isinf(), right)
    # The most negative number and not -inf, whose gradient would be NaN where there is no other class.
    ahead = (z - origin).scatter(dim, index, limits.min)
    largest = ahead.detach().amax(dim, keepdim=True)
    nothing = (right == -torch.inf) & (largest == limits.min)  # every score is -inf: their softmax is NaN
    largest = largest.clamp(max=limits.max)
    # The gradient of torch.logsumexp is e^(x - result), and a large result has few digits behind the point. Here it is a
    # quotient of exponentials.
    endless = ahead == torch.inf
    exponentials = zero_unless(~endless, ahead - largest).exp()
    lead = largest + exponentials.sum(dim, keepdim=True).log()
    lead = lead + zero_unless(endless, ahead).sum(dim, keepdim=True) / endless.sum(dim, keepdim=True).clamp(min=1)
    lead = lead + (origin - right)
    # Times NaN, so that the gradient is NaN, too.
    return (lead * torch.ones_like(lead).masked_fill(nothing, torch.nan)).squeeze(dim)


def log_in(x, base):
    """Logarithm; for bases 2 and 10 the exact routine, so that 1/8 is 3 bits and not 3.0000000000000004."""
    if base == 2:
        return torch.log2(x)
    if base == 10:
        return torch.log10(x)
    return torch.log(x) / math.log(base)


def log_or_0(p, base):
    """log p, and 0 where p = 0."""
    return log_in(one_unless(p > 0, p), base)


def times_log_ratio(p, q, base):
    """p log(p / q), where 0 log(0 / q) = 0, and inf where q = 0 < p."""
    log_q = log_in(one_unless((p > 0) | (q > 0), q), base)
    return p * without_cancelling(log_or_0(p, base) - log_q, p, q, base)


def without_cancelling(log_ratio, p, q, base):
    """`log_ratio`, which is log p - log q, with the value of log1p where p is so near q that the difference cancels.

    The gradient stays that of the logarithms: that of a quotient holds p / q / q, which overflows for a tiny q.
    """
    p, q, cancelled = p.detach(), q.detach(), log_ratio.detach()
    near = (p - q).abs() < q / 2
    exact = torch.log1p((p - q) / q) / math.log(base)
    return log_ratio + zero_unless(near, exact - cancelled)


def not_negative(x):
    """0 where rounding has left a value just below 0. The gradient is that of `x`, as `clamp`'s would not be."""
    return x - x.detach().clamp(max=0)


def reduce(loss, reduction, count=None):
    """The losses, their sum, or their mean: the sum over `count` if that is a tensor, else over their number. Over nothing it is NaN."""
    if reduction == "none":
        return loss
    if reduction == "sum":
        return loss.sum()
    if isinstance(count, torch.Tensor):
        count = count.to(loss.dtype)
        return loss.sum() / torch.where(count == 0, torch.nan, count)
    return loss.mean()
