"""The homework checker: whether a function of your own is right and, if not, what is wrong with it.

`check` is one function, also `lossnotes.check`; ``python -m lossnotes.check`` grades what was handed in. The rooms: `_cases`, what
is tried; `_mistakes`, what the usual mistakes give; `_judge`, which tells them apart; `_child`, what runs where student code runs;
`_grade`, one submission; `_class`, all of them.
"""

import difflib
from collections.abc import Callable
from pathlib import Path
from typing import Any

from lossnotes.check._report import REFUSED, Line, Report

__all__ = ["Line", "Report", "check", "checks", "names"]


def check(fn: Callable[..., Any], like: str = "cross_entropy", sheet: str | Path | None = None) -> Report:
    """Check your own implementation of a function of this package, or of an exercise of the homework.

    It is called with small inputs, options, edge cases and extreme scores. Its values and gradients are compared with what
    they should be, and wrong results with those of the usual mistakes, so that the report can say which mistake it looks
    like. It gives hints, no solutions. What becomes of dtype, device, an empty batch and unusual shapes is told, and costs
    nothing.

    The function is called by position for its tensors and by name for its options. An option that it does not take is not
    checked, and the report says so. Whatever it prints is swallowed, an exception is part of the report, and a call that
    does not end is stopped after some seconds.

    It runs here, in this process, for learning. ``python -m lossnotes.check`` runs the same checks on what was handed in, in
    processes of their own, for grading. What grading refuses, a library function that does the exercise, is told here in the
    same words; with a `sheet` it fails here, too.

    Parameters
    ----------
    fn : callable
        A function, a lambda or a `torch.nn.Module`: anything that is called like the function `like`.
    like : str
        The name of a function: `cross_entropy`, `kl_divergence` and every other of `lossnotes` that has a formula, except
        `distributed_mean`. Or that of an exercise, which its sheet describes: ``bits_per_letter(text, known)`` of
        :doc:`/book/homework/information`; ``best_temperature(input, target, temperatures)`` of :doc:`/book/homework/losses`;
        ``cross_entropy_gradient(input, target)``, ``mean_of_parts(means, counts)`` and
        ``train_classifier(loss, x, y, classes, steps=100, lr=0.1)`` of :doc:`/book/homework/practice`. `names` lists them all.
    sheet : str, optional
        The sheet that the function is homework of: ``"information"``, ``"losses"``, ``"practice"`` or the path of a TOML file.
        Then what that sheet asks for and forbids counts as it does in grading, and an option that it does not ask for is only told.

    Returns
    -------
    Report
        Prints as one line per check, shows as a table in a notebook; ``report.passed``, ``report.score``,
        ``report.mistakes``, ``report.to_dict()``.

    Raises
    ------
    TypeError
        `fn` cannot be called.
    ValueError
        `like` is not the name of a function that can be checked, or there is no such `sheet`, or it is no exercise of the sheet.

    Examples
    --------
    >>> import torch, lossnotes as ln
    >>> def cross_entropy(input, target):
    ...     log_p = torch.log(torch.softmax(input, dim=0))
    ...     return -log_p.gather(1, target[:, None]).mean()
    >>> report = ln.check(cross_entropy)
    >>> report.passed
    False
    >>> report.mistakes
    ('softmax over the wrong dim',)
    >>> ln.check(torch.nn.functional.cross_entropy).passed
    True
    """
    from lossnotes.check import _judge  # here, so that importing the package does no work
    from lossnotes.check._child.callables import is_stub
    from lossnotes.check._judge.home import AtHome
    from lossnotes.check._judge.local import Local
    from lossnotes.check._judge.outcome import Student

    spec = _spec(like)
    asked = _sheet(sheet, like)
    if isinstance(fn, Student):  # in a process of its own
        return Report(like, _judge.lines(fn))
    if not callable(fn):
        article = "an" if type(fn).__name__[0] in "aeiou" else "a"
        raise TypeError(
            f"check: fn is {article} {type(fn).__name__}; expected a function. Try check({like}, like={like!r}), without a call."
        )
    if is_stub(fn):
        return Report(like, [Line("written", False, "not written yet")])
    rules, rule = _judge.Rules(), AtHome(like)
    if asked is not None:
        exercise = asked.exercises[like]
        rules = exercise.rules()
        rule = AtHome(like, [*asked.exercises, *asked.forbidden], asked.allowed, strict=True)
    lines = _judge.lines(Local(fn, spec, rule), rules)
    if rule.said and asked is None:
        lines.append(Line(REFUSED, False, rule.said[0], "Where this is homework, it gets no points.", role="told"))
    return Report(like, lines)


def _spec(like):
    from lossnotes.check._cases import specs

    if not isinstance(like, str) or like not in specs():
        near = difflib.get_close_matches(str(like), specs(), 1)
        fix = f"like={near[0]!r}" if near else "a name of this list"
        raise ValueError(f"check: like is {like!r}; expected one of {', '.join(names())}. Try {fix}.")
    return specs()[like]


def _sheet(sheet, like):
    """The sheet, or None where there is none. Reading it is not needed without one."""
    from lossnotes.check._grade.sheet import load

    if sheet is None:
        return None
    found = load(sheet, 'sheet="{}".')
    if like not in found.exercises:
        near = difflib.get_close_matches(like, found.exercises, 1) or list(found.exercises)[:1]
        raise ValueError(
            f"check: {like!r} is no exercise of {sheet}; expected one of {', '.join(found.exercises)}. Try like={near[0]!r}."
        )
    return found


def names() -> list[str]:
    """The names of the functions that can be checked, in order.

    Returns
    -------
    list of str

    Examples
    --------
    >>> from lossnotes.check import names
    >>> names()[:3]
    ['best_temperature', 'binary_cross_entropy_with_logits', 'bits_per_letter']
    """
    from lossnotes.check._cases import specs

    return sorted(specs())


def checks(like: str) -> dict[str, list[str]]:
    """What a sheet may ask of a function: its options and its checks, by the names that a report gives them.

    Parameters
    ----------
    like : str
        One of `names`.

    Returns
    -------
    dict
        ``"options"``, ``"counted"``, the checks that count unless a sheet ignores them, and ``"told"``, those that are only told
        unless a sheet counts them.

    Raises
    ------
    ValueError
        `like` is not the name of a function that can be checked.

    Examples
    --------
    >>> from lossnotes.check import checks
    >>> checks("mse_loss")["told"]
    ['device kept', 'dtype kept', 'empty batch', 'mismatched shapes']
    """
    from lossnotes.check._cases.base import TOLD

    spec = _spec(like)
    made = set(spec.cases) | {"deterministic"}
    made |= {"gradient"} if spec.differentiable else set()
    made |= {"extreme gradients"} if spec.differentiable and "extreme scores" in spec.cases else set()
    made |= {"gradient at 0"} if spec.simplex else set()
    if like != "bits_per_letter":  # whose inputs are texts
        made |= {"dtype kept", "device kept", "inputs unchanged"}
    counted = sorted(made - TOLD - spec.options)
    return {"options": sorted(spec.options), "counted": counted, "told": sorted(made & TOLD)}


check.checks = checks  # type: ignore[attr-defined]
check.names = names  # type: ignore[attr-defined]  # `lossnotes.check` is the function, and its names are at hand there
