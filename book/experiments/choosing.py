"""Which loss for which trouble? The runs behind the tables of the chapter choosing-a-loss.

    python book/experiments/choosing.py        some twenty minutes on one core, if it is idle

Three data sets of scikit-learn, four troubles in the part at hand (which the test part does not have), and up to eight losses
for each. For every loss (but see LIKE) the rate of Adam and the step to stop at are chosen on a validation part, which has the
trouble too, by the mean over the seeds of the balanced accuracy. This is what `experiments.tune` does, with the same splits, first
weights and batches. Here the networks of all seeds are trained side by side, with weights of shape (seeds, in, out), because that
is several times as fast. The chapter repeats one run with `experiments.tune`.
"""

import sys

import torch
import torch.nn.functional as F
from sklearn import datasets

from lossnotes import experiments

SEEDS, STEPS, EVERY, BATCH, HIDDEN = range(10), 3000, 20, 64, 32
RATES = (0.001, 0.003, 0.01, 0.03, 0.1)
LOADERS = {"digits": datasets.load_digits, "tumours": datasets.load_breast_cancer, "wines": datasets.load_wine}
LONG = {"steps": 3000, "every": 100}  # trained to the end, on digits with wrong labels, each loss at its chosen rate


# Data: a third for the test, standardised by the rest; the trouble is in the rest.


def clean(x, y, draws):
    return x, y


def wrong_labels(x, y, draws):
    classes = int(y.max()) + 1
    wrong = torch.rand(len(y), generator=draws) < 0.2
    other = (y + torch.randint(1, classes, (len(y),), generator=draws)) % classes
    return x, torch.where(wrong, other, y)


def large_inputs(x, y, draws):
    large = torch.rand(len(y), generator=draws) < 0.05
    return torch.where(large[:, None], 10 * x, x), y


