"""The second road: a large input on the CPU is taken in blocks that stay in the cache, and memory is read and written once.

A formula written for tensors makes a copy of its input for every operation, and a large copy costs more than the arithmetic
on it. Here the formula sees one block at a time. While a block is in the cache its gradient is written, too, and nothing but
the gradient is kept for the backward pass. Where the gradient has a closed form (`_KERNELS`), that is used; elsewhere autograd
differentiates the formula, block by block.

The formula stays the definition. It runs as it stands on other devices, on small inputs without a closed form, under
``torch.func`` and forward derivatives, and whenever a gradient is to be differentiated again. Under ``torch.compile`` it does,
too, or a form of it that a compiler makes a faster loop of (`_FOR_A_COMPILER`).
"""

import itertools
import math

import torch
from torch.nn.functional import linear, softplus

from lossnotes._numeric import class_dim, reduce, wide

# From this many elements on, blocks are taken where autograd differentiates them: they hold less memory, and from 2^19 on they are
# faster, too. A closed form is taken for any number.
LARGE = 1 << 15
# Elements of a block for each thread: enough for PyTorch to use all threads, and so few that the tensors which a formula makes
# of them stay in the cache. A softmax makes none of that size, and larger blocks save calls.
BLOCK, BLOCK_OF_ROWS = 1 << 17, 1 << 19
# Scores that a linear layer gives at a time: many rows, or the matrix products would read the weights too often.
BLOCK_OF_SCORES = 1 << 24


