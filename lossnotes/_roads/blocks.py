"""The second road: a large input is taken in blocks, and nothing is kept of them but the gradient.

A formula written for tensors makes a copy of its input for every operation, and a large copy costs more than the arithmetic
on it. Here the formula sees one block at a time. While a block is in the cache its gradient is written, too, and nothing but
the gradient is kept for the backward pass. Where the gradient has a closed form, that is used; elsewhere autograd
differentiates the formula, block by block.

On a CPU blocks are small, as its caches are, and values may be looked at. On any other device a look would wait for all that was
asked for before: there is none, and blocks are large, so that starting an operation costs little beside the operation.
"""

import itertools
import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch

from lossnotes._numeric import reduce, wide, wide_dtype, widest_dtype
from lossnotes._tracing import is_at_hand

# Elements of a block for each thread: enough for PyTorch to use all threads, and so few that the tensors which a formula makes
# of them stay in the cache. A softmax makes none of that size, and larger blocks save calls.
BLOCK, BLOCK_OF_ROWS = 1 << 17, 1 << 19
# Elsewhere, where starting an operation takes as long as moving some megabytes, blocks have so many bytes at least (in the dtype
# that is computed in), and are so many at most. Again those that are not copied may be larger.
BYTES_ELSEWHERE, BYTES_OF_ROWS_ELSEWHERE = 1 << 24, 1 << 26
BLOCKS_ELSEWHERE, BLOCKS_OF_ROWS_ELSEWHERE = 32, 4


