"""The usual mistakes: what each is called, where it points, and the numbers that it gives.

A mistake of ``"values"`` gives what a loss has before the reduction; one of another check gives the final value. They are
written the way that students write them, faults and all: only their results matter.
"""

import inspect
import math
from collections.abc import Callable
from typing import NamedTuple

import torch
from torch.nn.functional import one_hot


class Mistake(NamedTuple):
    """A name, a hint that points but does not solve, and the function that makes the mistake."""

    name: str
    hint: str
    fn: Callable


def each(log_p, target):
    """The entry of the right class."""
    return log_p.gather(1, target.unsqueeze(1)).squeeze(1)


def row_sum(x):
    return x.sum(-1)


# --- what happens to the values afterwards: any of these may come on top of another mistake -------------------------------

REDUCTIONS = [
    Mistake("sum for mean", "The value grows with the batch. What divides it?", lambda loss, input: loss.sum()),
    Mistake(
        "no reduction",
        "There is one value for each example. Which single number was asked for?",
        lambda loss, input: loss,
    ),
    Mistake(
        "mean over the classes too",
        "The value is too small by the number of classes. How many numbers are you averaging, and how many examples are there?",
        lambda loss, input: loss.mean() / input.shape[1] if input.ndim > 1 else None,
    ),
    Mistake(
        "mean divides by one too few",
        "The divisor is not the number of examples.",
        lambda loss, input: loss.sum() / (loss.numel() - 1) if loss.numel() > 1 else None,
    ),
]
SIGN = Mistake("missing minus", "Every value has the wrong sign. Where does a minus belong?", lambda x: -x)
BASES = [
    Mistake(
        "log base 2 for nats",
        "Every value is too large by the same factor, 1.4427. In which unit is it?",
        lambda x: x / math.log(2),
    ),
    Mistake(
        "log base 10 for nats",
        "Every value is too small by the same factor, 0.4343. In which unit is it?",
        lambda x: x / math.log(10),
    ),
]

# --- options ------------------------------------------------------------------------------------------------------------

EPSILONS = [10.0**-k for k in range(4, 17)] + [1e-20, 1e-30, 1e-37, 1e-38, 1e-45, 2.0**-23, 2.0**-52]
EPSILON_HINT = "The value stops growing at {}. What did you add to, or clamp in, the logarithm, and what does it hide?"


def epsilons(make):
    """A mistake for each usual epsilon, added inside the logarithm or clamped at."""
    found = []
    for eps in EPSILONS:
        hint = EPSILON_HINT.format(f"{-math.log(eps):.1f} nats" if eps > 0 else "some value")
        found.append(Mistake("epsilon inside the log", hint, lambda *a, e=eps: make(lambda p: torch.log(p + e), *a)))
        found.append(
            Mistake("epsilon inside the log", hint, lambda *a, e=eps: make(lambda p: torch.log(p.clamp(min=e)), *a))
        )
    return found


def unreduced(loss, how):
    return {"mean": loss.mean, "sum": loss.sum, "none": lambda: loss}[how]()


BASE = [Mistake("base not used", "The value is the same for every base. Where does base come into it?", None)]
REDUCTION = [Mistake("reduction not used", "The value is the mean whatever reduction says.", None)]
GAMMA = [Mistake("gamma not used", "The value is the same for every gamma.", None)]
MARGIN = [Mistake("margin not used", "The value is the same for every margin.", None)]
TEMPERATURE = [
    Mistake("temperature not used", "The value is the same for every temperature.", None),
    Mistake(
        "temperature multiplied",
        "A high temperature should make the probabilities more equal.",
        lambda input, temperature, reference: reference(input, temperature=1 / temperature),
    ),
]


def _weights(input, target, weight):
    log_p = input.log_softmax(1)
    return -each(log_p, target) * weight[target], weight[target]


def _weighted_by(divide):
    def fn(input, target, weight, reduction="mean"):
        loss, w = _weights(input, target, weight)
        return loss.sum() if reduction == "sum" else divide(loss, w, weight)

    return fn


WEIGHT = [
    Mistake(
        "mean of weighted losses divided by N",
        "The sum is right and the mean is not. With weights, what does the mean divide by?",
        _weighted_by(lambda loss, w, weight: loss.mean()),
    ),
    Mistake(
        "mean divided by the weights of all classes",
        "Divide by the weights of the examples in the batch, not by the table of weights.",
        _weighted_by(lambda loss, w, weight: loss.sum() / weight.sum()),
    ),
    Mistake("weight not used", "The value is the same for every weight.", None),
    Mistake(
        "broadcasting (N,) x (N, 1)",
        "Print the shape of your losses and of your weights: their product is larger than both.",
        lambda input, target, weight, reduction="mean": unreduced(
            -input.log_softmax(1).gather(1, target[:, None]) * weight[target], reduction
        ),
    ),
    Mistake(
        "broadcasting (N,) x (N, 1)",
        "Print the shape of your losses and of your weights: their product is larger than both.",
        lambda input, target, weight, reduction="mean": (
            (-input.log_softmax(1).gather(1, target[:, None]) * weight[target]).sum()
            / (1 if reduction == "sum" else weight[target].sum())
        ),
    ),
]


