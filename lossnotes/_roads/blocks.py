"""The second road: a large input is taken in blocks that stay in the cache, and memory is read and written once.

A formula written for tensors makes a copy of its input for every operation, and a large copy costs more than the arithmetic
on it. Here the formula sees one block at a time. While a block is in the cache its gradient is written, too, and nothing but
the gradient is kept for the backward pass. Where the gradient has a closed form, that is used; elsewhere autograd
differentiates the formula, block by block.
"""

import itertools
import math
from collections.abc import Callable
from dataclasses import dataclass

import torch

from lossnotes._numeric import reduce, wide

# Elements of a block for each thread: enough for PyTorch to use all threads, and so few that the tensors which a formula makes
# of them stay in the cache. A softmax makes none of that size, and larger blocks save calls.
BLOCK, BLOCK_OF_ROWS = 1 << 17, 1 << 19


@dataclass(frozen=True)
class ClosedForm:
    """Losses and their slopes without autograd.

    ``write(*tensors, *slopes, scale, **options)`` writes the slopes of scale times the losses into `slopes`, of which there are
    as many as `slopes` says, for the first tensors; None has no place for them. It returns the losses, or None where it
    does not apply, and may leave anything in `slopes` then. Losses that are not finite are left to the formula.
    """

    write: Callable[..., torch.Tensor | None]
    slopes: int = 1
    makes_copies: bool = True  #: whether it makes tensors of the size of a block, beside the slopes


class Job:
    """A formula, and what is to become of its losses."""

    def __init__(self, formula, closed_form, reduction, along, count, options, check=None, dtype=None):
        self.formula, self.closed_form, self.options = formula, closed_form, options
        self.reduction, self.along, self.count, self.check, self.dtype = reduction, along, count, check, dtype
        # Slopes of the losses of rows can be multiplied later, and a row is much larger than its loss.
        self.keeps_slopes = reduction != "none" or along is not None

    def check_once(self):
        check, self.check = self.check, None
        if check is not None:
            check()

    def losses(self, tensors):
        return self.formula(*map(wide_floats, tensors), **self.options)

    def whole(self, tensors):
        """The definition."""
        return reduce(self.losses(tensors), self.reduction, self.count).to(self.dtype or tensors[0].dtype)

    def slopes_of_whole(self, tensors, needs, given):
        """The slopes of the definition, which can be differentiated again.

        Every tensor is differentiated as if it stood alone: where one is made from another, the caller's graph has the way
        between them, and to walk it here, too, would count it twice. Hence the aliases.
        """
        with torch.enable_grad():
            tensors = [x.view_as(x) if need else x for x, need in zip(tensors, needs)]
            wanted = [x for x, need in zip(tensors, needs) if need]
            found = iter(torch.autograd.grad(self.whole(tensors), wanted, given, create_graph=True))
        return [next(found) if need else None for need in needs]

    def values(self, tensors):
        """The losses of all blocks, reduced, without gradients."""
        return self.with_slopes(tensors, [False] * len(tensors))[0]

    def with_slopes(self, tensors, needs, given=None):
        """The reduced losses, and their slopes for each tensor that needs it; in losses times `given`, if given."""
        slopes = [torch.empty_like(x, memory_format=torch.contiguous_format) if n else None for x, n in zip(tensors, needs)]
        out, scale, total, n = None, self.scale(tensors), 0.0, len(tensors)
        if self.reduction == "none" and given is None:
            out = tensors[0].new_empty([n for d, n in enumerate(tensors[0].shape) if d != self.along])
        for to, scales, *block in self.each_block(out, given, *tensors, *slopes):
            losses, sum_of_losses = self.block(block[:n], block[n:], scale if given is None else wide_floats(scales))
            if out is not None:
                to.copy_(losses)
            elif given is None:
                total += losses.sum().item() if sum_of_losses is None else sum_of_losses
        return tensors[0].new_full((), total * scale) if out is None else out, slopes

    def block(self, tensors, slopes, scale):
        """The losses of a block, and their sum if it is known; the slopes of scale times losses are written to `slopes`."""
        form = self.closed_form
        if form is not None and tensors[0].is_cpu and all(slope is None for slope in slopes[form.slopes :]):
            known = slopes[: form.slopes]
            room = [s if s is None or wide(s) is s else torch.empty_like(s, dtype=torch.float32) for s in known]
            losses = form.write(*map(wide_floats, tensors), *room, scale, **self.options)
            total = math.nan if losses is None else losses.sum().item()
            if math.isfinite(total):
                for slope, found in zip(known, room):
                    if found is not slope:
                        slope.copy_(found)
                return losses, total
        self.check_once()
        return self.by_autograd(tensors, slopes, scale), None

    def by_autograd(self, tensors, slopes, scale):
        if all(slope is None for slope in slopes):
            return self.losses(tensors)
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
        return 1.0 / (count if on_accelerator(count) else float(count))

    def each_block(self, *tensors):
        """The blocks of all tensors, side by side."""
        along, first = self.along, max((x for x in tensors if x is not None), key=lambda x: x.ndim)
        copies = self.closed_form is None or self.closed_form.makes_copies
        size = (BLOCK if copies else BLOCK_OF_ROWS) * torch.get_num_threads()
        if first.numel() <= size:
            yield tensors
            return
        if along is None and all(x is None or (x.shape == first.shape and x.is_contiguous()) for x in tensors):
            tensors = [x if x is None else x.view(-1) for x in tensors]
            first = first.view(-1)
        for part in parts(first.shape, along, size):
            without = part if along is None else part[:along] + part[along + 1 :]
            yield [x if x is None else x[part if x.ndim == first.ndim else without] for x in tensors]


