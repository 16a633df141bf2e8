"""Wrong functions as students write them. What is wrong by a sheet alone stands in the tests of sheets."""

import math

import numpy as np
import torch
import torch.nn.functional as F
from collected import bits, log_p

import lossnotes as ln

WRONG = []


def wrong(like, *fns):
    """Register wrong functions."""
    WRONG.extend((like, fn) for fn in fns)


def never_ends(*_):
    while True:
        pass


wrong(
    "information_content",
    lambda p: -torch.log2(p),
    lambda p: torch.log(p),
    lambda p: -p * p.log(),
    lambda p: -torch.log(p + 1e-6),
    lambda p: 1 / p,
    lambda p: -torch.log(1 - p),
    lambda p: -torch.log(p).detach(),
    lambda p: -np.log(p.numpy()),
)
wrong(
    "entropy",
    lambda p: 0 * p.sum(-1),
    lambda p: p.new_tensor(0.5623),
    lambda p: -(p * p.log()).sum(-1),
    lambda p: -(p * p.log()).nan_to_num(1).sum(-1),
    lambda p: -torch.xlogy(p, p).sum(),
    lambda p: -torch.xlogy(p, p).mean(-1),
    lambda p: -torch.xlogy(p, p).sum(0),
    lambda p: torch.exp(-torch.xlogy(p, p).sum(-1)),
    lambda p: 1 - (p * p).sum(-1),
    lambda p: -(p * torch.log(p + 1e-9)).sum(-1) / math.log(2),
    lambda p: -torch.xlogy(p, p).sum(-1).item() if p.ndim == 1 else -torch.xlogy(p, p).sum(-1).detach(),
    lambda p: print(-torch.xlogy(p, p).sum(-1)),
    never_ends,
)
wrong(
    "cross_entropy_between",
    lambda p, q: -torch.xlogy(q, p).sum(-1),
    lambda p, q: -(p * q.log()).sum(-1),
    lambda p, q: -torch.xlogy(p, q).sum(),
    lambda p, q: torch.xlogy(p, q).sum(-1),
    lambda p, q: -torch.xlogy(p, p).sum(-1),
    lambda p, q: F.cross_entropy(q, p, reduction="none") if q.ndim > 1 else F.cross_entropy(q, p),
)
wrong(
    "kl_divergence",
    lambda p, q: torch.xlogy(q, q / p).sum(-1),
    lambda p, q: torch.xlogy(p, p - q).sum(-1),
    lambda p, q: -torch.xlogy(p, q).sum(-1),
    lambda p, q: F.kl_div(p, q),
    lambda p, q: F.kl_div(q.log(), p, reduction="batchmean"),
    lambda p, q: F.kl_div(p.log(), q, reduction="sum"),
    lambda p, q: (torch.xlogy(p, p) - torch.xlogy(p, q)).abs().sum(-1),
    lambda p, q: ((p - q) * (p / q).log()).sum(-1),
)
wrong(
    "jensen_shannon_divergence",
    lambda p, q: (ln.kl_divergence(p, q) + ln.kl_divergence(q, p)) / 2,
    lambda p, q: ln.jensen_shannon_divergence(p, q).sqrt(),
    lambda p, q: 2 * ln.jensen_shannon_divergence(p, q),
    lambda p, q: ln.kl_divergence(p, (p + q) / 2),
)
wrong(
    "conditional_entropy",
    lambda joint: -torch.xlogy(joint, joint / joint.sum(0, keepdim=True)).sum(),
    lambda joint: ln.entropy(joint.flatten()),
    lambda joint: ln.entropy(joint.sum(0)),
    lambda joint: -(joint * (joint / joint.sum(1, keepdim=True) + 1e-12).log()).sum(),
)
wrong(
    "mutual_information",
    lambda joint: (joint * torch.log(joint / (joint.sum(1, keepdim=True) * joint.sum(0)) + 1e-12)).sum(),
    lambda joint: ln.entropy(joint.sum(0)) + ln.entropy(joint.sum(1)),
    lambda joint: ln.conditional_entropy(joint),
)


def _letters(keep, smooth=1.0):
    def fn(text, known):
        counts = torch.tensor([smooth + known.lower().count(c) for c in "abcdefghijklmnopqrstuvwxyz"], dtype=torch.float64)
        cost = -torch.log2(counts / counts.sum())
        return torch.stack([cost[ord(c) - 97] for c in text.lower() if keep(c)]).mean()

    return fn


