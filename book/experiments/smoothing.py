"""Does label smoothing help on the digits? The runs behind a table of the chapter cross-entropy.

    python book/experiments/smoothing.py        some twenty minutes on one core

A small network is trained with label smoothing 0, 0.1 and 0.2 under SGD, and with 0 and 0.1 under Adam, from twenty seeds
each. A seed sets the split of the digits, the first weights and the batches, so that two runs of one seed differ in nothing but
the loss. For each loss and optimizer the learning rate and the step to stop at are chosen on a validation part; see
`experiments.tune`.

The choice looks at the loss with hard labels after one temperature. Without the temperature a smoothed model would lose for
being as unsure as it was told to be. The temperature is fitted on one half of the held-out digits and the loss measured on the
other half, and then the other way round.
"""

import torch
import torch.nn.functional as F

from lossnotes import experiments

SMOOTHINGS = {"SGD": (0.0, 0.1, 0.2), "Adam": (0.0, 0.1)}
OPTIMIZERS = {"SGD": torch.optim.SGD, "Adam": torch.optim.Adam}
RATES = {"SGD": (0.1, 0.3, 1.0, 2.0), "Adam": (0.001, 0.003, 0.01, 0.03, 0.1)}
SEEDS, STEPS, EVERY = range(20), 6000, 100
SHARPNESSES = torch.logspace(-1, 1, 81, dtype=torch.float64)  # 1/T, from 0.1 to 10


def network():
    return torch.nn.Sequential(torch.nn.Linear(64, 32), torch.nn.ReLU(), torch.nn.Linear(32, 10))


def digits(seed):
    return experiments.digits(seed=seed, device="cpu")


def tempered(scores, y):
    """The loss of each half with the temperature that suits the other half best, and the mean of the two temperatures."""
    halves = [(scores[::2], y[::2]), (scores[1::2], y[1::2])]
    best = []
    for z, t in halves:
        losses = torch.stack([F.cross_entropy(z * sharp, t) for sharp in SHARPNESSES])
        best.append(SHARPNESSES[losses.argmin()])
    losses = [F.cross_entropy(z * sharp, t) for (z, t), sharp in zip(halves, reversed(best))]
    return sum(losses) / 2, sum(1 / sharp for sharp in best) / 2


def tune(eps, optimizer, rates, seeds=SEEDS, steps=STEPS, every=EVERY):
    """What `experiments.tune` finds for one loss under one optimizer."""

    def loss(scores, y):
        return F.cross_entropy(scores, y, label_smoothing=eps)

    def measure(model, data):
        scores = model(data.x_test)
        after, temperature = tempered(scores, data.y_test)
        return {
            "tempered": after,
            "temperature": temperature,
            "hard": F.cross_entropy(scores, data.y_test),
            "wrong": (scores.argmax(1) != data.y_test).double().mean(),
            "training": loss(model(data.x), data.y),
        }

    settings = dict(measure=measure, by="tempered", best="lowest", optimizer=OPTIMIZERS[optimizer])
    return experiments.tune(network, loss, digits, rates=rates, seeds=seeds, steps=steps, every=every, **settings)


if __name__ == "__main__":
    torch.set_num_threads(1)
    results = {}
    for optimizer, rates in RATES.items():
        for eps in SMOOTHINGS[optimizer]:
            found = tune(eps, optimizer, rates)
            results[f"{optimizer} {eps}"] = {"lr": found.lr, "steps": found.steps, "at_edge": found.at_edge, **found.test}
            best = [round(float(v.min()), 4) for v in found.validation]
            means = {name: round(float(values.mean()), 4) for name, values in found.test.items()}
            print(optimizer, eps, found.lr, found.steps, best, means, flush=True)
    recipe = {"smoothings": SMOOTHINGS, "rates": RATES, "steps": STEPS, "every": EVERY, "batch": 64, "network": "64-32-10, ReLU"}
    experiments.store("smoothing", recipe=recipe, seeds=SEEDS, results=results)
