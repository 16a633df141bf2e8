"""Where the two roads of lossnotes/_roads part: what the constants LARGE, BLOCK, BLOCK_OF_ROWS, BLOCK_OF_SCORES, FEW rest on.

    python benchmarks/roads.py           some minutes
    python benchmarks/roads.py --quick   a few small sizes, to see that it runs

First, for each loss and its gradients over sizes: how many times longer the definition takes than blocks that autograd
differentiates, and than a closed form, where there is one. Above 1 the blocks win; `LARGE` is where that begins for good.
Then how many times longer the closed form of cross-entropy takes than PyTorch's in float64: `FEW` is where that is 1. Then times
over block sizes; a star marks the constant as it is.
"""

import argparse
import contextlib
import random
import statistics
import timeit
from functools import partial
from unittest import mock

import torch
from peers import (
    distributions,
    layer,
    numbers,
    scores_and_answers,
    scores_and_classes,
    scores_and_signs,
    scores_and_soft_classes,
    step,
)
from tabulate import tabulate
from tqdm import tqdm

import lossnotes as ln
from lossnotes._roads import blocks as in_blocks
from lossnotes._roads import few as few_numbers
from lossnotes._roads import linear
from lossnotes._roads import road as which_road

CLASSES = 16


def weighted_numbers(n, device):
    return *numbers(n, device=device), torch.rand(n, device=device)


def rows(loss):
    """The mean of a number for each row, so that there is something to differentiate."""
    return lambda *tensors: loss(*tensors).mean()


# The inputs, and the loss. The first are elementwise, the others sum over classes.
ELEMENTWISE = {
    "mse": (numbers, ln.mse_loss),
    "mse, weighted": (weighted_numbers, lambda x, y, weight: ln.mse_loss(x, y, weight=weight)),
    "hinge": (scores_and_signs, ln.hinge_loss),
    "sigmoid focal": (scores_and_answers, partial(ln.sigmoid_focal_loss, alpha=0.25)),
    "BCE": (scores_and_answers, ln.binary_cross_entropy_with_logits),
    "BCE, weighted": (
        scores_and_answers,
        lambda x, y: ln.binary_cross_entropy_with_logits(x, y, pos_weight=torch.tensor(2.0)),
    ),
}
OF_ROWS = {
    "cross_entropy": (scores_and_classes, ln.cross_entropy),
    "softmax focal": (scores_and_classes, ln.softmax_focal_loss),
    "smoothed": (scores_and_classes, partial(ln.cross_entropy, label_smoothing=0.1)),
    "soft classes": (scores_and_soft_classes, ln.cross_entropy),
    "multiclass hinge": (scores_and_classes, ln.multiclass_hinge_loss),
    "entropy": (distributions(1, True), rows(ln.entropy)),
    "KL": (distributions(2, True), rows(ln.kl_divergence)),
    "JS": (distributions(2, True), rows(ln.jensen_shannon_divergence)),
}
# What is patched for each road, by the place of the constant.
LARGE = (which_road, "LARGE")
WITHOUT_CLOSED_FORMS = (in_blocks, "Job")
Job = in_blocks.Job
ROADS = {
    "definition": {(which_road, "_is_looked_at"): lambda *_: True},
    "blocks": {LARGE: 1, WITHOUT_CLOSED_FORMS: lambda formula, closed_form, *rest: Job(formula, None, *rest)},
    "closed form": {LARGE: 1},
}
FEW = (few_numbers, "FEW")
CONSTANTS = {
    "BLOCK": (in_blocks, "BLOCK"),
    "BLOCK_OF_ROWS": (in_blocks, "BLOCK_OF_ROWS"),
    "BLOCK_OF_SCORES": (linear, "BLOCK_OF_SCORES"),
}


def medians(settings, loss, tensors, rounds, sample):
    """Seconds of a step under each of the settings, in turns."""
    once, seconds = timeit.Timer(lambda: step(loss, tensors)), {name: [] for name in settings}
    once.timeit(2)
    number = max(1, round(sample / once.timeit(1)))
    for _ in range(rounds):
        for name in random.sample(list(settings), len(settings)):
            with contextlib.ExitStack() as stack:
                for (home, constant), value in ({FEW: 0} | settings[name]).items():
                    stack.enter_context(mock.patch.object(home, constant, value))
                seconds[name].append(once.timeit(number) / number)
    return {name: statistics.median(values) for name, values in seconds.items()}