def _focal_weighted(divide):
    def fn(input, target, weight, reduction="mean"):
        p = each(input.softmax(1), target)
        loss, w = -((1 - p) ** 2) * p.log() * weight[target], weight[target]
        return loss.sum() if reduction == "sum" else divide(loss, w, weight)

    return fn


FOCAL_WEIGHT = [
    Mistake(WEIGHT[0].name, WEIGHT[0].hint, _focal_weighted(lambda loss, w, weight: loss.mean())),
    Mistake(WEIGHT[1].name, WEIGHT[1].hint, _focal_weighted(lambda loss, w, weight: loss.sum() / weight.sum())),
    WEIGHT[2],
]


def _mean_over_all(input, target, ignore_index, reference):
    loss = reference(input, target, ignore_index=ignore_index, reduction="none")
    return loss.mean()


def _ignored_as_class(index):
    def fn(input, target, ignore_index, reference):
        return reference(input, torch.where(target == ignore_index, index % input.shape[1], target))

    return fn


IGNORE = [
    Mistake(
        "mean over ignored targets",
        "An ignored target adds nothing to the sum, but still counts in the divisor.",
        _mean_over_all,
    ),
    Mistake("ignored target taken for a class", "Index -1 is the last class in Python.", _ignored_as_class(-1)),
    Mistake(
        "ignored target taken for a class",
        "What class do you put in the place of an ignored target?",
        _ignored_as_class(0),
    ),
]


def _smooth(input, target, off, on):
    classes = input.shape[1]
    y = one_hot(target, classes) * (on - off(classes)) + off(classes)
    return -(y * input.log_softmax(1)).sum(1).mean()


SMOOTHING = [
    Mistake(
        "smoothing spread over the wrong classes only",
        "Does the right class get its share of the uniform part?",
        lambda input, target, label_smoothing: _smooth(
            input, target, lambda c: label_smoothing / (c - 1), 1 - label_smoothing
        ),
    ),
    Mistake(
        "smoothing only lowers the right class",
        "Smoothed targets are a distribution: do yours sum to 1?",
        lambda input, target, label_smoothing: _smooth(input, target, lambda c: 0, 1 - label_smoothing),
    ),
    Mistake("label_smoothing not used", "The value is the same for every label_smoothing.", None),
]

# --- distributions ------------------------------------------------------------------------------------------------------

ZERO = "0 log 0"
ZERO_HINT = (
    "At p = 0 the product is 0 times minus infinity. What should it be, and what does floating point make of it?"
)

INFORMATION_CONTENT = [
    Mistake("weighted by p", "That is one term of an entropy, not the content of one event.", lambda p: -p * p.log()),
    Mistake("inverse of p", "Two independent events should add, not multiply.", lambda p: 1 / p),
    Mistake("complement of p", "The content of the event, not of its absence.", lambda p: -(1 - p).log()),
]
EPSILON = epsilons(lambda log, p: -log(p))

ENTROPY = [
    Mistake(
        "mean over outcomes",
        "An expectation weights each outcome by its probability, and by nothing else.",
        lambda p: -(p * p.log()).mean(-1),
    ),
    Mistake(
        "not weighted by p",
        "That is a sum of contents. An expectation weights each by its probability.",
        lambda p: -p.log().sum(-1),
    ),
    Mistake(
        "sum over everything",
        "There are several distributions. How many entropies should come out?",
        lambda p: -(p * p.log()).sum(),
    ),
    Mistake(
        "sum over the wrong dim",
        "Along which dimension do the probabilities sum to 1?",
        lambda p: -(p * p.log()).sum(0) if p.ndim > 1 else None,
    ),
]
ENTROPY_EDGE = [
    Mistake(ZERO, ZERO_HINT, lambda p: -(p * p.log()).sum(-1)),
    *epsilons(lambda log, p: -(p * log(p)).sum(-1)),
]

SWAPPED = "p and q swapped"
CROSS_ENTROPY_BETWEEN = [
    Mistake(
        SWAPPED, "Whose probabilities weight, and whose are inside the logarithm?", lambda p, q: -(q * p.log()).sum(-1)
    ),
    Mistake("entropy of p", "q does not come into it.", lambda p, q: -(p * p.log()).sum(-1)),
    Mistake(
        "divergence for cross-entropy",
        "For q = p this gives 0. What should it give?",
        lambda p, q: (p * (p / q).log()).sum(-1),
    ),
    Mistake("mean over outcomes", ENTROPY[0].hint, lambda p, q: -(p * q.log()).mean(-1)),
    Mistake("sum over everything", ENTROPY[2].hint, lambda p, q: -(p * q.log()).sum()),
]
CROSS_ENTROPY_BETWEEN_EDGE = [
    Mistake(ZERO, ZERO_HINT, lambda p, q: -(p * q.log()).sum(-1)),
    *epsilons(lambda log, p, q: -(p * log(q)).sum(-1)),
]