wrong(
    "bits_per_letter",
    _letters(str.isalpha),  # é is one, too
    _letters(str.isascii),
    _letters(lambda c: "a" <= c <= "z", smooth=0.0),
    lambda text, known: bits(known, text),
    lambda text, known: bits(text, known) * math.log(2),
)
wrong(
    "softmax",
    lambda input: input,
    lambda input: input.exp() / input.exp().sum(-1, keepdim=True),
    lambda input: torch.softmax(input, 0),
    lambda input: input.exp() / input.exp().sum(),
    lambda input: torch.sigmoid(input),
    lambda input: (
        (input - input.min(-1, keepdim=True)[0]).exp() / (input - input.min(-1, keepdim=True)[0]).exp().sum(-1, keepdim=True)
    ),
)
wrong("log_softmax", lambda input: torch.softmax(input, -1).log(), lambda input: input - input.exp().sum(-1, keepdim=True).log())
wrong(
    "nll_loss",
    lambda input, target: -input[:, target].mean(),
    lambda input, target: -input.gather(1, target[:, None]).sum(),
    lambda input, target: -input[target].mean(),
)
wrong(
    "cross_entropy",
    lambda input, target: -torch.log_softmax(input, 1)[:, target].mean(),
    lambda input, target: -torch.log_softmax(input, 1).gather(0, target[:, None]).mean(),
    lambda input, target: -log_p(torch.softmax(input, 1), target).mean(),
    lambda input, target: -log_p(input, target).sum() / (len(target) - 1 or 2),
    lambda input, target: -(torch.softmax(input, 1).gather(1, target[:, None]) + 5e-5).log().mean(),
    lambda input, target: (-log_p(input, target).mean()).exp(),
    lambda input, target: -log_p(input, (target + 1) % input.shape[1]).mean(),
    lambda input, target: (torch.softmax(input, 1) - F.one_hot(target, input.shape[1])).pow(2).sum(1).mean(),
    lambda input, target: -log_p(input - input.max(), target).mean() + 0 * (input - input.mean(1, keepdim=True)).exp().sum(),
)
wrong(
    "linear_cross_entropy",
    lambda input, linear_weight, target: F.cross_entropy(
        input @ linear_weight if len(linear_weight) == input.shape[1] else input @ linear_weight.T, target
    ),
)
wrong(
    "binary_cross_entropy_with_logits",
    lambda input, target: F.binary_cross_entropy(torch.sigmoid(input), target),
    lambda input, target: -F.logsigmoid(input).mul(target).mean(),
    lambda input, target: (torch.log1p(torch.exp(input)) - input * target).mean(),
    lambda input, target: F.binary_cross_entropy_with_logits(input.softmax(-1), target),
)
wrong(
    "mse_loss",
    lambda input, target: (input - target).abs().mean(),
    lambda input, target: ((input - target) ** 2).mean() / 2,
    lambda input, target: ((input - target) ** 2).sum(),
    lambda input, target: ((input - target).mean()) ** 2,
)
wrong(
    "hinge_loss",
    lambda input, target: (1 - input * target).mean(),
    lambda input, target: torch.relu(-input * target).mean(),
    lambda input, target: torch.relu(1 - input * target).pow(2).mean(),
)
wrong(
    "multiclass_hinge_loss",
    lambda input, target: torch.relu(1 + input.amax(1) - input.gather(1, target[:, None])[:, 0]).mean(),
    lambda input, target: F.multi_margin_loss(input, target),
)
wrong(
    "sigmoid_focal_loss",
    lambda input, target, gamma=2.0: (1 - torch.exp(-F.binary_cross_entropy_with_logits(input, target))) ** gamma,
    lambda input, target, alpha=0.25, gamma=2.0: ln.sigmoid_focal_loss(input, target, alpha=alpha, gamma=gamma),
)
wrong(
    "softmax_focal_loss",
    lambda input, target, gamma=2.0: (-((1 - log_p(input, target).exp()) ** gamma) * log_p(input, target)).mean(),
)
wrong("cross_entropy_gradient", lambda input, target: torch.softmax(input, 1) - F.one_hot(target, input.shape[1]))
wrong(
    "mean_of_parts",
    lambda means, counts: means.mean(),
    lambda means, counts: means[0],
    lambda means, counts: ((means * counts).sum() / counts.sum()).item(),
)
wrong(
    "best_temperature",
    lambda input, target, temperatures: temperatures[min(3, len(temperatures) - 1)],
    lambda input, target, temperatures: max(temperatures, key=lambda t: ((input / t).argmax(1) == target).sum()),
)


def _training(start=torch.zeros, kind=torch.optim.SGD, more=0, turn=False):
    def fn(loss, x, y, classes, steps=100, lr=0.1):
        w = start(classes, x.shape[1], dtype=x.dtype).requires_grad_()
        optimizer = kind([w], lr=lr)
        for _ in range(steps + more):
            optimizer.zero_grad()
            loss(x @ w.T, y).backward()
            optimizer.step()
        return w.detach().T if turn else w.detach()

    return fn


wrong(
    "train_classifier",
    _training(start=torch.randn),
    _training(kind=torch.optim.Adam),
    _training(more=-1),
    _training(turn=True),
)

# --- wrong where chance alone would tell: small probabilities, many outcomes, a single row, scores far below, an option of 0 ---


