"""Functions that the homework asks for and the package does not have, and what is tried on them."""

import math

import torch
from torch.nn.functional import one_hot

from lossnotes import classification, scores
from lossnotes.check._cases.base import Case, Spec, classes, drawn, t
from lossnotes.check._cases.scores import ONE, RANDOM, SQUARE, TWO
from lossnotes.check._child.losses import pseudo_huber, squared_distance
from lossnotes.check._mistakes import letters as wrong
from lossnotes.check._mistakes.base import NARROW, NARROW_HINT, Mistake, Silent
from lossnotes.check._mistakes.letters import LETTERS
from lossnotes.check._mistakes.scores import TOP, TOP_HINT, naive_softmax


def bits_per_letter(text, known, extra=1):
    """Average bits of the letters of `text` under the letter frequencies of `known`, each letter counted once more."""

    def letters(s):
        return [LETTERS.index(c) for c in s.lower() if c in LETTERS]

    counts = torch.bincount(torch.tensor(letters(known), dtype=torch.int64), minlength=26).double() + extra
    return -(counts / counts.sum()).log2()[letters(text)].mean()


def cross_entropy_gradient(input, target):
    """Gradient of the mean cross-entropy with respect to the scores."""
    return (scores.softmax(input, 1) - one_hot(target, input.shape[1]).to(input.dtype)) / len(input)


def _no_step(input, target):
    """What finite differences give: nothing, where the step is lost in the score."""
    if input.dtype == torch.float32:
        raise Silent
    return torch.where(input + 1e-6 == input, 0.0, cross_entropy_gradient(input, target))


def mean_of_parts(means, counts):
    """Mean over all examples, from the mean and the number of examples of each part."""
    return (means * counts).sum() / counts.sum()


def best_temperature(input, target, temperatures):
    """The temperature with which the scores have the lowest mean cross-entropy."""
    losses = [classification.cross_entropy(input / t, target) for t in temperatures]
    return temperatures.take(torch.stack(losses).argmin())


def train_classifier(loss, x, y, classes, steps=100, lr=0.1):
    """Weights of a linear model after `steps` of gradient descent on all examples, from zeros."""
    weight = torch.zeros(classes, x.shape[1], dtype=x.dtype, device=x.device, requires_grad=True)
    for _ in range(steps):
        (slope,) = torch.autograd.grad(loss(x @ weight.T, y), weight)
        weight = (weight - lr * slope).detach().requires_grad_()
    return weight.detach()


def _weights_after(update):
    def fn(loss, x, y, classes, steps=100, lr=0.1):
        weight = torch.zeros(classes, x.shape[1], dtype=x.dtype, requires_grad=True)
        total = torch.zeros_like(weight)
        for _ in range(steps):
            (slope,) = torch.autograd.grad(loss(x @ weight.T, y), weight)
            total = total + slope
            weight = update(weight, slope, total, lr).detach().requires_grad_()
        return weight.detach()

    return fn


def _adam(loss, x, y, classes, steps=100, lr=0.1):
    weight = torch.zeros(classes, x.shape[1], dtype=x.dtype, requires_grad=True)
    m, v = torch.zeros_like(weight), torch.zeros_like(weight)
    for step in range(1, steps + 1):
        (slope,) = torch.autograd.grad(loss(x @ weight.T, y), weight)
        m, v = 0.9 * m + 0.1 * slope, 0.999 * v + 0.001 * slope**2
        change = m / (1 - 0.9**step) / ((v / (1 - 0.999**step)).sqrt() + 1e-8)
        weight = (weight - lr * change).detach().requires_grad_()
    return weight.detach()


def _steps(more):
    return lambda loss, x, y, classes, steps=100, lr=0.1: train_classifier(loss, x, y, classes, steps + more, lr)


SMALL = t([[1.0, 0.0], [0.0, 2.0]]), classes(0, 1)
BATCH = drawn(6, 3, seed=5), classes(3, 0, 0, 2, 1, 3)

TEMPERATURES = t([0.25, 0.5, 1.0, 2.0, 4.0, 8.0])
UNSURE = Case((t([[2.0, 0.0], [1.5, 0.0], [2.5, 0.0]]), classes(0, 1, 0), TEMPERATURES))
SURE = Case((t([[0.4, 0.0, 0.1], [0.1, 0.3, 0.0]]), classes(0, 1), TEMPERATURES))


def _temperature(choose):
    def fn(input, target, temperatures):
        losses = torch.stack([classification.cross_entropy(input / t, target) for t in temperatures])
        return choose(losses, temperatures, input, target)

    return fn