KL = [
    Mistake(
        "KL reversed",
        "Which of the two is the truth, and which the model? It matters.",
        lambda p, q: (q * (q / p).log()).sum(-1),
    ),
    Mistake(
        "cross-entropy for divergence", "For q = p this is not 0. What is missing?", lambda p, q: -(p * q.log()).sum(-1)
    ),
    Mistake("mean over outcomes", ENTROPY[0].hint, lambda p, q: (p * (p / q).log()).mean(-1)),
    Mistake("sum over everything", ENTROPY[2].hint, lambda p, q: (p * (p / q).log()).sum()),
    Mistake(
        "mean over the batch",
        "There are several pairs. How many divergences should come out?",
        lambda p, q: (p * (p / q).log()).sum(-1).mean(),
    ),
    Mistake(
        "symmetric sum", "Both directions are added. One was asked for.", lambda p, q: ((p - q) * (p / q).log()).sum(-1)
    ),
    Mistake(
        "absolute value of each term", "Single terms may be negative.", lambda p, q: (p * (p / q).log()).abs().sum(-1)
    ),
]
KL_EDGE = [
    Mistake(ZERO, ZERO_HINT, lambda p, q: (p * (p / q).log()).sum(-1)),
    Mistake(ZERO, ZERO_HINT, lambda p, q: (p * (p.log() - q.log())).sum(-1)),
    *epsilons(lambda log, p, q: (p * (log(p) - log(q))).sum(-1)),
    *epsilons(lambda log, p, q: (p * -log(q / p)).nansum(-1)),
]


def _js(p, q, kl=lambda a, b: torch.xlogy(a, a / b).sum(-1)):
    m = (p + q) / 2
    return (kl(p, m) + kl(q, m)) / 2


JENSEN_SHANNON = [
    Mistake("sum for half the sum", "Each of the two divergences counts half.", lambda p, q: 2 * _js(p, q)),
    Mistake("distance for divergence", "That is the square root of what was asked for.", lambda p, q: _js(p, q).sqrt()),
    Mistake(
        "one divergence only",
        "Both p and q are compared with the mixture.",
        lambda p, q: torch.xlogy(p, 2 * p / (p + q)).sum(-1),
    ),
    Mistake(
        "one divergence only",
        "Both p and q are compared with the mixture.",
        lambda p, q: torch.xlogy(p, 2 * p / (p + q)).sum(-1) / 2,
    ),
    Mistake(
        "no mixture",
        "Compare each with the mixture, not with the other.",
        lambda p, q: ((p - q) * (p / q).log()).sum(-1) / 2,
    ),
    Mistake("mixture not halved", "Does the mixture sum to 1?", lambda p, q: _js(p, q) - math.log(2)),
    Mistake(
        "divergences of the mixture",
        "Which argument is the mixture?",
        lambda p, q: _js(p, q, lambda a, b: torch.xlogy(b, b / a).sum(-1)),
    ),
]
JENSEN_SHANNON_EDGE = [
    Mistake(ZERO, ZERO_HINT, lambda p, q: _js(p, q, lambda a, b: (a * (a / b).log()).sum(-1))),
    Mistake(ZERO, ZERO_HINT, lambda p, q: _js(p, q, lambda a, b: (a * (a.log() - b.log())).sum(-1))),
    *epsilons(lambda log, p, q: _js(p, q, lambda a, b: (a * (log(a) - log(b))).sum(-1))),
]


def _h(p, dims):
    return -torch.xlogy(p, p).sum(dims)


