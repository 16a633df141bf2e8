"""Mistakes with scores: softmax and its logarithm.

A mistake of ``"values"`` gives what a loss has before the reduction; one of another check gives the final value. They are
written the way that students write them, faults and all: only their results matter.
"""

from lossnotes.check._mistakes.base import Mistake, epsilons

WRONG_DIM = "softmax over the wrong dim"
WRONG_DIM_HINT = "Which numbers compete: those of one example, or those of one class? Along which dimension should they sum to 1?"
NO_KEEPDIM = "broadcasting without keepdim"
NO_KEEPDIM_HINT = "Print the shape of the sum before you divide: which row is divided by which sum?"
OVERFLOW = "overflow without max-shift"
OVERFLOW_HINT = "e to a large power is infinite. What can be taken from all scores alike without changing the result?"
ROUNDED = "log of a probability rounded to 0"
ROUNDED_HINT = "The probability is smaller than the smallest number. Can the logarithm be taken before the exponential?"


def no_keepdim(x):
    e = x.exp()
    return e / e.sum(-1) if x.ndim == 2 and x.shape[0] == x.shape[1] else None


def _log(p):
    return None if p is None else p.log()


SOFTMAX = [
    Mistake(WRONG_DIM, WRONG_DIM_HINT, lambda x: x.softmax(0)),
    Mistake("divided by the sum of everything", WRONG_DIM_HINT, lambda x: x.exp() / x.exp().sum()),
    Mistake(NO_KEEPDIM, NO_KEEPDIM_HINT, no_keepdim),
    Mistake("sigmoid for softmax", "Do the probabilities of a row sum to 1?", lambda x: x.sigmoid()),
    Mistake("double softmax", "Once is enough.", lambda x: x.softmax(-1).softmax(-1)),
    Mistake("logarithm of the softmax", "Probabilities were asked for, not their logarithms.", lambda x: x.log_softmax(-1)),
    Mistake("not normalised", "Do the probabilities of a row sum to 1?", lambda x: x.exp()),
    Mistake("no exponential", "Scores may be negative. What makes them positive?", lambda x: x / x.sum(-1, keepdim=True)),
]
LOG_SOFTMAX = [
    Mistake(WRONG_DIM, WRONG_DIM_HINT, lambda x: x.log_softmax(0)),
    Mistake("divided by the sum of everything", WRONG_DIM_HINT, lambda x: x - x.exp().sum().log()),
    Mistake(NO_KEEPDIM, NO_KEEPDIM_HINT, lambda x: _log(no_keepdim(x))),
    Mistake(NO_KEEPDIM, NO_KEEPDIM_HINT, lambda x: x - x.logsumexp(-1) if x.shape[0] == x.shape[1] else None),
    Mistake("sigmoid for softmax", "Do the probabilities of a row sum to 1?", lambda x: x.sigmoid().log()),
    Mistake("double softmax", "Once is enough.", lambda x: x.softmax(-1).log_softmax(-1)),
    Mistake(
        "probabilities for their logarithms",
        "Logarithms were asked for: none of them is above 0.",
        lambda x: x.softmax(-1),
    ),
]


def naive_softmax(x):
    e = x.exp()
    return e / e.sum(-1, keepdim=True)


SHIFT = "shift by another number than the maximum"
SHIFT_HINT = "After the shift, is every score at most 0?"


def shifts():
    """The scores less their mean, and less their minimum."""
    return [lambda x: x - x.mean(-1, keepdim=True), lambda x: x - x.amin(-1, keepdim=True)]


SOFTMAX_EXTREME = [
    Mistake(OVERFLOW, OVERFLOW_HINT, naive_softmax),
    *[Mistake(SHIFT, SHIFT_HINT, lambda x, shift=shift: naive_softmax(shift(x))) for shift in shifts()],
]
LOG_SOFTMAX_EXTREME = [
    Mistake(OVERFLOW, OVERFLOW_HINT, lambda x: naive_softmax(x).log()),
    Mistake(OVERFLOW, OVERFLOW_HINT, lambda x: x - x.exp().sum(-1, keepdim=True).log()),
    Mistake(ROUNDED, ROUNDED_HINT, lambda x: x.softmax(-1).log()),
    *[Mistake(SHIFT, SHIFT_HINT, lambda x, shift=shift: naive_softmax(shift(x)).log()) for shift in shifts()],
    *[
        Mistake(SHIFT, SHIFT_HINT, lambda x, shift=shift: shift(x) - shift(x).exp().sum(-1, keepdim=True).log())
        for shift in shifts()
    ],
    *epsilons(lambda log, x: log(x.softmax(-1))),
    *epsilons(lambda log, x: log(naive_softmax(x))),
]