SPECS = [
    Spec(
        "bits_per_letter",
        bits_per_letter,
        ("text", "known"),
        {
            "values": [Case(("ab", "aab")), Case(("hello world", "the cat sat on the mat")), Case(("zebra", "hello"))],
            "edge cases": [Case(("AbC, d!", "A b-c")), Case(("abc", "")), Case(("Straße, café!", "Ünal naïve"))],
        },
        {
            "values": [
                Mistake(
                    "counts not smoothed",
                    "A letter that never occurred is still possible. What is its count?",
                    lambda s, k: bits_per_letter(s, k, 0),
                ),
                Mistake(
                    "text and known swapped",
                    "Whose frequencies, and whose letters?",
                    lambda s, k: bits_per_letter(k, s),
                ),
                Mistake("nats for bits", "Which logarithm gives bits?", lambda s, k: bits_per_letter(s, k) * math.log(2)),
                Mistake(
                    "sum for mean",
                    "The longer the text, the larger the value.",
                    lambda s, k: bits_per_letter(s, k) * sum(c in LETTERS for c in s),
                ),
                *wrong.VALUES,
            ],
            "edge cases": wrong.EDGE,
        },
        differentiable=(),
        logarithm=False,
        kinds=("text", "text"),
    ),
    Spec(
        "cross_entropy_gradient",
        cross_entropy_gradient,
        ("input", "target"),
        {
            "values": [ONE, TWO, SQUARE, RANDOM],
            "one class": [Case((t([[3.0], [1.0]]), classes(0, 0)))],
            "extreme scores": [
                Case((t([[1000.0, 1000.0], [-1000.0, 1000.0]]), classes(0, 0))),
                Case((t([[1000.0, 0.0], [-1000.0, -999.0]]), classes(0, 1))),  # one maximum for all rows is not enough
                Case((SQUARE.args[0].float(), SQUARE.args[1])),  # where a small step is rounding
                Case((t([[1e12, 1e12, 1e12]]), classes([0]))),  # where a small step changes nothing: the formula was asked for
            ],
        },
        {
            "values": [
                Mistake(
                    "gradient of the sum",
                    "The loss is a mean. And its gradient?",
                    lambda x, y: cross_entropy_gradient(x, y) * len(x),
                ),
                Mistake(
                    "target not taken away",
                    "Do the rows of a gradient of cross-entropy sum to 1, or to 0?",
                    lambda x, y: x.softmax(1) / len(x),
                ),
                Mistake(
                    "softmax over the wrong dim",
                    "Along which dimension do the probabilities sum to 1?",
                    lambda x, y: (x.softmax(0) - one_hot(y, x.shape[1])) / len(x),
                ),
                Mistake(
                    "softmax missing",
                    "The gradient is a probability less the target. What stands in the place of the probability?",
                    lambda x, y: (x - one_hot(y, x.shape[1])) / len(x),
                ),
                Mistake(NARROW, NARROW_HINT, lambda x, y: (x.softmax(1) - one_hot(y)) / len(x)),
                Mistake(
                    "divided by the classes too",
                    "The mean is over examples.",
                    lambda x, y: cross_entropy_gradient(x, y) / x.shape[1],
                ),
            ],
            "extreme scores": [
                Mistake(TOP, TOP_HINT, lambda x, y: (naive_softmax(x - x.max()) - one_hot(y, x.shape[1])) / len(x)),
                Mistake(
                    "finite differences",
                    "A small step changes nothing in a large score. Which formula needs no step?",
                    _no_step,
                ),
            ],
        },
        differentiable=(),
        logarithm=False,
        kinds=("scores", "classes"),
    ),
    Spec(
        "mean_of_parts",
        mean_of_parts,
        ("means", "counts"),
        {
            "values": [
                Case((t([1.0, 3.0]), torch.tensor([3, 1]))),
                Case((t([0.5, 2.0, 4.0]), torch.tensor([10, 0, 5]))),
            ],
            "edge cases": [Case((t([2.0]), torch.tensor([7]))), Case((t([1e6, -1e-3]), torch.tensor([1, 10_000])))],
        },
        {
            "values": [
                Mistake("mean of the means", "A small part counts as much as a large one.", lambda m, n: m.mean()),
                Mistake("sum over the parts", "That is a sum over all examples.", lambda m, n: (m * n).sum()),
                Mistake(
                    "divided by the number of parts",
                    "How many examples are there in all?",
                    lambda m, n: (m * n).sum() / len(m),
                ),
            ],
        },
        logarithm=False,
        kinds=("numbers", "counts"),
    ),
    Spec(
        "best_temperature",
        best_temperature,
        ("input", "target", "temperatures"),
        {
            "values": [UNSURE, SURE, Case((RANDOM.args[0] * 3, classes(2, 0, 0, 2, 1, 3), TEMPERATURES))],
            "edge cases": [
                Case((*UNSURE.args[:2], t([3.0]))),
                Case((*UNSURE.args[:2], t([4.0, 0.5, 2.0, 8.0, 1.0, 0.25]))),  # in no order
                Case((*UNSURE.args[:2], t([0.25, 0.5]))),  # without 1, which would be better than all of them
            ],
            "extreme scores": [
                Case((UNSURE.args[0] + 1000, *UNSURE.args[1:])),
                Case((UNSURE.args[0] - 1000, *UNSURE.args[1:])),
                # Too large for e^z at every temperature: no loss may be infinite, or it is chance which is smallest.
                Case((t([[2.0, 0.0], [3.0, 0.0], [0.0, 40000.0]]), classes(0, 0, 0), TEMPERATURES)),
            ],
        },
        {
            "values": [
                Mistake(
                    "highest for lowest",
                    "Is a high loss good?",
                    _temperature(lambda losses, temperatures, *_: temperatures[losses.argmax()]),
                ),
                Mistake(
                    "position for temperature",
                    "That is its place in the list.",
                    _temperature(lambda losses, *_: losses.argmin()),
                ),
                Mistake(
                    "loss for temperature",
                    "That is how low the loss is, not where.",
                    _temperature(lambda losses, *_: losses.min()),
                ),
                Mistake(
                    "the same for every temperature",
                    "It is always the first. What do you compare, and does it change with the temperature?",
                    lambda input, target, temperatures: temperatures[0],
                ),
                Mistake(
                    "the same for every temperature",
                    "It is always the last. What do you compare, and does it change with the temperature?",
                    lambda input, target, temperatures: temperatures[-1],
                ),
                Mistake(
                    "temperature multiplied",
                    "A high temperature should make the probabilities more equal.",
                    lambda input, target, temperatures: 1 / best_temperature(input, target, 1 / temperatures),
                ),
            ],
        },
        differentiable=(),
        logarithm=False,
        kinds=("scores", "classes", "temperatures"),
    ),
    Spec(
        "train_classifier",
        train_classifier,
        ("loss", "x", "y", "classes"),
        {
            "values": [
                Case((squared_distance, *SMALL, 2)),
                Case((squared_distance, *SMALL, 3)),  # a class that no example has
                Case((squared_distance, drawn(70, 3, seed=5), torch.arange(70) * 7 % 10 % 4, 4)),  # more than a usual batch
                Case((squared_distance, *BATCH, 4)),
                Case((pseudo_huber, *BATCH, 4)),
            ],
            "steps": [Case((squared_distance, *SMALL, 2), {"steps": 1})],
            "lr": [Case((squared_distance, *SMALL, 2), {"lr": 0.5, "steps": 3})],
        },
        {
            "values": [
                Mistake(
                    "gradients added up",
                    "What happens to .grad between two steps?",
                    _weights_after(lambda w, g, total, lr: w - lr * total),
                ),
                Mistake(
                    "steps uphill",
                    "Which way does the gradient point?",
                    _weights_after(lambda w, g, total, lr: w + lr * g),
                ),
                Mistake("no learning rate", "How long is a step?", _weights_after(lambda w, g, total, lr: w - g)),
                Mistake(
                    "bias learned, too",
                    "z = x Wᵀ has no bias. What does your layer add?",
                    lambda loss, x, y, classes, steps=100, lr=0.1: train_classifier(
                        loss, torch.cat([x, torch.ones_like(x[:, :1])], 1), y, classes, steps, lr
                    )[:, :-1],
                ),
                Mistake("weights transposed", "Which shape was asked for?", lambda *args: train_classifier(*args).T),
                Mistake("one step too few", "How many times are the weights changed?", _steps(-1)),
                Mistake("one step too many", "How many times are the weights changed?", _steps(1)),
                Mistake("Adam for plain gradient descent", "Each weight has a step of its own. Which rule is that?", _adam),
                Mistake(
                    "never stepped",
                    "The weights are as they were. Who changes them?",
                    _weights_after(lambda w, g, total, lr: w),
                ),
            ],
        },
        differentiable=(),
        logarithm=False,
        kinds=("function", "numbers", "classes", "count"),
    ),
]
