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
from torch.nn.functional import linear, softplus

from lossnotes._numeric import class_dim, reduce, wide

# From this many elements on, blocks are faster where autograd differentiates them. A closed form is faster for any number.
LARGE = 1 << 15
# Elements of a block for each thread: enough for PyTorch to use all threads, and so few that the tensors which a formula makes
# of them stay in a core's own cache. The closed form of a row makes none of that size, and larger blocks save calls.
BLOCK, BLOCK_OF_ROWS = 1 << 16, 1 << 19
# Scores that a linear layer gives at a time: many rows, or the matrix products would read the weights too often.
BLOCK_OF_SCORES = 1 << 23


def evaluate(formula, *tensors, reduction, along=None, count=None, **options):
    """The losses ``formula(*tensors, **options)``, reduced (see `reduce`), in the dtype of the first tensor.

    `along` is the dimension of the first tensor that the formula sums over, if it does: a block has all of it. The other
    tensors have the shape of the first, or that shape without `along`. A tensor may be None.
    """
    job = _Job(formula, reduction, along, count, options)
    return job.whole(tensors) if _steps_aside(job, tensors) else _Blocks.apply(job, *tensors)


def evaluate_linear(formula, input, linear_weight, linear_bias, *tensors, reduction, count, **options):
    """`evaluate` of the scores ``input @ linear_weight.T + linear_bias``, of which one block is held at a time, on any device."""
    job = _LinearJob(formula, reduction, 1, count, options)
    tensors = (input, linear_weight, linear_bias, *tensors)
    few = len(input) * len(linear_weight) < LARGE
    # Slopes are written for the layer alone.
    more = any(x is not None and x.requires_grad for x in tensors[3:])
    return job.whole(tensors) if few or more or _is_looked_at(job, tensors) else _Blocks.apply(job, *tensors)


def _steps_aside(job, tensors):
    """Whether the definition is to run: there is nothing to win, or somebody looks at the operations themselves."""
    return (
        tensors[0].numel() < (1 if job.kernel else LARGE)
        or any(x is not None and not x.is_cpu for x in tensors)
        or _is_looked_at(job, tensors)
    )


def _is_looked_at(job, tensors):
    if (
        torch.compiler.is_compiling()
        or torch._C._are_functorch_transforms_active()  # there is no public way to ask
        or torch.autograd.forward_ad._current_level >= 0
        or (job.count is not None and not _on_accelerator(job.count) and not job.count > 0)
    ):
        return True
    for x in tensors:
        if x is not None and type(x) is not torch.Tensor and type(x) is not torch.nn.Parameter:
            return True  # a subclass has its own way to do things
    for x in (job.count, *job.options.values()):
        if isinstance(x, torch.Tensor) and x.requires_grad:
            return True
    return False


def _on_accelerator(x):
    """Whether reading the value of `x` would make another device wait."""
    return isinstance(x, torch.Tensor) and not x.is_cpu


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
        return self.by_autograd(tensors, slopes, scale)

    def by_autograd(self, tensors, slopes, scale):
        tensors = [x if slope is None else x.detach().requires_grad_() for x, slope in zip(tensors, slopes)]
        with torch.enable_grad():
            losses = self.losses(tensors)
        wanted = [x for x, slope in zip(tensors, slopes) if slope is not None]
        scale = torch.as_tensor(scale, dtype=losses.dtype, device=losses.device).expand_as(losses)
        found = torch.autograd.grad(losses, wanted, scale)
        for slope, x in zip((slope for slope in slopes if slope is not None), found):
            slope.copy_(x)
        return losses.detach()

    def scale(self, tensors):
        """What each loss is multiplied with in the result."""
        if self.reduction != "mean":
            return 1.0
        count = tensors[1].numel() if self.count is None else self.count  # a loss for each target
        return 1.0 / (count if _on_accelerator(count) else float(count))

    def each_block(self, *tensors):
        """The blocks of all tensors, side by side."""
        along, first = self.along, max((x for x in tensors if x is not None), key=lambda x: x.ndim)
        size = (BLOCK_OF_ROWS if along is not None and self.kernel else BLOCK) * torch.get_num_threads()
        if first.numel() <= size:
            yield tensors
            return
        if along is None and all(x is None or (x.shape == first.shape and x.is_contiguous()) for x in tensors):
            tensors = [x if x is None else x.view(-1) for x in tensors]
            first = first.view(-1)
        for part in _parts(first.shape, along, size):
            without = part if along is None else part[:along] + part[along + 1 :]
            yield [x if x is None else x[part if x.ndim == first.ndim else without] for x in tensors]


