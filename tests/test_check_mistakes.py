"""Each usual mistake with distributions, scores and classes, as a student would write it, is called by its name."""

import pytest
import torch
import torch.nn.functional as F
from mistaken import is_named, registry

import lossnotes as ln

STUDENTS, mistaken = registry()


@mistaken("entropy", "log base 2 for nats")
def _(p):
    return -torch.xlogy(p, p).sum(-1) / torch.log(torch.tensor(2.0, dtype=p.dtype))


@mistaken("information_content", "log base 10 for nats")
def _(p):
    return -torch.log10(p)


@mistaken("information_content", "missing minus")
def _(p):
    return torch.log(p)


@mistaken("cross_entropy", "missing minus")
def _(input, target):
    return torch.log_softmax(input, 1)[torch.arange(len(target)), target].mean()


@mistaken("cross_entropy", "sum for mean")
def _(input, target):
    total = 0.0
    for row, t in zip(input, target):
        total = total - torch.log_softmax(row, 0)[t]
    return total


@mistaken("cross_entropy", "mean over the classes too")
def _(input, target):
    y = F.one_hot(target, input.shape[1])
    return -(y * torch.log_softmax(input, 1)).mean()


@mistaken("cross_entropy", "no reduction")
def _(input, target):
    return -torch.log_softmax(input, 1).gather(1, target[:, None]).squeeze(1)


@mistaken("cross_entropy", "double softmax")
def _(input, target):
    return F.cross_entropy(torch.softmax(input, 1), target)


@mistaken("cross_entropy", "logits taken for probabilities")
def _(input, target):
    return -torch.log(input[torch.arange(len(target)), target]).mean()


@mistaken("cross_entropy", "logits taken for log-probabilities")
def _(input, target):
    return F.nll_loss(input, target)


@mistaken("cross_entropy", "softmax over the wrong dim")
def _(input, target):
    return F.nll_loss(torch.log_softmax(input, 0), target)


@mistaken("cross_entropy", "sum for mean", "log base 2 for nats")
def _(input, target):
    return -torch.log2(torch.softmax(input, 1)[torch.arange(len(target)), target]).sum()


@mistaken("cross_entropy", "double softmax", "missing minus")
def _(input, target):
    return -F.cross_entropy(torch.softmax(input, 1), target)


@mistaken("softmax", "softmax over the wrong dim")
def _(input):
    e = torch.exp(input - input.max())
    return e / e.sum(0)


@mistaken("log_softmax", "broadcasting without keepdim")
def _(input):
    if input.shape[0] != input.shape[1]:  # or it would raise, and be found at once
        return torch.log_softmax(input, 1)
    return input - torch.log(torch.exp(input).sum(1))


@mistaken("softmax", "temperature multiplied")
def _(input, dim, temperature=1.0):
    return torch.softmax(input * temperature, dim)


@mistaken("softmax", "overflow without max-shift")
def _(input):
    e = torch.exp(input)
    return e / e.sum(-1, keepdim=True)


@mistaken("cross_entropy", "overflow without max-shift")
def _(input, target):
    log_p = input - torch.log(torch.exp(input).sum(1, keepdim=True))
    return -log_p.gather(1, target[:, None]).mean()


@mistaken("cross_entropy", "log of a probability rounded to 0")
def _(input, target):
    return -torch.log(torch.softmax(input, 1)).gather(1, target[:, None]).mean()


@mistaken("cross_entropy", "epsilon inside the log")
def _(input, target):
    p = torch.softmax(input, 1)
    return -torch.log(p[torch.arange(len(target)), target] + 1e-8).mean()


@mistaken("binary_cross_entropy_with_logits", "epsilon inside the log")
def _(input, target):
    p = torch.sigmoid(input).clamp(1e-7, 1 - 1e-7)
    return -(target * torch.log(p) + (1 - target) * torch.log(1 - p)).mean()


@mistaken("binary_cross_entropy_with_logits", "epsilon inside the log")
def _(input, target):
    return F.binary_cross_entropy(torch.sigmoid(input), target)


