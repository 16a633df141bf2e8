"""What is tried on each function, from the smallest input up, and what the usual mistakes make of it."""

import dataclasses
import math
from collections.abc import Callable
from typing import Any, NamedTuple

import torch

from lossnotes import classification, focal, hinge, information, naive, regression, scores
from lossnotes.check import _mistakes as wrong


class Case(NamedTuple):
    """One call: tensors, in order, and keyword options."""

    args: tuple
    options: dict[str, Any] = {}


@dataclasses.dataclass(frozen=True)
class Spec:
    """What is known of one function.

    `cases` maps the name of a check to its calls, smallest first. A check with the name of an option is made if the
    function takes that option. `mistakes` maps a check to the mistakes that it can recognise; those of ``"values"`` are
    also tried together with a wrong reduction, sign or base of logarithm. `scores` gives the table with a row for each example.
    """

    name: str
    reference: Callable
    inputs: tuple[str, ...]
    cases: dict[str, list[Case]]
    mistakes: dict[str, list[wrong.Mistake]]
    reduced: bool = False
    logarithm: bool = True
    differentiable: tuple[int, ...] = (0,)
    scores: Callable = lambda case: case.args[0]

    @property
    def options(self):
        return {option for cases in self.cases.values() for case in cases for option in case.options}


# Checks in which an exception means "does not take that", which is no mistake; a wrong value still is one.
OPTIONAL = {"other shapes", "class probabilities", "soft targets"}


def t(data, dtype=torch.float64):
    return torch.tensor(data, dtype=dtype)


def classes(*index):
    return torch.tensor(
        index[0] if index and isinstance(index[0], list) and len(index) == 1 else index, dtype=torch.int64
    )


