"""Mistakes with a yes or no, with squares and with margins.

A mistake of ``"values"`` gives what a loss has before the reduction; one of another check gives the final value. They are
written the way that students write them, faults and all: only their results matter.
"""

import math

import torch
from torch.nn.functional import one_hot

from lossnotes.check._mistakes.base import EPSILON, EPSILON_HINT, NAN_HINT, Mistake, clamped, each, epsilons
from lossnotes.check._mistakes.scores import OVERFLOW, ROUNDED, ROUNDED_HINT


def binary(log_p, log_q, y):
    return -y * log_p - (1 - y) * log_q


BINARY = [
    Mistake(
        "logits taken for probabilities",
        "The input holds scores: what makes probabilities of them?",
        lambda x, y: binary(x.log(), (1 - x).log(), y),
    ),
    Mistake(
        "double sigmoid",
        "The scores go through one sigmoid too many.",
        lambda x, y: binary(x.sigmoid().sigmoid().log(), (1 - x.sigmoid().sigmoid()).log(), y),
    ),
    Mistake(
        "term of the no missing",
        "What does it cost to say yes when the answer is no?",
        lambda x, y: -y * x.sigmoid().log(),
    ),
    Mistake(
        "yes and no swapped",
        "Which probability counts when the target is 1?",
        lambda x, y: binary((-x).sigmoid().log(), x.sigmoid().log(), y),
    ),
    Mistake(
        "no logarithm",
        "That is a probability. What makes a loss of it?",
        lambda x, y: binary(x.sigmoid(), (-x).sigmoid(), y),
    ),
]


def _positive(on_yes, on_no):
    def fn(input, target, pos_weight):
        w = on_yes(pos_weight) * target + on_no(pos_weight) * (1 - target)
        return (w * binary(input.sigmoid().log(), (-input).sigmoid().log(), target)).mean()

    return fn


POS_WEIGHT = [
    Mistake("pos_weight on the no", "Which answers does pos_weight weight?", _positive(lambda w: 1, lambda w: w)),
    Mistake("pos_weight on both", "Which answers does pos_weight weight?", _positive(lambda w: w, lambda w: w)),
    Mistake("pos_weight not used", "The value is the same for every pos_weight.", None),
]

CANCEL = "1 - p cancellation"
CANCEL_HINT = "1 minus a probability near 1 has no digits left. Which function gives the small probability directly?"
CANCEL_OF_CLASSES_HINT = "1 minus a probability near 1 has no digits left. Which other probabilities sum to it?"


OVERFLOW_HINT = "e to a large power is infinite. Can you write it with e to the power −|z|?"


def _overflowing_sigmoid(x):
    return x.exp() / (1 + x.exp())


BINARY_EXTREME = [
    *clamped(lambda z, x, y: torch.nn.functional.binary_cross_entropy_with_logits(z(x), y)),
    Mistake(CANCEL, CANCEL_HINT, lambda x, y: binary(x.sigmoid().log(), (1 - x.sigmoid()).log(), y).mean()),
    Mistake(
        OVERFLOW,
        OVERFLOW_HINT,
        lambda x, y: binary(_overflowing_sigmoid(x).log(), (1 - _overflowing_sigmoid(x)).log(), y).mean(),
    ),
    Mistake(OVERFLOW, OVERFLOW_HINT, lambda x, y: ((1 + x.exp()).log() - x * y).mean()),
    # Also log(1 + e^-z) for the yes and log(1 + e^z) for the no, which gives the same: 0 times infinity on the right side.
    Mistake("0 times infinity", NAN_HINT, lambda x, y: binary(x.sigmoid().log(), (-x).sigmoid().log(), y).mean()),
    Mistake(ROUNDED, ROUNDED_HINT, lambda x, y: -torch.where(y == 1, x, -x).sigmoid().log().mean()),
    Mistake(CANCEL, CANCEL_HINT, lambda x, y: -torch.where(y == 1, x.sigmoid(), 1 - x.sigmoid()).log().mean()),
    Mistake(  # F.binary_cross_entropy, which clamps the logarithm itself
        EPSILON, EPSILON_HINT.format(100), lambda x, y: torch.nn.functional.binary_cross_entropy(x.sigmoid(), y)
    ),
    *epsilons(lambda log, x, y: binary(log(x.sigmoid()), log(1 - x.sigmoid()), y).mean()),
    *epsilons(lambda log, x, y: -log(torch.where(y == 1, x, -x).sigmoid()).mean()),
    Mistake(
        EPSILON,
        EPSILON_HINT,
        lambda x, y, eps: binary(x.sigmoid().clamp(eps, 1 - eps).log(), (1 - x.sigmoid().clamp(eps, 1 - eps)).log(), y).mean(),
        fitted=True,
    ),
]

# --- squares and margins ----------------------------------------------------------------------------------------------------

MSE = [
    Mistake("half the square", "That is half of it. The half belongs to another definition.", lambda x, y: (x - y) ** 2 / 2),
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
        "mean over the costly answers only",
        "An answer that costs nothing is an answer, too: how many are there?",
        lambda x, y: (lambda loss: (loss.sum() / (loss > 0).sum()).expand_as(x))((1 - x * y).clamp(min=0)),
    ),
    Mistake("squared hinge", "Beyond the margin the hinge is a straight line.", lambda x, y: (1 - x * y).clamp(min=0) ** 2),
    Mistake("no maximum with 0", "An answer that is right by more than the margin costs nothing.", lambda x, y: 1 - x * y),
    Mistake("targets taken for 0 and 1", "The targets are -1 and +1.", lambda x, y: (1 - (2 * y - 1) * x).clamp(min=0)),
    Mistake("no margin", "A right answer by a hair is not enough.", lambda x, y: (-x * y).clamp(min=0)),
    Mistake("sign reversed", "Which sign does x times y have when the answer is right?", lambda x, y: (1 + x * y).clamp(min=0)),
    Mistake(
        "product missing",
        "The distance to the target is not the margin.",
        lambda x, y: (1 - (x - y).abs()).clamp(min=0),
    ),
]
MULTICLASS_HINGE_TIES = [
    Mistake(
        "rivals of an equal score left out",
        "Another class may have the very score of the right one. Do you leave out a class, or a score?",
        lambda x, t: (1 + x.masked_fill(x == x.gather(1, t[:, None]), -math.inf).amax(1) - each(x, t)).clamp(min=0).mean(),
    )
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
        "The best rival is never the right class itself.",
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


def _with_number(number):
    def fn(x, t):
        others = torch.where(one_hot(t, x.shape[1]).bool(), number, x)
        return (1 + others.amax(1) - each(x, t)).clamp(min=0).mean()

    return fn


MULTICLASS_HINGE_EXTREME = [
    Mistake(
        "a number in the place of the right class",
        "Every score may be far below 0. What do you put in the place of the right one?",
        _with_number(number),
    )
    for number in (0.0, -1.0, -10.0, -100.0, -999.0, -1000.0, -9999.0, -1e4)
]
