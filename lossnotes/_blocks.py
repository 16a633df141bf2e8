"""The second road: a large input on the CPU is taken in blocks that stay in the cache, and memory is read and written once.

A formula written for tensors makes a copy of its input for every operation, and a large copy costs more than the arithmetic
on it. Here the formula sees one block at a time. While a block is in the cache its gradient is written, too, and nothing but
the gradient is kept for the backward pass. Where the gradient has a closed form (`_KERNELS`), that is used; elsewhere autograd
differentiates the formula, block by block.

The formula stays the definition. It runs as it stands on small inputs and on other devices, under ``torch.compile``,
``torch.func`` and forward derivatives, and whenever a gradient is to be differentiated again.
"""

import itertools
import math

import torch
from torch.nn.functional import softplus

from lossnotes._numeric import class_dim, reduce, wide

# From this many elements on, blocks are faster where autograd differentiates them. A closed form is faster for any number.
LARGE = 1 << 15
# Elements of a block for each thread. Elementwise: what PyTorch gives a thread at least; several such tensors fit a core's own
# cache. Rows that are summed over pass through few operations, and larger blocks save calls.
BLOCK, BLOCK_OF_ROWS = 1 << 15, 1 << 18


def evaluate(formula, *tensors, reduction, along=None, count=None, **options):
    """The losses ``formula(*tensors, **options)``, reduced (see `reduce`), in the dtype of the first tensor.

    `along` is the dimension of the first tensor that the formula sums over, if it does: a block has all of it. The other
    tensors have the shape of the first, or that shape without `along`. A tensor may be None.
    """
    job = _Job(formula, reduction, along, count, options)
    return job.whole(tensors) if _steps_aside(job, tensors) else _Blocks.apply(job, *tensors)


def _steps_aside(job, tensors):
    """Whether the definition is to run: there is nothing to win, or somebody looks at the operations themselves."""
    return (
        torch.compiler.is_compiling()
        or tensors[0].numel() < (1 if job.kernel else LARGE)
        or torch._C._are_functorch_transforms_active()  # there is no public way to ask
        or torch.autograd.forward_ad._current_level >= 0
        # A subclass of a tensor has its own way to do things.
        or any(x is not None and not (x.is_cpu and type(x) in (torch.Tensor, torch.nn.Parameter)) for x in tensors)
        or any(isinstance(x, torch.Tensor) and x.requires_grad for x in (job.count, *job.options.values()))
        or (job.count is not None and not job.count > 0)
    )


class _Job:
    """A formula, and what is to become of its losses."""

    def __init__(self, formula, reduction, along, count, options):
        self.formula, self.reduction, self.along, self.count, self.options = formula, reduction, along, count, options
        self.kernel = _KERNELS.get(formula.__name__)

    def losses(self, tensors):
        return self.formula(*map(_wide, tensors), **self.options)

    def whole(self, tensors):
        """The definition."""
        return reduce(self.losses(tensors), self.reduction, self.count).to(tensors[0].dtype)

    def values(self, tensors):
        """The losses of all blocks, reduced, without gradients."""
        if self.reduction == "none":
            out = tensors[0].new_empty([n for d, n in enumerate(tensors[0].shape) if d != self.along])
            for losses, *blocks in self.each_block(out, *tensors):
                losses.copy_(self.losses(blocks))
            return out
        total = sum(self.losses(blocks).sum().item() for blocks in self.each_block(*tensors))
        return tensors[0].new_full((), total * self.scale(tensors))

    def with_slopes(self, tensors, needs, given=None):
        """The reduced losses, and their slopes for each tensor that needs it; in losses times `given`, if given."""
        slopes = [torch.empty_like(x, memory_format=torch.contiguous_format) if n else None for x, n in zip(tensors, needs)]
        scale, total = self.scale(tensors), 0.0
        for *blocks, scales in self.each_block(*tensors, *slopes, given):
            n = len(tensors)
            losses = self.block(blocks[:n], blocks[n:], scale if given is None else _wide(scales))
            if given is None:
                total += losses.sum().item()
        return tensors[0].new_full((), total * scale), slopes

    def block(self, tensors, slopes, scale):
        """The losses of a block; the slopes of scale times losses are written to `slopes`."""
        if self.kernel is not None and slopes[0] is not None and all(slope is None for slope in slopes[1:]):
            slope = slopes[0] if wide(slopes[0]) is slopes[0] else torch.empty(slopes[0].shape)
            losses = self.kernel(*map(_wide, tensors), slope=slope, scale=scale, **self.options)
            if losses is not None:
                if slope is not slopes[0]:
                    slopes[0].copy_(slope)
                return losses
        tensors = [x if slope is None else x.detach().requires_grad_() for x, slope in zip(tensors, slopes)]
        with torch.enable_grad():
            losses = self.losses(tensors)
        wanted = [x for x, slope in zip(tensors, slopes) if slope is not None]
        weights = scale if isinstance(scale, torch.Tensor) else torch.full_like(losses, scale)
        found = torch.autograd.grad(losses, wanted, weights)
        for slope, x in zip((slope for slope in slopes if slope is not None), found):
            slope.copy_(x)
        return losses.detach()

    def scale(self, tensors):
        """What each loss is multiplied with in the result."""
        if self.reduction != "mean":
            return 1.0
        return 1.0 / (tensors[1].numel() if self.count is None else float(self.count))  # a loss for each target

    def each_block(self, *tensors):
        """The blocks of all tensors, side by side."""
        along, first = self.along, max((x for x in tensors if x is not None), key=lambda x: x.ndim)
        size = (BLOCK if along is None else BLOCK_OF_ROWS) * torch.get_num_threads()
        if first.numel() <= size:
            yield tensors
            return
        if along is None and all(x is None or (x.shape == first.shape and x.is_contiguous()) for x in tensors):
            tensors = [x if x is None else x.view(-1) for x in tensors]
            first = first.view(-1)
        for part in _parts(first.shape, along, size):
            without = part if along is None else part[:along] + part[along + 1 :]
            yield [x if x is None else x[part if x.ndim == first.ndim else without] for x in tensors]