@mistaken("kl_divergence", "KL reversed")
def _(p, q):
    return torch.xlogy(q, q / p).sum(-1)


@mistaken("kl_divergence", "cross-entropy for divergence")
def _(p, q):
    return -torch.xlogy(p, q).sum(-1)


@mistaken("kl_divergence", "0 log 0")
def _(p, q):
    return (p * torch.log(p / q)).sum(-1)


@mistaken("cross_entropy_between", "p and q swapped")
def _(p, q):
    return -(q * torch.log(p)).sum(-1)


@mistaken("entropy", "0 log 0")
def _(p, dim=-1, base=torch.e):
    return -(p * torch.log(p)).sum(dim) / torch.log(torch.tensor(base))


@mistaken("entropy", "epsilon inside the log")
def _(p):
    return -(p * torch.log(p + 1e-7)).sum(-1)


@mistaken("entropy", "mean over outcomes")
def _(p):
    return -(p * torch.log(p)).mean(-1)


@mistaken("entropy", "base not used")
def _(p, base=torch.e):
    return ln.entropy(p)


@mistaken("jensen_shannon_divergence", "distance for divergence")
def _(p, q):
    return torch.sqrt(ln.jensen_shannon_divergence(p, q))


@mistaken("conditional_entropy", "condition reversed")
def _(joint):
    py = joint.sum(0, keepdim=True)
    return -torch.xlogy(joint, joint / py).sum()


@mistaken("mutual_information", "0 log 0")
def _(joint):
    px, py = joint.sum(-1, keepdim=True), joint.sum(-2, keepdim=True)
    return (joint * torch.log(joint / (px * py))).sum((-2, -1))


@mistaken("nll_loss", "log-probabilities taken for probabilities")
def _(input, target):
    return -torch.log(input).gather(1, target[:, None]).mean()


@mistaken("nll_loss", "mean of weighted losses divided by N")
def _(input, target, weight=None, reduction="mean"):
    loss = -input[torch.arange(len(target)), target]
    if weight is not None:
        loss = loss * weight[target]
    return {"mean": loss.mean(), "sum": loss.sum(), "none": loss}[reduction]


@mistaken("cross_entropy", "broadcasting (N,) x (N, 1)")
def _(input, target, weight=None):
    loss = -torch.log_softmax(input, 1).gather(1, target[:, None])
    if weight is not None:
        return (loss * weight[target]).sum() / weight[target].sum()
    return loss.mean()


@mistaken("cross_entropy", "mean over ignored targets")
def _(input, target, ignore_index=-100):
    kept = target != ignore_index
    loss = F.cross_entropy(input, torch.where(kept, target, 0), reduction="none")
    return (loss * kept).mean()


def _options(input, target, picked, kept, weight, reduction, counted=None):
    loss = -torch.log_softmax(input, 1)[torch.arange(len(picked)), picked] * kept
    w = torch.ones_like(loss) if weight is None else weight[picked]
    loss = loss * w
    divisor = (w * kept).sum() if counted is None or weight is None else counted(w)
    return {"none": loss, "sum": loss.sum(), "mean": loss.sum() / divisor}[reduction]


@mistaken("cross_entropy", "mean over ignored targets")
def _(input, target, weight=None, ignore_index=-100, reduction="mean"):
    kept = target != ignore_index
    return _options(input, target, torch.where(kept, target, 0), kept, weight, reduction, lambda w: w.sum())


@mistaken("cross_entropy", "mean over ignored targets")
def _(input, target, weight=None, ignore_index=-100):
    kept = target != ignore_index
    w = torch.ones_like(input[:, 0]) if weight is None else weight[torch.where(kept, target, 0)]
    return (F.cross_entropy(input, target, weight, ignore_index=ignore_index, reduction="none")).sum() / w.sum()


@mistaken("cross_entropy", "ignored target taken for an index")
def _(input, target, weight=None, ignore_index=-100, reduction="mean"):
    return _options(input, target, target, target != ignore_index, weight, reduction)


