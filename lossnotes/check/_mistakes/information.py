"""Mistakes with distributions.

A mistake of ``"values"`` gives what a loss has before the reduction; one of another check gives the final value. They are
written the way that students write them, faults and all: only their results matter.
"""

import math

import torch

from lossnotes.check._mistakes.base import Mistake, epsilons

ZERO = "0 log 0"
ZERO_HINT = "At p = 0 the product is 0 times minus infinity. What should it be, and what does floating point make of it?"

INFORMATION_CONTENT = [
    Mistake("weighted by p", "That is one term of an entropy, not the content of one event.", lambda p: -p * p.log()),
    Mistake("inverse of p", "Two independent events should add, not multiply.", lambda p: 1 / p),
    Mistake("complement of p", "The content of the event, not of its absence.", lambda p: -(1 - p).log()),
]
INFORMATION_CONTENT_EDGE = epsilons(lambda log, p: -log(p))

ENTROPY = [
    Mistake(
        "mean over outcomes",
        "An expectation weights each outcome by its probability, and by nothing else.",
        lambda p: -(p * p.log()).mean(-1),
    ),
    Mistake(
        "not weighted by p",
        "That is the sum of all contents. An expectation weights each by its probability.",
        lambda p: -p.log().sum(-1),
    ),
    Mistake("perplexity", "That is the exponential of what was asked for.", lambda p: (-(p * p.log()).sum(-1)).exp()),
    Mistake("Gini impurity", "That is another measure of surprise, one without a logarithm.", lambda p: 1 - (p * p).sum(-1)),
    Mistake(
        "sum over the wrong dim",
        "Along which dimension do the probabilities sum to 1?",
        lambda p: -(p * p.log()).sum(0) if p.ndim > 1 else None,
    ),
]
LAST = "sum over the second dim, not the last"
LAST_HINT = "A tensor may have three dimensions. Along which of them do the probabilities sum to 1?"


def _deep(terms):
    return [Mistake(LAST, LAST_HINT, lambda *args: terms(*args).sum(1))]


ENTROPY_DEEP = _deep(lambda p: -(p * p.log()))
CROSS_ENTROPY_BETWEEN_DEEP = _deep(lambda p, q: -(p * q.log()))
KL_DEEP = _deep(lambda p, q: p * (p / q).log())
JENSEN_SHANNON_DEEP = _deep(lambda p, q: (p * (2 * p / (p + q)).log() + q * (2 * q / (p + q)).log()) / 2)
ENTROPY_EDGE = [
    Mistake(ZERO, ZERO_HINT, lambda p: -(p * p.log()).sum(-1)),
    *epsilons(lambda log, p: -(p * log(p)).sum(-1)),
]

SWAPPED = "p and q swapped"
CROSS_ENTROPY_BETWEEN = [
    Mistake(SWAPPED, "Whose probabilities weight, and whose are inside the logarithm?", lambda p, q: -(q * p.log()).sum(-1)),
    Mistake("entropy of p", "Where does q come into it?", lambda p, q: -(p * p.log()).sum(-1)),
    Mistake(
        "divergence for cross-entropy",
        "For q = p this gives 0. What should it give?",
        lambda p, q: (p * (p / q).log()).sum(-1),
    ),
    Mistake("mean over outcomes", ENTROPY[0].hint, lambda p, q: -(p * q.log()).mean(-1)),
]
CROSS_ENTROPY_BETWEEN_EDGE = [
    Mistake(ZERO, ZERO_HINT, lambda p, q: -(p * q.log()).sum(-1)),
    *epsilons(lambda log, p, q: -(p * log(q)).sum(-1)),
]

KL_DIV = "kl_div given something else than logarithms and targets"
KL_DIV_HINT = "PyTorch's kl_div takes logarithms first and the truth second. What did you pass, and how is it reduced?"


def _kl_div(passed, reduce):
    return Mistake(KL_DIV, KL_DIV_HINT, lambda p, q: reduce(torch.nn.functional.kl_div(*passed(p, q), reduction="none")))


