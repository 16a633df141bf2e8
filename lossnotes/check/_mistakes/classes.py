"""Mistakes with scores and classes, and their options.

A mistake of ``"values"`` gives what a loss has before the reduction; one of another check gives the final value. They are
written the way that students write them, faults and all: only their results matter.
"""

import inspect

import torch
from torch.nn.functional import one_hot

from lossnotes.check._mistakes.base import NARROW, NARROW_HINT, Ends, Mistake, clamped, each, epsilons, unreduced
from lossnotes.check._mistakes.scores import (
    NO_KEEPDIM,
    NO_KEEPDIM_HINT,
    OVERFLOW,
    OVERFLOW_HINT,
    ROUNDED,
    ROUNDED_HINT,
    SHIFT,
    SHIFT_HINT,
    WRONG_DIM,
    WRONG_DIM_HINT,
    naive_softmax,
    no_keepdim,
    shifts,
)

# --- options ---


def _weights(input, target, weight):
    log_p = input.log_softmax(1)
    return -each(log_p, target) * weight[target], weight[target]


def _weighted_by(divide):
    def fn(input, target, weight, reduction="mean"):
        loss, w = _weights(input, target, weight)
        return divide(loss, w, weight) if reduction == "mean" else unreduced(loss, reduction)

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
        lambda input, target, weight, reduction="mean": _over_weights(
            -input.log_softmax(1).gather(1, target[:, None]) * weight[target], weight[target], reduction
        ),
    ),
    Mistake(
        "weight forgotten without a reduction",
        "The mean and the sum are right. With reduction none, what becomes of the weight?",
        lambda input, target, weight, reference, reduction="mean": (
            reference(input, target, reduction="none") if reduction == "none" else None
        ),
    ),
]


def _over_weights(loss, weights, reduction):
    return loss.sum() / weights.sum() if reduction == "mean" else unreduced(loss, reduction)


IGNORED = -100  # by default


def _counted(input, target, reference, ignore_index=IGNORED, reduction="mean", weight=None):
    """The mean over all, also with weights."""
    loss = reference(input, target, ignore_index=ignore_index, reduction="none", **_given(weight))
    return unreduced(loss, reduction)


def _counted_as_class_0(input, target, reference, ignore_index=IGNORED, reduction="mean", weight=None):
    """The mean over all; with weights, as if what is left out were of class 0."""
    loss = reference(input, target, ignore_index=ignore_index, reduction="none", **_given(weight))
    if weight is None or reduction != "mean":
        return unreduced(loss, reduction)
    return loss.sum() / weight[torch.where(target == ignore_index, 0, target)].sum()


def _weights_counted(input, target, reference, ignore_index=IGNORED, reduction="mean", weight=None):
    """Right but for the weights of what is left out."""
    if weight is None:
        return None
    return _counted_as_class_0(input, target, reference, ignore_index, reduction, weight)


def _given(weight):
    return {} if weight is None else {"weight": weight}


def _dropped(input, target, reference, ignore_index=IGNORED, reduction="mean", weight=None):
    """Right but where each target has a number of its own."""
    if reduction != "none":
        return None
    return reference(input, target, ignore_index=ignore_index, reduction="none", **_given(weight))[target != ignore_index]


def _no_index(input, target):
    return ((target < -input.shape[1]) | (target >= input.shape[1])).any()


def _index_from_the_end(input, target, reference, ignore_index=IGNORED, **options):
    if _no_index(input, target):
        raise Ends
    return reference(input, target % input.shape[1], **options)


def _picked_first(input, target, reference, ignore_index=IGNORED, **options):
    """Right but where what is left out is no index at all."""
    if _no_index(input, target):
        raise Ends
    return None


def _raised_to_0(input, target, reference, ignore_index=IGNORED, **options):
    """Right but where what is left out is above every class."""
    if (target >= input.shape[1]).any():
        raise Ends
    return None