def _divergence_with_a_cutoff(p, q):
    keep = p > 0.001
    return (p * torch.where(keep, p / q, torch.ones_like(p)).log()).sum(-1)


def _temperature_of(losses):
    def fn(input, target, temperatures):
        return temperatures[torch.stack([losses(input / t)[range(len(target)), target].mean() for t in temperatures]).argmin()]

    return fn


def _hinge_with(smallest):
    def fn(input, target):
        others = input.scatter(1, target[:, None], smallest)
        return torch.relu(1 + others.max(1).values - input.gather(1, target[:, None]).squeeze(1)).mean()

    return fn


def _focal(input, target, alpha=None, gamma=2.0):
    s = torch.where(target == 1, input, -input)
    loss = torch.sigmoid(-s) ** gamma * -F.logsigmoid(s)
    return (loss * torch.where(target == 1, alpha, 1 - alpha) if alpha else loss).mean()


def _only_known_is_lowered(text, known):
    counts = torch.tensor([1.0 + known.lower().count(c) for c in "abcdefghijklmnopqrstuvwxyz"], dtype=torch.float64)
    cost = -torch.log2(counts / counts.sum())
    return torch.stack([cost[ord(c) - 97] for c in text if "a" <= c <= "z"]).mean()


def _negative_ones_ignored(input, target, ignore_index=-100):
    counts = target >= 0
    return (-log_p(input, target.clamp(min=0)) * counts).sum() / counts.sum()


def _leaving_out(log_p, index, divisor, keep=lambda loss, counts: loss * counts):
    """Cross-entropy with all its options: what is picked, by which class it is weighted, and what the mean divides by."""

    def fn(input, target, weight=None, ignore_index=-100, reduction="mean"):
        counts = target != ignore_index
        classes = index(target, counts)
        w = torch.ones_like(input[:, 0]) if weight is None else weight[classes]
        loss = keep(-w * log_p(input, classes), counts)
        return {"none": loss, "sum": loss.sum(), "mean": loss.sum() / divisor(w, counts, weight is None)}[reduction]

    return fn


def _class_0(target, counts):
    return torch.where(counts, target, 0)


wrong(
    "cross_entropy",
    _leaving_out(log_p, _class_0, lambda w, counts, _: (w * counts).sum(), lambda loss, counts: loss[counts]),
    _leaving_out(
        lambda input, t: torch.log_softmax(input, 1)[range(len(t)), t], lambda t, _: t, lambda w, counts, _: (w * counts).sum()
    ),
    _leaving_out(log_p, _class_0, lambda w, counts, plain: counts.sum() if plain else w.sum()),
)


def _picked_from_the_end(input, target, ignore_index=-100):
    """Right until what is left out is no index from the end either; without weights, which ask for that as well."""
    counts = target != ignore_index
    losses = -log_p(input, torch.where(target < 0, target + input.shape[1], target))
    return (losses * counts).sum() / counts.sum()


wrong("cross_entropy", _picked_from_the_end)

LUCKY = [
    ("kl_divergence", _divergence_with_a_cutoff),
    ("entropy", lambda p: -torch.where(p > 1e-3, p * torch.log(p.clamp(min=1e-30)), 0 * p).sum(-1)),
    ("entropy", lambda p: -(p * torch.log(p.clamp(min=1e-5))).sum(-1)),
    ("entropy", lambda p: -torch.where(p > 1e-6, torch.xlogy(p, p), 0).sum(-1)),
    ("entropy", lambda p: -torch.xlogy(p, p).sum(-1).squeeze()),
    ("cross_entropy_between", lambda p, q: -torch.where(p > 1e-3, torch.xlogy(p, q), 0).sum(-1)),
    ("jensen_shannon_divergence", lambda p, q: ln.jensen_shannon_divergence(*(torch.where(x > 1e-3, x, 0) for x in (p, q)))),
    ("conditional_entropy", lambda joint: ln.conditional_entropy(torch.where(joint > 1e-3, joint, 0))),
    ("mutual_information", lambda joint: ln.mutual_information(torch.where(joint > 1e-6, joint, 0))),
    ("information_content", lambda p: torch.where(p > 1e-20, -p.log(), math.inf)),
    ("bits_per_letter", _only_known_is_lowered),
    ("best_temperature", _temperature_of(lambda z: -(z.exp() / z.exp().sum(1, keepdim=True)).log())),
    ("best_temperature", _temperature_of(lambda z: -(torch.softmax(z, 1) + 1e-8).log())),
    ("multiclass_hinge_loss", _hinge_with(-100.0)),
    ("multiclass_hinge_loss", _hinge_with(-1000.0)),
    ("sigmoid_focal_loss", _focal),
    ("cross_entropy", _negative_ones_ignored),
]
for _like, _fn in LUCKY:
    wrong(_like, _fn)
wrong("kl_divergence", lambda p, q: (q * (q / p).log()).sum())
