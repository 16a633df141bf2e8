"""The scores of a linear layer: one block of them is held at a time, and the slopes are those of the layer."""

import torch
from torch.nn.functional import linear

from lossnotes._numeric import reduce, wide, wide_dtype
from lossnotes._roads.blocks import Job, multiply, wide_floats
from lossnotes._tracing import is_at_hand

# Scores that a linear layer gives at a time: many rows, or the matrix products would read the weights too often.
BLOCK_OF_SCORES = 1 << 24


class LinearJob(Job):
    """A formula of the scores that a linear layer gives. The first three tensors are the layer's input, weight and bias."""

    def __init__(self, *args, **kwargs):
        super().__init__(*args, **kwargs)
        self.keeps_slopes = self.reduction != "none"  # those of the weights are sums over rows

    def whole(self, tensors):
        return super().whole((linear(*tensors[:3]), *tensors[3:]))

    def values(self, tensors):
        others = tensors[3:]
        each = self.each_scores(tensors, *others)
        losses = torch.cat([self.block([scores, *rest], [None] * (1 + len(rest)), 1.0)[0] for scores, *rest in each])
        return reduce(losses, self.reduction, self.count).to(self.dtype)

    def with_slopes(self, tensors, needs, given=None):
        x, weight, bias, *others = tensors
        of_x = torch.empty_like(x) if needs[0] else None
        # Sums over all rows, for which half precision has too few digits.
        of_weight = torch.zeros_like(weight, dtype=wide_dtype(weight)) if needs[1] else None
        of_bias = torch.zeros_like(bias, dtype=wide_dtype(bias)) if needs[2] else None
        scale, total = self.scale(tensors), 0.0
        for scores, rows, of_rows, scales, *rest in self.each_scores(tensors, x, of_x, given, *others):
            each = scale if given is None else wide_floats(scales)
            losses, of_scores = self.of_scores(scores, (rows, weight, bias), rest, each)
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
        return self.scaled(total, scale).to(self.dtype), slopes, [1.0] * len(slopes)

    def of_scores(self, scores, layer, others, scale):
        """The losses of some rows, and the slopes of scale times losses in their scores: in the memory of the scores, if
        there is a closed form."""
        slope = wide(scores)
        each, at_hand = scale if isinstance(scale, torch.Tensor) and scale.ndim else None, is_at_hand(scores)
        losses = []
        for z, part, *rest in self.each_block(slope, slope, each, *others):
            found = self.closed_form.write(z, *map(wide_floats, rest), z, **self.options)
            if found is None or (at_hand and not found[0].sum().isfinite()):
                break
            losses.append(found[0])
            multiply(z, found[1][0] * (scale if part is None else part), self.along)
        else:
            return torch.cat(losses), slope
        _scores(*layer, out=scores)
        slope = torch.empty_like(slope)
        return self.by_autograd([scores, *others], [slope, *(None for _ in others)], scale), slope

    def each_scores(self, tensors, *by_row):
        """The scores of some rows at a time, always in the same memory, and those rows of other tensors."""
        x, weight, bias = tensors[:3]
        step = max(1, BLOCK_OF_SCORES // weight.shape[0])
        step -= step % 128 if step > 128 else 0  # products of matrices like whole tiles
        room = x.new_empty(min(step, x.shape[0]), weight.shape[0])
        for i in range(0, x.shape[0], step):
            rows = x[i : i + step]
            yield _scores(rows, weight, bias, out=room[: rows.shape[0]]), *(y if y is None else y[i : i + step] for y in by_row)


def _scores(x, weight, bias, out):
    return torch.mm(x, weight.T, out=out) if bias is None else torch.addmm(bias, x, weight.T, out=out)