def _ignored_as_class_0(input, target, reference, ignore_index=IGNORED, **options):
    return reference(input, torch.where(target == ignore_index, 0, target), **options)


IGNORE = [
    *[
        Mistake(
            "mean over ignored targets",
            "An ignored target adds nothing to the sum, but still counts in the divisor.",
            fn,
        )
        for fn in (_counted, _counted_as_class_0, _weights_counted)
    ],
    Mistake("ignored target taken for a class", "Index -1 is the last class in Python.", _index_from_the_end),
    Mistake(
        "ignored target taken for a class",
        "What class do you put in the place of an ignored target?",
        _ignored_as_class_0,
    ),
    Mistake(
        "ignored target taken for an index",
        "A target that is left out need not be an index. Which entry do you pick for it?",
        _picked_first,
    ),
    Mistake(
        "ignored target taken for an index",
        "A target that is left out may also be above every class, such as 255. Which entry do you pick for it?",
        _raised_to_0,
    ),
    Mistake(
        "ignored targets dropped",
        "With reduction none, how many numbers should come out?",
        _dropped,
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
        lambda input, target, label_smoothing: _smooth(input, target, lambda c: label_smoothing / (c - 1), 1 - label_smoothing),
    ),
    Mistake(
        "smoothing only lowers the right class",
        "Smoothed targets are a distribution: do yours sum to 1?",
        lambda input, target, label_smoothing: _smooth(input, target, lambda c: 0, 1 - label_smoothing),
    ),
    Mistake("label_smoothing not used", "The value is the same for every label_smoothing.", None),
]

# --- losses of classes ----------------------------------------------------------------------------------------------------

OTHER_CLASS = "off by one class"
OTHER_CLASS_HINT = "Classes are counted from 0. Which entry do you take for class 0?"
ALL_PAIRS = "every row with every target"
ALL_PAIRS_HINT = "Print the shape of what you picked: one number for each example, or a table?"
WRONG_PICK = "picked along the wrong dim"
WRONG_PICK_HINT = "A target says which class, that is, which column. What does it choose in your code?"


def _picks(log_p):
    """The usual ways to pick other entries than those of the right class; `log_p` makes the logarithms of the input."""

    def moved(step):
        return lambda x, t: -each(log_p(x), (t + step) % x.shape[1])

    return [
        Mistake(NARROW, NARROW_HINT, lambda x, t: -(one_hot(t) * log_p(x)).sum(1)),
        Mistake(ALL_PAIRS, ALL_PAIRS_HINT, lambda x, t: -log_p(x)[:, t]),
        Mistake(WRONG_PICK, WRONG_PICK_HINT, lambda x, t: -log_p(x)[t]),
        Mistake(WRONG_PICK, WRONG_PICK_HINT, lambda x, t: -log_p(x).gather(0, t[:, None]).squeeze(1)),
        Mistake(WRONG_PICK, WRONG_PICK_HINT, lambda x, t: -log_p(x).gather(0, t[None, :]).squeeze(0)),
        Mistake(OTHER_CLASS, OTHER_CLASS_HINT, moved(1)),
        Mistake(OTHER_CLASS, OTHER_CLASS_HINT, moved(-1)),
    ]


