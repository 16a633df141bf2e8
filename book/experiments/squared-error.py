"""Squared error on classes: from an ordinary start and from a bad one, under SGD and under Adam.

    python book/experiments/squared-error.py        some nine minutes on one core

A network with 32 hidden units learns the digits by three losses. Its last bias is drawn as usual, or raised by twelve for the
class 0, so that the network is sure that every digit is a zero. For each loss, start and optimizer the rate is the one with
the best mean accuracy on the validation digits of five seeds after 300 steps. Twenty seeds are then trained at that rate, and
measured on the test digits. Three further questions: how far does the squared error of the scores get from the bad start in
3,000 steps of SGD, how far that of the probabilities in 6,000, and what happens to the latter at a rate of 30?

All seeds are trained at once: the weights have shape (seeds, in, out), and the sum of the losses of the seeds has, for the
weights of each seed, the gradient of its own loss. Data, first weights and batches are those of `experiments.tune`.
"""

import torch
import torch.nn.functional as F

from lossnotes import experiments

SEEDS = range(20)
TUNED_ON = range(5)
STEPS, LONG = 300, 3000
BATCH, EVERY = 64, 20
RATES = {
    "SGD": (0.03, 0.1, 0.3, 1.0, 3.0, 10.0, 30.0),
    "Adam": (0.001, 0.003, 0.01, 0.03, 0.1, 0.3),
}
HUGE = (100.0, 1e4, 1e6)  # for SGD and the probabilities: no rate is too large where nothing moves
LONG_RATES = (0.03, 0.1, 0.3, 1.0)
LONGER, LONGER_RATES = 6000, (1.0, 3.0, 5.0, 10.0, 30.0)
OPTIMIZERS = {"SGD": torch.optim.SGD, "Adam": torch.optim.Adam}


def network(points=0.0):
    """The network of the chapter. `points` are added to the score of the digit 0."""
    net = torch.nn.Sequential(torch.nn.Linear(64, 32), torch.nn.ReLU(), torch.nn.Linear(32, 10))
    with torch.no_grad():
        net[-1].bias[0] += points
    return net


def cross_entropy(z, y):
    return F.cross_entropy(z.flatten(0, 1), y.flatten(), reduction="none").view(y.shape).mean(1)


def mse_of_probabilities(z, y):
    return ((z.softmax(-1) - F.one_hot(y, 10)) ** 2).mean((1, 2))


def mse_of_scores(z, y):
    return ((z - F.one_hot(y, 10)) ** 2).mean((1, 2))


LOSSES = {
    "cross-entropy": cross_entropy,
    "MSE of probabilities": mse_of_probabilities,
    "MSE of scores": mse_of_scores,
}


def parts(seeds):
    """Train, validation and test digits of the seeds, stacked."""
    pairs = [experiments.set_aside(experiments.digits(seed=s, device="cpu"), 0.2, s) for s in seeds]
    rows = [(v.x, v.y, v.x_test, v.y_test, t.x_test, t.y_test) for v, t in pairs]
    return [torch.stack(column) for column in zip(*rows)]


def first_weights(points, seeds):
    found = []
    for seed in seeds:
        torch.manual_seed(seed)
        net = network(points).double()
        found.append((net[0].weight.T, net[0].bias[None], net[2].weight.T, net[2].bias[None]))
    return [torch.stack(column).detach().requires_grad_() for column in zip(*found)]


