"""The mean over a step that is taken in parts: micro-batches one after the other, or processes side by side."""

import torch
from torch import Tensor

from lossnotes import _checks
from lossnotes._numeric import widest_dtype
from lossnotes._tracing import leaf_of_fx


@leaf_of_fx
def distributed_mean(total: Tensor, count: float | Tensor, *, group: "torch.distributed.ProcessGroup | None" = None) -> Tensor:
    r"""Mean loss of a whole step, from the sum of the losses of one part of it.

    .. math:: L = \frac{\text{total} \cdot \text{processes}}{\sum_\text{processes} \text{count}}

    The mean of the means of parts is not the mean when they hold unequal numbers of targets. This divides each sum by what
    the whole step counts. Accumulated over the micro-batches of a process, and averaged over the processes, as
    ``DistributedDataParallel`` averages gradients, values and gradients are those of the mean over all targets.

    Parameters
    ----------
    total : tensor, shape ()
        Sum of the losses of this part: ``reduction="sum"``.
    count : int, float or tensor, shape ()
        What this process counts in the whole step: the targets (or the sum of their weights) of all its micro-batches.
    group : torch.distributed.ProcessGroup, optional
        The processes that share the step; all of them unless given. Without ``torch.distributed`` there is one.

    Returns
    -------
    tensor, shape ()
        To call ``backward`` on. Every process of the group has to call this function. A mean over nothing is NaN, and
        a `total` above 0 over a count of 0 is inf.

    Raises
    ------
    TypeError
        `total` is not a floating-point tensor, or `count` is not a number.
    ValueError
        `total` or `count` is not a single number, or `count` is negative or infinite.

    Examples
    --------
    >>> import torch, lossnotes as ln
    >>> scores, target = torch.zeros(10, 4), torch.arange(10) % 4
    >>> parts = zip(scores.split(7), target.split(7))  # 7 and 3
    >>> sum(ln.distributed_mean(ln.cross_entropy(z, t, reduction="sum"), 10) for z, t in parts)
    tensor(1.3863)

    References
    ----------
    Shown to be exact in :doc:`/book/practice/losses-at-scale`.
    """
    fn = "distributed_mean"
    _checks.is_floating_tensor(fn, "total", total)
    if total.ndim:
        raise ValueError(
            f'{fn}: total has shape {tuple(total.shape)}; expected a single number. Try total.sum(), or reduction="sum".'
        )
    counted = _checks.as_count(fn, count, total.device)
    # In float64, rounded once: half precision holds no large count. A copy, of one dtype on all processes: it is summed in place.
    exact = widest_dtype(counted.device)
    counted = counted.to(exact, copy=True)
    processes = 1
    if torch.distributed.is_available() and torch.distributed.is_initialized():
        processes = torch.distributed.get_world_size(group)
        torch.distributed.all_reduce(counted, group=group)
    return (total.to(exact) * processes / counted).to(total.dtype)