class _LinearJob(_Job):
    """A formula of the scores that a linear layer gives. The first three tensors are the layer's input, weight and bias."""

    def whole(self, tensors):
        return super().whole((linear(*tensors[:3]), *tensors[3:]))

    def values(self, tensors):
        x, weight, bias, *others = tensors
        parts = self.each_rows(len(weight), x, *others)
        losses = torch.cat([self.losses((linear(rows, weight, bias), *rest)) for rows, *rest in parts])
        return reduce(losses, self.reduction, self.count).to(x.dtype)

    def with_slopes(self, tensors, needs, given=None):
        x, weight, bias, *others = tensors
        of_x = torch.empty_like(x) if needs[0] else None
        # Sums over all rows, for which half precision has too few digits.
        of_weight = torch.zeros_like(weight, dtype=wide(weight).dtype) if needs[1] else None
        of_bias = torch.zeros_like(bias, dtype=wide(bias).dtype) if needs[2] else None
        scale, total = self.scale(tensors), 0.0
        for rows, of_rows, scales, *rest in self.each_rows(len(weight), x, of_x, given, *others):
            losses, of_scores = self.of_scores((rows, weight, bias), rest, scale if given is None else _wide(scales))
            total = total + losses.sum()
            of_scores = of_scores.to(x.dtype)
            if needs[0]:
                torch.mm(of_scores, weight, out=of_rows)
            if needs[1] and of_weight.dtype == x.dtype:
                of_weight.addmm_(of_scores.T, rows)
            elif needs[1]:
                of_weight += of_scores.T @ rows
            if needs[2]:
                of_bias += of_scores.sum(0)
            del of_scores  # before the next block is made
        slopes = [of_x, *(s if s is None else s.to(x.dtype) for s in (of_weight, of_bias)), *(None for _ in others)]
        return (total * scale).to(x.dtype), slopes

    def of_scores(self, layer, others, scale):
        """The losses of some rows, and the slopes of scale times losses in their scores: in the memory of the scores, if
        there is a closed form."""
        scores = wide(linear(*layer))
        if self.kernel is not None and scores.is_cpu:
            losses = self.kernel(scores, *map(_wide, others), slope=scores, scale=scale, **self.options)
            if losses is not None:
                return losses, scores
            scores = wide(linear(*layer))
        slope = torch.empty_like(scores)
        return self.by_autograd([scores, *others], [slope, *(None for _ in others)], scale), slope

    def each_rows(self, classes, *tensors):
        step = max(1, BLOCK_OF_SCORES // classes)
        for i in range(0, len(tensors[0]), step):
            yield [x if x is None else x[i : i + step] for x in tensors]


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
        # To be differentiated again, or (where `given` has no memory of its own) for many `given` at once: the definition does.
        if torch.is_grad_enabled() or not torch._C._has_storage(given):
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
        if _on_accelerator(given) or given.item() != 1:
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


def _softmax(z, dim, out):
    if z.shape[dim] >= 16 or z.numel() < LARGE:
        return torch.softmax(z, dim, out=out)
    # PyTorch's own goes through rows that are shorter than a vector register number by number.
    torch.sub(z, z.amax(dim, keepdim=True), out=out).exp_()
    return out.div_(out.sum(dim, keepdim=True))


def _focal_of_classes(z, target, share, slope, scale, ignore_index, gamma=0):
    """q, the probability of the wrong classes together, is summed over them: 1 - p would cancel."""
    dim = class_dim(z)
    ignored = None if ignore_index is None else target == ignore_index
    index = (target if ignored is None else torch.where(ignored, 0, target)).unsqueeze(dim)
    _softmax(z, dim, slope)
    p = slope.gather(dim, index)
    q = slope.scatter_(dim, index, 0).sum(dim, keepdim=True)
    losses = torch.log1p(q / p)
    if not p.min().item() > 1e-30:  # too small for a quotient, or NaN
        if slope is z:
            return None
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
    slope.scatter_(dim, index, q.neg_()).mul_(factor)
    losses = losses.squeeze(dim) if share is None else share * losses.squeeze(dim)
    return losses if ignored is None else torch.where(ignored, 0, losses)


# By the name of the formula, a closed form of the gradient: writes the slopes of scale times the losses, returns the losses.
# None where it does not apply.
_KERNELS = {
    "squared_error": _squared_error,
    "hinge": _hinge,
    "focal_of_answers": _focal_of_answers,
    "surprisal_of_answers": _focal_of_answers,
    "focal_of_classes": _focal_of_classes,
    "surprisal_of_classes": _focal_of_classes,
}