def has_closed_form(loss, tensors):
    """Whether the loss names one."""
    with mock.patch.object(in_blocks, "Job", wraps=Job) as job, mock.patch.object(few_numbers, "FEW", 0):
        loss(*tensors)
    return job.call_args.args[1] is not None


def roads(exponents, rounds, sample):
    """How many times longer the definition takes than either kind of blocks, over the number of elements."""
    found = []
    for name, (draw, loss) in tqdm((ELEMENTWISE | OF_ROWS).items(), desc="roads", unit="loss", disable=None):
        ratios = {"blocks": [], "closed form": []}
        for k in exponents:
            shape = (1 << k,) if name in ELEMENTWISE else ((1 << k) // CLASSES, CLASSES)
            tensors = draw(*shape, device="cpu")
            seconds = medians(ROADS, loss, tensors, rounds, sample)
            for road in ratios:
                ratios[road].append(f"{seconds['definition'] / seconds[road]:.2f}")
        found.append((name, "blocks", *ratios["blocks"]))
        if has_closed_form(loss, tensors):
            found.append((name, "closed form", *ratios["closed form"]))
    heads = ("definition / …", "", *(f"2^{k}" for k in exponents))
    now = f"{len(exponents)} sizes; rows have {CLASSES} classes; LARGE is 2^{which_road.LARGE.bit_length() - 1}"
    return tabulate(found, heads, disable_numparse=True) + "\n" + now


def few(exponents, rounds, sample):
    """How many times longer the closed form takes than float64, over the number of scores."""
    found, settings = [], {"closed form": {}, "float64": {FEW: 1 << 30}}
    for classes in (2, 10, 100):
        row = []
        for k in exponents:
            tensors = scores_and_classes(max(1, (1 << k) // classes), classes, device="cpu")
            seconds = medians(settings, ln.cross_entropy, tensors, rounds, sample)
            row.append(f"{seconds['closed form'] / seconds['float64']:.2f}")
        found.append((classes, *row))
    heads = ("classes", *(f"2^{k}" + "*" * (1 << k == few_numbers.FEW) for k in exponents))
    return tabulate(found, heads, disable_numparse=True)


def blocks(constant, losses, shape, exponents, rounds):
    """Milliseconds over the size of a block."""
    found = []
    for name, (draw, loss) in tqdm(losses.items(), desc=constant, unit="loss", disable=None):
        settings = {k: {CONSTANTS[constant]: 1 << k} for k in exponents}
        seconds = medians(settings, loss, draw(*shape, device="cpu"), rounds, 0)
        found.append((name, *(f"{1e3 * s:.4g}" for s in seconds.values())))
    heads = (f"ms at {constant} =", *(f"2^{k}" + "*" * (1 << k == getattr(*CONSTANTS[constant])) for k in exponents))
    return tabulate(found, heads, disable_numparse=True)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    quick = parser.add_argument("--quick", action="store_true") and parser.parse_args().quick
    rounds = 2 if quick else 15
    torch.manual_seed(0)
    print(roads((6, 16) if quick else range(6, 23), rounds, 0 if quick else 0.002), end="\n\n")
    print(few((6, 8) if quick else range(6, 15), rounds, 0 if quick else 0.002), end="\n\n")
    some = {name: ELEMENTWISE[name] for name in ("mse", "sigmoid focal", "BCE, weighted")}
    print(blocks("BLOCK", some, (1 << (17 if quick else 24),), range(14, 16) if quick else range(12, 21), rounds))
    shape = (64, 1000) if quick else (8192, 1000)
    some = {name: OF_ROWS[name] for name in ("smoothed", "entropy", "KL")}
    print(blocks("BLOCK", some, shape, range(14, 16) if quick else range(12, 21), rounds))
    some = {name: OF_ROWS[name] for name in ("cross_entropy", "softmax focal")}
    print(blocks("BLOCK_OF_ROWS", some, shape, range(14, 16) if quick else range(14, 23), rounds))
    shape = (64, 32, 500) if quick else (2048, 256, 32000)
    some = {"linear_cross_entropy": (layer, ln.linear_cross_entropy)}
    print(blocks("BLOCK_OF_SCORES", some, shape, range(14, 16) if quick else range(20, 27), min(rounds, 5)))


if __name__ == "__main__":
    main()
