"""How far do runs of the same training end from each other? The runs behind a table and a figure of the chapter convexity.

    python book/experiments/convexity.py        some three minutes on one core

Cross-entropy, one split of the digits for all runs, twenty seeds that set the start and the batches. Three models: a linear one,
whose loss is convex in its weights, and networks with 8 and with 64 hidden units (ReLU), whose loss is not. Under SGD and under
Adam. For each model and optimizer the rate and the number of steps are those with the lowest mean loss on a validation part of
the training digits; then the twenty models are measured on the held-out digits once. All seeds are trained at once: the weights
have a first dimension of 20. Run 0 is what `experiments.train` gives with seed 0.
"""

import torch
import torch.nn.functional as F

from lossnotes import experiments

OPTIMIZERS = {"SGD": torch.optim.SGD, "Adam": torch.optim.Adam}
RATES = {"SGD": (0.1, 0.3, 1.0, 3.0, 10.0), "Adam": (0.003, 0.01, 0.03, 0.1)}
WIDTHS = {"linear": None, "8 units": 8, "64 units": 64}
SEEDS, SPLIT, STEPS, EVERY, BATCH = range(20), 0, 1000, 50, 64


def parts():
    """The digits with a validation part in place of the held-out part, and the same training digits with the held-out part."""
    data = experiments.digits(seed=SPLIT, device="cpu")
    order = torch.randperm(len(data.x), generator=torch.Generator().manual_seed(1_000_003))
    aside, rest = order[: len(order) // 5], order[len(order) // 5 :]
    x, y = data.x[rest], data.y[rest]
    return experiments.Data(x, y, data.x[aside], data.y[aside]), experiments.Data(x, y, data.x_test, data.y_test)


def layers(width):
    return [torch.nn.Linear(64, 10)] if width is None else [torch.nn.Linear(64, width), torch.nn.Linear(width, 10)]


def scores(weights, x):
    z = x @ weights[0] + weights[1]
    return z if len(weights) == 2 else torch.relu(z) @ weights[2] + weights[3]


def loss_of(z, y):
    """The mean cross-entropy of each seed, shape (seeds,)."""
    return F.cross_entropy(z.transpose(1, 2), y.expand(z.shape[:2]), reduction="none").mean(1)


def measure(weights, data):
    z = scores(weights, data.x_test)
    right = (z.argmax(-1) == data.y_test).double().mean(1)
    return {"held out": loss_of(z, data.y_test), "training": loss_of(scores(weights, data.x), data.y), "right": right}


def train(width, data, lr, optimizer, steps):
    """What is measured before the first step and after each EVERY steps; for each name a tensor of shape (seeds, times)."""
    starts, batches = [], []
    for seed in SEEDS:
        torch.manual_seed(seed)
        starts.append([w for layer in layers(width) for w in (layer.weight.T, layer.bias[None])])
        draws = torch.Generator().manual_seed(seed)
        batches.append(torch.stack([torch.randint(len(data.x), (BATCH,), generator=draws) for _ in range(steps)]))
    weights = [torch.stack(same).detach().double().requires_grad_() for same in zip(*starts)]
    step_of = OPTIMIZERS[optimizer](weights, lr=lr)
    batches, seen = torch.stack(batches), []
    for step in range(steps + 1):
        if step % EVERY == 0:
            with torch.no_grad():
                seen.append(measure(weights, data))
        if step < steps:
            rows = batches[:, step]
            step_of.zero_grad()
            loss_of(scores(weights, data.x[rows]), data.y[rows]).sum().backward()
            step_of.step()
    return {name: torch.stack([at[name] for at in seen], 1) for name in seen[0]}


def tune(width, optimizer):
    with_validation, with_test = parts()
    rates = RATES[optimizer]
    tried = torch.stack([train(width, with_validation, lr, optimizer, STEPS)["held out"].mean(0) for lr in rates])
    rate, at = divmod(int(tried.nan_to_num(nan=torch.inf).argmin()), tried.shape[1])
    test = train(width, with_test, rates[rate], optimizer, at * EVERY)
    found = {"lr": rates[rate], "steps": at * EVERY, "at_edge": rates[rate] in (rates[0], rates[-1])}
    return found | {name: values[:, -1] for name, values in test.items()}


if __name__ == "__main__":
    torch.set_num_threads(1)
    results = {}
    for optimizer in OPTIMIZERS:
        for name, width in WIDTHS.items():
            run = results[f"{optimizer} {name}"] = tune(width, optimizer)
            ends = {key: (round(float(v.min()), 4), round(float(v.max()), 4)) for key, v in run.items() if hasattr(v, "min")}
            print(optimizer, name, run["lr"], run["steps"], run["at_edge"], ends, flush=True)
    recipe = {"split": SPLIT, "rates": RATES, "steps": STEPS, "every": EVERY, "batch": BATCH, "widths": WIDTHS}
    experiments.store("convexity", recipe=recipe, seeds=SEEDS, results=results)