NLL = [
    Mistake("log-probabilities taken for probabilities", "The input is a logarithm already.", lambda x, t: -each(x.log(), t)),
    Mistake(
        "probability of the right class",
        "What is given is a logarithm already. Does it need an exponential?",
        lambda x, t: -each(x.exp(), t),
    ),
    Mistake("sum over all classes", "Only the right class counts.", lambda x, t: -x.sum(1)),
    Mistake(
        "perplexity",
        "That is the exponential of what was asked for.",
        lambda x, t: (-each(x, t).mean()).exp().expand(len(t)),
    ),
    *_picks(lambda x: x),
]
CROSS_ENTROPY = [
    Mistake(
        "double softmax",
        "The scores go through one softmax too many.",
        lambda x, t: -each(x.softmax(1).log_softmax(1), t),
    ),
    Mistake(
        "logits taken for probabilities",
        "The input holds scores: what makes probabilities of them?",
        lambda x, t: -each(x.log(), t),
    ),
    Mistake(
        "logits taken for log-probabilities",
        "The input holds scores: what is missing between them and a log-probability?",
        lambda x, t: -each(x, t),
    ),
    Mistake(WRONG_DIM, WRONG_DIM_HINT, lambda x, t: -each(x.log_softmax(0), t)),
    Mistake("divided by the sum of everything", WRONG_DIM_HINT, lambda x, t: -each(x - x.exp().sum().log(), t)),
    Mistake(NO_KEEPDIM, NO_KEEPDIM_HINT, lambda x, t: -each(no_keepdim(x).log(), t) if x.shape[0] == x.shape[1] else None),
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
        lambda x, t: torch.nn.functional.binary_cross_entropy_with_logits(x, one_hot(t, x.shape[1]).to(x), reduction="none").sum(1),
    ),
    Mistake(
        "binary cross-entropy after a softmax",
        "The terms of the wrong classes are in the sum too. Should they be?",
        lambda x, t: -each(x.softmax(1).log(), t) - ((1 - x.softmax(1)).log() * (1 - one_hot(t, x.shape[1]))).sum(1),
    ),
    Mistake(
        "perplexity",
        "That is the exponential of what was asked for.",
        lambda x, t: (-each(x.log_softmax(1), t).mean()).exp().expand(len(t)),
    ),
    Mistake(
        "Brier score",
        "That is the squared error of the probabilities.",
        lambda x, t: ((x.softmax(1) - one_hot(t, x.shape[1])) ** 2).sum(1),
    ),
    *_picks(lambda x: x.log_softmax(1)),
]
CROSS_ENTROPY_EXTREME = [
    *clamped(lambda z, x, t: -each(z(x).log_softmax(1), t).mean()),
    Mistake(OVERFLOW, OVERFLOW_HINT, lambda x, t: -each(naive_softmax(x).log(), t).mean()),
    Mistake(OVERFLOW, OVERFLOW_HINT, lambda x, t: -each(x - x.exp().sum(1, keepdim=True).log(), t).mean()),
    Mistake(ROUNDED, ROUNDED_HINT, lambda x, t: -each(x.softmax(1).log(), t).mean()),
    *[Mistake(SHIFT, SHIFT_HINT, lambda x, t, shift=shift: -each(naive_softmax(shift(x)).log(), t).mean()) for shift in shifts()],
    *[
        Mistake(
            SHIFT,
            SHIFT_HINT,
            lambda x, t, shift=shift: -each(shift(x) - shift(x).exp().sum(1, keepdim=True).log(), t).mean(),
        )
        for shift in shifts()
    ],
    *epsilons(lambda log, x, t: -each(log(x.softmax(1)), t).mean()),
    *epsilons(lambda log, x, t: -each(log(naive_softmax(x)), t).mean()),
]

# --- of features and a layer ----------------------------------------------------------------------------------------------


def of_layer(mistakes):
    """Mistakes with scores, made with those of a layer."""

    def with_layer(fn):
        if fn is None:
            return None
        if "reference" not in inspect.signature(fn).parameters:
            return lambda x, W, t, **options: fn(x @ W.T, t, **options)  # also `eps`, where it is fitted

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
    *of_layer(m for m in CROSS_ENTROPY if m.name != NARROW),
    Mistake(
        "transposed weight",
        "Which dimension of the weights belongs to the classes?",
        lambda x, W, t: -each((x @ W).log_softmax(1), t) if W.shape[0] == W.shape[1] else None,
    ),
    Mistake(
        "loss of the first block only",
        "Do the losses of all examples reach the sum?",
        lambda x, W, t: None if len(x) < 2 else -each((x @ W.T).log_softmax(1), t) * (torch.arange(len(x)) < len(x) // 2),
    ),
]
