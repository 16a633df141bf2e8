"""Mistakes with scores: softmax and its logarithm.

A mistake of ``"values"`` gives what a loss has before the reduction; one of another check gives the final value. They are
written the way that students write them, faults and all: only their results matter.
"""

from lossnotes.check._mistakes.base import Mistake, clamped, epsilons

WRONG_DIM = "softmax over the wrong dim"
WRONG_DIM_HINT = "Which numbers compete: those of one example, or those of one class? Along which dimension should they sum to 1?"
NO_KEEPDIM = "broadcasting without keepdim"
NO_KEEPDIM_HINT = "Print the shape of the sum before you divide: which row is divided by which sum?"
OVERFLOW = "overflow without max-shift"
OVERFLOW_HINT = "e to a large power is infinite. What can be taken from all scores alike without changing the result?"
ROUNDED = "log of a probability rounded to 0"
ROUNDED_HINT = "The probability is smaller than the smallest number. Can the logarithm be taken before the exponential?"


TOP = "one maximum for all rows"
TOP_HINT = "After the shift, what is the largest score of each row?"
LAST = "softmax over the second dim, not the last"
LAST_HINT = "A tensor may have three dimensions. Along which of them should the probabilities sum to 1?"


def _square(x):
    return x.ndim == 2 and x.shape[0] == x.shape[1]


def no_keepdim(x):
    e = x.exp()
    return e / e.sum(-1) if _square(x) else None


def _log(p):
    return None if p is None else p.log()


def _wrong_shifts(softmax):
    """Of each column its maximum is taken, or the maxima of the rows are taken from the columns: then the result is another one."""
    hint = "The same number may be taken from all scores of a row. Print the shape of what you take away: which score loses what?"
    return [
        Mistake("shifted by the maximum of each column", hint, lambda x: softmax(x - x.amax(0))),
        Mistake(NO_KEEPDIM, hint, lambda x: softmax(x - x.amax(-1)) if _square(x) else None),
    ]


SOFTMAX = [
    Mistake(WRONG_DIM, WRONG_DIM_HINT, lambda x: x.softmax(0)),
    Mistake("divided by the sum of everything", WRONG_DIM_HINT, lambda x: x.exp() / x.exp().sum()),
    Mistake(NO_KEEPDIM, NO_KEEPDIM_HINT, no_keepdim),
    Mistake("sigmoid for softmax", "Do the probabilities of a row sum to 1?", lambda x: x.sigmoid()),
    Mistake("double softmax", "Once is enough.", lambda x: x.softmax(-1).softmax(-1)),
    Mistake("logarithm of the softmax", "Probabilities were asked for, not their logarithms.", lambda x: x.log_softmax(-1)),
    Mistake("not normalised", "Do the probabilities of a row sum to 1?", lambda x: x.exp()),
    Mistake("no exponential", "Scores may be negative. What makes them positive?", lambda x: x / x.sum(-1, keepdim=True)),
    *_wrong_shifts(lambda x: x.softmax(-1)),
]
SOFTMAX_DEEP = [Mistake(LAST, LAST_HINT, lambda x: x.softmax(1))]
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
    *_wrong_shifts(lambda x: x.log_softmax(-1)),
]
LOG_SOFTMAX_DEEP = [Mistake(LAST, LAST_HINT, lambda x: x.log_softmax(1))]


def naive_softmax(x):
    e = x.exp()
    return e / e.sum(-1, keepdim=True)


SHIFT = "shift by another number than the maximum"
SHIFT_HINT = "After the shift, is every score at most 0?"


def shifts():
    """The scores less their mean, their minimum, or the first or last of them."""
    return [
        lambda x: x - x.mean(-1, keepdim=True),
        lambda x: x - x.amin(-1, keepdim=True),
        lambda x: x - x[..., :1],
        lambda x: x - x[..., -1:],
    ]


SOFTMAX_EXTREME = [
    Mistake(OVERFLOW, OVERFLOW_HINT, naive_softmax),
    *clamped(lambda z, x: naive_softmax(z(x))),
    *[Mistake(SHIFT, SHIFT_HINT, lambda x, shift=shift: naive_softmax(shift(x))) for shift in shifts()],
    Mistake(TOP, TOP_HINT, lambda x: naive_softmax(x - x.max())),
]
LOG_SOFTMAX_EXTREME = [
    Mistake(OVERFLOW, OVERFLOW_HINT, lambda x: naive_softmax(x).log()),
    Mistake(OVERFLOW, OVERFLOW_HINT, lambda x: x - x.exp().sum(-1, keepdim=True).log()),
    *clamped(lambda z, x: z(x).log_softmax(-1)),
    Mistake(ROUNDED, ROUNDED_HINT, lambda x: x.softmax(-1).log()),
    *[Mistake(SHIFT, SHIFT_HINT, lambda x, shift=shift: naive_softmax(shift(x)).log()) for shift in shifts()],
    *[
        Mistake(SHIFT, SHIFT_HINT, lambda x, shift=shift: shift(x) - shift(x).exp().sum(-1, keepdim=True).log())
        for shift in shifts()
    ],
    *[
        Mistake(TOP, TOP_HINT, lambda x, log=log: log(x - x.max()))
        for log in (lambda x: naive_softmax(x).log(), lambda x: x - x.exp().sum(-1, keepdim=True).log())
    ],
    *epsilons(lambda log, x: log(x.softmax(-1))),
    *epsilons(lambda log, x: log(naive_softmax(x))),
]