def evaluate(formula, *tensors, reduction, along=None, count=None, check=None, **options):
    """The losses ``formula(*tensors, **options)``, reduced (see `reduce`), in the dtype of the first tensor.

    `along` is the dimension of the first tensor that the formula sums over, if it does: a block has all of it. The other
    tensors have the shape of the first, or that shape without `along`. A tensor may be None.

    `check` raises where values are not such as the formula takes. A closed form may see by itself that they are, while they
    are in the cache; then it is not called.
    """
    job = _Job(formula, reduction, along, count, options, check)
    if _steps_aside(job, tensors):
        job.check_once()
        return job.whole(tensors)
    return _Blocks.apply(job, *tensors)


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

    def __init__(self, formula, reduction, along, count, options, check=None):
        self.formula, self.reduction, self.along, self.count, self.options = formula, reduction, along, count, options
        self.check = check
        self.kernel, self.known = _KERNELS.get(formula.__name__, (None, 0))
        # Slopes of the losses of rows can be multiplied later, and a row is much larger than its loss.
        self.keeps_slopes = reduction != "none" or along is not None

    def check_once(self):
        check, self.check = self.check, None
        if check is not None:
            check()

    def losses(self, tensors):
        formula = self.formula
        # A power below 1 has an infinite slope at 0, and only the formula itself avoids that.
        if torch.compiler.is_compiling() and not 0 < self.options.get("gamma", 0) < 1:
            formula = _FOR_A_COMPILER.get(formula.__name__, formula)
        return formula(*map(_wide, tensors), **self.options)

    def whole(self, tensors):
        """The definition."""
        return reduce(self.losses(tensors), self.reduction, self.count).to(tensors[0].dtype)

    def values(self, tensors):
        """The losses of all blocks, reduced, without gradients."""
        return self.with_slopes(tensors, [False] * len(tensors))[0]

    def with_slopes(self, tensors, needs, given=None):
        """The reduced losses, and their slopes for each tensor that needs it; in losses times `given`, if given."""
        slopes = [torch.empty_like(x, memory_format=torch.contiguous_format) if n else None for x, n in zip(tensors, needs)]
        out, scale, total, n = None, self.scale(tensors), 0.0, len(tensors)
        if self.reduction == "none" and given is None:
            out = tensors[0].new_empty([n for d, n in enumerate(tensors[0].shape) if d != self.along])
        for to, scales, *blocks in self.each_block(out, given, *tensors, *slopes):
            losses = self.block(blocks[:n], blocks[n:], scale if given is None else _wide(scales))
            if out is not None:
                to.copy_(losses)
            elif given is None:
                total += losses.sum().item()
        return tensors[0].new_full((), total * scale) if out is None else out, slopes

    def block(self, tensors, slopes, scale):
        """The losses of a block; the slopes of scale times losses are written to `slopes`."""
        known = slopes[: self.known]
        if self.kernel is not None and tensors[0].is_cpu and all(slope is None for slope in slopes[self.known :]):
            room = [s if s is None or wide(s) is s else torch.empty(s.shape) for s in known]
            losses = self.kernel(*map(_wide, tensors), *room, scale, **self.options)
            if losses is not None:
                for slope, found in zip(known, room):
                    if found is not slope:
                        slope.copy_(found)
                return losses
        self.check_once()
        return self.by_autograd(tensors, slopes, scale)

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
        return 1.0 / (count if _on_accelerator(count) else float(count))

    def each_block(self, *tensors):
        """The blocks of all tensors, side by side."""
        along, first = self.along, max((x for x in tensors if x is not None), key=lambda x: x.ndim)
        size = (BLOCK_OF_ROWS if self.kernel is _focal_of_classes else BLOCK) * torch.get_num_threads()
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

    def __init__(self, *args):
        super().__init__(*args)
        self.keeps_slopes = self.reduction != "none"  # those of the weights are sums over rows

    def whole(self, tensors):
        return super().whole((linear(*tensors[:3]), *tensors[3:]))

    def values(self, tensors):
        others = tensors[3:]
        each = self.each_scores(tensors, *others)
        losses = torch.cat([self.block([scores, *rest], [None] * (1 + len(rest)), 1.0) for scores, *rest in each])
        return reduce(losses, self.reduction, self.count).to(tensors[0].dtype)

    def with_slopes(self, tensors, needs, given=None):
        x, weight, bias, *others = tensors
        of_x = torch.empty_like(x) if needs[0] else None
        # Sums over all rows, for which half precision has too few digits.
        of_weight = torch.zeros_like(weight, dtype=wide(weight).dtype) if needs[1] else None
        of_bias = torch.zeros_like(bias, dtype=wide(bias).dtype) if needs[2] else None
        scale, total = self.scale(tensors), 0.0
        for scores, rows, of_rows, scales, *rest in self.each_scores(tensors, x, of_x, given, *others):
            losses, of_scores = self.of_scores(scores, (rows, weight, bias), rest, scale if given is None else _wide(scales))
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
        slopes = [of_x, *(s if s is None else s.to(x.dtype) for s in (of_weight, of_bias)), *(None for _ in others)]
        return (total * scale).to(x.dtype), slopes

    def of_scores(self, scores, layer, others, scale):
        """The losses of some rows, and the slopes of scale times losses in their scores: in the memory of the scores, if
        there is a closed form."""
        slope = wide(scores)
        if self.kernel is not None and scores.is_cpu:
            each = scale if isinstance(scale, torch.Tensor) else None
            losses = [
                self.kernel(z, *map(_wide, rest), z, scale if each is None else part, **self.options)
                for z, part, *rest in self.each_block(slope, each, *others)
            ]
            if all(part is not None for part in losses):
                return torch.cat(losses), slope
            _scores(*layer, out=scores)
        slope = torch.empty_like(slope)
        return self.by_autograd([scores, *others], [slope, *(None for _ in others)], scale), slope

    def each_scores(self, tensors, *by_row):
        """The scores of some rows at a time, always in the same memory, and those rows of other tensors."""
        x, weight, bias = tensors[:3]
        step = max(1, BLOCK_OF_SCORES // len(weight))
        step -= step % 128 if step > 128 else 0  # products of matrices like whole tiles
        room = x.new_empty(min(step, len(x)), len(weight))
        for i in range(0, len(x), step):
            rows = x[i : i + step]
            yield _scores(rows, weight, bias, out=room[: len(rows)]), *(y if y is None else y[i : i + step] for y in by_row)


def _scores(x, weight, bias, out):
    return torch.mm(x, weight.T, out=out) if bias is None else torch.addmm(bias, x, weight.T, out=out)


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
        ctx.job, ctx.slopes = job, None
        ctx.save_for_backward(*tensors)
        needs = ctx.needs_input_grad[1:]
        if not (job.keeps_slopes and any(needs)):
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
        # The slopes are handed over and not kept, so that no copy is made; a second backward pass computes them again.
        slopes, ctx.slopes = ctx.slopes, None
        each = job.reduction == "none"
        if slopes is None:
            _, slopes = job.with_slopes(tensors, needs, given if each else None)
            if each:
                return None, *slopes
        factor = given.unsqueeze(job.along) if each else given
        if each or _on_accelerator(given) or given.item() != 1:
            slopes = [slope if slope is None else slope.mul_(factor) for slope in slopes]
        return None, *slopes


# Closed forms. Each writes the slopes of scale times the losses, unless the place for them is None, and returns the losses;
# or returns None where it does not apply.


def _squared_error(x, y, slope, scale):
    difference = torch.sub(x, y, out=slope)
    losses = difference.square()
    difference.mul_(2 * scale)
    return losses


def _hinge(z, y, slope, scale, margin):
    y = y.to(z.dtype)  # the square of 255 as a uint8 is 1
    least, most = y.square().aminmax()
    if not (least.item() == 1 and most.item() == 1):
        return None
    losses = torch.addcmul(torch.tensor(margin, dtype=z.dtype), y, z, value=-1).clamp_(min=0)
    if slope is not None:
        torch.gt(losses, 0, out=slope).mul_(y).mul_(-scale)
    return losses


def _focal_of_answers(z, y, slope, scale, alpha=None, gamma=0):
    soft = torch.addcmul(y, y, y, value=-1).reshape(-1)
    if not torch.dot(soft, soft).item() == 0:
        return _focal_of_soft_answers(z, y, slope, scale, alpha, gamma)
    # With d the score of the wrong answer, the loss is s(d)^gamma softplus(d), where s is the sigmoid.
    sign = torch.rsub(y, 1, alpha=2)
    d = torch.mul(z, sign, out=slope)
    losses = softplus(d, threshold=50)
    q = d.sigmoid_()
    if gamma != 0:
        power = q.square() if gamma == 2 else q.pow(gamma)
        q.addcmul_(losses, 1 - q, value=gamma).mul_(power)
        losses.mul_(power)
    if alpha is not None:
        signed_share = torch.rsub(y, 1 - alpha)
        losses.mul_(signed_share).mul_(sign)
        sign = signed_share
    q.mul_(sign).mul_(scale)
    return losses


def _focal_of_soft_answers(z, y, slope, scale, alpha, gamma):
    if not _are_probabilities(y):
        return None
    n = 1 - y
    losses, bend, p_yes, p_no = _surprisal_and_slope(z, y, n)
    if gamma != 0:
        wrong = torch.addcmul(y * p_no, n, p_yes)
        power = wrong.square() if gamma == 2 else wrong.pow(gamma)
        of_power = power.div(wrong.clamp_(min=torch.finfo(z.dtype).tiny)).mul_(p_yes).mul_(p_no).mul_(n.sub(y))
        bend.mul_(power).addcmul_(of_power, losses, value=gamma)
        losses.mul_(power)
    if alpha is not None:
        share = n.mul_(1 - alpha).add_(y, alpha=alpha)
        losses.mul_(share)
        bend.mul_(share)
    if slope is not None:
        torch.mul(bend, scale, out=slope)
    return losses


def _weighted_surprisal_of_answers(z, y, weight, pos_weight, slope, scale):
    if not _are_probabilities(y):
        return None
    losses, bend, _, _ = _surprisal_and_slope(z, y if pos_weight is None else y * pos_weight, 1 - y)
    if weight is not None:
        losses.mul_(weight)
        bend.mul_(weight)
    if slope is not None:
        torch.mul(bend, scale, out=slope)
    return losses


def _are_probabilities(y):
    least, most = y.aminmax()
    return least.item() >= 0 and most.item() <= 1


def _surprisal_and_slope(z, yes, no):
    """yes softplus(-z) + no softplus(z), its slope, and the sigmoids of z and -z."""
    size = z.abs()
    losses = softplus(size.neg(), threshold=50).mul_(yes + no)
    losses.addcmul_(no, size.add_(z), value=0.5).addcmul_(yes, size.sub_(z, alpha=2), value=0.5)
    p_yes, p_no = z.sigmoid(), size.copy_(z).neg_().sigmoid_()
    return losses, torch.addcmul(no * p_yes, yes, p_no, value=-1), p_yes, p_no


def _exponentials(z, dim, out):
    """Numbers in the proportions of the softmax."""
    if z.shape[dim] >= 16:
        return torch.softmax(z, dim, out=out)
    # PyTorch's own goes through rows that are shorter than a vector register number by number.
    least, most = z.aminmax()
    if -30 < least.item() and most.item() < 30:  # nothing overflows, whatever the row
        return torch.exp(z, out=out)
    return torch.sub(z, z.amax(dim, keepdim=True), out=out).exp_()


def _focal_of_classes(z, target, share, slope, scale, ignore_index, gamma=0):
    """q, the probability of the wrong classes together, is summed over them: 1 - p would cancel."""
    dim = class_dim(z)
    ignored = None if ignore_index is None else target == ignore_index
    index = (target if ignored is None else torch.where(ignored, 0, target)).unsqueeze(dim)
    e = _exponentials(z, dim, slope)
    right = e.gather(dim, index)
    others = e.scatter_(dim, index, 0).sum(dim, keepdim=True)
    losses = torch.log1p(others / right)
    if not right.min().item() > 1e-30:  # too small for a quotient, or NaN
        if slope is z:
            return None
        losses = torch.where(right > 1e-30, losses, -torch.log_softmax(z, dim).gather(dim, index))
    if share is not None:
        scale = share * scale
    if ignored is not None:
        scale = torch.where(ignored, 0, torch.as_tensor(scale, dtype=z.dtype))
    factor = _along(scale, dim)
    total = right + others
    if gamma != 0:
        q = others / total
        power = q.pow(gamma)
        bend = gamma * right / total * losses / q.clamp(min=torch.finfo(q.dtype).tiny) + 1
        factor = factor * power * bend
        losses = losses * power
    if slope is not None:
        slope.scatter_(dim, index, others.neg_()).mul_(factor / total)
    losses = losses.squeeze(dim) if share is None else share * losses.squeeze(dim)
    return losses if ignored is None else torch.where(ignored, 0, losses)


def _surprisal_of_distributions(z, y, slope, scale, weight):
    """The most probable class may be near 1, where 1 - p cancels: as above, it is summed over the others."""
    dim, y = class_dim(z), y.to(z.dtype)
    if weight is not None:
        y = y * _of_classes(weight, z)
    top = z.argmax(dim, keepdim=True)
    log_p = torch.log_softmax(z, dim, out=slope)
    p = log_p.exp()
    p_top = p.gather(dim, top)
    others = p.scatter_(dim, top, 0).sum(dim, keepdim=True)
    log_p.scatter_(dim, top, -torch.log1p(others / p_top))
    losses = 0 - (y * log_p).sum(dim)
    if not losses.isfinite().all():  # there may be a 0 log 0
        return None
    if slope is not None:
        mass = y.sum(dim, keepdim=True)
        of_top = mass - y.gather(dim, top) - mass * (others / (p_top + others))
        torch.mul(p, mass, out=slope).sub_(y).scatter_(dim, top, of_top).mul_(_along(scale, dim))
    return losses


def _surprisal_of_smoothed(z, target, share, slope, scale, weight, ignore_index, label_smoothing):
    """Of the label, as in `_focal_of_classes`, and of a distribution that is even, or as the weights are."""
    dim, even = class_dim(z), label_smoothing / z.shape[class_dim(z)]
    weights = None if weight is None else _of_classes(weight, z)
    ignored = None if ignore_index is None else target == ignore_index
    index = (target if ignored is None else torch.where(ignored, 0, target)).unsqueeze(dim)
    log_p = torch.log_softmax(z, dim, out=slope)
    of_even = (log_p if weights is None else log_p * weights).sum(dim).mul_(-even)
    p = log_p.exp_()
    right = p.gather(dim, index)
    others = p.scatter_(dim, index, 0).sum(dim, keepdim=True)
    if not (right.min().item() > 1e-30 and of_even.isfinite().all()):
        return None
    of_target = torch.log1p(others / right).squeeze(dim)
    share = 1 if share is None else share
    losses = (1 - label_smoothing) * share * of_target + of_even
    if ignored is not None:
        losses = torch.where(ignored, 0, losses)
        scale = torch.where(ignored, 0, torch.as_tensor(scale, dtype=z.dtype))
    if slope is not None:
        to_target, to_even = _along((1 - label_smoothing) * share * scale, dim), _along(even * scale, dim)
        sum_of_weights = z.shape[dim] if weights is None else weights.sum()
        weight_of_target = 1 if weights is None else weights.expand_as(z).gather(dim, index)
        of_right = (sum_of_weights * right - weight_of_target) * to_even - others * to_target
        slope.mul_(to_target + to_even * sum_of_weights).sub_(to_even if weights is None else to_even * weights)
        slope.scatter_(dim, index, of_right.to(slope.dtype))
    return losses


def _of_classes(weight, z):
    """A weight for each class, in a shape that meets the classes of `z`."""
    return weight.to(z.dtype).reshape([-1 if d == class_dim(z) else 1 for d in range(z.ndim)])


_LOGS = {math.e: torch.log, 2: torch.log2, 10: torch.log10}


def _expected_surprisal(x, slope, scale, dim, base):
    if base not in _LOGS:
        return None
    log = _LOGS[base](x, out=slope)
    impossible = not x.min().item() > 0
    if impossible:
        log.clamp_(min=-1e4)  # 0 times anything but inf
    losses = 0 - (x * log).sum(dim)
    if slope is not None:
        slope.add_(1 / math.log(base)).mul_(_along(-scale, dim))
        if impossible:
            slope.mul_(x.sign())
    return losses


def _expected_surprisal_under(x, y, slope_of_x, slope_of_y, scale, dim, base):
    if base not in _LOGS or not y.min().item() > 0:
        return None
    log = _LOGS[base](y, out=slope_of_x)
    losses = 0 - (x * log).sum(dim)
    if slope_of_x is not None:
        slope_of_x.mul_(_along(-scale, dim))
    if slope_of_y is not None:
        torch.div(x, y, out=slope_of_y).mul_(_along(-scale / math.log(base), dim))
    return losses


def _divergence(x, y, slope_of_x, slope_of_y, scale, dim, base):
    smaller = torch.minimum(x, y)
    if base != math.e or not smaller.min().item() > 1e-30:
        return None
    # log(x / y), in whichever direction the quotient is above 1: nothing cancels.
    difference = x - y
    log = torch.div(difference.abs(), smaller, out=smaller).log1p_().copysign_(difference)
    losses = (x * log).sum(dim).clamp_(min=0)
    if slope_of_x is not None:
        torch.add(log, 1, out=slope_of_x).mul_(_along(scale, dim))
    if slope_of_y is not None:
        torch.div(x, y, out=slope_of_y).mul_(_along(-scale, dim))
    return losses


def _focal_for_a_compiler(z, y, alpha=None, gamma=0):
    """The formula with one exponential and one logarithm. A compiler makes a single loop of it, and those take the time."""
    size = torch.where(z > 0, z, -z)  # abs has no slope at 0
    against = torch.where(z > 0, 1 - y, y)  # the probability of the answer that the score is against
    e = torch.exp(-size)
    loss = against * size + torch.log1p(e)
    if gamma != 0:
        wrong = (against + (1 - against) * e) / (1 + e)
        loss = wrong.clamp(min=torch.finfo(z.dtype).tiny) ** gamma * loss
    return loss if alpha is None else (alpha * y + (1 - alpha) * (1 - y)) * loss


def _along(scale, dim):
    return scale.unsqueeze(dim) if isinstance(scale, torch.Tensor) else scale


# By the name of a formula, its closed form, and of how many of its tensors that gives the slopes: of the first, or first two.
_KERNELS = {
    "squared_error": (_squared_error, 1),
    "hinge": (_hinge, 1),
    "focal_of_answers": (_focal_of_answers, 1),
    "surprisal_of_answers": (_focal_of_answers, 1),
    "weighted_surprisal_of_answers": (_weighted_surprisal_of_answers, 1),
    "focal_of_classes": (_focal_of_classes, 1),
    "surprisal_of_classes": (_focal_of_classes, 1),
    "surprisal_of_distributions": (_surprisal_of_distributions, 1),
    "surprisal_of_smoothed": (_surprisal_of_smoothed, 1),
    "expected_surprisal": (_expected_surprisal, 1),
    "expected_surprisal_under": (_expected_surprisal_under, 2),
    "divergence": (_divergence, 2),
}
_FOR_A_COMPILER = {"focal_of_answers": _focal_for_a_compiler, "surprisal_of_answers": _focal_for_a_compiler}
