"""A fix helps: what stands behind "Try" is done, and then the call runs and gives what was meant."""

import decimal
import fractions
import inspect
import math
import re

import numpy as np
import pytest
import test_errors
import test_linear
import test_loss_errors
import torch
from test_loss_errors import LOG_P, ONE_HOT, RIGHT, YES, P, T, Z, bce, ce, focal, hinge, mse, multi, nll, sfocal

import lossnotes as ln

linear = ln.linear_cross_entropy
LOGITS = T([2.0, 0.0, 0.0])
LOSS_OF_0 = -LOGITS.log_softmax(0)[0].item()
HOT_3 = T([1.0, 1.0, 1.0]).view(-1, 1, 1).expand(2, 3, 8, 8)
# What a fix may be written with, beside the arguments.
WORDS = {"torch": torch, **{name: getattr(ln, name) for name in ln.__all__}}
# A fix ends where its condition begins.
CONDITION = r",? (?:if|for(?! \w+ in )|or|to find|which has|with your) "
# Fixes that are no move, because no move helps: another model, other data. Each says what it would have to be.
IN_WORDS = [
    r"input with \d+ classes",
    r"(target|linear_weight) of shape \(.*\)",
    r"a list whose rows have equal length",
    r"\w+ over the same cases, with 0 where it has none",
    r"\w+ with at least one case",
    r"joint\[:, None\] \* conditional",
]


def refused(call):
    """The function that refused, the arguments that were passed, and its message."""
    with pytest.raises((TypeError, ValueError)) as caught:
        call()
    frames = [entry.frame.f_locals for entry in caught.traceback if entry.frame.code.name == "call"]
    passed = next(names for names in frames if "function" in names)
    arguments = inspect.signature(passed["function"]).bind(*passed["args"], **passed["kwargs"]).arguments
    return getattr(ln, passed["function"].__name__), arguments, str(caught.value)


def follow(function, arguments, message):
    """Do what stands behind "Try"."""
    fix = re.split(CONDITION, re.search(r"Try (.+)\.$", message, re.DOTALL)[1])[0]
    if made := re.search(r" with (\w+) = (.+?),?$", fix):  # of a list
        fix, arguments = fix[: made.start()], arguments | {made[1]: eval(made[2], WORDS | arguments)}
    words = WORDS | arguments
    if assigned := re.fullmatch(r"(\w+)=([^=].*)", fix):
        return function(**arguments | {assigned[1]: eval(assigned[2], words)})
    if re.match(r"\(?(weight \* )?\w*(_loss|cross_entropy\w*)\(", fix):
        return eval(fix, words)  # another call, which says all
    moves = fix.split(" and ")
    return function(**arguments | {moved(move, arguments): eval(move, words) for move in moves})


def moved(move, arguments):
    """The argument that an expression takes the place of: the first that it names."""
    return re.search("|".join(rf"\b{name}\b" for name in arguments), move)[0]


def run(call, rounds=3):
    """Call, and follow what is said, if need be once more."""
    for _ in range(rounds):
        function, arguments, message = refused(call)
        fix = re.search(r"Try (.+)\.$", message, re.DOTALL)[1]
        if any(re.fullmatch(words, re.split(CONDITION, fix)[0]) for words in IN_WORDS):
            return None
        if not numbers(arguments) or any(torch.is_tensor(x) and x.is_meta for x in arguments.values()):
            return None
        if "to find where" in fix:
            return eval(re.split(CONDITION, re.sub(" with .*", "", fix))[0], WORDS | tensors(arguments))
        call = lambda f=function, a=arguments, m=message: follow(f, a, m)  # noqa: E731
        try:
            return call()
        except (TypeError, ValueError) as error:
            if str(error) == message or "Try" not in str(error):
                raise
    raise AssertionError(f"still refused after {rounds} fixes: {message}")


def tensors(arguments):
    return {name: torch.tensor(x) if isinstance(x, list | float) else x for name, x in arguments.items()}