CONDITIONAL_ENTROPY = [
    Mistake(
        "condition reversed", "Rows are x. Which of the two is known?", lambda p: _h(p, (-2, -1)) - _h(p.sum(-2), -1)
    ),
    Mistake(
        "joint entropy", "That is the entropy of the pair. What does knowing x take away?", lambda p: _h(p, (-2, -1))
    ),
    Mistake("entropy of the margin", "That is what y tells when nothing is known.", lambda p: _h(p.sum(-2), -1)),
    Mistake("entropy of the margin", "That is the entropy of x alone.", lambda p: _h(p.sum(-1), -1)),
    Mistake(
        "rows weighted alike",
        "Not every x is as frequent. How is the average weighted?",
        lambda p: _h(p / p.sum(-1, keepdim=True), -1).mean(-1),
    ),
    Mistake(
        "conditional probabilities weight",
        "The logarithm is of the conditional probability. And the weight?",
        lambda p: _h(p / p.sum(-1, keepdim=True), -1).sum(-1),
    ),
    Mistake(
        "information for entropy",
        "That is what x tells about y, not what is left.",
        lambda p: _h(p.sum(-2), -1) + _h(p.sum(-1), -1) - _h(p, (-2, -1)),
    ),
]
CONDITIONAL_ENTROPY_EDGE = [
    Mistake(ZERO, ZERO_HINT, lambda p: -(p * (p / p.sum(-1, keepdim=True)).log()).sum((-2, -1))),
    Mistake(ZERO, ZERO_HINT, lambda p: -(p * p.log()).sum((-2, -1)) + (p.sum(-1) * p.sum(-1).log()).sum(-1)),
    *epsilons(lambda log, p: -(p * log(p / p.sum(-1, keepdim=True))).sum((-2, -1))),
]
MUTUAL_INFORMATION = [
    Mistake(
        "conditional entropy for information",
        "That is what is left when x is known.",
        lambda p: _h(p, (-2, -1)) - _h(p.sum(-1), -1),
    ),
    Mistake("joint entropy", "For independent x and y this should be 0.", lambda p: _h(p, (-2, -1))),
    Mistake(
        "sum of the margins",
        "For independent x and y this should be 0.",
        lambda p: _h(p.sum(-2), -1) + _h(p.sum(-1), -1),
    ),
    Mistake(
        "weighted by the product",
        "The average is over the pairs as they occur.",
        lambda p: (
            p.sum(-1, keepdim=True)
            * p.sum(-2, keepdim=True)
            * (p / (p.sum(-1, keepdim=True) * p.sum(-2, keepdim=True))).log()
        ).sum((-2, -1)),
    ),
    Mistake(
        "mean over pairs",
        ENTROPY[0].hint,
        lambda p: (p * (p / (p.sum(-1, keepdim=True) * p.sum(-2, keepdim=True))).log()).mean((-2, -1)),
    ),
]
MUTUAL_INFORMATION_EDGE = [
    Mistake(
        ZERO, ZERO_HINT, lambda p: (p * (p / (p.sum(-1, keepdim=True) * p.sum(-2, keepdim=True))).log()).sum((-2, -1))
    ),
    Mistake(
        ZERO,
        ZERO_HINT,
        lambda p: (
            -(p.sum(-1) * p.sum(-1).log()).sum(-1) - (p.sum(-2) * p.sum(-2).log()).sum(-1) + (p * p.log()).sum((-2, -1))
        ),
    ),
    *epsilons(lambda log, p: (p * log(p / (p.sum(-1, keepdim=True) * p.sum(-2, keepdim=True)))).sum((-2, -1))),
]

# --- scores -------------------------------------------------------------------------------------------------------------

WRONG_DIM = "softmax over the wrong dim"
WRONG_DIM_HINT = (
    "Which numbers compete: those of one example, or those of one class? Along which dimension should they sum to 1?"
)
NO_KEEPDIM = "broadcasting without keepdim"
NO_KEEPDIM_HINT = "Print the shape of the sum before you divide: which row is divided by which sum?"
OVERFLOW = "overflow without max-shift"
OVERFLOW_HINT = "e to a large power is infinite. What can be taken from all scores alike without changing the result?"
ROUNDED = "log of a probability rounded to 0"
ROUNDED_HINT = "The probability is smaller than the smallest number. Can the logarithm be taken before the exponential?"


def _no_keepdim(x):
    e = x.exp()
    return e / e.sum(-1) if x.ndim == 2 and x.shape[0] == x.shape[1] else None


def _log(p):
    return None if p is None else p.log()


SOFTMAX = [
    Mistake(WRONG_DIM, WRONG_DIM_HINT, lambda x: x.softmax(0)),
    Mistake("divided by the sum of everything", WRONG_DIM_HINT, lambda x: x.exp() / x.exp().sum()),
    Mistake(NO_KEEPDIM, NO_KEEPDIM_HINT, _no_keepdim),
    Mistake("sigmoid for softmax", "Do the probabilities of a row sum to 1?", lambda x: x.sigmoid()),
    Mistake("double softmax", "Once is enough.", lambda x: x.softmax(-1).softmax(-1)),
    Mistake(
        "logarithm of the softmax", "Probabilities were asked for, not their logarithms.", lambda x: x.log_softmax(-1)
    ),
    Mistake("not normalised", "Do the probabilities of a row sum to 1?", lambda x: x.exp()),
    Mistake(
        "no exponential", "Scores may be negative. What makes them positive?", lambda x: x / x.sum(-1, keepdim=True)
    ),
]
LOG_SOFTMAX = [
    Mistake(WRONG_DIM, WRONG_DIM_HINT, lambda x: x.log_softmax(0)),
    Mistake("divided by the sum of everything", WRONG_DIM_HINT, lambda x: x - x.exp().sum().log()),
    Mistake(NO_KEEPDIM, NO_KEEPDIM_HINT, lambda x: _log(_no_keepdim(x))),
    Mistake(NO_KEEPDIM, NO_KEEPDIM_HINT, lambda x: x - x.logsumexp(-1) if x.shape[0] == x.shape[1] else None),
    Mistake("sigmoid for softmax", "Do the probabilities of a row sum to 1?", lambda x: x.sigmoid().log()),
    Mistake("double softmax", "Once is enough.", lambda x: x.softmax(-1).log_softmax(-1)),
    Mistake(
        "probabilities for their logarithms",
        "Logarithms were asked for: none of them is above 0.",
        lambda x: x.softmax(-1),
    ),
]


def _naive_softmax(x):
    e = x.exp()
    return e / e.sum(-1, keepdim=True)


