"""Writes focal-margins.json: how sure the detectors of the focal-loss chapter are, window by window, on their test canvases.

    python book/explorables/focal_margins.py
"""

import functools
import json
import math
from pathlib import Path

import torch

import lossnotes as ln
from lossnotes import experiments

FILE = Path(__file__).with_suffix(".json").with_stem("focal-margins")


def detector():
    """The chapter's, from the prior bias of 0.01."""
    first, last = torch.nn.Conv2d(1, 16, 8), torch.nn.Conv2d(16, 1, 1)
    with torch.no_grad():
        last.bias.fill_(-math.log(99))
    return torch.nn.Sequential(first, torch.nn.ReLU(), last)


def margins():
    """The scores of the right answers of five runs, by (when, what): before and after training with cross-entropy."""
    canvases = functools.cache(functools.partial(experiments.canvases, device="cpu"))
    loss = functools.partial(ln.sigmoid_focal_loss, alpha=None, gamma=0.0)
    adam = dict(batch=4, lr=0.02, optimizer=torch.optim.Adam, every=200)
    found = {}
    for when, steps in (("at the start", 0), ("after training", 200)):
        scores = {"digit": [], "background": []}
        for seed, model in enumerate(experiments.train(detector, loss, canvases, steps=steps, **adam).models):
            z, y = model(canvases(seed=seed).x_test).detach(), canvases(seed=seed).y_test
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
    rows = [
        {"when": when, "what": what, "s": s, "n": n}
        for (when, what), scores in margins().items()
        for s, n in histogram(scores)
    ]
    FILE.write_text("[\n" + ",\n".join(json.dumps(row) for row in rows) + "\n]\n", "utf-8")