def _kl_divs():
    """Of `torch.nn.functional.kl_div`: its arguments given as they are, in either order, and its reductions.

    Not as logarithms: then it gives what a formula gives, the right one or the reversed one with a sum or a mean over everything, and
    nobody can tell from the values that it was called.
    """
    reductions = [lambda x: x.sum(-1), torch.mean, torch.sum, lambda x: x.sum() / len(x)]
    plain = [lambda p, q: (p, q), lambda p, q: (q, p)]
    return [_kl_div(passed, reduce) for passed in plain for reduce in reductions]


KL = [
    Mistake(
        "KL reversed",
        "Which of the two is the truth, and which the model? It matters.",
        lambda p, q: (q * (q / p).log()).sum(-1),
    ),
    Mistake("cross-entropy for divergence", "For q = p this is not 0. What is missing?", lambda p, q: -(p * q.log()).sum(-1)),
    Mistake("mean over outcomes", ENTROPY[0].hint, lambda p, q: (p * (p / q).log()).mean(-1)),
    Mistake("symmetric sum", "Both directions are added. One was asked for.", lambda p, q: ((p - q) * (p / q).log()).sum(-1)),
    Mistake("absolute value of each term", "Single terms may be negative.", lambda p, q: (p * (p / q).log()).abs().sum(-1)),
    *_kl_divs(),
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
    Mistake("condition reversed", "The rows are x. Which of the two is known?", lambda p: _h(p, (-2, -1)) - _h(p.sum(-2), -1)),
    Mistake("joint entropy", "That is the entropy of the pair. What does knowing x take away?", lambda p: _h(p, (-2, -1))),
    Mistake("entropy of the margin", "That is what y tells when nothing is known.", lambda p: _h(p.sum(-2), -1)),
    Mistake("entropy of the margin", "That is the entropy of x alone.", lambda p: _h(p.sum(-1), -1)),
    Mistake(
        "rows weighted alike",
        "Some x are more frequent than others. How does an average take account of that?",
        lambda p: _h(p / p.sum(-1, keepdim=True), -1).mean(-1),
    ),
    Mistake(
        "conditional probabilities weight",
        "The conditional probability belongs inside the logarithm. Which probability is the weight?",
        lambda p: _h(p / p.sum(-1, keepdim=True), -1).sum(-1),
    ),
    Mistake(
        "information for entropy",
        "That is what x tells about y, not what is left.",
        lambda p: _h(p.sum(-2), -1) + _h(p.sum(-1), -1) - _h(p, (-2, -1)),
    ),
]
EMPTY_ROW = "0 / 0 in an empty row"
EMPTY_ROW_HINT = "A row or a column of the table may hold nothing. What is its sum, and what do you divide by it?"
CONDITIONAL_ENTROPY_EDGE = [
    Mistake(EMPTY_ROW, EMPTY_ROW_HINT, lambda p: -torch.xlogy(p, p / p.sum(-1, keepdim=True)).sum((-2, -1))),
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
            p.sum(-1, keepdim=True) * p.sum(-2, keepdim=True) * (p / (p.sum(-1, keepdim=True) * p.sum(-2, keepdim=True))).log()
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
        EMPTY_ROW,
        EMPTY_ROW_HINT,
        lambda p: torch.xlogy(p, p / (p.sum(-1, keepdim=True) * p.sum(-2, keepdim=True))).sum((-2, -1)),
    ),
    Mistake(ZERO, ZERO_HINT, lambda p: (p * (p / (p.sum(-1, keepdim=True) * p.sum(-2, keepdim=True))).log()).sum((-2, -1))),
    Mistake(
        ZERO,
        ZERO_HINT,
        lambda p: -(p.sum(-1) * p.sum(-1).log()).sum(-1) - (p.sum(-2) * p.sum(-2).log()).sum(-1) + (p * p.log()).sum((-2, -1)),
    ),
    *epsilons(lambda log, p: (p * log(p / (p.sum(-1, keepdim=True) * p.sum(-2, keepdim=True)))).sum((-2, -1))),
]