SOFTMAX_EXTREME = [
    Mistake(OVERFLOW, OVERFLOW_HINT, _naive_softmax),
    *epsilons(lambda log, x: x.exp() / (x.exp().sum(-1, keepdim=True) + 1e-8)),
]
LOG_SOFTMAX_EXTREME = [
    Mistake(OVERFLOW, OVERFLOW_HINT, lambda x: _naive_softmax(x).log()),
    Mistake(OVERFLOW, OVERFLOW_HINT, lambda x: x - x.exp().sum(-1, keepdim=True).log()),
    Mistake(ROUNDED, ROUNDED_HINT, lambda x: x.softmax(-1).log()),
    *epsilons(lambda log, x: log(x.softmax(-1))),
    *epsilons(lambda log, x: log(_naive_softmax(x))),
]

# --- losses of classes ----------------------------------------------------------------------------------------------------

NLL = [
    Mistake(
        "log-probabilities taken for probabilities", "The input is a logarithm already.", lambda x, t: -each(x.log(), t)
    ),
    Mistake(
        "probability of the right class",
        "Take the exponential of nothing: minus what is given.",
        lambda x, t: -each(x.exp(), t),
    ),
    Mistake("sum over all classes", "Only the right class counts.", lambda x, t: -x.sum(1)),
]
CROSS_ENTROPY = [
    Mistake(
        "double softmax",
        "The scores go through one softmax too many.",
        lambda x, t: -each(x.softmax(1).log_softmax(1), t),
    ),
    Mistake(
        "logits taken for probabilities",
        "The input are scores: what makes probabilities of them?",
        lambda x, t: -each(x.log(), t),
    ),
    Mistake(
        "logits taken for log-probabilities",
        "The input are scores: what is missing between them and a log-probability?",
        lambda x, t: -each(x, t),
    ),
    Mistake(WRONG_DIM, WRONG_DIM_HINT, lambda x, t: -each(x.log_softmax(0), t)),
    Mistake("divided by the sum of everything", WRONG_DIM_HINT, lambda x, t: -each(x - x.exp().sum().log(), t)),
    Mistake(
        NO_KEEPDIM, NO_KEEPDIM_HINT, lambda x, t: -each(_no_keepdim(x).log(), t) if x.shape[0] == x.shape[1] else None
    ),
    Mistake("no logarithm", "That is a probability. What makes a loss of it?", lambda x, t: -each(x.softmax(1), t)),
    Mistake(
        "no logarithm",
        "That is one minus a probability. What makes nats of it?",
        lambda x, t: 1 - each(x.softmax(1), t),
    ),
    Mistake("sigmoid for softmax", "Do the probabilities of a row sum to 1?", lambda x, t: -each(x.sigmoid().log(), t)),
    Mistake("sum over all classes", "Only the right class counts.", lambda x, t: -x.log_softmax(1).sum(1)),
    Mistake(
        "binary cross-entropy of each class",
        "The classes exclude each other; a yes or no for each is another loss.",
        lambda x, t: torch.nn.functional.binary_cross_entropy_with_logits(
            x, one_hot(t, x.shape[1]).to(x), reduction="none"
        ).sum(1),
    ),
    Mistake(
        "binary cross-entropy after a softmax",
        "The terms of the wrong classes are in the sum too.",
        lambda x, t: -each(x.softmax(1).log(), t) - ((1 - x.softmax(1)).log() * (1 - one_hot(t, x.shape[1]))).sum(1),
    ),
]
CROSS_ENTROPY_EXTREME = [
    Mistake(OVERFLOW, OVERFLOW_HINT, lambda x, t: -each(_naive_softmax(x).log(), t).mean()),
    Mistake(OVERFLOW, OVERFLOW_HINT, lambda x, t: -each(x - x.exp().sum(1, keepdim=True).log(), t).mean()),
    Mistake(ROUNDED, ROUNDED_HINT, lambda x, t: -each(x.softmax(1).log(), t).mean()),
    *epsilons(lambda log, x, t: -each(log(x.softmax(1)), t).mean()),
    *epsilons(lambda log, x, t: -each(log(_naive_softmax(x)), t).mean()),
]

# --- of features and a layer ----------------------------------------------------------------------------------------------


def of_layer(mistakes):
    """Mistakes with scores, made with those of a layer."""

    def with_layer(fn):
        if fn is None:
            return None
        if "reference" not in inspect.signature(fn).parameters:
            return lambda x, W, t, **options: fn(x @ W.T, t, **options)

        def mistaken(x, W, t, reference, **options):
            def of_scores(z, t, **options):  # as features of a layer that changes nothing
                return reference(z, torch.eye(z.shape[1], dtype=z.dtype), t, **options)

            return fn(x @ W.T, t, reference=of_scores, **options)

        return mistaken

    return [m._replace(fn=with_layer(m.fn)) for m in mistakes]


