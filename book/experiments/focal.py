"""Does focal loss help a small dense detector? The runs behind the tables of the chapter on focal loss.

    python book/experiments/focal.py        a good hour on one idle core

One digit among 1024 windows (`experiments.canvases`), a detector with one hidden layer of 16, and the losses of `LOSSES` under SGD with
momentum and under Adam. The loss of a batch is the sum over its windows divided by the number of its digits, as in the paper.
For each loss and each optimizer the learning rate is chosen by the average precision after the last step on the canvases of
`TUNING` seeds. Then twenty other seeds are trained with it. A seed sets the canvases, the first weights and the batches, so that two runs
of one seed differ in nothing but the loss and its rate.

The same twenty are trained with the second best rate of each loss as well: how much hangs on a choice by four draws.

Three more parts, under Adam: cross-entropy and focal loss from p = 0.5 in place of the prior bias, with rates chosen for that start, and
with the old ones;
all losses with one rate, and who pulls on the way; and a larger detector, two hidden layers of 32 and 600 canvases a run, with rates chosen
on the canvases of two seeds for runs of eight others.

Each finished part is kept in the file that the first argument names, if there is one, so that a run that was stopped goes on there.
"""

import functools
import json
import math
import sys
import time
from pathlib import Path

import torch
from sklearn.metrics import average_precision_score

import lossnotes as ln
from lossnotes import experiments

PRIOR = -math.log(99)
LOSSES = {  # alpha, gamma
    "cross-entropy": (None, 0.0),
    "focal 0.25, 2": (0.25, 2.0),
    "gamma 1": (None, 1.0),
    "gamma 2": (None, 2.0),
    "alpha 0.75": (0.75, 0.0),
}
OPTIMIZERS = {"Adam": torch.optim.Adam, "SGD": functools.partial(torch.optim.SGD, momentum=0.9)}
RATES = {"Adam": (0.001, 0.002, 0.005, 0.01), "SGD": (0.001, 0.003, 0.01, 0.03, 0.1)}
FROM_HALF = (*RATES["Adam"], 0.02, 0.05, 0.1)
SEEDS, TUNING, STEPS, EVERY, BATCH = range(20), range(100, 104), 1600, 200, 4

LARGE = {"rates": RATES["Adam"], "seeds": range(8), "tuning": range(100, 102), "steps": 1600, "every": 400, "canvases": 600}
ON_THE_WAY = {"rate": 0.005, "seeds": range(5), "every": 100}
ALSO_ON_THE_WAY = {"alpha 0.25": (0.25, 0.0), "alpha 0.999": (0.999, 0.0)}


class Windows(torch.nn.Module):
    """All 8 x 8 windows of a canvas, each as a row of 64 pixels."""

    def forward(self, x):
        return x.unfold(2, 8, 1).unfold(3, 8, 1).flatten(4)


def detector(*hidden, bias=PRIOR):
    """A small network that looks at one window at a time: the scores have the shape of the targets."""
    layers = [Windows()]
    for inside, outside in zip((64, *hidden), hidden):
        layers += [torch.nn.Linear(inside, outside), torch.nn.ReLU()]
    last = torch.nn.Linear(hidden[-1], 1)
    torch.nn.init.constant_(last.bias, bias)
    return torch.nn.Sequential(*layers, last, torch.nn.Flatten(-2))


def loss_with(alpha, gamma):
    def loss(scores, y):
        return ln.sigmoid_focal_loss(scores, y, alpha=alpha, gamma=gamma, reduction="sum") / y.sum()

    return loss


@functools.cache
def canvases(*, seed):
    return experiments.canvases(seed=seed, device="cpu")


def more_canvases(*, seed):
    return experiments.canvases(seed=seed, count=LARGE["canvases"], device="cpu")


def judge(model, data):
    """Average precision on the test canvases, and how many digits a canvas the probabilities add up to."""
    z = model(data.x_test)
    return {"AP": average_precision_score(data.y_test.flatten(), z.flatten()), "digits": torch.sigmoid(z).sum() / len(z)}


def who_pulls(model, data, loss):
    """Shares of the pull on 150 training canvases: of the digits, and of the ten hardest windows of background a canvas."""
    x, y = data.x[:150], data.y[:150]
    z = model(x).detach().requires_grad_()
    with torch.enable_grad():
        (slope,) = torch.autograd.grad(loss(z, y), z)
    pull, background = slope.abs(), y == 0
    hardest = pull[background].sort(descending=True).values[: 10 * len(x)]
    return {"digits' pull": pull[~background].sum() / pull.sum(), "hardest's pull": hardest.sum() / pull.sum()}


