"""What do two softmaxes do to a training? The runs behind a table and a figure of the chapter nll.

    python book/experiments/two-softmaxes.py        some two minutes on one core

A linear model of the digits is trained with cross-entropy, once on its scores, and once with a softmax as its last layer, so that
cross-entropy takes the softmax of a softmax. Twenty seeds, and two runs of one seed see the same digits, weights and batches.

Two parts. In the first both models have the same settings, under SGD and under Adam, as for someone who does not know of the
second softmax. In the second each model has the learning rate and the number of steps that suit it, chosen on a validation part
by the loss that its owner sees. The model is one layer, so all twenty seeds are trained at once: the weights have a first dimension
of 20. Run 0 of the first part is what `experiments.train` gives with seed 0.
"""

import torch
import torch.nn.functional as F

from lossnotes import experiments

OPTIMIZERS = {"SGD": torch.optim.SGD, "Adam": torch.optim.Adam}
SAME = {"SGD": 0.3, "Adam": 0.01}
RATES = {"SGD": (0.3, 1.0, 3.0, 10.0, 30.0), "Adam": (0.003, 0.01, 0.03, 0.1)}
SEEDS, SAME_STEPS, STEPS, EVERY, BATCH = range(20), 1000, 3000, 50, 64
LAYERS = {"scores": lambda z: z, "probabilities": lambda z: z.softmax(-1)}


def digits():
    """For each seed the training part and the test part, stacked."""
    sets = [experiments.digits(seed=seed, device="cpu") for seed in SEEDS]
    return experiments.Data(*(torch.stack(part) for part in zip(*sets)))


def with_validation(data, share=0.2):
    """The same data with a part of the training examples in place of the test part."""
    sets = []
    for seed, x, y in zip(SEEDS, data.x, data.y):
        order = torch.randperm(len(x), generator=torch.Generator().manual_seed(seed + 1_000_003))
        aside, rest = order[: round(share * len(x))], order[round(share * len(x)) :]
        sets.append((x[rest], y[rest], x[aside], y[aside]))
    return experiments.Data(*(torch.stack(part) for part in zip(*sets)))


def loss_of(out, y):
    """The mean cross-entropy of each seed, shape (seeds,)."""
    return F.cross_entropy(out.transpose(1, 2), y, reduction="none").mean(1)


def measure(layer, W, b, data):
    out = layer(data.x_test @ W + b)
    q = out.softmax(-1) if layer is LAYERS["scores"] else out
    said, y = q.argmax(-1), data.y_test
    return {
        "held out": loss_of(out, y),  # what the owner prints
        "training": loss_of(layer(data.x @ W + b), data.y),
        "right": (said == y).double().mean(1),
        "never said": torch.tensor([10.0 - len(s.unique()) for s in said]),
        "nll": -q.gather(2, y[:, :, None]).log().mean((1, 2)),  # of the probabilities that the model gives
    }


def train(layer, data, lr, optimizer, steps):
    """What is measured before the first step and after each EVERY steps; for each name a tensor of shape (seeds, times)."""
    layers, batches = [], []
    for seed in SEEDS:
        torch.manual_seed(seed)
        layers.append(torch.nn.Linear(64, 10))
        draws = torch.Generator().manual_seed(seed)
        batches.append(torch.stack([torch.randint(data.x.shape[1], (BATCH,), generator=draws) for _ in range(steps)]))
    W = torch.stack([layer.weight.T for layer in layers]).detach().double().requires_grad_()
    b = torch.stack([layer.bias[None] for layer in layers]).detach().double().requires_grad_()
    step_of = OPTIMIZERS[optimizer]([W, b], lr=lr)
    batches, seeds, seen = torch.stack(batches), torch.arange(len(SEEDS))[:, None], []
    for step in range(steps + 1):
        if step % EVERY == 0:
            with torch.no_grad():
                seen.append(measure(layer, W, b, data))
        if step < steps:
            rows = batches[:, step]
            step_of.zero_grad()
            loss_of(layer(data.x[seeds, rows] @ W + b), data.y[seeds, rows]).sum().backward()
            step_of.step()
    return {name: torch.stack([at[name] for at in seen], 1) for name in seen[0]}


def tune(layer, data, optimizer):
    """The rate and the step with the lowest mean loss on the validation part, and what is measured there on the test part."""
    parts, rates = with_validation(data), RATES[optimizer]
    tried = torch.stack([train(layer, parts, lr, optimizer, STEPS)["held out"].mean(0) for lr in rates])
    rate, at = divmod(int(tried.nan_to_num(nan=torch.inf).argmin()), tried.shape[1])
    test = train(layer, experiments.Data(parts.x, parts.y, data.x_test, data.y_test), rates[rate], optimizer, at * EVERY)
    at_edge = rates[rate] in (rates[0], rates[-1])
    found = {"lr": rates[rate], "steps": at * EVERY, "at_edge": at_edge}
    return found | {name: values[:, -1] for name, values in test.items()}


def means(curves):
    return {name: round(float(values.mean()), 4) for name, values in curves.items() if hasattr(values, "mean")}


if __name__ == "__main__":
    torch.set_num_threads(1)
    data, results = digits(), {"same": {}, "tuned": {}}
    for optimizer in OPTIMIZERS:
        for name, layer in LAYERS.items():
            key = f"{optimizer} {name}"
            results["same"][key] = train(layer, data, SAME[optimizer], optimizer, SAME_STEPS)
            print("same", key, means({k: v[:, -1] for k, v in results["same"][key].items()}), flush=True)
            results["tuned"][key] = tune(layer, data, optimizer)
            print(
                "tuned",
                key,
                [results["tuned"][key][k] for k in ("lr", "steps", "at_edge")],
                means(results["tuned"][key]),
                flush=True,
            )
    recipe = {
        "same": SAME,
        "same_steps": SAME_STEPS,
        "rates": RATES,
        "steps": STEPS,
        "every": EVERY,
        "batch": BATCH,
        "network": "64-10",
    }
    experiments.store("two-softmaxes", recipe=recipe, seeds=SEEDS, results=results)