@dataclass(frozen=True)
class ClosedForm:
    """Losses and their slopes without autograd.

    ``write(*tensors, *slopes, **options)`` writes what is in proportion to the slopes of the losses into `slopes`, of which there
    are as many as `slopes` says, for the first tensors; None has no place for them. It returns the losses, and for each of
    `slopes` what it has yet to be multiplied with: a number, or one for each loss. It may leave anything in `slopes` and return
    None where it does not apply. Only on a CPU may that hang on values; there losses that are not finite are left to the
    formula, too.
    """

    write: Callable[..., Any]
    slopes: int = 1
    makes_copies: bool = True  #: whether it makes tensors of the size of a block, beside the slopes
    widens: bool = False  #: whether it takes half precision as it is, elsewhere than on a CPU


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
        """The reduced losses, their slopes for each tensor that needs it, and what each slope has yet to be multiplied with.

        With `given`, a number for each loss, the slopes are those of losses times `given`.
        """
        first, n, at_hand = tensors[0], len(tensors), is_at_hand(tensors[0])
        if not at_hand:
            self.check_once()
        slopes = [torch.empty_like(x, memory_format=torch.contiguous_format) if need else None for x, need in zip(tensors, needs)]
        out = first.new_empty(self.shape_of_losses(first)) if self.reduction == "none" and given is None else None
        # Where the backward pass multiplies in any case, it does so once. Half precision would be rounded twice.
        later = given is None and (not at_hand or self.reduction == "none") and first.dtype == wide_dtype(first)
        rows = [None] * n
        if later and self.along is not None:
            rows = [s if s is None else s.new_empty(self.shape_of_losses(first)) for s in slopes]
        scale, total, factors = self.scale(tensors), 0.0, [1.0] * n
        for to, scales, *block in self.each_block(first, out, given, *tensors, *slopes, *rows):
            now = None if later else scale if given is None else wide_floats(scales)
            losses, sum_of_losses, left = self.block(block[:n], block[n : 2 * n], now)
            for i, (row, factor) in enumerate(zip(block[2 * n :], left)) if later else ():
                if row is None:
                    factors[i] = factor
                else:
                    row[...] = factor
            if out is not None:
                to.copy_(losses)
            elif given is None and at_hand:
                total += losses.sum().item() if sum_of_losses is None else sum_of_losses
            elif given is None:
                total = total + losses.sum(dtype=widest_dtype(first.device))
            del losses  # the next ones take its memory, while that is in the cache
        if later:
            factors = [(factor if row is None else row) * scale for factor, row in zip(factors, rows)]
        if out is None and given is None:
            out = first.new_full((), total * scale) if at_hand else self.scaled(total, scale).to(first.dtype)
        return out, slopes, factors

    def block(self, tensors, slopes, scale):
        """The losses of a block, their sum if it is known, and what each slope has yet to be multiplied with.

        The slopes of scale times losses are written to `slopes`; if `scale` is None, that is left to be multiplied.
        """
        form, left = self.closed_form, [1.0] * len(slopes)
        if form is not None and all(slope is None for slope in slopes[form.slopes :]):
            known = slopes[: form.slopes]
            room = [s if s is None or s.dtype == wide_dtype(s) else torch.empty_like(s, dtype=torch.float32) for s in known]
            as_they_are = form.widens and tensors[0].itemsize > 1 and not is_at_hand(tensors[0])
            found = form.write(*(tensors if as_they_are else map(wide_floats, tensors)), *room, **self.options)
            if found is not None:
                losses, factors = found
                total = losses.sum().item() if is_at_hand(losses) else None
                if total is None or math.isfinite(total):
                    if scale is None:
                        return losses, total, [*factors, *left[form.slopes :]]
                    for slope, written, factor in zip(known, room, factors):
                        if slope is not None:
                            multiply(written, factor * scale, self.along, out=slope)
                    return losses, total, left
        self.check_once()
        return self.by_autograd(tensors, slopes, 1.0 if scale is None else scale), None, left

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

    def shape_of_losses(self, x):
        return [size for d, size in enumerate(x.shape) if d != self.along]

    def scale(self, tensors):
        """What each loss is multiplied with in the result."""
        if self.reduction != "mean":
            return 1.0
        count = tensors[1].numel() if self.count is None else self.count  # a loss for each target
        if not isinstance(count, torch.Tensor) or is_at_hand(count):
            return 1.0 / float(count)
        return torch.where(count == 0, 1, count).to(wide_dtype(tensors[0])).reciprocal()

    def scaled(self, total, scale):
        """The sum of all losses as the result. Of nothing the mean is NaN, and the slopes of what does not count are 0."""
        nothing = self.count == 0 if self.reduction == "mean" and isinstance(self.count, torch.Tensor) else None
        return total * scale if nothing is None else torch.where(nothing, torch.nan, total * scale)

    def size_of_block(self, x):
        copies = self.closed_form is None or self.closed_form.makes_copies
        if is_at_hand(x):
            return (BLOCK if copies else BLOCK_OF_ROWS) * torch.get_num_threads()
        least, most = (BYTES_ELSEWHERE, BLOCKS_ELSEWHERE) if copies else (BYTES_OF_ROWS_ELSEWHERE, BLOCKS_OF_ROWS_ELSEWHERE)
        return max(least, x.nbytes // most) // max(4, x.element_size())

    def each_block(self, first, *tensors):
        """The blocks of all tensors, side by side. They have the shape of `first`, or that shape without `along`."""
        along, size = self.along, self.size_of_block(first)
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


def multiply(slope, factor, dim, out=None):
    """Multiplies with a number, or with one for each loss, which are rows along `dim` if that is not None: in place, or to `out`,
    which rounds half precision once."""
    out = slope if out is None else out
    if isinstance(factor, torch.Tensor):
        if factor.ndim == 0:  # which PyTorch would round to the dtype of the slope
            factor = factor.view([1] * slope.ndim)
        elif dim is not None:
            factor = factor.unsqueeze(dim)
    elif factor == 1 and slope is out:
        return
    torch.mul(wide(slope) if slope.itemsize == 1 else slope, factor, out=out)  # PyTorch promotes no 8 bits


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
        value, *ctx.slopes = job.with_slopes(tensors, needs)
        return value

    @staticmethod
    def backward(ctx, given):
        # The saved tensors are asked for where they are needed, and not before: they may have changed since.
        job, needs = ctx.job, ctx.needs_input_grad[1:]
        # To be differentiated again, or (where `given` has no memory of its own) for many `given` at once: the definition does.
        if torch.is_grad_enabled() or not torch._C._has_storage(given):
            return None, *job.slopes_of_whole(ctx.saved_tensors, needs, given)
        # The slopes are handed over and not kept, so that no copy is made; a second backward pass computes them again.
        found, ctx.slopes = ctx.slopes, None
        each = job.reduction == "none"
        if found is None:
            _, *found = job.with_slopes(ctx.saved_tensors, needs, given if each else None)
            if each:
                return None, *found[0]
        if each or not is_at_hand(given) or given.item() != 1:
            for slope, factor in zip(*found):
                if slope is not None:
                    multiply(slope, factor * wide(given), job.along)
        return None, *found[0]
