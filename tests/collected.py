"""Right functions as students write them. What is right by a sheet alone stands in the tests of sheets."""

import functools
import math

import torch
import torch.nn.functional as F
from torch.distributions import Categorical
from torch.distributions import kl_divergence as kl

RIGHT = []


def right(like, bought=False):
    """Register a right function. One that is `bought` is right in a notebook, and in grading it is refused."""
    return lambda fn: RIGHT.append((like, fn, bought)) or fn


def log_p(input, target):
    return torch.log_softmax(input, 1).gather(1, target[:, None]).squeeze(1)


# --- right: what the review found refused -----------------------------------------------------------------------------------


@right("train_classifier")
def _(loss, x, y, classes, steps=100, lr=0.1):
    w = torch.zeros(classes, x.shape[1], dtype=x.dtype, requires_grad=True)
    optimizer = torch.optim.SGD([w], lr=lr)
    for _ in range(steps):
        optimizer.zero_grad()
        loss(x @ w.T, y).backward()
        optimizer.step()
    return w.detach()


@right("train_classifier")
def _(loss, x, y, classes, steps=100, lr=0.1):
    layer = torch.nn.Linear(x.shape[1], classes, bias=False)
    torch.nn.init.zeros_(layer.weight)
    optimizer = torch.optim.SGD(layer.parameters(), lr=lr)
    for _ in range(steps):
        optimizer.zero_grad()
        loss(layer(x.float()), y).backward()
        optimizer.step()
    return layer.weight.detach()


@right("conditional_entropy")
def _(joint):
    return -(torch.xlogy(joint, joint) - torch.xlogy(joint, joint.sum(1, keepdim=True))).sum()


@right("conditional_entropy")
def _(joint):
    rows = joint.sum(1)
    return -torch.xlogy(joint.flatten(), joint.flatten()).sum() + torch.xlogy(rows, rows).sum()


@right("conditional_entropy")
def _(joint):
    total = joint.new_zeros(())
    for row in joint:
        if row.sum() > 0:
            q = row / row.sum()
            total = total - row.sum() * torch.xlogy(q, q).sum()
    return total


@right("mutual_information")
def _(joint):
    outer = joint.sum(1, keepdim=True) * joint.sum(0, keepdim=True)
    return (torch.xlogy(joint, joint) - torch.xlogy(joint, outer)).sum()


@right("mutual_information")
def _(joint):
    def H(p):
        return -torch.xlogy(p, p).sum()

    return H(joint.sum(0)) + H(joint.sum(1)) - H(joint.flatten())


@right("mutual_information")
def _(joint):
    outer = joint.sum(1)[:, None] * joint.sum(0)
    kept = joint > 0
    return (joint[kept] * (joint[kept] / outer[kept]).log()).sum()


@right("mean_of_parts")
def _(means, counts):
    return torch.dot(means, counts.float()) / counts.sum()


@right("mean_of_parts")
def _(means, counts):
    return torch.repeat_interleave(means, counts).mean()


@right("nll_loss")
def _(input, target):
    return -(F.one_hot(target, input.shape[1]).float() @ input.float().T).diagonal().mean()


@right("nll_loss")
def _(input, target):
    y = torch.zeros(len(target), input.shape[1])
    y[torch.arange(len(target)), target] = 1
    return -(y * input).sum() / len(target)


@right("cross_entropy")
def _(input, target):
    return -(torch.eye(input.shape[1])[target] * torch.log_softmax(input, 1)).sum(1).mean()


@right("cross_entropy")
def _(input, target):
    return sum(-torch.log_softmax(row, 0)[t] for row, t in zip(input, target)) / len(target)


@right("cross_entropy")
def _(input, target):
    return torch.stack([torch.logsumexp(row, 0) - row[t] for row, t in zip(input, target)]).mean()


@right("cross_entropy")
def _(input, target):
    shifted = input - input.max(1, keepdim=True)[0]
    return (shifted.exp().sum(1).log() - shifted[range(len(target)), target]).mean()


@right("cross_entropy")
def _(input, target, weight=None, ignore_index=-100, reduction="mean"):
    counts = target != ignore_index
    kept = -log_p(input[counts], target[counts])
    w = torch.ones_like(kept) if weight is None else weight[target[counts]].to(kept)
    if reduction == "none":
        losses = torch.zeros_like(input[:, 0])
        losses[counts] = w * kept
        return losses
    return (w * kept).sum() / (w.sum() if reduction == "mean" else 1)


@right("cross_entropy")
def _(input, target, *, ignore_index=-100, reduction="mean"):
    losses = [input[0, 0] * 0 if t == ignore_index else torch.logsumexp(row, 0) - row[t] for row, t in zip(input, target)]
    total = torch.stack(losses)
    return {"none": total, "sum": total.sum(), "mean": total.sum() / (target != ignore_index).sum()}[reduction]