def wide_floats(x):
    return wide(x) if x is not None and x.is_floating_point() else x


def on_accelerator(x):
    """Whether reading the value of `x` would make another device wait."""
    return isinstance(x, torch.Tensor) and not x.is_cpu


def along(scale, dim):
    """A scale for each row, beside the rows."""
    return scale.unsqueeze(dim) if isinstance(scale, torch.Tensor) else scale


def parts(shape, along, size):
    """Slices that cut `shape` into blocks of about `size` elements, from the first dimension on, never through `along`."""
    steps = list(shape)
    for d in range(len(shape)):
        if d != along:
            rest = math.prod(steps) // steps[d]
            steps[d] = min(steps[d], max(1, size // rest))
            if rest <= size:
                break
    return itertools.product(*([slice(i, i + s) for i in range(0, n, s)] for n, s in zip(shape, steps)))


class Blocks(torch.autograd.Function):
    """A job as one operation of autograd."""

    @staticmethod
    def forward(ctx, job, *tensors):
        ctx.job, ctx.slopes = job, None
        ctx.save_for_backward(*tensors)
        needs = ctx.needs_input_grad[1:]
        if not (job.keeps_slopes and any(needs)):
            return job.values(tensors)
        value, ctx.slopes = job.with_slopes(tensors, needs)
        return value

    @staticmethod
    def backward(ctx, given):
        # The saved tensors are asked for where they are needed, and not before: they may have changed since.
        job, needs = ctx.job, ctx.needs_input_grad[1:]
        # To be differentiated again, or (where `given` has no memory of its own) for many `given` at once: the definition does.
        if torch.is_grad_enabled() or not torch._C._has_storage(given):
            return None, *job.slopes_of_whole(ctx.saved_tensors, needs, given)
        # The slopes are handed over and not kept, so that no copy is made; a second backward pass computes them again.
        slopes, ctx.slopes = ctx.slopes, None
        each = job.reduction == "none"
        if slopes is None:
            _, slopes = job.with_slopes(ctx.saved_tensors, needs, given if each else None)
            if each:
                return None, *slopes
        factor = given.unsqueeze(job.along) if each else given
        if each or on_accelerator(given) or given.item() != 1:
            slopes = [slope if slope is None else slope.mul_(factor) for slope in slopes]
        return None, *slopes
