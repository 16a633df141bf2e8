"""Do learnt task weights help? The runs behind a table and a figure of the chapter loss-is-a-layer.

    python book/experiments/task-weights.py        some four minutes on one core

A network with two tasks: which digit, and how much ink. The loss is cross-entropy plus half the squared error, with fixed weights,
or with the weights of Kendall, Gal and Cipolla, CE / s1^2 + MSE / (2 s2^2) + log s1 + log s2, whose log s are trained along with the
rest. The ink is measured as a share of the paper, in hundredths of that, or divided by its standard deviation. Adam, twenty seeds,
which set what is held out, the start and the batches. All seeds are trained at once: the weights have a first dimension of 20. Run 0
is what `experiments.train` gives with seed 0.

Adam divides by the gradients that it has seen, and the first ones of the ink are huge in hundredths. So four more runs change what it
remembers: the s of the ink is held at 1, or Adam forgets after 300 steps what it knows of log s, or of the shared layer.
"""

import torch
import torch.nn.functional as F

from lossnotes import experiments

SEEDS, STEPS, EVERY, BATCH, RATE, HIDDEN = range(20), 3600, 300, 64, 0.003, 32
UNITS = {"1/1": 1.0, "1/100": 100.0, "standardised": None}
FORGET = 300  # after this many steps
PLAIN = {f"{unit} {weights}": (weights == "learnt", UNITS[unit], {}) for unit in UNITS for weights in ("fixed", "learnt")}
CHANGED = {
    "1/100 learnt, ink held": (True, 100.0, {"hold_ink": True}),
    "1/100 learnt, log s forgotten": (True, 100.0, {"forget": "log s"}),
    "1/100 fixed, shared layer forgotten": (False, 100.0, {"forget": "shared layer"}),
    "1/100 learnt, shared layer forgotten": (True, 100.0, {"forget": "shared layer"}),
}


def task_data(unit):
    """For each seed the inputs, the digits and the ink, training part and held-out part, stacked."""
    sets = []
    for seed in SEEDS:
        data = experiments.digits(seed=seed, device="cpu")
        ink, ink_test = data.x.mean(1), data.x_test.mean(1)
        scale = 1 / ink.std() if unit is None else unit
        sets.append((data.x, data.y, scale * ink, data.x_test, data.y_test, scale * ink_test))
    return [torch.stack(part) for part in zip(*sets)]


def start(seed):
    torch.manual_seed(seed)
    layers = torch.nn.Linear(64, HIDDEN), torch.nn.Linear(HIDDEN, 10), torch.nn.Linear(HIDDEN, 1)
    return [w for layer in layers for w in (layer.weight.T, layer.bias[None])]


def outputs(weights, x):
    body, body_bias, digit, digit_bias, ink, ink_bias = weights
    h = torch.relu(x @ body + body_bias)
    return h @ digit + digit_bias, (h @ ink + ink_bias).squeeze(-1)


def train(learnt, unit, hold_ink=False, forget=None):
    """What is measured on the held-out part before the first step and after each EVERY steps, each of shape (seeds, times)."""
    x, t, ink, x_test, t_test, ink_test = task_data(unit)
    weights = [torch.stack(same).detach().double().requires_grad_() for same in zip(*map(start, SEEDS))]
    log_s = torch.zeros(len(SEEDS), 2, dtype=torch.float64, requires_grad=learnt)
    if hold_ink:
        log_s.register_hook(lambda gradient: gradient * torch.tensor([1.0, 0.0]))
    optimizer = torch.optim.Adam([*weights, log_s] if learnt else weights, lr=RATE)
    draws = [torch.Generator().manual_seed(seed) for seed in SEEDS]
    seeds, seen = torch.arange(len(SEEDS))[:, None], []
    for step in range(STEPS + 1):
        if step % EVERY == 0:
            with torch.no_grad():
                z, said = outputs(weights, x_test)
                error = (said - ink_test).square().mean(1).sqrt() / ink_test.std(1)
                right = (z.argmax(-1) == t_test).double().mean(1)
                seen.append({"right": right, "ink error": error, "s digits": log_s[:, 0].exp(), "s ink": log_s[:, 1].exp()})
        if forget and step == FORGET:  # Adam starts anew with what it does not find
            for w in {"log s": [log_s], "shared layer": weights[:2]}[forget]:
                del optimizer.state[w]
        if step < STEPS:
            rows = torch.stack([torch.randint(x.shape[1], (BATCH,), generator=g) for g in draws])
            z, said = outputs(weights, x[seeds, rows])
            ce = F.cross_entropy(z.transpose(1, 2), t[seeds, rows], reduction="none").mean(1)
            mse = (said - ink[seeds, rows]).square().mean(1)
            weight = torch.exp(-2 * log_s)
            loss = weight[:, 0] * ce + weight[:, 1] * mse / 2 + log_s.sum(1)
            optimizer.zero_grad()
            loss.sum().backward()
            optimizer.step()
    return {name: torch.stack([at[name] for at in seen], 1) for name in seen[0]}


if __name__ == "__main__":
    torch.set_num_threads(1)
    results = {}
    for key, (learnt, unit, change) in (PLAIN | CHANGED).items():
        run = results[key] = train(learnt, unit, **change)
        print(key, {k: [round(v.mean(0)[i].item(), 3) for i in (2, 6, 12)] for k, v in run.items()}, flush=True)
    recipe = {"rate": RATE, "steps": STEPS, "every": EVERY, "batch": BATCH, "hidden": HIDDEN, "units": UNITS, "optimizer": "Adam"}
    recipe["forget"] = FORGET
    experiments.store("task-weights", recipe=recipe, seeds=SEEDS, results=results)
