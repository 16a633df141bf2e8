"""The review's collection: 36 right functions, each with full marks in float64 and in float32, and 80 wrong ones, none accepted.

They are those that the review describes, in its order, and where it gives a kind and a number, further ones of the kind.
"""

import contextlib
import functools

import pytest
import torch
from collected import RIGHT
from collected_wrong import LUCKY, WRONG

from lossnotes.check import _judge, check
from lossnotes.check._cases import specs
from lossnotes.check._cases.base import TOLD
from lossnotes.check._cases.redraw import redrawn
from lossnotes.check._child import guard
from lossnotes.check._child.plain import FREE, OnlyPlain
from lossnotes.check._judge.local import Local
from lossnotes.check._judge.numbers import right
from lossnotes.check._judge.values import ask
from lossnotes.check._report import REFUSED, Report


def single(fn, refuse=False):
    """The function as it is in float32: it converts what it is given, or refuses float64."""

    @functools.wraps(fn)
    def wrapped(*args, **options):
        wide = [x for x in args if isinstance(x, torch.Tensor) and x.dtype == torch.float64]
        if wide and refuse:
            raise RuntimeError("expected m1 and m2 to have the same dtype, but got: double != float")
        return fn(*[x.float() if isinstance(x, torch.Tensor) and x.is_floating_point() else x for x in args], **options)

    return wrapped


def test_the_collection_is_whole():
    assert len(RIGHT) >= 36 and len(WRONG) >= 80
    assert {like for like, *_ in RIGHT} | {like for like, _ in WRONG} == set(specs())


@pytest.mark.parametrize("number", range(len(RIGHT)), ids=[f"{i} {like}" for i, (like, *_) in enumerate(RIGHT, 1)])
def test_a_right_function_has_full_marks_in_float64_and_float32(number):
    like, fn, _ = RIGHT[number]
    forms = [fn]
    if not isinstance(fn, torch.nn.Module):
        forms += [single(fn), single(fn, refuse=True)]
    for form in forms:
        report = check(form, like=like)
        assert report.passed and report.score == 1, report


@pytest.mark.parametrize("number", range(len(RIGHT)), ids=[f"{i} {like}" for i, (like, *_) in enumerate(RIGHT, 1)])
def test_a_right_function_is_plain_unless_it_is_bought(number):
    """As it is graded: what the sheets let students write with is enough for all of them."""
    like, fn, bought = RIGHT[number]

    def ruled(*args, **options):
        with contextlib.nullcontext() if like in FREE else OnlyPlain(like):
            return fn(*args, **options)

    if not isinstance(fn, torch.nn.Module):
        functools.update_wrapper(ruled, fn)
    fence = guard.Fence({like}, lifted=True) if bought else contextlib.nullcontext()
    try:
        report = check(ruled, like=like)
    finally:
        fence.lift() if bought else None
    assert report.passed is not bought and (not bought or "a graded submission" in report.lines[0].found), report


@pytest.mark.parametrize("number", range(len(WRONG)), ids=[f"{i} {like}" for i, (like, _) in enumerate(WRONG, 1)])
def test_a_wrong_function_is_not_accepted(number):
    like, fn = WRONG[number]
    report = check(fn, like=like)
    assert not report.passed and report.score < 1, report
    assert any(line.found for line in report.lines if line.passed is False)


def by_seed(fn, like, seed):
    """The report that grading gives, without a process of its own."""
    return Report(like, _judge.lines(Local(fn, specs()[like]), _judge.Rules(seed=seed)))


@pytest.mark.parametrize("number", range(len(LUCKY)), ids=[f"{i} {like}" for i, (like, _) in enumerate(LUCKY, 1)])
def test_a_verdict_does_not_hang_on_the_seed(number):
    """Wrong at home, and by every seed just as wrong: also what is drawn shows the fault, as it keeps to the hard places."""
    like, fn = LUCKY[number]
    spec, home = specs()[like], [(line.check, line.passed) for line in check(fn, like=like).lines if line.check != REFUSED]
    (shown,) = {name for name, passed in home if passed is False and name in spec.cases and name not in TOLD}
    for seed in range(1, 21):
        assert [(line.check, line.passed) for line in by_seed(fn, like, seed).lines] == home
        student = Local(fn, spec)
        drawn = redrawn(spec, shown, spec.cases[shown], seed)
        assert not all(right(spec, case, ask(student, case), spec.reference(*case.args, **case.options)) for case in drawn), seed


@pytest.mark.parametrize("like", sorted({like for like, *_ in RIGHT}))
def test_what_is_right_is_right_with_every_seed(like):
    fns = [fn for name, fn, bought in RIGHT if name == like and not bought]
    for seed in range(1, 21):
        fn = fns[seed % len(fns)]
        report = by_seed(fn, like, seed)
        assert report.passed and report.score == 1, (seed, report)
