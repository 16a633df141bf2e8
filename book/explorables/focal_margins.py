"""Writes focal-margins.json: how sure the detectors of the focal-loss chapter are, window by window, on their training canvases.

python book/explorables/focal_margins.py        a minute
"""

import functools
import json
import math
from pathlib import Path

import torch

import lossnotes as ln
from lossnotes import experiments

FILE = Path(__file__).with_suffix(".json").with_stem("focal-margins")
SEEDS, STEPS = range(3), 1600
LOSSES = {"trained with cross-entropy": ("cross-entropy", None, 0.0), "trained with focal loss": ("focal 0.25, 2", 0.25, 2.0)}


class Windows(torch.nn.Module):
    """All 8 x 8 windows of a canvas, each as a row of 64 pixels."""

    def forward(self, x):
        return x.unfold(2, 8, 1).unfold(3, 8, 1).flatten(4)


def detector():
    """The chapter's, from the prior bias of 0.01."""
    first, last = torch.nn.Linear(64, 16), torch.nn.Linear(16, 1)
    torch.nn.init.constant_(last.bias, -math.log(99))
    return torch.nn.Sequential(Windows(), first, torch.nn.ReLU(), last, torch.nn.Flatten(-2))


def settled(z, y, loss):
    """The scores with the last bias moved to where the loss of all windows is smallest, so that their slopes add up to zero."""
    low, high = -2.0, 2.0
    for _ in range(40):
        b = torch.tensor((low + high) / 2, dtype=z.dtype, requires_grad=True)
        (slope,) = torch.autograd.grad(loss(z + b, y), b)
        low, high = (b.item(), high) if slope < 0 else (low, b.item())
    return z + low


def margins():
    """The scores of the right answers of three runs, by (when, what): before training, and after it with each of two losses.

    After it each last bias is moved to its best value, where a training by batches never quite stays.
    """
    canvases = functools.cache(functools.partial(experiments.canvases, device="cpu"))
    kept = experiments.stored("focal")["results"]
    found = {}
    for when, (name, alpha, gamma) in {"at the start": (None, None, 0.0), **LOSSES}.items():
        loss = functools.partial(ln.sigmoid_focal_loss, alpha=alpha, gamma=gamma, reduction="sum")
        adam = dict(batch=4, lr=kept[f"Adam: {name}"]["lr"] if name else 0.0, optimizer=torch.optim.Adam)
        runs = experiments.train(
            detector, lambda z, y: loss(z, y) / y.sum(), canvases, seeds=SEEDS, steps=STEPS if name else 0, **adam
        )
        scores = {"digit": [], "background": []}
        for seed, model in zip(SEEDS, runs.models):
            z, y = model(canvases(seed=seed).x).detach(), canvases(seed=seed).y
            z = settled(z, y, loss) if name else z
            scores["digit"].append(z[y == 1])
            scores["background"].append(-z[y == 0])
        found |= {(when, what): torch.cat(s) for what, s in scores.items()}
    return found


def histogram(s):
    """Bins 0.1 wide: the mean score in each, which keeps sums over the windows exact to about a thousandth, and the count."""
    index = (10 * s).floor().long()
    first = index.min()
    count = (index - first).bincount()
    total = (index - first).bincount(weights=s)
    return [(round((t / n).item(), 4), n.item()) for t, n in zip(total, count) if n]


if __name__ == "__main__":
    torch.set_num_threads(1)
    rows = [
        {"when": when, "what": what, "s": s, "n": n} for (when, what), scores in margins().items() for s, n in histogram(scores)
    ]
    FILE.write_text("[\n" + ",\n".join(json.dumps(row) for row in rows) + "\n]\n", "utf-8")
