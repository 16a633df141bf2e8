"""Mistakes with focal losses.

A mistake of ``"values"`` gives what a loss has before the reduction; one of another check gives the final value. They are
written the way that students write them, faults and all: only their results matter.
"""

import torch
from torch.nn.functional import one_hot

from lossnotes.check._mistakes.answers import BINARY, CANCEL, CANCEL_HINT, binary
from lossnotes.check._mistakes.base import NARROW, NARROW_HINT, Mistake, Silent, each, epsilons, unreduced
from lossnotes.check._mistakes.classes import WEIGHT
from lossnotes.check._mistakes.scores import (
    OVERFLOW,
    OVERFLOW_HINT,
    ROUNDED,
    ROUNDED_HINT,
    WRONG_DIM,
    WRONG_DIM_HINT,
    naive_softmax,
)


def _p_t(x, y):
    return y * x.sigmoid() + (1 - y) * (-x).sigmoid()


def _bce(x, y):
    return binary(x.sigmoid().log(), (-x).sigmoid().log(), y)


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
    Mistake("power 1 for power gamma", "gamma is 2 unless another is given.", lambda x, y: (1 - _p_t(x, y)) * _bce(x, y)),
    Mistake("term of the no missing", BINARY[2].hint, lambda x, y: -y * (1 - x.sigmoid()) ** 2 * x.sigmoid().log()),
    Mistake(
        "alpha 0.25 without being asked",
        "Without an alpha there is no such factor.",
        lambda x, y: (0.25 * y + 0.75 * (1 - y)) * (1 - _p_t(x, y)) ** 2 * _bce(x, y),
    ),
    Mistake("double sigmoid", BINARY[1].hint, lambda x, y: (1 - _p_t(x.sigmoid(), y)) ** 2 * _bce(x.sigmoid(), y)),
]


def _alpha(on_yes, on_no):
    def fn(input, target, alpha, gamma=2.0):
        if gamma != 2:
            raise Silent
        a = on_yes(alpha) * target + on_no(alpha) * (1 - target)
        return (a * (1 - _p_t(input, target)) ** 2 * _bce(input, target)).mean()

    return fn


ALPHA = [
    Mistake(
        "gamma forgotten beside alpha",
        "With an alpha, the value is the same for every gamma.",
        lambda input, target, alpha, reference, gamma=2.0, reduction="mean": reference(
            input, target, alpha=alpha, reduction=reduction
        ),
    ),
    Mistake(
        "alpha forgotten beside gamma 0",
        "With gamma 0 the value is the same for every alpha.",
        lambda input, target, alpha, reference, gamma=2.0, reduction="mean": (
            reference(input, target, gamma=0.0, reduction=reduction) if gamma == 0 else None
        ),
    ),
    Mistake("alpha reversed", "Which answers does alpha weight, and which 1 - alpha?", _alpha(lambda a: 1 - a, lambda a: a)),
    Mistake("alpha on both", "What weights the answer no?", _alpha(lambda a: a, lambda a: a)),
    Mistake("alpha on the yes only", "What weights the answer no?", _alpha(lambda a: a, lambda a: 1)),
    Mistake("alpha not used", "The value is the same for every alpha.", None),
    Mistake(
        "alpha of 0 taken for none",
        "An alpha of 0 is an alpha, too. How do you ask whether there is one?",
        lambda input, target, alpha, gamma=2.0: _alpha(lambda a: a or 1, lambda a: 1 - a)(input, target, alpha, gamma),
    ),
    Mistake(
        "mean divided by the alphas",
        "The mean divides by the number of answers.",
        lambda input, target, alpha, gamma=2.0: (
            ((alpha * target + (1 - alpha) * (1 - target)) * (1 - _p_t(input, target)) ** gamma * _bce(input, target)).sum()
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
    Mistake(NARROW, NARROW_HINT, lambda x, t: -((1 - x.softmax(1)) ** 2 * one_hot(t) * x.log_softmax(1)).sum(1)),
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
        "gamma is 2 unless another is given.",
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
    Mistake(OVERFLOW, OVERFLOW_HINT, lambda x, t: _focal_of(each(naive_softmax(x), t))),
    Mistake(ROUNDED, ROUNDED_HINT, lambda x, t: _focal_of(each(x.softmax(1), t))),
    *epsilons(lambda log, x, t: -((1 - each(x.softmax(1), t)) ** 2 * log(each(x.softmax(1), t))).mean()),
]


def _focal_of(p):
    return (-((1 - p) ** 2) * p.log()).mean()


def _focal_weighted(divide):
    def fn(input, target, weight, reduction="mean"):
        p = each(input.softmax(1), target)
        loss, w = -((1 - p) ** 2) * p.log() * weight[target], weight[target]
        return divide(loss, w, weight) if reduction == "mean" else unreduced(loss, reduction)

    return fn


FOCAL_WEIGHT = [
    Mistake(WEIGHT[0].name, WEIGHT[0].hint, _focal_weighted(lambda loss, w, weight: loss.mean())),
    Mistake(WEIGHT[1].name, WEIGHT[1].hint, _focal_weighted(lambda loss, w, weight: loss.sum() / weight.sum())),
    WEIGHT[2],
    WEIGHT[5],
]