def numbers(arguments):
    """Whether all arguments that should hold numbers do."""
    held = [x for name, x in arguments.items() if name in NUMBERS and x is not OPTIONAL.get(name, ...)]
    try:
        return all(torch.as_tensor(x) is not None for x in held)
    except (TypeError, ValueError, RuntimeError):
        return all(isinstance(x, list | tuple) and all(map(torch.is_tensor, x)) for x in held if not torch.is_tensor(x))


NUMBERS = ("input", "target", "p", "q", "joint", "weight", "pos_weight", "linear_weight", "linear_bias")
OPTIONAL = {"weight": None, "pos_weight": None, "linear_bias": None}
CALLS = [  # of public functions
    *(call for call, *_ in test_loss_errors.BAD_CALLS),
    *(call for call, _, message in test_errors.BAD_CALLS if not re.match(r"\w: ", message)),
    *(call for call, *_ in test_linear.BAD_CALLS),
]


@pytest.mark.parametrize("call", CALLS, ids=range(len(CALLS)))
def test_after_the_fix_the_call_runs(call):
    run(call)


@pytest.mark.parametrize(
    "loss, inputs, answer",
    [
        (mse, {"input": T([1.0, 2.0]), "target": T([[1.0], [4.0]])}, 2.0),
        (mse, {"input": T([[1.0], [2.0]]), "target": T([1.0, 4.0])}, 2.0),
        (mse, {"input": T([[1.0, 2.0]]), "target": T([1.0, 4.0])}, 2.0),
        (mse, {"input": T([[1.0], [2.0]]), "target": T([[1.0, 4.0]])}, 2.0),
        (mse, {"input": T([[1.0, 2.0]] * 2), "target": T([1.0, 4.0, 1.0, 4.0])}, 2.0),
        (mse, {"input": T([[1.0, 2.0]] * 3), "target": T([1.0, 4.0])}, 2.0),
        (mse, {"input": T(1.0), "target": T([1.0, 3.0])}, 2.0),
        (mse, {"input": T([1.0, 2.0]), "target": T([1.0, 4.0, 9.0])}, 2.0),
        (mse, {"input": T([1.0, 2.0]), "target": T([1, 4])}, 2.0),
        (mse, {"input": T([1.0, 2.0]), "target": [1.0, 4.0]}, 2.0),
        (mse, {"input": T([1.0, 2.0]) + 0j, "target": T([1.0, 4.0])}, 2.0),
        (mse, {"input": T([1.0, 2.0]), "target": T([1.0, 4.0]), "reduction": "average"}, 2.0),
        (bce, {"input": T([9.0, -9.0]), "target": T([1.0, -1.0])}, math.log1p(math.exp(-9))),
        (bce, {"input": T([9.0, -9.0]), "target": T([1 + 1e-6, 0.0])}, math.log1p(math.exp(-9))),
        (bce, {"input": T([9.0, -9.0]), "target": T([True, False])}, math.log1p(math.exp(-9))),
        (bce, {"input": Z(1, 3), "target": Z(1, 3), "weight": Z(4)}, math.log(2)),
        (bce, {"input": Z(1, 3), "target": Z(1, 3), "pos_weight": Z(4)}, math.log(2)),
        (bce, {"input": Z(3), "target": torch.ones(3), "pos_weight": 3.0}, 3 * math.log(2)),
        (bce, {"input": Z(()), "target": T(1.0), "weight": Z(3)}, math.log(2)),
        (hinge, {"input": T([0.5, -0.5]), "target": T([1, 0])}, 0.5),
        (hinge, {"input": T([0.5, -0.5]), "target": T([1, -1]), "margin": -1}, 0.5),
        (hinge, {"input": T([0.5, -0.5]), "target": T([3.0, -0.1])}, 0.5),
        (sfocal, {"input": Z(2), "target": YES, "alpha": 3}, 0.1 * 0.25 * math.log(2)),
        (sfocal, {"input": Z(2), "target": YES, "gamma": -3}, 0.5 * math.log(2)),
        (nll, {"input": P, "target": RIGHT}, -(math.log(0.7) + math.log(0.8)) / 2),
        (nll, {"input": LOG_P, "target": RIGHT.float()}, -(math.log(0.7) + math.log(0.8)) / 2),
        (nll, {"input": LOG_P, "target": RIGHT + 2}, -(math.log(0.2) + math.log(0.1)) / 2),
        (nll, {"input": LOG_P, "target": T([0, -1])}, -math.log(0.7)),
        (nll, {"input": LOG_P, "target": RIGHT[:, None]}, -(math.log(0.7) + math.log(0.8)) / 2),
        (nll, {"input": LOG_P, "target": RIGHT[None]}, -(math.log(0.7) + math.log(0.8)) / 2),
        (nll, {"input": LOG_P, "target": RIGHT, "weight": torch.ones(2)}, -(math.log(0.7) + math.log(0.8)) / 2),
        (ce, {"input": LOG_P, "target": ONE_HOT}, -(math.log(0.7) + math.log(0.8)) / 2),
        (ce, {"input": LOG_P, "target": T([0, 7])}, None),
        (ce, {"input": LOG_P[0], "target": ONE_HOT[0]}, -math.log(0.7)),
        (ce, {"input": LOG_P, "target": ONE_HOT * 5.0}, -(math.log(0.7) + math.log(0.8)) / 2),
        (ce, {"input": LOG_P, "target": (ONE_HOT + 1e-20).log()}, -(math.log(0.7) + math.log(0.8)) / 2),
        (ce, {"input": LOG_P, "target": ONE_HOT.float(), "ignore_index": 2}, -(math.log(0.7) + math.log(0.8)) / 2),
        (ce, {"input": T(3.0), "target": T(0)}, 0.0),
        (focal, {"input": Z(2, 2), "target": torch.eye(2)}, 0.25 * math.log(2)),
        (multi, {"input": Z(2, 2), "target": torch.eye(2)}, 1.0),
        # What is asked most often.
        (ce, {"input": LOGITS.expand(2, 7, 3), "target": torch.zeros(2, 7, dtype=torch.int64)}, LOSS_OF_0),
        (ce, {"input": LOGITS.expand(2, 8, 9, 3), "target": torch.zeros(2, 8, 9, dtype=torch.int64)}, LOSS_OF_0),
        (nll, {"input": LOGITS.log_softmax(0).expand(2, 7, 3), "target": torch.zeros(2, 7, dtype=torch.int64)}, LOSS_OF_0),
        (nll, {"input": LOGITS.expand(4, 3), "target": torch.zeros(4, dtype=torch.int64)}, LOSS_OF_0),
        (bce, {"input": Z(2, 3, 8, 8), "target": HOT_3, "pos_weight": T([1.0, 4.0, 1.0])}, 2 * math.log(2)),
        (bce, {"input": Z(6, 3), "target": torch.ones(6, 3), "weight": torch.arange(6.0)}, 2.5 * math.log(2)),
        (bce, {"input": Z(3), "target": torch.ones(3), "pos_weight": T([2, 2, 2])[None]}, 2 * math.log(2)),
        (ce, {"input": Z(4, 1) + 2, "target": torch.ones(4, dtype=torch.int64)}, math.log1p(math.exp(-2))),
        (focal, {"input": Z(4, 1), "target": T([0, 1, 1, 0])}, math.log(2) / 4),
        (multi, {"input": Z(4, 1), "target": T([0, 1, 1, 0])}, 1.0),
        (sfocal, {"input": Z(2), "target": YES, "alpha": -1}, 0.25 * math.log(2)),
        (sfocal, {"input": Z(2), "target": YES, "alpha": [0.1, 0.9]}, 0.9 * 0.25 * math.log(2)),
        (sfocal, {"input": Z(2, 3), "target": T([0, 2]), "alpha": T([1.0, 2.0, 3.0])}, (4 / 9) * math.log(3)),
        (sfocal, {"input": Z(2), "target": YES, "alpha": T(0.25)}, 0.25 * 0.25 * math.log(2)),
        (sfocal, {"input": Z(2), "target": YES, "gamma": T(2.0)}, 0.25 * math.log(2)),
        (ce, {"input": LOG_P, "target": RIGHT, "label_smoothing": T(0.0)}, -(math.log(0.7) + math.log(0.8)) / 2),
        (ce, {"input": LOG_P, "target": RIGHT, "ignore_index": T(0)}, -math.log(0.8)),
        (ce, {"input": LOG_P, "target": RIGHT, "weight": T([2.0, 0.0])}, -math.log(0.7)),
        (mse, {"input": T([[1.0], [2.0]]), "target": T([[0.0], [0.0]]), "weight": T([1.0, 3.0])}, 13 / 4),
        (mse, {"input": T([[1.0, 1.0], [2.0, 2.0], [0.0, 0.0]]), "target": Z(3, 2), "weight": T([1.0, 3.0, 0.0])}, 13 / 4),
        # Shapes with more than one reading: the fix must not scramble the data, and must run.
        (mse, {"input": T([[1.0, 2.0, 3.0]] * 2), "target": T([[1.0, 2.0, 3.0]] * 2).T}, 0.0),
        (mse, {"input": T([1.0, 2.0, 3.0]), "target": T([1.0, 4.0])}, None),
        (mse, {"input": Z(4, 1), "target": Z(3)}, None),
        (mse, {"input": Z(4, 3), "target": Z(4)}, None),
        (mse, {"input": Z(4, 3), "target": Z(4, 2)}, None),
        (bce, {"input": Z(2, 3), "target": Z(2, 3), "weight": T([1.0, 3.0])}, 2 * math.log(2)),
        (nll, {"input": LOG_P, "target": RIGHT.float()[:, None]}, -(math.log(0.7) + math.log(0.8)) / 2),
        (ce, {"input": LOG_P, "target": RIGHT.float()[:, None]}, -(math.log(0.7) + math.log(0.8)) / 2),
        (nll, {"input": LOG_P, "target": T([1.0, 0.0, 1.0])}, None),
        (nll, {"input": LOG_P, "target": T([1, 0, 1])}, None),
        (ce, {"input": LOG_P, "target": Z(5)}, None),
        (ce, {"input": LOG_P, "target": ONE_HOT.T.float()}, -(math.log(0.7) + math.log(0.8)) / 2),
        (
            ce,
            {"input": LOG_P[:, :, None].expand(2, 3, 4), "target": ONE_HOT[:, None].expand(2, 4, 3).float()},
            -(math.log(0.7) + math.log(0.8)) / 2,
        ),
        (
            ce,
            {"input": LOG_P[:, :, None].expand(2, 3, 4), "target": ONE_HOT[:, None].expand(2, 4, 3)},
            -(math.log(0.7) + math.log(0.8)) / 2,
        ),
        (ce, {"input": LOG_P[0], "target": ONE_HOT[1].float(), "ignore_index": 0}, -math.log(0.2)),
        (nll, {"input": LOG_P, "target": ONE_HOT > 0}, -(math.log(0.7) + math.log(0.8)) / 2),
        (nll, {"input": LOG_P, "target": RIGHT + 0j}, -(math.log(0.7) + math.log(0.8)) / 2),
        (nll, {"input": LOG_P, "target": T([-100, 3])}, None),
        (hinge, {"input": T([0.5, -0.5]), "target": T([1, 0], dtype=torch.uint8)}, 0.5),
        (mse, {"input": T([1.0, 2.0]), "target": T([1.0, 4.0]) + 0j, "reduction": "mean"}, 2.0),
        (mse, {"input": T([1.0, 2.0]).to_sparse(), "target": T([1.0, 4.0]).to_sparse()}, 2.0),
        (ce, {"input": LOGITS.expand(3, 3), "target": T([1, 3, -100])}, LOSS_OF_0 + 1),
        (focal, {"input": Z(3, 3), "target": T([1, 3, 9]), "ignore_index": 9, "gamma": 0.0}, math.log(3)),
        (ce, {"input": LOGITS.expand(3, 3), "target": T([0, -1, -100])}, LOSS_OF_0),
        (ce, {"input": LOGITS.expand(3, 3), "target": T([0, -1, -2])}, LOSS_OF_0),
        (multi, {"input": T([2.0, 1.5]).view(1, 2, 1).expand(2, 2, 3), "target": T([[0, -1, 0], [0, 0, -1]])}, 0.5),
        (multi, {"input": T([2.0, 1.5]), "target": T(-1)}, None),
        (linear, {"input": Z(2, 3, 4), "linear_weight": Z(5, 4), "target": torch.full((2, 3, 5), 0.2)}, math.log(5)),
        (linear, {"input": Z(2, 3, 4), "linear_weight": Z(5, 4), "target": torch.ones(2, 3).long()}, math.log(5)),
        (sfocal, {"input": Z(2), "target": YES, "alpha": T([0.1, 0.9])}, 0.9 * 0.25 * math.log(2)),
        (sfocal, {"input": Z(2), "target": YES, "alpha": np.array([0.1, 0.9])}, 0.9 * 0.25 * math.log(2)),
        (sfocal, {"input": Z(2), "target": YES, "alpha": np.array([0.9])}, 0.9 * 0.25 * math.log(2)),
        (sfocal, {"input": Z(2), "target": YES, "alpha": [0.9]}, 0.9 * 0.25 * math.log(2)),
        (sfocal, {"input": Z(2, 3), "target": T([0, 2]), "alpha": np.ones((1, 3))}, (4 / 9) * math.log(3)),
        (sfocal, {"input": Z(2), "target": YES, "gamma": np.array(2.0)}, 0.25 * math.log(2)),
    ],
)
def test_the_fix_is_what_was_meant(loss, inputs, answer):
    value = run(lambda: loss(**inputs))
    if answer is None:
        assert value is None or value.ndim == 0
    else:
        assert value.item() == pytest.approx(answer, rel=1e-5, abs=1e-7)