def train(loss, points, optimizer, lr, seeds=SEEDS, steps=STEPS, every=EVERY):
    """What each seed has on the way: accuracies, and on its training digits dead units and unlikely labels."""
    x, y, x_val, y_val, x_test, y_test = parts(seeds)
    weights = first_weights(points, seeds)
    step_of = optimizer(weights, lr=lr)
    draws = [torch.Generator().manual_seed(seed) for seed in seeds]
    which = torch.arange(len(seeds))[:, None]

    def scores(x):
        hidden = torch.baddbmm(weights[1], x, weights[0]).relu()
        return torch.baddbmm(weights[3], hidden, weights[2]), hidden

    seen = {}
    for step in range(steps + 1):
        if step % every == 0:
            with torch.no_grad():
                z, hidden = scores(x)
                q_t = z.softmax(-1).gather(2, y[..., None])[..., 0]
                found = {
                    "validation": scores(x_val)[0].argmax(-1) == y_val,
                    "test": scores(x_test)[0].argmax(-1) == y_test,
                    "below 0.001": q_t < 0.001,
                    "below 0.01": q_t < 0.01,
                    "below 1/3": q_t < 1 / 3,
                }
                found = {name: of.double().mean(1) for name, of in found.items()}
                found["dead"] = (hidden == 0).all(1).double().sum(1)
            for name, value in found.items():
                seen.setdefault(name, []).append(value)
        if step < steps:
            rows = which, torch.stack([torch.randint(x.shape[1], (BATCH,), generator=g) for g in draws])
            step_of.zero_grad()
            loss(scores(x[rows])[0], y[rows]).sum().backward()
            step_of.step()
    return {name: torch.stack(values, 1) for name, values in seen.items()}


def best_rate(loss, points, optimizer, rates, steps=STEPS):
    means = []
    for lr in rates:
        end = train(loss, points, optimizer, lr, TUNED_ON, steps, steps)["validation"][:, -1]
        means.append(end.mean().item())
    lr = rates[means.index(max(means))]
    return {"lr": lr, "at_edge": lr in (rates[0], rates[-1]), "tried": dict(zip(map(str, rates), means))}


def main():
    torch.set_num_threads(1)
    results = {}
    for start, points in (("ordinary", 0.0), ("sure of zero", 12.0)):
        for name, optimizer in OPTIMIZERS.items():
            for title, loss in LOSSES.items():
                key = f"{start}, {name}, {title}"
                rates = RATES[name] + (HUGE if (name, title) == ("SGD", "MSE of probabilities") else ())
                results[key] = best_rate(loss, points, optimizer, rates)
                results[key] |= train(loss, points, optimizer, results[key]["lr"])
                say(key, results[key])
    results["rate 30"] = train(mse_of_probabilities, 0.0, torch.optim.SGD, 30.0)
    print("rate 30", results["rate 30"]["below 0.001"][:, -1], results["rate 30"]["test"][:, -1], flush=True)
    key = "long"
    results[key] = best_rate(mse_of_scores, 12.0, torch.optim.SGD, LONG_RATES, LONG)
    results[key] |= train(mse_of_scores, 12.0, torch.optim.SGD, results[key]["lr"], steps=LONG, every=300)
    say(key, results[key])
    key = "longer"
    results[key] = best_rate(mse_of_probabilities, 12.0, torch.optim.SGD, LONGER_RATES, LONGER)
    results[key] |= train(mse_of_probabilities, 12.0, torch.optim.SGD, results[key]["lr"], steps=LONGER, every=300)
    say(key, results[key])
    recipe = {"steps": STEPS, "long": LONG, "every": EVERY, "batch": BATCH, "share": 0.2, "points": 12.0, "hidden": 32}
    recipe |= {
        "rates": RATES,
        "huge": HUGE,
        "long rates": LONG_RATES,
        "longer": LONGER,
        "longer rates": LONGER_RATES,
        "tuned on": list(TUNED_ON),
    }
    experiments.store("squared-error", recipe=recipe, seeds=SEEDS, results=results)


def say(key, run):
    end = run["test"][:, -1]
    print(f"{key:45} {run['lr']:8g} {end.mean():.3f} ± {end.std():.3f}  dead {run['dead'][:, -1].mean():.1f}", flush=True)
    print("     ", {rate: round(mean, 3) for rate, mean in run["tried"].items()}, flush=True)
    print("     ", end.sort().values.numpy().round(2), flush=True)


if __name__ == "__main__":
    main()
