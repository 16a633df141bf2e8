"""Which road a loss takes.

The formula is the definition. It runs as it stands under ``torch.compile`` (or a form of it that a compiler makes a faster loop
of), ``torch.func`` and forward derivatives, for tensors of other classes, and whenever a gradient is to be differentiated again.
Everything else takes the second road, on every device.
"""

import torch

from lossnotes._roads import blocks, linear
from lossnotes._tracing import is_at_hand, is_traced

# From about this many elements on, formulas without a closed form are faster in blocks: weighted squared errors from an eighth on,
# the hinge loss of classes from twice as many. A closed form is taken for any number. Elsewhere than on a CPU blocks save memory
# and no time, and a single one saves nothing.
LARGE, LARGE_ELSEWHERE = 1 << 21, blocks.BYTES_ELSEWHERE // 4
# From this many scores on, those of a linear layer are not held whole.
LARGE_LAYER = 1 << 15


def evaluate(formula, *tensors, closed_form=None, compiled=None, reduction, along=None, count=None, check=None, **options):
    """The losses ``formula(*tensors, **options)``, reduced (see `_numeric.reduce`), in the dtype of the first tensor.

    `closed_form` gives the same, with slopes (see `blocks.ClosedForm`); `compiled` is another form of the formula, for
    ``torch.compile``. `along` is the dimension of the first tensor that the formula sums over, if it does: a block has all of
    it. The other tensors have the shape of the first, or that shape without `along`. A tensor may be None.

    `check` raises where values are not such as the formula takes. A closed form may see by itself that they are, while they
    are in the cache; then it is not called.
    """
    if compiled is not None and torch.compiler.is_compiling():
        formula = compiled
    job = blocks.Job(formula, closed_form, reduction, along, count, options, check)
    # Tracers first, sizes second, values last: under a tracer a question about a size is a promise about all inputs.
    steps_aside = (
        _is_looked_at(job, tensors)
        or tensors[0].numel() < (1 if closed_form else LARGE if is_at_hand(tensors[0]) else LARGE_ELSEWHERE)
        or _counts_nothing(count)
    )
    if steps_aside:
        job.check_once()
        return job.whole(tensors)
    return blocks.Blocks.apply(job, *tensors)


def evaluate_linear(formula, input, linear_weight, linear_bias, *tensors, closed_form, reduction, count, dtype, **options):
    """`evaluate` of the scores ``input @ linear_weight.T + linear_bias``, of which one block is held at a time, on any device.

    The result has the dtype `dtype`.
    """
    job = linear.LinearJob(formula, closed_form, reduction, 1, count, options, dtype=dtype)
    tensors = (input, linear_weight, linear_bias, *tensors)
    steps_aside = (
        _is_looked_at(job, tensors)
        or any(x is not None and x.requires_grad for x in tensors[3:])  # slopes are written for the layer alone
        or input.shape[0] * linear_weight.shape[0] < LARGE_LAYER
        or _counts_nothing(count)
    )
    return job.whole(tensors) if steps_aside else blocks.Blocks.apply(job, *tensors)


def _is_looked_at(job, tensors):
    """Whether somebody wants to see, or to differentiate in another way, the operations themselves."""
    return (
        is_traced(*tensors)
        or torch.autograd.forward_ad._current_level >= 0  # there is no public way to ask
        or any(isinstance(x, torch.Tensor) and x.requires_grad for x in (job.count, *job.options.values()))
    )


def _counts_nothing(count):
    """Whether a mean is over nothing, as far as one can see without making another device wait."""
    return count is not None and not (isinstance(count, torch.Tensor) and not is_at_hand(count)) and not count > 0
