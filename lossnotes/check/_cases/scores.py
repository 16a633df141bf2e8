"""What is tried on functions of scores and classes, from the smallest input up."""

import dataclasses
import math

import torch

from lossnotes import classification, focal, hinge, scores
from lossnotes.check._cases.base import Case, Spec, classes, drawn, each_way, reductions, t, with_options
from lossnotes.check._mistakes import answers, base
from lossnotes.check._mistakes import classes as wrong
from lossnotes.check._mistakes import focal as wrong_focal
from lossnotes.check._mistakes import scores as wrong_scores

# --- scores and classes -------------------------------------------------------------------------------------------------

ONE = Case((t([[2.0, 1.0]]), classes([1])))
TWO = Case((t([[2.0, 0.5], [0.0, 3.0]]), classes(0, 0)))
SQUARE = Case((t([[0.5, -1.0, 2.0], [1.0, 0.25, -0.5], [0.0, 1.0, 3.0]]), classes(2, 0, 1)))
RANDOM = Case((drawn(6, 4), classes(3, 0, 0, 2, 1, 3)))
WEIGHT = t([1.0, 2.0, 0.5])


def of_classes(name, reference, mistakes, *, extreme, **checks):
    """Cases of a loss of scores and class numbers."""
    cases = {
        "values": [ONE, TWO, SQUARE, RANDOM],
        "reduction": [*reductions(TWO, SQUARE), with_options(ONE, reduction="none")],
        **checks,
        "other shapes": [
            Case((t([2.0, 1.0, -1.0]), torch.tensor(1))),
            Case((drawn(2, 3, 4, seed=1), classes([0, 1, 2, 1], [2, 2, 0, 1]))),
        ],
        "one class": [Case((t([[3.0], [1.0]]), classes(0, 0)))],
        "empty batch": [Case((torch.empty(0, 3, dtype=torch.float64), classes([])))],
        "extreme scores": extreme,
    }
    return Spec(name, reference, ("input", "target"), cases, mistakes, reduced=True, kinds=("scores", "classes"))


def weighted(case):
    return [*each_way(case, weight=WEIGHT), with_options(case, weight=WEIGHT, reduction="sum")]


def ignoring(case):
    """Three examples, of which the middle one is left out, or all."""
    *first, target = case.args

    def without(index):
        return Case((*first, torch.where(torch.arange(3) == 1, index, target)))

    kept, by_default = without(-1), without(-100)
    return [
        with_options(kept, ignore_index=-1),
        with_options(Case((*first, torch.full((3,), -1))), ignore_index=-1),
        with_options(case, ignore_index=1),  # also a class that exists: not all that is left out is negative
        with_options(case, ignore_index=0),  # and not all of it is true
        by_default,  # -100, which is no index from the end either
        with_options(without(255), ignore_index=255),  # as pictures have it, and no index at all
        with_options(kept, ignore_index=-1, reduction="none"),
        with_options(kept, ignore_index=-1, reduction="sum"),
        with_options(by_default, weight=WEIGHT),
        with_options(kept, ignore_index=-1, weight=WEIGHT, reduction="none"),
        with_options(kept, ignore_index=-1, weight=WEIGHT, reduction="sum"),
    ]


def of_log_probabilities(spec):
    """The same cases for a loss that takes log-probabilities."""

    def log_softmax(case):
        z = case.args[0]
        return Case((z.log_softmax(0 if z.ndim == 1 else 1), *case.args[1:]), case.options)

    cases = {name: [log_softmax(c) for c in cases] for name, cases in spec.cases.items()}
    return dataclasses.replace(spec, cases=cases, kinds=("log-probabilities", "classes"))


EXTREME = [
    Case((t([[1000.0, 1000.0]]), classes([0]))),
    Case((t([[0.0, 50.0]]), classes([0]))),
    Case((t([[-1000.0, 1000.0], [1000.0, 0.0]]), classes(0, 0))),
    Case((t([[1000.0, 0.0], [-1000.0, -999.0]]), classes(0, 1))),  # one maximum for all rows is not enough
    Case((t([[100.0, 0.0]], torch.float32), classes([1]))),
    Case((t([[30.0, 0.0]], torch.float32), classes([0]))),
    Case((t([[-2000.0, -2000.0]]), classes([1]))),
]
SMOOTH = [with_options(ONE, label_smoothing=0.1), *each_way(SQUARE, label_smoothing=0.1)]
SOFT = [Case((SQUARE.args[0], t([[0.7, 0.2, 0.1], [0.0, 1.0, 0.0], [0.3, 0.3, 0.4]])))]


