"""What is tried on functions of distributions, from the smallest input up."""

import torch

from lossnotes import dependence, information
from lossnotes.check._cases.base import Case, Spec, distributions, t
from lossnotes.check._mistakes import information as wrong
from lossnotes.check._mistakes.base import BASE

HALF = t([0.5, 0.5])
SKEW = t([0.75, 0.25])
THREE = t([[0.5, 0.25, 0.25], [0.1, 0.6, 0.3], [0.2, 0.2, 0.6]])
OTHER = t([[0.2, 0.3, 0.5], [0.4, 0.4, 0.2], [0.3, 0.1, 0.6]])
MANY = distributions(5, 4)
OTHERS = distributions(5, 4, seed=1)
DEEP, DEEPER = distributions(2, 3, 4, seed=3), distributions(2, 3, 4, seed=4)
SURE = t([1.0, 0.0])
# A whole case that is rare: whoever leaves out, clamps or shifts small probabilities shows it here, and below in 2,000 cases.
RARE, RARER = t([[0.9996, 0.0004]]), t([[1 - 4e-7, 4e-7]])
CROWD = torch.full((1, 2000), 1 / 2000, dtype=torch.float64)
RAMP = torch.arange(1, 2001, dtype=torch.float64)[None] / 2001000
JOINT = t([[0.3, 0.2], [0.1, 0.4]])
TABLES = distributions(2, 12, seed=2).view(2, 3, 4)


def of_one(name, reference, mistakes):
    cases = {
        "values": [Case((SKEW,)), Case((THREE,)), Case((MANY,))],
        "base": [Case((SKEW,), {"base": 2}), Case((MANY,), {"base": 10})],
        "dim": [Case((THREE.T.contiguous(),), {"dim": 0}), Case((MANY.T.contiguous(),), {"dim": 0})],
        "other shapes": [Case((DEEP,))],  # where the last dimension is not the second
        "edge cases": [
            *(Case((p,)) for p in (SURE, t([1.0]), t([[0.5, 0.5, 0.0], [0.0, 0.0, 1.0]]))),
            *(Case((p,)) for p in (RARE, RARER, CROWD)),
        ],
    }
    return Spec(name, reference, ("p",), cases, mistakes, kinds=("distribution",), simplex=(-1,))


def of_two(name, reference, mistakes, *, edge):
    cases = {
        "values": [Case((SKEW, HALF)), Case((HALF, t([0.9, 0.1]))), Case((THREE, OTHER)), Case((MANY, OTHERS))],
        "base": [Case((SKEW, HALF), {"base": 2}), Case((MANY, OTHERS), {"base": 10})],
        "dim": [Case((THREE.T.contiguous(), OTHER.T.contiguous()), {"dim": 0})],
        "other shapes": [Case((DEEP, DEEPER))],
        "edge cases": [
            *(Case((t(p), t(q))) for p, q in edge),
            # The same with a row for each, for a function that is written for tables.
            Case(tuple(torch.stack([t(pair[i]) for pair in edge]) for i in (0, 1))),
            *(Case(pair) for pair in ((RARE, t([[0.5, 0.5]])), (RARER, t([[1 - 1e-6, 1e-6]])), (CROWD, RAMP))),
        ],
    }
    kinds = ("distribution", "distribution")
    return Spec(name, reference, ("p", "q"), cases, mistakes, differentiable=(1,), kinds=kinds, simplex=(-1,))


def of_joint(name, reference, mistakes):
    cases = {
        "values": [Case((JOINT,)), Case((t([[0.1, 0.2, 0.15], [0.25, 0.05, 0.25]]),)), Case((TABLES[0],))],
        "base": [Case((JOINT,), {"base": 2})],
        "other shapes": [Case((TABLES,))],
        "edge cases": [
            *(Case((t(table),)) for table in ([[0.5, 0.0], [0.0, 0.5]], [[0.5, 0.5], [0.0, 0.0]], [[1.0]])),
            *(Case((t(table),)) for table in ([[0.4, 0.0004], [0.2, 0.3996]], [[0.2, 0.1, 0.7]], [[0.2], [0.8]])),
            Case((torch.cat([RARER, 0 * RARER]),)),
            Case((torch.diag(RARER[0]),)),
            Case((distributions(1, 2000, seed=5).view(40, 50),)),
        ],
    }
    return Spec(name, reference, ("joint",), cases, mistakes, kinds=("table",), simplex=(-2, -1))


SPECS = [
    Spec(
        "information_content",
        information.information_content,
        ("p",),
        {
            "values": [Case((t([0.25]),)), Case((t([0.9, 0.5, 0.01]),)), Case((MANY,))],
            "base": [Case((t([0.25]),), {"base": 2}), Case((MANY,), {"base": 10})],
            "edge cases": [*(Case((t([p]),)) for p in (1.0, 0.0, 4e-7, 1e-30))],
        },
        {"values": wrong.INFORMATION_CONTENT, "base": BASE, "edge cases": wrong.INFORMATION_CONTENT_EDGE},
        kinds=("event",),
    ),
    of_one(
        "entropy",
        information.entropy,
        {"values": wrong.ENTROPY, "base": BASE, "other shapes": wrong.ENTROPY_DEEP, "edge cases": wrong.ENTROPY_EDGE},
    ),
    of_two(
        "cross_entropy_between",
        information.cross_entropy_between,
        {
            "values": wrong.CROSS_ENTROPY_BETWEEN,
            "base": BASE,
            "other shapes": wrong.CROSS_ENTROPY_BETWEEN_DEEP,
            "edge cases": wrong.CROSS_ENTROPY_BETWEEN_EDGE,
        },
        edge=[([1.0, 0.0], [0.5, 0.5]), ([1.0, 0.0], [1.0, 0.0]), ([0.5, 0.5], [1.0, 0.0])],
    ),
    of_two(
        "kl_divergence",
        information.kl_divergence,
        {
            "values": wrong.KL,
            "base": BASE,
            "other shapes": wrong.KL_DEEP,
            "edge cases": wrong.KL_EDGE,
        },
        edge=[([1.0, 0.0], [0.5, 0.5]), ([0.5, 0.5], [0.5, 0.5]), ([1.0, 0.0], [1.0, 0.0]), ([0.5, 0.5], [1.0, 0.0])],
    ),
    of_two(
        "jensen_shannon_divergence",
        information.jensen_shannon_divergence,
        {
            "values": wrong.JENSEN_SHANNON,
            "base": BASE,
            "other shapes": wrong.JENSEN_SHANNON_DEEP,
            "edge cases": wrong.JENSEN_SHANNON_EDGE,
        },
        edge=[([1.0, 0.0], [0.5, 0.5]), ([1.0, 0.0], [0.0, 1.0]), ([0.5, 0.5], [0.5, 0.5])],
    ),
    of_joint(
        "conditional_entropy",
        dependence.conditional_entropy,
        {"values": wrong.CONDITIONAL_ENTROPY, "base": BASE, "edge cases": wrong.CONDITIONAL_ENTROPY_EDGE},
    ),
    of_joint(
        "mutual_information",
        dependence.mutual_information,
        {"values": wrong.MUTUAL_INFORMATION, "base": BASE, "edge cases": wrong.MUTUAL_INFORMATION_EDGE},
    ),
]
