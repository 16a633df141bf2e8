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