def _wide(x):
    return wide(x) if x is not None and x.is_floating_point() else x


def _parts(shape, along, size):
    """Slices that cut `shape` into blocks of about `size` elements, from the first dimension on, never through `along`."""
    steps = list(shape)
    for d in range(len(shape)):
        if d != along:
            rest = math.prod(steps) // steps[d]
            steps[d] = min(steps[d], max(1, size // rest))
            if rest <= size:
                break
    return itertools.product(*([slice(i, i + s) for i in range(0, n, s)] for n, s in zip(shape, steps)))


class _Blocks(torch.autograd.Function):
    @staticmethod
    def forward(ctx, job, *tensors):
        ctx.job = job
        ctx.save_for_backward(*tensors)
        needs = ctx.needs_input_grad[1:]
        if job.reduction == "none" or not any(needs):
            return job.values(tensors)
        value, ctx.slopes = job.with_slopes(tensors, needs)
        return value

    @staticmethod
    def backward(ctx, given):
        job, tensors, needs = ctx.job, ctx.saved_tensors, ctx.needs_input_grad[1:]
        # To be differentiated again, or mapped over many `given`: the definition can do both.
        if torch.is_grad_enabled() or torch._C._are_functorch_transforms_active():
            wanted = [x for x, need in zip(tensors, needs) if need]
            with torch.enable_grad():
                found = iter(torch.autograd.grad(job.whole(tensors), wanted, given, create_graph=True))
            return None, *(next(found) if need else None for need in needs)
        if job.reduction == "none":
            return None, *job.with_slopes(tensors, needs, given)[1]
        # The slopes are handed over and not kept, so that no copy is made; a second backward pass computes them again.
        slopes, ctx.slopes = ctx.slopes, None
        if slopes is None:
            _, slopes = job.with_slopes(tensors, needs)
        if given.item() != 1:
            slopes = [slope if slope is None else slope.mul_(given) for slope in slopes]
        return None, *slopes


def _squared_error(x, y, slope, scale):
    torch.sub(x, y, out=slope)
    losses = slope.square()
    slope.mul_(2 * scale)
    return losses


def _hinge(z, y, slope, scale, margin):
    losses = (margin - y * z).clamp_(min=0)
    torch.gt(losses, 0, out=slope).mul_(y).mul_(-scale)
    return losses


def _focal_of_answers(z, y, slope, scale, alpha=None, gamma=0):
    """With d the score of the wrong answer, the loss is s(d)^gamma softplus(d), where s is the sigmoid. For hard labels."""
    if not torch.equal(y.square(), y):
        return None
    sign = 1 - 2 * y
    d = torch.mul(z, sign, out=slope)
    losses = softplus(d, threshold=50)
    q = d.sigmoid_()
    sign.mul_(scale)
    if alpha is not None:
        share = y.mul(2 * alpha - 1).add_(1 - alpha)
        sign.mul_(share)
    if gamma == 0:
        slope.mul_(sign)
    else:
        power = q.square() if gamma == 2 else q.pow(gamma)
        bend = losses.addcmul(losses, q, value=-1).mul_(gamma).add_(q)  # gamma (1 - q) loss + q
        torch.mul(bend.mul_(power), sign, out=slope)
        losses.mul_(power)
    return losses if alpha is None else losses.mul_(share)


def _answers(z, y, weight, pos_weight, slope, scale):
    return _focal_of_answers(z, y, slope, scale) if weight is None and pos_weight is None else None


def _focal_of_classes(z, target, share, slope, scale, ignore_index, gamma=0):
    """q, the probability of the wrong classes together, is summed over them: 1 - p would cancel."""
    dim = class_dim(z)
    ignored = None if ignore_index is None else target == ignore_index
    index = (target if ignored is None else torch.where(ignored, 0, target)).unsqueeze(dim)
    torch.softmax(z, dim, out=slope)
    p = slope.gather(dim, index)
    q = slope.scatter_(dim, index, 0).sum(dim, keepdim=True)
    losses = torch.log1p(q / p)
    if not p.min().item() > 1e-30:  # too small for a quotient, or NaN
        losses = torch.where(p > 1e-30, losses, -torch.log_softmax(z, dim).gather(dim, index))
    if share is not None:
        scale = share * scale
    if ignored is not None:
        scale = torch.where(ignored, 0, torch.as_tensor(scale, dtype=z.dtype))
    factor = scale.unsqueeze(dim) if isinstance(scale, torch.Tensor) else scale
    if gamma != 0:
        power = q.pow(gamma)
        factor = factor * power * (gamma * p * losses / q.clamp(min=torch.finfo(q.dtype).tiny) + 1)
        losses = losses * power
    slope.mul_(factor).scatter_(dim, index, q.mul_(-factor))
    losses = losses.squeeze(dim) if share is None else share * losses.squeeze(dim)
    return losses if ignored is None else torch.where(ignored, 0, losses)


# By the name of the formula, a closed form of the gradient: writes the slopes of scale times the losses, returns the losses.
# None where it does not apply.
_KERNELS = {
    "squared_error": _squared_error,
    "hinge": _hinge,
    "focal_of_answers": _focal_of_answers,
    "surprisal_of_answers": _answers,
    "focal_of_classes": _focal_of_classes,
    "surprisal_of_classes": _focal_of_classes,
}