def train(model, alpha_gamma, data, *, lr, optimizer, seeds, steps=STEPS, every=EVERY, pull=True):
    loss = loss_with(*alpha_gamma)

    def measure(net, split):
        return judge(net, split) | (who_pulls(net, split, loss) if pull else {})

    settings = dict(seeds=seeds, steps=steps, batch=BATCH, lr=lr, optimizer=OPTIMIZERS[optimizer], measure=measure, every=every)
    return experiments.train(model, loss, data, **settings).curves


def compare(model, alpha_gamma, data, *, rates, optimizer, seeds, tuning, steps, every=EVERY, pull=True):
    """The best rate on the tuning seeds, and the curves of the other seeds with it."""
    once = dict(optimizer=optimizer, steps=steps)
    tried = [train(model, alpha_gamma, data, lr=lr, seeds=tuning, every=steps, pull=False, **once)["AP"][:, -1] for lr in rates]
    means = torch.stack(tried).mean(1)
    lr = rates[int(means.argmax())]
    curves = train(model, alpha_gamma, data, lr=lr, seeds=seeds, every=every, pull=pull, **once)
    return {"lr": lr, "at_edge": lr in (rates[0], rates[-1]), "tuning": means, **curves}


if __name__ == "__main__":
    torch.set_num_threads(1)
    draft = Path(sys.argv[1]) if len(sys.argv) > 1 else None
    results = json.loads(draft.read_text()) if draft and draft.exists() else {}

    def part(name, make):
        if name not in results:
            before = time.time()
            results[name] = experiments.rounded(make())
            if draft:
                draft.write_text(json.dumps(results))
            found = results[name]
            shown = {key: found[key] for key in ("lr", "at_edge", "tuning") if key in found}
            means = {key: [round(sum(c) / len(c), 4) for c in zip(*found[key])] for key in ("AP", "digits")}
            print(name, shown, means, f"{time.time() - before:.0f} s", flush=True)

    small, large = functools.partial(detector, 16), functools.partial(detector, 32, 32)
    for name, setting in LOSSES.items():
        for optimizer, rates in RATES.items():
            how = dict(rates=rates, optimizer=optimizer, seeds=SEEDS, tuning=TUNING, steps=STEPS)
            part(f"{optimizer}: {name}", lambda: compare(small, setting, canvases, **how))
    for name, setting in LOSSES.items():
        for optimizer, rates in RATES.items():
            second = rates[int(torch.as_tensor(results[f"{optimizer}: {name}"]["tuning"]).argsort()[-2])]
            how = dict(lr=second, optimizer=optimizer, seeds=SEEDS)
            part(f"second rate, {optimizer}: {name}", lambda: {"lr": second, **train(small, setting, canvases, **how)})
    for name in ("cross-entropy", "focal 0.25, 2"):
        how = dict(rates=FROM_HALF, optimizer="Adam", seeds=SEEDS, tuning=TUNING, steps=STEPS, pull=False)
        unset = functools.partial(small, bias=0.0)
        part(f"from 0.5: {name}", lambda: compare(unset, LOSSES[name], canvases, **how))
        how_of_prior = dict(lr=results[f"Adam: {name}"]["lr"], optimizer="Adam", seeds=SEEDS, pull=False)
        part(f"from 0.5, old rate: {name}", lambda: train(unset, LOSSES[name], canvases, **how_of_prior))
    for name, setting in (LOSSES | ALSO_ON_THE_WAY).items():
        how = dict(lr=ON_THE_WAY["rate"], optimizer="Adam", seeds=ON_THE_WAY["seeds"], every=ON_THE_WAY["every"])
        part(f"on the way: {name}", lambda: train(small, setting, canvases, **how))
    canvases.cache_clear()
    for name in ("cross-entropy", "gamma 2", "focal 0.25, 2"):
        how = {key: LARGE[key] for key in ("rates", "seeds", "tuning", "steps", "every")} | dict(optimizer="Adam", pull=False)
        part(f"larger: {name}", lambda: compare(large, LOSSES[name], functools.cache(more_canvases), **how))

    recipe = {
        "losses": LOSSES | ALSO_ON_THE_WAY,
        "rates": RATES,
        "rates from 0.5": FROM_HALF,
        "seeds to tune on": list(TUNING),
        "steps": STEPS,
        "every": EVERY,
        "batch": BATCH,
        "bias": PRIOR,
        "momentum": 0.9,
        "larger": {key: list(value) if isinstance(value, (range, tuple)) else value for key, value in LARGE.items()},
        "on the way": {key: list(value) if isinstance(value, range) else value for key, value in ON_THE_WAY.items()},
    }
    experiments.store("focal", recipe=recipe, seeds=SEEDS, results=results)