def drawn(*shape, seed=0, scale=2.0):
    """Numbers that no one can have thought of, the same for everybody."""
    return scale * torch.randn(*shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def distributions(*shape, seed=0):
    return torch.softmax(drawn(*shape, seed=seed, scale=1.0), -1)


# --- scores and classes -------------------------------------------------------------------------------------------------

ONE = Case((t([[2.0, 1.0]]), classes([1])))
TWO = Case((t([[2.0, 0.5], [0.0, 3.0]]), classes(0, 0)))
SQUARE = Case((t([[0.5, -1.0, 2.0], [1.0, 0.25, -0.5], [0.0, 1.0, 3.0]]), classes(2, 0, 1)))
RANDOM = Case((drawn(6, 4), classes(3, 0, 0, 2, 1, 3)))
WEIGHT = t([1.0, 2.0, 0.5])


def with_options(case, **options):
    return Case(case.args, options)


def reductions(*cases):
    return [with_options(case, reduction=how) for case in cases for how in ("sum", "none", "mean")]


def of_classes(name, reference, mistakes, *, extreme, **checks):
    """Cases of a loss of scores and class numbers."""
    cases = {
        "values": [ONE, TWO, SQUARE, RANDOM],
        "reduction": reductions(TWO, SQUARE),
        **checks,
        "other shapes": [
            Case((t([2.0, 1.0, -1.0]), torch.tensor(1))),
            Case((drawn(2, 3, 4, seed=1), classes([0, 1, 2, 1], [2, 2, 0, 1]))),
        ],
        "edge cases": [
            Case((t([[3.0], [1.0]]), classes(0, 0))),
            Case((torch.empty(0, 3, dtype=torch.float64), classes([]))),
        ],
        "extreme scores": extreme,
    }
    return Spec(name, reference, ("input", "target"), cases, mistakes, reduced=True)


def weighted(case):
    return [with_options(case, weight=WEIGHT), with_options(case, weight=WEIGHT, reduction="sum")]


def ignoring(case):
    kept = Case((case.args[0], torch.where(torch.arange(3) == 1, -1, case.args[1])))
    none_left = Case((case.args[0], torch.full((3,), -1)))
    return [with_options(kept, ignore_index=-1), with_options(none_left, ignore_index=-1)]


def of_log_probabilities(spec):
    """The same cases for a loss that takes log-probabilities."""

    def log_softmax(case):
        z = case.args[0]
        return Case((z.log_softmax(0 if z.ndim == 1 else 1), *case.args[1:]), case.options)

    return dataclasses.replace(
        spec, cases={name: [log_softmax(c) for c in cases] for name, cases in spec.cases.items()}
    )


EXTREME = [
    Case((t([[1000.0, 1000.0]]), classes([0]))),
    Case((t([[0.0, 50.0]]), classes([0]))),
    Case((t([[-1000.0, 1000.0], [1000.0, 0.0]]), classes(0, 0))),
    Case((t([[100.0, 0.0]], torch.float32), classes([1]))),
    Case((t([[30.0, 0.0]], torch.float32), classes([0]))),
    Case((t([[-2000.0, -2000.0]]), classes([1]))),
]
SMOOTH = [with_options(case, label_smoothing=0.1) for case in (ONE, SQUARE)]
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


# --- one score and a yes or no ------------------------------------------------------------------------------------------

YES = Case((t([1.5]), t([1.0])))
YES_NO = Case((t([0.5, -1.0]), t([1.0, 0.0])))
FOUR = Case((t([2.0, -0.5, 0.25, -3.0]), t([0.0, 1.0, 1.0, 0.0])))
TABLE = Case((drawn(3, 4, seed=2), (drawn(3, 4, seed=3) > 0).double()))
NOTHING = torch.empty(0, dtype=torch.float64)
EXTREME_YES = [
    Case((t([20.0], torch.float32), t([0.0], torch.float32))),
    Case((t([-20.0], torch.float32), t([1.0], torch.float32))),
    Case((t([20.0], torch.float32), t([1.0], torch.float32))),
    Case((t([1000.0, -1000.0]), t([1.0, 0.0]))),
    Case((t([1000.0]), t([0.0]))),
    Case((t([-1000.0]), t([1.0]))),
]


def of_answers(name, reference, mistakes, **checks):
    cases = {
        "values": [YES, YES_NO, FOUR, TABLE],
        "reduction": reductions(YES_NO, TABLE),
        **checks,
        "edge cases": [Case((NOTHING, NOTHING))],
        "extreme scores": EXTREME_YES,
    }
    return Spec(name, reference, ("input", "target"), cases, mistakes, reduced=True)


# --- distributions ------------------------------------------------------------------------------------------------------

HALF = t([0.5, 0.5])
SKEW = t([0.75, 0.25])
THREE = t([[0.5, 0.25, 0.25], [0.1, 0.6, 0.3], [0.2, 0.2, 0.6]])
OTHER = t([[0.2, 0.3, 0.5], [0.4, 0.4, 0.2], [0.3, 0.1, 0.6]])
MANY = distributions(5, 4)
OTHERS = distributions(5, 4, seed=1)
SURE = t([1.0, 0.0])
JOINT = t([[0.3, 0.2], [0.1, 0.4]])
TABLES = distributions(2, 12, seed=2).view(2, 3, 4)


def of_one(name, reference, mistakes):
    cases = {
        "values": [Case((SKEW,)), Case((THREE,)), Case((MANY,))],
        "base": [Case((SKEW,), {"base": 2}), Case((MANY,), {"base": 10})],
        "dim": [Case((THREE.T.contiguous(),), {"dim": 0}), Case((MANY.T.contiguous(),), {"dim": 0})],
        "edge cases": [Case((SURE,)), Case((t([1.0]),)), Case((t([[0.5, 0.5, 0.0], [0.0, 0.0, 1.0]]),))],
    }
    return Spec(name, reference, ("p",), cases, mistakes)


def of_two(name, reference, mistakes, *, edge):
    cases = {
        "values": [Case((SKEW, HALF)), Case((HALF, t([0.9, 0.1]))), Case((THREE, OTHER)), Case((MANY, OTHERS))],
        "base": [Case((SKEW, HALF), {"base": 2}), Case((MANY, OTHERS), {"base": 10})],
        "dim": [Case((THREE.T.contiguous(), OTHER.T.contiguous()), {"dim": 0})],
        "edge cases": [Case((t(p), t(q))) for p, q in edge],
    }
    return Spec(name, reference, ("p", "q"), cases, mistakes, differentiable=(1,))


def of_joint(name, reference, mistakes):
    cases = {
        "values": [Case((JOINT,)), Case((t([[0.1, 0.2, 0.15], [0.25, 0.05, 0.25]]),)), Case((TABLES[0],))],
        "base": [Case((JOINT,), {"base": 2})],
        "other shapes": [Case((TABLES,))],
        "edge cases": [Case((t([[0.5, 0.0], [0.0, 0.5]]),)), Case((t([[0.5, 0.5], [0.0, 0.0]]),)), Case((t([[1.0]]),))],
    }
    return Spec(name, reference, ("joint",), cases, mistakes)


def of_scores(name, reference, mistakes):
    cases = {
        "values": [Case((t([[2.0, 1.0]]),)), Case((SQUARE.args[0],)), Case((RANDOM.args[0],))],
        "dim": [Case((SQUARE.args[0],), {"dim": 0}), Case((drawn(2, 3, 4, seed=1),), {"dim": 1})],
        "temperature": [Case((t([[2.0, 1.0]]),), {"temperature": 2.0}), Case((SQUARE.args[0],), {"temperature": 0.5})],
        "edge cases": [Case((t([[3.0], [1.0]]),)), Case((t([[0.0, -math.inf]]),))],
        "extreme scores": [
            Case((t([[1000.0, 1000.0]]),)),
            Case((t([[1000.0, 0.0], [-1000.0, -999.0]]),)),
            Case((t([[100.0, 0.0]], torch.float32),)),
            Case((t([[0.0, 50.0]], torch.float32),)),
        ],
    }
    return Spec(name, reference, ("input",), cases, mistakes, logarithm=name == "log_softmax")


# --- all of them --------------------------------------------------------------------------------------------------------

PAIR = Case((t([1.0, 3.0]), t([0.0, 1.0])))
ERRORS = [
    Case((t([1.0, 5.0, 2.0]), t([0.0, 1.0, 4.0]))),
    Case((drawn(4, 3), drawn(4, 3, seed=1))),
    Case((drawn(5), drawn(5, seed=1))),
]
SIGNS = [
    Case((t([0.5]), t([1.0]))),
    Case((t([2.0, -0.5]), t([1.0, 1.0]))),
    Case((t([0.5, -1.5, 3.0, -2.0]), t([1.0, -1.0, -1.0, -1.0]))),
    Case((drawn(3, 4, seed=2), torch.sign(drawn(3, 4, seed=3)))),
]

SPECS = [
    Spec(
        "information_content",
        information.information_content,
        ("p",),
        {
            "values": [Case((t([0.25]),)), Case((t([0.9, 0.5, 0.01]),)), Case((MANY,))],
            "base": [Case((t([0.25]),), {"base": 2}), Case((MANY,), {"base": 10})],
            "edge cases": [Case((t([1.0]),)), Case((t([0.0]),))],
        },
        {"values": wrong.INFORMATION_CONTENT, "base": wrong.BASE, "edge cases": wrong.EPSILON},
    ),
    of_one(
        "entropy", information.entropy, {"values": wrong.ENTROPY, "base": wrong.BASE, "edge cases": wrong.ENTROPY_EDGE}
    ),
    of_two(
        "cross_entropy_between",
        information.cross_entropy_between,
        {"values": wrong.CROSS_ENTROPY_BETWEEN, "base": wrong.BASE, "edge cases": wrong.CROSS_ENTROPY_BETWEEN_EDGE},
        edge=[([1.0, 0.0], [0.5, 0.5]), ([1.0, 0.0], [1.0, 0.0]), ([0.5, 0.5], [1.0, 0.0])],
    ),
    of_two(
        "kl_divergence",
        information.kl_divergence,
        {"values": wrong.KL, "base": wrong.BASE, "edge cases": wrong.KL_EDGE},
        edge=[([1.0, 0.0], [0.5, 0.5]), ([0.5, 0.5], [0.5, 0.5]), ([1.0, 0.0], [1.0, 0.0]), ([0.5, 0.5], [1.0, 0.0])],
    ),
    of_two(
        "jensen_shannon_divergence",
        information.jensen_shannon_divergence,
        {"values": wrong.JENSEN_SHANNON, "base": wrong.BASE, "edge cases": wrong.JENSEN_SHANNON_EDGE},
        edge=[([1.0, 0.0], [0.5, 0.5]), ([1.0, 0.0], [0.0, 1.0]), ([0.5, 0.5], [0.5, 0.5])],
    ),
    of_joint(
        "conditional_entropy",
        information.conditional_entropy,
        {"values": wrong.CONDITIONAL_ENTROPY, "base": wrong.BASE, "edge cases": wrong.CONDITIONAL_ENTROPY_EDGE},
    ),
    of_joint(
        "mutual_information",
        information.mutual_information,
        {"values": wrong.MUTUAL_INFORMATION, "base": wrong.BASE, "edge cases": wrong.MUTUAL_INFORMATION_EDGE},
    ),
    of_scores(
        "softmax",
        lambda input, dim=-1, temperature=1.0: scores.softmax(input, dim, temperature=temperature),
        {"values": wrong.SOFTMAX, "temperature": wrong.TEMPERATURE, "extreme scores": wrong.SOFTMAX_EXTREME},
    ),
    of_scores(
        "log_softmax",
        lambda input, dim=-1, temperature=1.0: scores.log_softmax(input, dim, temperature=temperature),
        {"values": wrong.LOG_SOFTMAX, "temperature": wrong.TEMPERATURE, "extreme scores": wrong.LOG_SOFTMAX_EXTREME},
    ),
    of_log_probabilities(
        of_classes(
            "nll_loss",
            classification.nll_loss,
            {"values": wrong.NLL, "reduction": wrong.REDUCTION, "weight": wrong.WEIGHT, "ignore_index": wrong.IGNORE},
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
            "reduction": wrong.REDUCTION,
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
            "linear_bias": [with_options(LINEAR, linear_bias=t([0.5, -1.0, 2.0]))],
            "reduction": reductions(LINEAR, LINEARS[2]),
            "weight": [with_options(LINEAR, weight=WEIGHT), with_options(LINEAR, weight=WEIGHT, reduction="sum")],
            "ignore_index": [
                with_options(Case((*LINEAR.args[:2], classes(1, -1, 0))), ignore_index=-1),
                with_options(Case((*LINEAR.args[:2], classes(-1, -1, -1))), ignore_index=-1),
            ],
            "label_smoothing": [with_options(LINEAR, label_smoothing=0.1)],
            "class probabilities": [Case((*LINEAR.args[:2], *SOFT[0].args[1:]))],
            "other shapes": [Case((t([1.0, 0.5]), LAYER, torch.tensor(2)))],
            "edge cases": [NO_ROWS],
            "extreme scores": [of_layer(case) for case in EXTREME],
        },
        {
            "values": wrong.LINEAR_CROSS_ENTROPY,
            "linear_bias": wrong.LINEAR_BIAS,
            "reduction": wrong.REDUCTION,
            "weight": wrong.of_layer(wrong.WEIGHT),
            "ignore_index": wrong.of_layer(wrong.IGNORE),
            "label_smoothing": wrong.of_layer(wrong.SMOOTHING),
            "extreme scores": wrong.of_layer(wrong.CROSS_ENTROPY_EXTREME),
        },
        reduced=True,
        differentiable=(0, 1),
        scores=lambda case: case.args[0] @ case.args[1].mT,
    ),
    of_answers(
        "binary_cross_entropy_with_logits",
        classification.binary_cross_entropy_with_logits,
        {
            "values": wrong.BINARY,
            "reduction": wrong.REDUCTION,
            "pos_weight": wrong.POS_WEIGHT,
            "extreme scores": wrong.BINARY_EXTREME,
        },
        weight=[with_options(FOUR, weight=t([1.0, 2.0, 0.0, 3.0]))],
        pos_weight=[with_options(FOUR, pos_weight=t(3.0))],
        **{"soft targets": [Case((FOUR.args[0], t([0.2, 0.9, 0.5, 0.0])))]},
    ),
    Spec(
        "mse_loss",
        regression.mse_loss,
        ("input", "target"),
        {
            "values": [PAIR, *ERRORS],
            "reduction": reductions(PAIR, ERRORS[1]),
            "mismatched shapes": [Case((t([[1.0], [2.0], [4.0]]), t([1.0, 2.0, 3.0])))],
            "edge cases": [Case((t([2.0]), t([2.0]))), Case((NOTHING, NOTHING))],
            "extreme scores": [Case((t([1e8]), t([0.0]))), Case((t([1e6, 1e6 + 0.01]), t([1e6, 1e6])))],
        },
        {
            "values": wrong.MSE,
            "reduction": wrong.REDUCTION,
            "mismatched shapes": wrong.MISMATCH,
            "extreme scores": wrong.MSE_EXTREME,
        },
        reduced=True,
        logarithm=False,
    ),
    Spec(
        "hinge_loss",
        hinge.hinge_loss,
        ("input", "target"),
        {
            "values": SIGNS,
            "reduction": reductions(SIGNS[1], SIGNS[3]),
            "margin": [with_options(SIGNS[2], margin=0.5)],
            "edge cases": [Case((t([3.0]), t([1.0]))), Case((NOTHING, NOTHING))],
            "extreme scores": [Case((t([1e4, -1e4]), t([-1.0, -1.0])))],
        },
        {"values": wrong.HINGE, "reduction": wrong.REDUCTION, "margin": wrong.MARGIN},
        reduced=True,
        logarithm=False,
    ),
    dataclasses.replace(
        of_classes(
            "multiclass_hinge_loss",
            hinge.multiclass_hinge_loss,
            {"values": wrong.MULTICLASS_HINGE, "reduction": wrong.REDUCTION, "margin": wrong.MARGIN},
            extreme=[Case((t([[1e4, -1e4], [0.0, 1e4]]), classes(1, 1)))],
            margin=[with_options(SQUARE, margin=0.5)],
        ),
        logarithm=False,
    ),
    of_answers(
        "sigmoid_focal_loss",
        focal.sigmoid_focal_loss,
        {
            "values": wrong.SIGMOID_FOCAL,
            "reduction": wrong.REDUCTION,
            "gamma": wrong.GAMMA,
            "alpha": wrong.ALPHA,
            "extreme scores": wrong.SIGMOID_FOCAL_EXTREME,
        },
        gamma=[with_options(FOUR, gamma=g) for g in (0.0, 1.0, 5.0)],
        alpha=[with_options(FOUR, alpha=0.25), with_options(YES_NO, alpha=0.9)],
    ),
    of_classes(
        "softmax_focal_loss",
        focal.softmax_focal_loss,
        {
            "values": wrong.SOFTMAX_FOCAL,
            "reduction": wrong.REDUCTION,
            "gamma": wrong.GAMMA,
            "weight": wrong.FOCAL_WEIGHT,
            "ignore_index": wrong.IGNORE,
            "extreme scores": wrong.SOFTMAX_FOCAL_EXTREME,
        },
        extreme=EXTREME,
        gamma=[with_options(SQUARE, gamma=g) for g in (0.0, 1.0, 5.0)],
        weight=weighted(SQUARE),
        ignore_index=ignoring(SQUARE),
    ),
]