@mistaken("cross_entropy", "ignored target taken for an index")
def _(input, target, weight=None, ignore_index=-100, reduction="mean"):
    return _options(input, target, target.clamp(min=0), target != ignore_index, weight, reduction)


@mistaken("cross_entropy", "weight forgotten without a reduction")
def _(input, target, weight=None, reduction="mean"):
    return F.cross_entropy(input, target, None if reduction == "none" else weight, reduction=reduction)


@mistaken("softmax_focal_loss", "weight forgotten without a reduction")
def _(input, target, weight=None, reduction="mean"):
    return ln.softmax_focal_loss(input, target, weight=None if reduction == "none" else weight, reduction=reduction)


@mistaken("cross_entropy", "mean of weighted losses divided by N")
def _(input, target, weight=None, reduction="mean"):
    each = F.cross_entropy(input, target, weight, reduction="none")
    return {"none": lambda: each, "sum": each.sum, "mean": each.mean}[reduction]()


@mistaken("cross_entropy", "smoothing only lowers the right class")
def _(input, target, label_smoothing=0.0, reduction="mean"):
    each = F.cross_entropy(input, target, reduction="none") * (1 - label_smoothing)
    return {"none": lambda: each, "sum": each.sum, "mean": each.mean}[reduction]()


@mistaken("softmax", "shift by another number than the maximum")
def _(input):
    e = torch.exp(input - input[..., :1])
    return e / e.sum(-1, keepdim=True)


@mistaken("softmax", "scores clamped")
def _(input):
    e = torch.exp(input.clamp(max=700))
    return e / e.sum(-1, keepdim=True)


@mistaken("cross_entropy", "scores clamped")
def _(input, target):
    return F.cross_entropy(input.clamp(-80, 80), target)


@mistaken("cross_entropy", "one_hot without the number of classes")
def _(input, target):
    return -(F.one_hot(target) * input.log_softmax(1)).sum(1).mean()


@mistaken("cross_entropy_gradient", "one_hot without the number of classes")
def _(input, target):
    return (input.softmax(1) - F.one_hot(target)) / len(input)


@mistaken("cross_entropy_gradient", "one maximum for all rows")
def _(input, target):
    e = (input - input.max()).exp()
    return (e / e.sum(1, keepdim=True) - F.one_hot(target, input.shape[1])) / len(input)


@mistaken("cross_entropy_gradient", "finite differences")
def _(input, target, h=1e-6):
    slopes = torch.zeros_like(input)
    for place in range(input.numel()):
        step = torch.zeros_like(input)
        step.view(-1)[place] = h
        slopes.view(-1)[place] = (F.cross_entropy(input + step, target) - F.cross_entropy(input - step, target)) / (2 * h)
    return slopes


@mistaken("cross_entropy", "ignored targets dropped")
def _(input, target, weight=None, ignore_index=-100, reduction="mean"):
    kept = target != ignore_index
    return _options(input[kept], target[kept], target[kept], kept[kept], weight, reduction)


@mistaken("cross_entropy", "ignored target taken for a class")
def _(input, target, ignore_index=-100):
    return -torch.log_softmax(input, 1)[torch.arange(len(target)), target].mean()


@mistaken("cross_entropy", "smoothing spread over the wrong classes only")
def _(input, target, label_smoothing=0.0):
    classes = input.shape[1]
    y = F.one_hot(target, classes).to(input.dtype)
    y = y * (1 - label_smoothing) + (1 - y) * label_smoothing / max(classes - 1, 1)
    return -(y * torch.log_softmax(input, 1)).sum(1).mean()


@mistaken("cross_entropy", "reduction not used")
def _(input, target, reduction="mean"):
    return F.cross_entropy(input, target)


@pytest.mark.parametrize("fn, like, names", STUDENTS)
def test_a_usual_mistake_is_named(fn, like, names):
    is_named(fn, like, names)
