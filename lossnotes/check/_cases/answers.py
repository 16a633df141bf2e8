"""What is tried on losses of a yes or no, of numbers and of signs, from the smallest input up."""

import torch

from lossnotes import binary, focal, hinge, regression
from lossnotes.check._cases.base import NOTHING, Case, Spec, drawn, each_way, reductions, t, with_options
from lossnotes.check._mistakes import answers as wrong
from lossnotes.check._mistakes import base
from lossnotes.check._mistakes import focal as wrong_focal

YES = Case((t([1.5]), t([1.0])))
YES_NO = Case((t([0.5, -1.0]), t([1.0, 0.0])))
FOUR = Case((t([2.0, -0.5, 0.25, -3.0]), t([0.0, 1.0, 1.0, 0.0])))
TABLE = Case((drawn(3, 4, seed=2), (drawn(3, 4, seed=3) > 0).double()))
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
        "empty batch": [Case((NOTHING, NOTHING))],
        "extreme scores": EXTREME_YES,
    }
    return Spec(name, reference, ("input", "target"), cases, mistakes, reduced=True, kinds=("scores", "answers"))


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
    of_answers(
        "binary_cross_entropy_with_logits",
        binary.binary_cross_entropy_with_logits,
        {
            "values": wrong.BINARY,
            "reduction": base.REDUCTION,
            "pos_weight": wrong.POS_WEIGHT,
            "extreme scores": wrong.BINARY_EXTREME,
        },
        weight=each_way(FOUR, weight=t([1.0, 2.0, 0.0, 3.0])),
        pos_weight=[*each_way(FOUR, pos_weight=t(3.0)), with_options(FOUR, pos_weight=t(0.0))],
        **{"soft targets": [Case((FOUR.args[0], t([0.2, 0.9, 0.5, 0.0])))]},
    ),
    Spec(
        "mse_loss",
        regression.mse_loss,
        ("input", "target"),
        {
            "values": [PAIR, *ERRORS],
            "reduction": reductions(PAIR, ERRORS[1]),
            "mismatched shapes": [
                Case((t([[1.0], [2.0], [4.0]]), t([1.0, 2.0, 3.0]))),
                Case((t([[1.0], [2.0]]), t([[1.0, 2.0, 3.0], [0.0, 1.0, 2.0]]))),
            ],
            "edge cases": [Case((t([2.0]), t([2.0])))],
            "empty batch": [Case((NOTHING, NOTHING))],
            "extreme scores": [Case((t([1e8]), t([0.0]))), Case((t([1e6, 1e6 + 0.01]), t([1e6, 1e6])))],
        },
        {
            "values": wrong.MSE,
            "reduction": base.REDUCTION,
            "mismatched shapes": wrong.MISMATCH,
            "extreme scores": wrong.MSE_EXTREME,
        },
        reduced=True,
        kinds=("numbers", "numbers"),
        logarithm=False,
    ),
    Spec(
        "hinge_loss",
        hinge.hinge_loss,
        ("input", "target"),
        {
            "values": SIGNS,
            "reduction": reductions(SIGNS[1], SIGNS[3]),
            "margin": [*each_way(SIGNS[2], margin=0.75), with_options(SIGNS[2], margin=0.0)],
            "edge cases": [Case((t([3.0]), t([1.0])))],
            "empty batch": [Case((NOTHING, NOTHING))],
            "extreme scores": [Case((t([1e4, -1e4]), t([y, y]))) for y in (-1.0, 1.0)],
        },
        {"values": wrong.HINGE, "reduction": base.REDUCTION, "margin": base.MARGIN},
        reduced=True,
        kinds=("numbers", "signs"),
        logarithm=False,
    ),
    of_answers(
        "sigmoid_focal_loss",
        focal.sigmoid_focal_loss,
        {
            "values": wrong_focal.SIGMOID_FOCAL,
            "reduction": base.REDUCTION,
            "gamma": base.GAMMA,
            "alpha": wrong_focal.ALPHA,
            "extreme scores": wrong_focal.SIGMOID_FOCAL_EXTREME,
        },
        gamma=[*each_way(FOUR, gamma=0.5), *(with_options(FOUR, gamma=g) for g in (0.0, 1.0, 2.5, 5.0))],
        alpha=[
            *each_way(FOUR, alpha=0.25),
            *(with_options(YES_NO, alpha=alpha) for alpha in (0.9, 0.0, 1.0)),
            *(with_options(YES_NO, alpha=0.25, gamma=gamma) for gamma in (0.5, 0.0)),
        ],
    ),
]
