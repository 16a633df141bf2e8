"""Two questions of the chapter on softmax: which temperature suits a network, and do the lost digits of a small loss matter?

    python book/experiments/softmax.py        some eight minutes on one core

Temperature. A network learns 400 digits, once with the labels as they are and once with a tenth of them redrawn at random.
One half of the 360 held-out digits chooses the temperature, the other half, with true labels, judges it. For the redrawn
labels the choosing half is used twice: with true labels, and with a tenth of them redrawn like those of the training set.

Digits. A network is trained in float32 on all training digits, once with F.cross_entropy, whose loss is exactly 0 as soon as
the right class leads far enough, and once with lossnotes.cross_entropy, which keeps the digits of small losses. The two are
the same function on paper, so they get the same rate and the same number of steps.

Twenty seeds each, under SGD and under Adam. A seed sets the split, the first weights, the batches and the redrawn labels.
"""

import torch
import torch.nn.functional as F

import lossnotes as ln
from lossnotes import experiments

SEEDS = range(20)
OPTIMIZERS = {"SGD": torch.optim.SGD, "Adam": torch.optim.Adam}
RATES = {"SGD": 0.3, "Adam": 0.01}
STEPS = {"SGD": (60, 300, 3000), "Adam": (20, 100, 600)}  # stopped early, about right, late
LONG, LONG_RATES, BATCH = 3000, {"SGD": 1.0, "Adam": 0.01}, 256
TEMPERATURES = torch.logspace(-1, 1, 201, dtype=torch.float64)


def network():
    return torch.nn.Sequential(torch.nn.Linear(64, 128), torch.nn.ReLU(), torch.nn.Linear(128, 10))


def redrawn(y, seed, share=0.1):
    """Labels as a tired annotator gives them: with probability `share` one of the ten at random."""
    draws = torch.Generator().manual_seed(seed)
    tired = torch.rand(len(y), generator=draws) < share
    return torch.where(tired, torch.randint(10, y.shape, generator=draws), y)


def few(seed):
    """400 digits to train on. Held out are two columns of labels: the true ones, and a tired annotator's."""
    data = experiments.digits(seed=seed, device="cpu")
    both = torch.stack([data.y_test, redrawn(data.y_test, 1000 + seed)], 1)
    return data._replace(x=data.x[:400], y=data.y[:400], y_test=both)


def few_tired(seed):
    data = few(seed)
    return data._replace(y=redrawn(data.y, seed))


def single(seed):
    return experiments.Data(*(t.float() if t.is_floating_point() else t for t in experiments.digits(seed=seed, device="cpu")))


def best_temperature(scores, y):
    log_q = (scores / TEMPERATURES[:, None, None]).log_softmax(-1)
    losses = -log_q[:, torch.arange(len(y)), y].mean(1)
    return TEMPERATURES[losses.argmin()]


def calibration_error(scores, y):
    """How far confidence and accuracy are apart, averaged over ten bins of the confidence."""
    sure, guess = scores.softmax(1).max(1)
    right = (guess == y).double()
    bins = (10 * sure).long().clamp(max=9)
    return sum((right[bins == b].sum() - sure[bins == b].sum()).abs() for b in range(10)) / len(y)


def temperatures(model, data):
    """T from either half of the held-out digits, and what the first half's T does on the second."""
    z, (y, tired) = model(data.x_test), data.y_test.T
    a, b = slice(None, 180), slice(180, None)
    T, other, noisy = best_temperature(z[a], y[a]), best_temperature(z[b], y[b]), best_temperature(z[a], tired[a])
    found = {"T": T, "T other half": other, "T tired": noisy, "fitted": (model(data.x).argmax(1) == data.y).double().mean()}
    for name, t in (("1", 1.0), ("T", T), ("T tired", noisy)):
        found[f"loss at {name}"] = F.cross_entropy(z[b] / t, y[b])
        found[f"calibration at {name}"] = calibration_error(z[b] / t, y[b])
    return found


def digits_kept(model, data):
    losses = F.cross_entropy(model(data.x), data.y, reduction="none")
    return {
        "training": ln.cross_entropy(model(data.x), data.y),
        "zero": (losses == 0).double().mean(),
        "accuracy": experiments.accuracy(model, data)["accuracy"],
        "test": ln.cross_entropy(model(data.x_test), data.y_test),
    }


if __name__ == "__main__":
    torch.set_num_threads(1)
    results = {}
    for name, optimizer in OPTIMIZERS.items():
        settings = dict(seeds=SEEDS, optimizer=optimizer)
        every = STEPS[name][0]
        for labels, data in (("clean", few), ("tired", few_tired)):
            runs = experiments.train(
                network, F.cross_entropy, data, lr=RATES[name], steps=STEPS[name][-1], measure=temperatures, every=every, **settings
            )
            for steps in STEPS[name]:
                at = {key: values[:, runs.step.tolist().index(steps)] for key, values in runs.curves.items()}
                results[f"{name} {labels} {steps}"] = at
                print(name, labels, steps, {k: round(v.mean().item(), 3) for k, v in at.items()}, flush=True)
        for loss in (F.cross_entropy, ln.cross_entropy):
            who = loss.__module__.split(".")[0]
            runs = experiments.train(
                network, loss, single, lr=LONG_RATES[name], steps=LONG, batch=BATCH, measure=digits_kept, every=LONG, **settings
            )
            results[f"{name} {who}"] = {key: values[:, -1] for key, values in runs.curves.items()}
            print(name, who, {k: float(f"{v.mean().item():.4g}") for k, v in results[f"{name} {who}"].items()}, flush=True)
    recipe = {
        "network": "64-128-10, ReLU",
        "temperature": {"rates": RATES, "steps": STEPS, "batch": 64, "digits": 400, "redrawn": 0.1},
        "digits": {"rates": LONG_RATES, "steps": LONG, "batch": BATCH, "dtype": "float32"},
    }
    experiments.store("softmax", recipe=recipe, seeds=SEEDS, results=results)
