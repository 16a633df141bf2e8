"""What a loss and its gradients ask of another device: bytes read and written, the peak of memory, and how many operations.

    python benchmarks/traffic.py     a second: nothing is computed, tensors of the device "meta" have no values

Away from the CPU a loss takes at least as long as its data take to move and its operations to start, so this says much, without
such a device, and the same on every machine. It does not say how fast a kernel is, nor what it needs inside.
"""

import functools
from typing import NamedTuple

import torch
import torch.nn.functional as F
from peers import (
    distributions,
    layer,
    numbers,
    power_of_cross_entropy,
    scores_and_answers,
    scores_and_classes,
    scores_and_soft_classes,
    step,
)
from torch.multiprocessing.reductions import StorageWeakRef
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

import lossnotes as ln

# Operations that make a tensor, which read none; and those that write over one without reading it.
MAKE = ("empty", "full", "zeros", "ones", "new_", "_like", "scalar_tensor", "arange")
WRITE = ("copy_", "fill_", "zero_")
# Some of PyTorch's functions are several operations, whatever the device, of which a mode sees one. What is inside, in place of it:
# as in ATen/native/Loss.cpp, where log_sigmoid is one operation that reads and writes as sigmoid does.


def _inside_of_bce(z, y, weight=None, pos_weight=None, reduction=1):
    assert weight is None and pos_weight is None
    losses = (1 - y).mul_(z).sub_(torch.sigmoid(z))
    return losses if reduction == 0 else losses.mean()


def _inside_of_mse(x, y, reduction=1):
    losses = torch.sub(x, y)
    # The mean is a number whose memory has the size of the losses.
    return losses if reduction == 0 else torch.empty_like(x).view(-1)[0].copy_(losses.mean())


INSIDE = {"binary_cross_entropy_with_logits": _inside_of_bce, "mse_loss": _inside_of_mse}
# Operations that touch as much of their first tensor as the third argument, or what they return, has elements.
TAKE = ("gather", "index_select", "index", "nll_loss_forward", "nll_loss_backward")
PUT = ("scatter_", "scatter_add_", "index_put_")


class Traffic(TorchDispatchMode):
    """Counts operations, the bytes that they read and write, and the most that is held beside what was there before."""

    def __init__(self):
        super().__init__()
        self.moved, self.started, self.peak, self.held = 0, 0, 0, {}

    def __torch_dispatch__(self, operation, types, args=(), kwargs=None):
        kwargs, name = kwargs or {}, operation.overloadpacket.__name__
        if name in INSIDE:
            with self:
                return INSIDE[name](*args, **kwargs)
        before = {x.untyped_storage()._cdata for x in tree_leaves((args, kwargs)) if isinstance(x, torch.Tensor)}
        found = operation(*args, **kwargs)
        made = [x for x in tree_leaves(found) if isinstance(x, torch.Tensor)]
        if not operation.is_view and name not in ("detach", "alias") and not name.startswith(("empty", "new_empty")):
            fresh = [x for x in made if x.untyped_storage()._cdata not in before]
            self.started += 1
            self.moved += self.bytes_of(operation, name, args, kwargs, fresh)
        self.held = {key: held for key, held in self.held.items() if not held[0].expired()}
        for x in made:
            storage = x.untyped_storage()
            if storage._cdata not in before:
                self.held.setdefault(storage._cdata, (StorageWeakRef(storage), storage.nbytes()))
        self.peak = max(self.peak, sum(nbytes for _, nbytes in self.held.values()))
        return found

    def bytes_of(self, operation, name, args, kwargs, made):
        """The same tensor given twice is read once."""
        arguments = operation._schema.arguments
        given = [(a, args[i] if i < len(args) else kwargs.get(a.name)) for i, a in enumerate(arguments)]
        reads, writes = {}, {}
        for argument, value in given:
            for x in tree_leaves(value):
                if isinstance(x, torch.Tensor):
                    key = (x.untyped_storage()._cdata, x.storage_offset(), tuple(x.shape), x.stride())
                    is_written = argument.alias_info is not None and argument.alias_info.is_write
                    if is_written:
                        writes[key] = touched(x)
                    if not (is_written and (argument.kwarg_only or name in WRITE)):
                        reads[key] = touched(x)
        if any(part in name for part in MAKE):
            reads.clear()
        if name in TAKE or name in PUT:
            tensors = [x for _, x in given if isinstance(x, torch.Tensor)]
            first, index = tensors[name == "nll_loss_backward"], tensors[1 + (name == "nll_loss_backward")]
            some = index.numel() * first.element_size()
            reads = {0: some * (name not in ("nll_loss_backward", "scatter_"))} | {
                i: touched(x) for i, x in enumerate(tensors) if x is not first
            }
            writes = {0: some} if name in PUT else {}
        return sum(reads.values()) + sum(writes.values()) + sum(map(touched, made))


def touched(x):
    """Bytes of a tensor, of which an expanded dimension has one."""
    return x.element_size() * functools.reduce(lambda n, d: n * (x.shape[d] if x.stride(d) else 1), range(x.ndim), 1)


class Case(NamedTuple):
    name: str
    shape: tuple[int, ...]
    draw: callable
    ours: callable
    peer: str
    theirs: callable
    bytes: float | None  # what of the peer's bytes may be moved
    peak: float  # how many times the scores may be held


# Bytes that an operation has to move, in the mean over a loss and its gradients: on a fast GPU (3 TB/s) these take 5 microseconds,
# about what Python and PyTorch need to start it. With fewer the device waits for them.
WORTH_STARTING = 1 << 24