# --- features, a linear layer and classes ---------------------------------------------------------------------------------

LAYER = t([[0.5, -1.0], [2.0, 0.25], [-0.75, 1.5]])
LINEAR = Case((t([[1.0, 0.5], [-1.0, 2.0], [0.25, -0.5]]), LAYER, classes(1, 1, 0)))
LINEARS = [
    Case((t([[1.0, 2.0]]), t([[0.5, 0.0], [1.0, -0.5], [0.0, 0.25]]), classes([2]))),
    LINEAR,
    Case((drawn(6, 4, seed=6), drawn(4, 4, seed=7, scale=1.0), classes(3, 0, 0, 2, 1, 3))),  # as many classes as features
]
NO_ROWS = Case((torch.empty(0, 2, dtype=torch.float64), LAYER, classes([])))


def of_layer(case):
    """Every extreme score as the score of a layer."""
    z, target = case.args
    return Case((torch.eye(len(z), dtype=z.dtype), z.mT.contiguous(), target), case.options)


def of_scores(name, reference, mistakes):
    cases = {
        "values": [Case((t([[2.0, 1.0]]),)), Case((SQUARE.args[0],)), Case((RANDOM.args[0],))],
        "dim": [Case((SQUARE.args[0],), {"dim": 0}), Case((drawn(2, 3, 4, seed=1),), {"dim": 1})],
        "temperature": [
            Case((t([[2.0, 1.0]]),), {"temperature": 2.0}),
            *(Case((SQUARE.args[0],), {"temperature": temperature}) for temperature in (0.5, 0.01, 100.0)),
        ],
        "other shapes": [Case((drawn(2, 3, 4, seed=8),)), Case((t([2.0, 1.0, -1.0]),))],
        "edge cases": [Case((t([[3.0], [1.0]]),))],
        "masked scores": [Case((t([[0.0, -math.inf]]),))],
        "extreme scores": [
            Case((t([[1000.0, 1000.0]]),)),
            Case((t([[1000.0, 980.0]]),)),  # beyond any limit, and not equal
            Case((t([[1000.0, 0.0], [-1000.0, -999.0]]),)),
            # Wherever the largest stands, and however far the others are below: only their maximum may be taken from them.
            Case((t([[0.0, 1000.0], [1000.0, -1000.0]]),)),
            Case((t([[0.0, 1000.0], [1000.0, -1000.0]], torch.float32),)),
            Case((t([[100.0, 0.0]], torch.float32),)),
            Case((t([[0.0, 50.0]], torch.float32),)),
        ],
    }
    return Spec(name, reference, ("input",), cases, mistakes, logarithm=name == "log_softmax", kinds=("scores",))