HALF, DECIMAL = fractions.Fraction(1, 2), decimal.Decimal("0.5")


@pytest.mark.parametrize(
    "given",
    [
        [HALF, HALF],
        [DECIMAL, DECIMAL],
        ["0.5", "0.5"],
        {"heads": 0.5, "tails": 0.5},
        {"heads": HALF, "tails": HALF},
        {"heads": 0.5, "tails": 0.5}.values(),
        (p for p in (0.5, 0.5)),
        "coin",
        ["heads", "tails"],
        None,
        [None, 0.5],
    ],
    ids=lambda given: type(given).__name__,
)
def test_what_is_no_list_of_numbers_becomes_one(given):
    call = lambda: ln.entropy(given)  # noqa: E731
    for _ in range(3):
        function, arguments, message = refused(call)
        assert "rows" not in message
        call = lambda f=function, a=arguments, m=message: follow(f, a, m)  # noqa: E731
        try:
            assert call().item() == pytest.approx(math.log(2))
            return
        except TypeError:
            pass
    raise AssertionError(message)


def test_a_lone_fraction_and_a_table_of_them_become_numbers():
    assert follow(*refused(lambda: ln.information_content(HALF))).item() == pytest.approx(math.log(2))
    assert follow(*refused(lambda: ln.mutual_information([[HALF, 0], [0, HALF]]))).item() == pytest.approx(math.log(2))
    assert follow(*refused(lambda: ln.mutual_information(None))).item() == pytest.approx(math.log(2))


@pytest.mark.parametrize("given", [[[0.5], [0.25, 0.25]], [0.5, [0.5]], [[0.5], 0.5]], ids=str)
def test_rows_of_unequal_length_are_named(given):
    assert refused(lambda: ln.entropy(given))[2].endswith("Try a list whose rows have equal length.")


@pytest.mark.parametrize("p", [[0.0, math.inf], [2.0, math.inf], math.inf])
def test_where_inf_comes_in(p):
    call = (lambda: ln.entropy(p)) if isinstance(p, list) else (lambda: ln.information_content(p))
    assert "to find where inf comes in" in refused(call)[2]
    assert torch.equal(run(call), T(p).isinf().nonzero())