ALPHA, GAMMA = 0.25, 2.0


def power_of_bce(z, y):
    """The formula of segmentation-models, which moves least of those that are published."""
    losses = F.binary_cross_entropy_with_logits(z, y, reduction="none")
    focal = (1 - torch.exp(-losses)).pow(GAMMA) * losses
    focal *= ALPHA * y + (1 - ALPHA) * (1 - y)
    return focal.mean()


def hinge_formula(x, y):
    return F.relu(1 - y * x).mean()


def js_formula(p, q):
    log_m = ((p + q) / 2).log()
    return (F.kl_div(log_m, p, reduction="batchmean") + F.kl_div(log_m, q, reduction="batchmean")) / 2


def mean(loss):
    return lambda *tensors: loss(*tensors).mean()


def half_scores_and_classes(*shape, device):
    scores, classes = scores_and_classes(*shape, device=device)
    return scores.detach().to(torch.bfloat16).requires_grad_(), classes


def in_float32(x, target):
    """As ``torch.autocast`` does it: PyTorch's own rounds the log-probabilities to half precision."""
    return F.cross_entropy(x.float(), target)


def scores_of_layer(x, weight, target):
    return F.cross_entropy(F.linear(x, weight), target)


ROWS, N = (8192, 32000), 1 << 26
F_BCE = F.binary_cross_entropy_with_logits
sigmoid_focal = functools.partial(ln.sigmoid_focal_loss, alpha=ALPHA, gamma=GAMMA)
smoothed, F_smoothed = (functools.partial(f, label_smoothing=0.1) for f in (ln.cross_entropy, F.cross_entropy))
CASES = [
    Case("cross_entropy 8192 × 32000", ROWS, scores_and_classes, ln.cross_entropy, "F.cross_entropy", F.cross_entropy, 1.17, 1.5),
    Case("the same, bfloat16", ROWS, half_scores_and_classes, ln.cross_entropy, "F.cross_entropy(z.float())", in_float32, 1, 1.5),
    Case("the same, bfloat16", ROWS, half_scores_and_classes, ln.cross_entropy, "F.cross_entropy", F.cross_entropy, 1.84, 1.5),
    Case(
        "softmax focal 8192 × 32000",
        ROWS,
        scores_and_classes,
        ln.softmax_focal_loss,
        "formula on F.cross_entropy",
        power_of_cross_entropy,
        1.17,
        1.5,
    ),
    Case(
        "BCE 64M",
        (N,),
        scores_and_answers,
        ln.binary_cross_entropy_with_logits,
        "F.binary_cross_entropy_with_logits",
        F_BCE,
        1.36,
        1.5,
    ),
    Case("MSE 64M", (N,), numbers, ln.mse_loss, "F.mse_loss", F.mse_loss, 1, 1.5),
    Case(
        "sigmoid focal 64M",
        (N,),
        scores_and_answers,
        sigmoid_focal,
        "segmentation-models' formula",
        power_of_bce,
        1,
        1.5,
    ),
    Case("hinge 64M", (N,), numbers, ln.hinge_loss, "F.relu(1 - y z)", hinge_formula, 1, 1.5),
    Case("label smoothing 8192 × 32000", ROWS, scores_and_classes, smoothed, "F.cross_entropy", F_smoothed, 1.45, 1.5),
    Case(
        "soft classes 8192 × 32000", ROWS, scores_and_soft_classes, ln.cross_entropy, "F.cross_entropy", F.cross_entropy, 1.64, 1.5
    ),
    Case(
        "entropy 8192 × 32000",
        ROWS,
        distributions(1, True),
        mean(ln.entropy),
        "torch.special.entr",
        lambda p: torch.special.entr(p).sum(-1).mean(),
        1.23,
        1.5,
    ),
    Case(
        "KL 8192 × 32000",
        ROWS,
        distributions(2, True),
        mean(ln.kl_divergence),
        "F.kl_div",
        lambda p, q: F.kl_div(q.log(), p, reduction="batchmean"),
        1.11,
        2.5,
    ),
    Case("JS 8192 × 32000", ROWS, distributions(2, True), mean(ln.jensen_shannon_divergence), "F.kl_div", js_formula, 1.37, 2.5),
    Case(
        "linear_cross_entropy 8192 × 512 × 32000",
        (8192, 512, 32000),
        layer,
        ln.linear_cross_entropy,
        "cross_entropy(F.linear)",
        scores_of_layer,
        None,
        0.5,
    ),
]


class Weight(NamedTuple):
    moved: float  # in sizes of the scores
    peak: float  # the same
    started: int  # operations
    bytes_each: float  # that an operation moves in the mean


@functools.cache
def weigh(case, way):
    """What a step of a way asks of its device."""
    tensors = case.draw(*case.shape, device="meta")
    with Traffic() as traffic:
        kept = step(way, tensors)
    del kept
    size = tensors[0].element_size() * case.shape[0] * case.shape[-1] ** (len(case.shape) > 1)
    return Weight(traffic.moved / size, traffic.peak / size, traffic.started, traffic.moved / traffic.started)


def rows():
    """For each case what ours and the peer's do: bytes, peak and operations."""
    found = []
    for case in CASES:
        ours, peer = weigh(case, case.ours), weigh(case, case.theirs)
        moved = f"{ours.moved:.1f}", f"{peer.moved:.1f}", f"{ours.moved / peer.moved:.2f}"
        found.append((case.name, *moved, f"{ours.peak:.2f}", f"{peer.peak:.2f}", f"{ours.started}", f"{peer.started}", case.peer))
    return found


if __name__ == "__main__":
    import show

    print(show.traffic())