@right("cross_entropy")
def _(input, target, weight=None, ignore_index=-100):
    y = (target[:, None] == torch.arange(input.shape[1])) * (target != ignore_index)[:, None]
    w = y.to(input.dtype) if weight is None else y * weight.to(input.dtype)
    return -(w * torch.log_softmax(input, 1)).sum() / w.sum()


@right("multiclass_hinge_loss")
def _(input, target):
    best, second = input.topk(2, 1).values.T
    own = input.gather(1, target[:, None]).squeeze(1)
    return torch.relu(1 + torch.where(own == best, second, best) - own).mean()


@right("multiclass_hinge_loss")
def _(input, target):
    own = F.one_hot(target, input.shape[1]).bool()
    return (1 + input.masked_fill(own, -math.inf).amax(1) - input[own]).clamp(min=0).mean()


@right("entropy")
def _(p):
    p = p / p.sum(-1, keepdim=True)
    return -torch.xlogy(p, p).sum(-1)


@right("entropy", bought=True)
def _(p):
    return Categorical(p).entropy()


@right("entropy", bought=True)
def _(p):
    uniform = torch.full_like(p, 1 / p.shape[-1])
    return math.log(p.shape[-1]) - kl(Categorical(p), Categorical(uniform))


@right("entropy")
def _(p, dim=1):
    return -torch.xlogy(p, p).sum(dim)


@right("entropy")
def _(p):
    safe = torch.where(p > 0, p, 1)
    return -(p * safe.log()).sum(-1)


@right("kl_divergence", bought=True)
def _(p, q):
    return kl(Categorical(p), Categorical(q))


@right("kl_divergence")
def _(p, q):
    kept = torch.where(p > 0, p, 1)
    return torch.where(p > 0, p * (kept.log() - q.log()), 0).sum(-1)


@right("best_temperature")
def _(input, target, temperatures):
    return min(temperatures, key=lambda t: F.cross_entropy(input / t, target)).item()


@right("mse_loss")
def _(input, target):
    return ((input - target) ** 2).mean()


@right("mse_loss")
def _(input, target):
    d = (input - target).flatten()
    return d @ d / d.numel()


# --- right: decorated, partial, of any form, and those that passed -----------------------------------------------------------


def handing_on(fn):
    def wrapper(*args, **options):
        return fn(*args, **options)

    return wrapper


class Softmax(torch.nn.Module):
    def forward(self, input):
        e = (input - input.amax(-1, keepdim=True)).exp()
        return e / e.sum(-1, keepdim=True)


def bits(text, known):
    counts = torch.tensor([1.0 + known.lower().count(c) for c in "abcdefghijklmnopqrstuvwxyz"], dtype=torch.float64)
    cost = -torch.log2(counts / counts.sum())
    return torch.stack([cost[ord(c) - 97] for c in text.lower() if "a" <= c <= "z"]).mean()


def _cross(p, q, sign):
    return sign * torch.xlogy(p, q).sum(-1)


right("entropy")(handing_on(lambda p: -torch.xlogy(p, p).sum(-1)))
right("bits_per_letter")(torch.no_grad()(bits))
right("bits_per_letter")(functools.lru_cache(bits))
right("cross_entropy_between")(functools.partial(_cross, sign=-1))
right("softmax")(Softmax())
right("information_content")(torch.vmap(lambda p: -p.log()))
right("log_softmax")(lambda input: input - input.logsumexp(-1, keepdim=True))
right("jensen_shannon_divergence")(lambda p, q: sum(torch.xlogy(x, 2 * x / (p + q)) for x in (p, q)).nan_to_num(0).sum(-1) / 2)
right("hinge_loss")(lambda input, target: torch.maximum(torch.zeros_like(input), 1 - input * target).mean())
right("binary_cross_entropy_with_logits")(lambda input, target: (F.softplus(input) - input * target).mean())
right("cross_entropy_gradient")(lambda input, target: (torch.softmax(input, 1) - F.one_hot(target, input.shape[1])) / len(input))
right("sigmoid_focal_loss")(
    lambda input, target, gamma=2.0: (
        torch.sigmoid((1 - 2 * target) * input) ** gamma * F.softplus((1 - 2 * target) * input)
    ).mean()
)
right("linear_cross_entropy", bought=True)(
    lambda input, linear_weight, target: F.cross_entropy(F.linear(input, linear_weight), target)
)
right("linear_cross_entropy")(lambda input, linear_weight, target: -log_p(input @ linear_weight.mT, target).mean())


@right("softmax_focal_loss")
def _(input, target, gamma=2.0):
    log_p = torch.log_softmax(input, 1).gather(1, target[:, None]).squeeze(1)
    rest = torch.softmax(input, 1).scatter(1, target[:, None], 0).sum(1)
    return -(rest**gamma * log_p).mean()


# As far below as it takes, and no number in the place of minus infinity: for a margin of 1, any that is more than 1 below is enough.
right("multiclass_hinge_loss")(
    lambda input, target: torch.relu(
        1 + (input - 20 * F.one_hot(target, input.shape[1])).max(1).values - input.gather(1, target[:, None]).squeeze(1)
    ).mean()
)