def rare_classes(x, y, draws):
    kept = torch.rand(len(y), generator=draws) < 0.1
    kept = kept | (y >= (int(y.max()) + 1) // 2)  # the first half of the classes is rare
    return x[kept], y[kept]


TROUBLES = {"clean": clean, "wrong labels": wrong_labels, "large inputs": large_inputs, "rare classes": rare_classes}


def data_of(name, trouble):
    x, y = (torch.from_numpy(a) for a in LOADERS[name](return_X_y=True))

    def data(seed):
        draws = torch.Generator().manual_seed(seed)
        order = torch.randperm(len(x), generator=draws)
        test, rest = order[: len(x) // 3], order[len(x) // 3 :]
        mean, std = x[rest].mean(0), x[rest].std(0)
        scaled = (x - mean) / torch.where(std > 0, std, 1)
        return experiments.Data(*trouble(scaled[rest], y[rest], draws), scaled[test], y[test])

    return data


# Losses: scores (..., B, C), classes (..., B), the shares of the classes (..., 1, C); a value for each example.


def pick(v, t):
    return v.gather(-1, t[..., None]).squeeze(-1)


def cross_entropy(z, t, prior):
    return -pick(z.log_softmax(-1), t)


def squared_error(z, t, prior):
    return (z - F.one_hot(t, z.shape[-1]).to(z)).square().mean(-1)


def hinge(z, t, prior):
    others = z.scatter(-1, t[..., None], -torch.inf)
    return (1 + others.amax(-1) - pick(z, t)).clamp(min=0)


def focal(z, t, prior):
    logq = pick(z.log_softmax(-1), t)
    return -((1 - logq.exp()) ** 2) * logq


def class_weights(z, t, prior):
    w = pick((1 / prior).expand_as(z), t)
    return w / w.mean(-1, keepdim=True) * cross_entropy(z, t, prior)


def generalised(z, t, prior, power=0.7):
    # From log q, because the slope of q**0.7 at a q that has underflowed to 0 is infinite, and the gradient nan.
    return (1 - (power * pick(z.log_softmax(-1), t)).exp()) / power


def absolute(z, t, prior):
    return generalised(z, t, prior, power=1.0)


def symmetric(z, t, prior):  # the label's log 0 counts as -4
    return 0.1 * cross_entropy(z, t, prior) + 4 * (1 - pick(z.softmax(-1), t))


def smoothed(z, t, prior):
    logq = z.log_softmax(-1)
    return -0.9 * pick(logq, t) - 0.1 * logq.mean(-1)


# name: loss, weight decay, whether the log prior is subtracted from the scores before they are judged
LOSSES = {
    "cross-entropy": (cross_entropy, 0, False),
    "squared error": (squared_error, 0, False),
    "hinge": (hinge, 0, False),
    "focal": (focal, 0, False),
    "cross-entropy, decay": (cross_entropy, 0.01, False),
    "hinge, decay": (hinge, 0.01, False),
    "generalised": (generalised, 0, False),
    "symmetric": (symmetric, 0, False),
    "absolute": (absolute, 0, False),
    "smoothed": (smoothed, 0, False),
    "class weights": (class_weights, 0, False),
    "minus log prior": (cross_entropy, 0, True),
    "minus log prior, tuned": (cross_entropy, 0, True),
}
# These are trained with the rate and the steps that were chosen for another row. So "minus log prior" judges the very models of
# "cross-entropy", and decay changes nothing but the decay.
LIKE = {"cross-entropy, decay": "cross-entropy", "hinge, decay": "hinge", "minus log prior": "cross-entropy"}
FOUR = list(LOSSES)[:4]
ROWS = {
    "clean": [*FOUR, "cross-entropy, decay", "hinge, decay", "generalised", "symmetric"],
    "wrong labels": [*FOUR, "generalised", "symmetric", "absolute", "smoothed"],
    "large inputs": FOUR,
    "rare classes": [*FOUR, "class weights", "minus log prior", "minus log prior, tuned"],
}


# Training, all seeds side by side.


def first_weights(inputs, classes, seeds):
    nets = []
    for seed in seeds:
        with torch.random.fork_rng(devices=[]):
            torch.default_generator.manual_seed(seed)
            nets.append((torch.nn.Linear(inputs, HIDDEN), torch.nn.Linear(HIDDEN, classes)))
    both = []
    for layer in zip(*nets):
        both += [
            torch.stack([each.weight.detach().T for each in layer]),
            torch.stack([each.bias.detach() for each in layer])[:, None],
        ]
    return [v.double().requires_grad_() for v in both]


def scores(weights, x):
    first, shift, second, shift_2 = weights
    return torch.relu(x @ first + shift) @ second + shift_2


def stacked(rows, fill=0):
    return torch.nn.utils.rnn.pad_sequence(rows, batch_first=True, padding_value=fill)


def balanced(z, y):
    """The mean of the accuracies of the classes that occur; a y of -1 does not count."""
    right = (z.argmax(-1) == y).double()
    of_class = F.one_hot(y.clamp(min=0), z.shape[-1]).double() * (y >= 0)[..., None]
    counts = of_class.sum(-2)
    shares = (right[..., None] * of_class).sum(-2) / counts.clamp(min=1)
    return shares.sum(-1) / (counts > 0).sum(-1)


def train(parts, entry, lr, steps, measure=None, every=EVERY, classes=None):
    loss, decay, _ = entry
    weights = first_weights(parts[0].x.shape[1], classes, SEEDS)
    prior = priors(parts, classes)
    step_of = torch.optim.Adam(weights, lr=lr, weight_decay=decay)
    draws = [torch.Generator().manual_seed(seed) for seed in SEEDS]
    x, y = stacked([p.x for p in parts]), stacked([p.y for p in parts])
    which, seen = torch.arange(len(parts))[:, None], []
    for step in range(steps + 1):
        if measure is not None and step % every == 0:
            with torch.no_grad():
                seen.append(measure(weights))
        if step < steps:
            rows = torch.stack([torch.randint(len(p.x), (BATCH,), generator=d) for p, d in zip(parts, draws)])
            step_of.zero_grad()
            loss(scores(weights, x[which, rows]), y[which, rows], prior).mean(-1).sum().backward()
            step_of.step()
    return [w.detach() for w in weights], seen


def priors(parts, classes):
    counts = torch.stack([torch.bincount(p.y, minlength=classes) + 1.0 for p in parts]).double()
    return (counts / counts.sum(-1, keepdim=True))[:, None]


# What is measured on the test part of the chosen models.


def probabilities(z, name):
    return z.clamp(0, 1) if name == "squared error" else z.softmax(-1)


def calibration_error(p, right):
    bins = (10 * p).long().clamp(max=9)
    gaps = torch.zeros(*p.shape[:-1], 10, dtype=p.dtype).scatter_add_(-1, bins, p - right)
    return gaps.abs().sum(-1) / p.shape[-1]


def calibration(z, y, name):
    p, said = probabilities(z, name).max(-1)
    right = (said == y).double()
    error = calibration_error(p, right)
    draws = torch.Generator().manual_seed(0)
    drawn = (torch.rand(200, *p.shape, dtype=p.dtype, generator=draws) < p).double()
    perfect = calibration_error(p.expand_as(drawn), drawn)
    return {
        "ece": error,
        "floor": perfect.mean(0),
        "as_large": (perfect >= error).double().mean(0),
        "too_sure": (p - right).mean(-1),
    }


def margin(weights, x, y):
    """The median over right answers of the distance to the nearest other class, to first order."""
    x = x.clone().requires_grad_()
    z = scores(weights, x)
    best = z.argmax(-1)
    nearest = torch.full(best.shape, torch.inf, dtype=z.dtype)
    for i in range(z.shape[-1]):
        lead = pick(z, best) - z[..., i]
        (slope,) = torch.autograd.grad(lead.sum(), x, retain_graph=True)
        distance = torch.where(best == i, torch.inf, lead / slope.norm(dim=-1))
        nearest = torch.minimum(nearest, distance)
    nearest = nearest.detach()
    return torch.stack([d[ok].median() for d, ok in zip(nearest, best == y)])


def pull(weights, parts, truth, entry, classes):
    """The mean length of the gradient in the scores, over mistaken and over clean training examples, and how many mistakes are learnt."""
    prior, out = priors(parts, classes), {"mistaken": [], "clean": [], "learnt": []}
    for k, (part, true) in enumerate(zip(parts, truth)):
        z = scores([w[k] for w in weights], part.x).requires_grad_()
        (slope,) = torch.autograd.grad(entry[0](z, part.y, prior[k]).sum(), z)
        length, mistaken = slope.norm(dim=-1), part.y != true.y
        out["mistaken"].append(length[mistaken].mean())
        out["clean"].append(length[~mistaken].mean())
        out["learnt"].append((z.argmax(-1) == part.y)[mistaken].double().mean())
    return {key: torch.stack(v) for key, v in out.items()}


def parts_of(name, trouble):
    pairs = [experiments.set_aside(data_of(name, TROUBLES[trouble])(seed=seed), 0.2, seed) for seed in SEEDS]
    return [a for a, _ in pairs], torch.stack([b.x_test for _, b in pairs]), torch.stack([b.y_test for _, b in pairs])


def judged(name, trouble, row, settings=None):
    """One row: trained with the settings, which are chosen first if they are not given, and measured on the test part."""
    parts, x_test, y_test = parts_of(name, trouble)
    classes, entry = int(y_test.max()) + 1, LOSSES[row]
    less = priors(parts, classes).log() if entry[2] else 0
    x_val, y_val = stacked([p.x_test for p in parts]), stacked([p.y_test for p in parts], fill=-1)

    def measure(weights):
        return balanced(scores(weights, x_val) - less, y_val).mean().nan_to_num(0)

    if settings is None:
        tried = torch.stack([torch.stack(train(parts, entry, lr, STEPS, measure, classes=classes)[1]) for lr in RATES])
        rate, step = divmod(int(tried.argmax()), tried.shape[1])
        settings = {"lr": RATES[rate], "steps": step * EVERY}
    weights, _ = train(parts, entry, **settings, classes=classes)
    z = scores(weights, x_test) - less
    found = settings | {"accuracy": balanced(z, y_test)} | calibration(z, y_test, row)
    if trouble == "clean":
        found["margin"] = margin(weights, x_test, y_test)
    if trouble == "wrong labels":
        found |= pull(weights, parts, parts_of(name, "clean")[0], entry, classes)
    return found


def to_the_end(row, lr):
    parts, x_test, y_test = parts_of("digits", "wrong labels")
    seen = {"accuracy": [], "ece": [], "too_sure": []}

    def measure(weights):
        z = scores(weights, x_test)
        p, said = probabilities(z, row).max(-1)
        right = (said == y_test).double()
        seen["accuracy"].append(balanced(z, y_test).mean())
        seen["ece"].append(calibration_error(p, right).mean())
        seen["too_sure"].append((p - right).mean())

    train(parts, LOSSES[row], lr, LONG["steps"], measure, LONG["every"], classes=10)
    return {key: torch.stack(v) for key, v in seen.items()}


def main(names=tuple(LOADERS)):
    torch.set_num_threads(1)
    results = {}
    for name in names:
        for trouble, rows in ROWS.items():
            for row in rows:
                like = results.get(f"{name} | {trouble} | {LIKE.get(row)}")
                found = judged(name, trouble, row, like and {key: like[key] for key in ("lr", "steps")})
                results[f"{name} | {trouble} | {row}"] = found
                a = found["accuracy"]
                print(
                    f"{name:8} {trouble:13} {row:21} {found['lr']:6} {found['steps']:4} {a.mean():.3f} {found['ece'].mean():.3f}",
                    flush=True,
                )
        if name == "digits":
            for row in ("cross-entropy", "hinge", "generalised", "symmetric", "absolute"):
                results[f"to the end | {row}"] = to_the_end(row, results[f"digits | wrong labels | {row}"]["lr"])
    return results


if __name__ == "__main__":
    recipe = {"rates": RATES, "steps": STEPS, "every": EVERY, "batch": BATCH, "hidden": HIDDEN, "optimizer": "Adam"}
    recipe |= {"decay": 0.01, "generalised": 0.7, "symmetric": [0.1, 1, -4], "gamma": 2, "smoothing": 0.1, "long": LONG}
    if len(sys.argv) > 1:  # one data set, to be put together later
        torch.save(main(sys.argv[1:2]), sys.argv[2])
    else:
        experiments.store("choosing", recipe=recipe, seeds=SEEDS, results=main())