SPECS = [
    of_scores(
        "softmax",
        lambda input, dim=-1, temperature=1.0: scores.softmax(input, dim, temperature=temperature),
        {
            "values": wrong_scores.SOFTMAX,
            "temperature": base.TEMPERATURE,
            "other shapes": wrong_scores.SOFTMAX_DEEP,
            "extreme scores": wrong_scores.SOFTMAX_EXTREME,
        },
    ),
    of_scores(
        "log_softmax",
        lambda input, dim=-1, temperature=1.0: scores.log_softmax(input, dim, temperature=temperature),
        {
            "values": wrong_scores.LOG_SOFTMAX,
            "temperature": base.TEMPERATURE,
            "other shapes": wrong_scores.LOG_SOFTMAX_DEEP,
            "extreme scores": wrong_scores.LOG_SOFTMAX_EXTREME,
        },
    ),
    of_log_probabilities(
        of_classes(
            "nll_loss",
            classification.nll_loss,
            {"values": wrong.NLL, "reduction": base.REDUCTION, "weight": wrong.WEIGHT, "ignore_index": wrong.IGNORE},
            extreme=EXTREME[:3],
            weight=weighted(SQUARE),
            ignore_index=ignoring(SQUARE),
        )
    ),
    of_classes(
        "cross_entropy",
        classification.cross_entropy,
        {
            "values": wrong.CROSS_ENTROPY,
            "reduction": base.REDUCTION,
            "weight": wrong.WEIGHT,
            "ignore_index": wrong.IGNORE,
            "label_smoothing": wrong.SMOOTHING,
            "extreme scores": wrong.CROSS_ENTROPY_EXTREME,
        },
        extreme=EXTREME,
        weight=weighted(SQUARE),
        ignore_index=ignoring(SQUARE),
        label_smoothing=SMOOTH,
        **{"class probabilities": SOFT},
    ),
    Spec(
        "linear_cross_entropy",
        classification.linear_cross_entropy,
        ("input", "linear_weight", "target"),
        {
            "values": LINEARS,
            "linear_bias": each_way(LINEAR, linear_bias=t([0.5, -1.0, 2.0])),
            "reduction": reductions(LINEAR, LINEARS[2]),
            "weight": weighted(LINEAR),
            "ignore_index": ignoring(LINEAR),
            "label_smoothing": each_way(LINEAR, label_smoothing=0.1),
            "class probabilities": [Case((*LINEAR.args[:2], *SOFT[0].args[1:]))],
            "other shapes": [Case((t([1.0, 0.5]), LAYER, torch.tensor(2)))],
            "empty batch": [NO_ROWS],
            "extreme scores": [of_layer(case) for case in EXTREME],
        },
        {
            "values": wrong.LINEAR_CROSS_ENTROPY,
            "linear_bias": wrong.LINEAR_BIAS,
            "reduction": base.REDUCTION,
            "weight": wrong.of_layer(wrong.WEIGHT),
            "ignore_index": wrong.of_layer(wrong.IGNORE),
            "label_smoothing": wrong.of_layer(wrong.SMOOTHING),
            "extreme scores": wrong.of_layer(wrong.CROSS_ENTROPY_EXTREME),
        },
        reduced=True,
        differentiable=(0, 1),
        scores=lambda case: case.args[0] @ case.args[1].mT,
        kinds=("numbers", "numbers", "classes"),
    ),
    dataclasses.replace(
        of_classes(
            "multiclass_hinge_loss",
            hinge.multiclass_hinge_loss,
            {
                "values": answers.MULTICLASS_HINGE,
                "reduction": base.REDUCTION,
                "margin": base.MARGIN,
                "edge cases": answers.MULTICLASS_HINGE_TIES,
                "extreme scores": answers.MULTICLASS_HINGE_EXTREME,
            },
            extreme=[
                Case((t([[1e4, -1e4], [0.0, 1e4]]), classes(1, 1))),
                Case((t([[-2e4, -3e4]]), classes([0]))),  # a number in the place of minus infinity is not small enough
            ],
            margin=[*each_way(SQUARE, margin=0.5), with_options(SQUARE, margin=0.0)],
            # A rival with the score of the right class is a rival.
            **{"edge cases": [Case((t([[1.0, 1.0, 0.0], [2.0, 0.5, 0.0]]), classes(0, 0)))]},
        ),
        logarithm=False,
    ),
    of_classes(
        "softmax_focal_loss",
        focal.softmax_focal_loss,
        {
            "values": wrong_focal.SOFTMAX_FOCAL,
            "reduction": base.REDUCTION,
            "gamma": base.GAMMA,
            "weight": wrong_focal.FOCAL_WEIGHT,
            "ignore_index": wrong.IGNORE,
            "extreme scores": wrong_focal.SOFTMAX_FOCAL_EXTREME,
        },
        extreme=EXTREME,
        gamma=[*each_way(SQUARE, gamma=0.5), *(with_options(SQUARE, gamma=g) for g in (0.0, 1.0, 2.5, 5.0))],
        weight=weighted(SQUARE),
        ignore_index=ignoring(SQUARE),
    ),
]