LINEAR_BIAS = [
    Mistake("linear_bias not used", "The value is the same for every bias.", None),
    Mistake(
        "bias taken away",
        "The bias is added to the scores.",
        lambda x, W, t, linear_bias, reference: reference(x, W, t, linear_bias=-linear_bias),
    ),
    Mistake(
        "bias added to the loss",
        "The bias belongs to the scores, before the softmax.",
        lambda x, W, t, linear_bias, reference: reference(x, W, t) + linear_bias.mean(),
    ),
]
LINEAR_CROSS_ENTROPY = [
    *of_layer(CROSS_ENTROPY),
    Mistake(
        "transposed weight",
        "Which dimension of the weights are the classes?",
        lambda x, W, t: -each((x @ W).log_softmax(1), t) if W.shape[0] == W.shape[1] else None,
    ),
    Mistake(
        "loss of the first block only",
        "Do the losses of all examples reach the sum?",
        lambda x, W, t: None if len(x) < 2 else -each((x @ W.T).log_softmax(1), t) * (torch.arange(len(x)) < len(x) // 2),
    ),
]

# --- losses of a yes or no --------------------------------------------------------------------------------------------------


def _binary(log_p, log_q, y):
    return -y * log_p - (1 - y) * log_q


BINARY = [
    Mistake(
        "logits taken for probabilities",
        "The input are scores: what makes probabilities of them?",
        lambda x, y: _binary(x.log(), (1 - x).log(), y),
    ),
    Mistake(
        "double sigmoid",
        "The scores go through one sigmoid too many.",
        lambda x, y: _binary(x.sigmoid().sigmoid().log(), (1 - x.sigmoid().sigmoid()).log(), y),
    ),
    Mistake(
        "term of the no missing",
        "What does it cost to say yes when the answer is no?",
        lambda x, y: -y * x.sigmoid().log(),
    ),
    Mistake(
        "yes and no swapped",
        "Which probability counts when the target is 1?",
        lambda x, y: _binary((-x).sigmoid().log(), x.sigmoid().log(), y),
    ),
    Mistake(
        "no logarithm",
        "That is a probability. What makes a loss of it?",
        lambda x, y: _binary(x.sigmoid(), (-x).sigmoid(), y),
    ),
]


def _positive(on_yes, on_no):
    def fn(input, target, pos_weight):
        w = on_yes(pos_weight) * target + on_no(pos_weight) * (1 - target)
        return (w * _binary(input.sigmoid().log(), (-input).sigmoid().log(), target)).mean()

    return fn


POS_WEIGHT = [
    Mistake("pos_weight on the no", "Which answers does pos_weight weight?", _positive(lambda w: 1, lambda w: w)),
    Mistake("pos_weight on both", "Which answers does pos_weight weight?", _positive(lambda w: w, lambda w: w)),
    Mistake("pos_weight not used", "The value is the same for every pos_weight.", None),
]

CANCEL = "1 - p cancellation"
CANCEL_HINT = "1 minus a probability near 1 has no digits left. Which function gives the small probability directly?"


def _overflowing_sigmoid(x):
    return x.exp() / (1 + x.exp())


BINARY_EXTREME = [
    Mistake(CANCEL, CANCEL_HINT, lambda x, y: _binary(x.sigmoid().log(), (1 - x.sigmoid()).log(), y).mean()),
    Mistake(
        OVERFLOW,
        OVERFLOW_HINT,
        lambda x, y: _binary(_overflowing_sigmoid(x).log(), (1 - _overflowing_sigmoid(x)).log(), y).mean(),
    ),
    Mistake(OVERFLOW, OVERFLOW_HINT, lambda x, y: ((1 + x.exp()).log() - x * y).mean()),
    Mistake(OVERFLOW, OVERFLOW_HINT, lambda x, y: (y * (1 + (-x).exp()).log() + (1 - y) * (1 + x.exp()).log()).mean()),
    Mistake(ROUNDED, ROUNDED_HINT, lambda x, y: _binary(x.sigmoid().log(), (-x).sigmoid().log(), y).mean()),
    Mistake(CANCEL, CANCEL_HINT, lambda x, y: -torch.where(y == 1, x.sigmoid(), 1 - x.sigmoid()).log().mean()),
    Mistake(
        "epsilon inside the log",
        EPSILON_HINT.format("100 nats"),
        lambda x, y: torch.nn.functional.binary_cross_entropy(x.sigmoid(), y),
    ),
    *epsilons(lambda log, x, y: _binary(log(x.sigmoid()), log(1 - x.sigmoid()), y).mean()),
    *[
        Mistake(
            "epsilon inside the log",
            EPSILON_HINT.format(f"{-math.log(e):.1f} nats"),
            lambda x, y, e=e: _binary(
                x.sigmoid().clamp(e, 1 - e).log(), (1 - x.sigmoid().clamp(e, 1 - e)).log(), y
            ).mean(),
        )
        for e in EPSILONS
    ],
]

# --- squares and margins ----------------------------------------------------------------------------------------------------

MSE = [
    Mistake(
        "half the square", "That is half of it. The half belongs to another definition.", lambda x, y: (x - y) ** 2 / 2
    ),
    Mistake("absolute error", "That is the absolute error.", lambda x, y: (x - y).abs()),
    Mistake("not squared", "Errors of different signs cancel.", lambda x, y: x - y),
    Mistake("not squared", "Errors of different signs cancel.", lambda x, y: y - x),
    Mistake("square of the sum", "Square each error, then add.", lambda x, y: ((x - y).mean() ** 2).expand_as(x)),
    Mistake(
        "root of the mean square",
        "That is the RMSE, in the unit of the target.",
        lambda x, y: ((x - y) ** 2).mean().sqrt().expand_as(x),
    ),
    Mistake(
        "length of the difference",
        "That is the Euclidean distance.",
        lambda x, y: ((x - y) ** 2).sum().sqrt().expand_as(x),
    ),
]
MISMATCH = [
    Mistake(
        "broadcasting (N,) x (N, 1)",
        "N predictions and N targets should give N errors. Print the shape of the difference.",
        lambda x, y: ((x - y) ** 2).mean(),
    ),
]
MSE_EXTREME = [
    Mistake(
        "square multiplied out",
        "The difference of two large squares has no digits left.",
        lambda x, y: (x**2 - 2 * x * y + y**2).mean(),
    )
]


def _wrong_scores(x, t):
    """Scores of the wrong classes, and a score that never counts in the place of the right one."""
    return torch.where(one_hot(t, x.shape[1]).bool(), -math.inf, x)


HINGE = [
    Mistake(
        "squared hinge", "Beyond the margin the hinge is a straight line.", lambda x, y: (1 - x * y).clamp(min=0) ** 2
    ),
    Mistake(
        "no maximum with 0", "An answer that is right by more than the margin costs nothing.", lambda x, y: 1 - x * y
    ),
    Mistake("targets taken for 0 and 1", "The targets are -1 and +1.", lambda x, y: (1 - (2 * y - 1) * x).clamp(min=0)),
    Mistake("no margin", "A right answer by a hair is not enough.", lambda x, y: (-x * y).clamp(min=0)),
    Mistake("sign reversed", "Which sign has x times y if the answer is right?", lambda x, y: (1 + x * y).clamp(min=0)),
    Mistake(
        "product missing",
        "The distance to the target is not the margin.",
        lambda x, y: (1 - (x - y).abs()).clamp(min=0),
    ),
]
MULTICLASS_HINGE = [
    Mistake(
        "sum over the wrong classes",
        "Several wrong classes inside the margin count once: the worst of them.",
        lambda x, t: (1 + _wrong_scores(x, t) - x.gather(1, t[:, None])).clamp(min=0).sum(1),
    ),
    Mistake(
        "mean over the classes of the sum",
        "Only the worst wrong class counts.",
        lambda x, t: (1 + _wrong_scores(x, t) - x.gather(1, t[:, None])).clamp(min=0).mean(1),
    ),
    Mistake(
        "right class among the rivals",
        "The best rival is another class than the right one.",
        lambda x, t: (1 + x.amax(1) - each(x, t)).clamp(min=0),
    ),
    Mistake(
        "no maximum with 0",
        "An answer that is right by more than the margin costs nothing.",
        lambda x, t: 1 + _wrong_scores(x, t).amax(1) - each(x, t),
    ),
    Mistake(
        "no margin",
        "A right answer by a hair is not enough.",
        lambda x, t: (_wrong_scores(x, t).amax(1) - each(x, t)).clamp(min=0),
    ),
    Mistake(
        "sign reversed",
        "Which of the two scores should be ahead?",
        lambda x, t: (1 - _wrong_scores(x, t).amax(1) + each(x, t)).clamp(min=0),
    ),
    Mistake(
        "squared hinge",
        "Beyond the margin the hinge is a straight line.",
        lambda x, t: (1 + _wrong_scores(x, t).amax(1) - each(x, t)).clamp(min=0) ** 2,
    ),
]

# --- focal losses -----------------------------------------------------------------------------------------------------------


def _p_t(x, y):
    return y * x.sigmoid() + (1 - y) * (-x).sigmoid()


def _bce(x, y):
    return _binary(x.sigmoid().log(), (-x).sigmoid().log(), y)


P_POWER = "power of p for power of 1 - p"
P_POWER_HINT = "Easy examples should count less, and these count more."
NO_FOCUS = "plain cross-entropy"
SIGMOID_FOCAL = [
    Mistake(P_POWER, P_POWER_HINT, lambda x, y: _p_t(x, y) ** 2 * _bce(x, y)),
    Mistake(NO_FOCUS, "gamma is 2 unless given. Where is the factor?", _bce),
    Mistake(
        "p of yes in every factor",
        "For a no, the right answer has another probability.",
        lambda x, y: (1 - x.sigmoid()) ** 2 * _bce(x, y),
    ),
    Mistake("power of the loss", "The power is of a probability, not of the loss.", lambda x, y: _bce(x, y) ** 2),
    Mistake("gamma as a factor", "gamma is a power.", lambda x, y: 2 * (1 - _p_t(x, y)) * _bce(x, y)),
    Mistake("power 1 for power gamma", "gamma is 2 unless given.", lambda x, y: (1 - _p_t(x, y)) * _bce(x, y)),
    Mistake("term of the no missing", BINARY[2].hint, lambda x, y: -y * (1 - x.sigmoid()) ** 2 * x.sigmoid().log()),
    Mistake(
        "alpha 0.25 without being asked",
        "alpha is none unless given.",
        lambda x, y: (0.25 * y + 0.75 * (1 - y)) * (1 - _p_t(x, y)) ** 2 * _bce(x, y),
    ),
    Mistake("double sigmoid", BINARY[1].hint, lambda x, y: (1 - _p_t(x.sigmoid(), y)) ** 2 * _bce(x.sigmoid(), y)),
]


def _alpha(on_yes, on_no):
    def fn(input, target, alpha):
        a = on_yes(alpha) * target + on_no(alpha) * (1 - target)
        return (a * (1 - _p_t(input, target)) ** 2 * _bce(input, target)).mean()

    return fn


ALPHA = [
    Mistake(
        "alpha reversed", "Which answers does alpha weight, and which 1 - alpha?", _alpha(lambda a: 1 - a, lambda a: a)
    ),
    Mistake("alpha on both", "What weights the answer no?", _alpha(lambda a: a, lambda a: a)),
    Mistake("alpha on the yes only", "What weights the answer no?", _alpha(lambda a: a, lambda a: 1)),
    Mistake("alpha not used", "The value is the same for every alpha.", None),
    Mistake(
        "mean divided by the alphas",
        "The mean divides by the number of answers.",
        lambda input, target, alpha: (
            ((alpha * target + (1 - alpha) * (1 - target)) * (1 - _p_t(input, target)) ** 2 * _bce(input, target)).sum()
            / (alpha * target + (1 - alpha) * (1 - target)).sum()
        ),
    ),
]


def _focal_from(p_t):
    return lambda x, y: (-((1 - p_t(x, y)) ** 2) * p_t(x, y).log()).mean()


SIGMOID_FOCAL_EXTREME = [
    Mistake(CANCEL, CANCEL_HINT, _focal_from(lambda x, y: y * x.sigmoid() + (1 - y) * (1 - x.sigmoid()))),
    Mistake(CANCEL, CANCEL_HINT, _focal_from(lambda x, y: torch.where(y == 1, x.sigmoid(), 1 - x.sigmoid()))),
    Mistake(ROUNDED, ROUNDED_HINT, _focal_from(_p_t)),
    Mistake(
        CANCEL,
        CANCEL_HINT,
        lambda x, y: (
            -y * (1 - x.sigmoid()) ** 2 * x.sigmoid().log() - (1 - y) * x.sigmoid() ** 2 * (1 - x.sigmoid()).log()
        ).mean(),
    ),
    *epsilons(
        lambda log, x, y: (
            -y * (1 - x.sigmoid()) ** 2 * log(x.sigmoid()) - (1 - y) * x.sigmoid() ** 2 * log(1 - x.sigmoid())
        ).mean()
    ),
]
SOFTMAX_FOCAL = [
    Mistake(P_POWER, P_POWER_HINT, lambda x, t: -(each(x.softmax(1), t) ** 2) * each(x.log_softmax(1), t)),
    Mistake(NO_FOCUS, "gamma is 2 unless given. Where is the factor?", lambda x, t: -each(x.log_softmax(1), t)),
    Mistake(
        "sum over all classes",
        "Only the right class counts.",
        lambda x, t: -((1 - x.softmax(1)) ** 2 * x.log_softmax(1)).sum(1),
    ),
    Mistake(
        "power of the loss",
        "The power is of a probability, not of the loss.",
        lambda x, t: each(x.log_softmax(1), t) ** 2,
    ),
    Mistake(
        "power 1 for power gamma",
        "gamma is 2 unless given.",
        lambda x, t: -(1 - each(x.softmax(1), t)) * each(x.log_softmax(1), t),
    ),
    Mistake(WRONG_DIM, WRONG_DIM_HINT, lambda x, t: -((1 - each(x.softmax(0), t)) ** 2) * each(x.log_softmax(0), t)),
    Mistake(
        "double softmax",
        "The scores go through one softmax too many.",
        lambda x, t: -((1 - each(x.softmax(1).softmax(1), t)) ** 2) * each(x.softmax(1).log_softmax(1), t),
    ),
    Mistake(
        "p of the mean loss",
        "The factor belongs to each example: it is taken before the mean.",
        lambda x, t: (lambda ce: ((1 - (-ce).exp()) ** 2 * ce).expand(len(t)))(-each(x.log_softmax(1), t).mean()),
    ),
    Mistake(
        "sigmoid for softmax",
        "Do the probabilities of a row sum to 1?",
        lambda x, t: -((1 - each(x.sigmoid(), t)) ** 2) * each(x.sigmoid().log(), t),
    ),
]
SOFTMAX_FOCAL_EXTREME = [
    Mistake(OVERFLOW, OVERFLOW_HINT, lambda x, t: _focal_of(each(_naive_softmax(x), t))),
    Mistake(ROUNDED, ROUNDED_HINT, lambda x, t: _focal_of(each(x.softmax(1), t))),
    *epsilons(lambda log, x, t: -((1 - each(x.softmax(1), t)) ** 2 * log(each(x.softmax(1), t))).mean()),
]


def _focal_of(p):
    return (-((1 - p) ** 2) * p.log()).mean()
