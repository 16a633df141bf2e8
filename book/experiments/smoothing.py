"""Does label smoothing help on the digits? The runs behind a table of the chapter cross-entropy.

    python book/experiments/smoothing.py        half an hour on one core

A small network is trained with label smoothing 0, 0.1 and 0.2 under SGD, and with 0 and 0.1 under Adam, from twenty seeds
each. A seed sets the split of the digits, the first weights and the batches, so that two runs of one seed differ in nothing but
the loss. For each loss and optimizer the learning rate and the step to stop at are chosen on a validation part; see
`experiments.tune`.

The choice looks at the loss with hard labels after one temperature. Without the temperature a smoothed model would lose for
being as unsure as it was told to be. For the choice, the temperature is fitted on the whole validation part, on which the loss
is measured. (To fit it on one half and measure on the other is not safe: where one half has no errors, its best temperature may
lie at the edge of the grid, and an error in the other half then costs far too much.) The test part is judged with the temperature
that the validation part gave.
"""

import torch
import torch.nn.functional as F

from lossnotes import experiments

SMOOTHINGS = {"SGD": (0.0, 0.1, 0.2), "Adam": (0.0, 0.1)}
OPTIMIZERS = {"SGD": torch.optim.SGD, "Adam": torch.optim.Adam}
RATES = {"SGD": (0.1, 0.3, 1.0, 2.0), "Adam": (0.0003, 0.001, 0.003, 0.01, 0.03, 0.1)}
SEEDS, STEPS, EVERY, SHARE = range(20), 6000, 100, 0.2
SHARPNESSES = torch.logspace(-1, 1, 81, dtype=torch.float64)  # 1/T, from 0.1 to 10


def network():
    return torch.nn.Sequential(torch.nn.Linear(64, 32), torch.nn.ReLU(), torch.nn.Linear(32, 10))


def digits(seed):
    return experiments.digits(seed=seed, device="cpu")


def fitted(scores, y):
    """The loss with the temperature that suits these scores best, and the temperature."""
    losses = torch.stack([F.cross_entropy(scores * sharp, y) for sharp in SHARPNESSES])
    return losses.min(), 1 / SHARPNESSES[losses.argmin()]


def tune(eps, optimizer, rates, seeds=SEEDS, steps=STEPS, every=EVERY):
    """What `experiments.tune` finds for one loss under one optimizer, and the test part after the temperature."""

    def loss(scores, y):
        return F.cross_entropy(scores, y, label_smoothing=eps)

    def measure(model, data):
        scores = model(data.x_test)
        return {
            "fitted": fitted(scores, data.y_test)[0],
            "hard": F.cross_entropy(scores, data.y_test),
            "wrong": (scores.argmax(1) != data.y_test).double().mean(),
            "training": loss(model(data.x), data.y),
        }

    settings = dict(measure=measure, by="fitted", best="lowest", optimizer=OPTIMIZERS[optimizer], share=SHARE)
    found = experiments.tune(network, loss, digits, rates=rates, seeds=seeds, steps=steps, every=every, **settings)
    pairs = [tempered(model, *experiments.set_aside(digits(seed), SHARE, seed)) for seed, model in zip(seeds, found.models)]
    after, temperatures = torch.tensor(pairs, dtype=torch.float64).T
    return found._replace(test={"tempered": after, "temperature": temperatures, **found.test})


@torch.no_grad()
def tempered(model, validation, test):
    """The loss on the test part with the temperature that suits the validation part, and the temperature."""
    _, T = fitted(model(validation.x_test), validation.y_test)
    return F.cross_entropy(model(test.x_test) / T, test.y_test).item(), T.item()


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
    recipe = {"smoothings": SMOOTHINGS, "rates": RATES, "steps": STEPS, "every": EVERY, "share": SHARE}
    recipe |= {"batch": 64, "network": "64-32-10, ReLU"}
    experiments.store("smoothing", recipe=recipe, seeds=SEEDS, results=results)
