"""The checks of values: what is right, what is only told, and the first call that shows a fault."""

import dataclasses
import re

import torch

from lossnotes.check._cases.base import OPTIONAL, TOLD
from lossnotes.check._cases.redraw import redrawn
from lossnotes.check._judge.diagnosis import advice, diagnosis
from lossnotes.check._judge.numbers import as_tensor, right
from lossnotes.check._judge.outcome import cast
from lossnotes.check._judge.words import came, raised, shown
from lossnotes.check._report import Line

BEYOND = "beyond the exercise:"
FRESH = "right for the inputs of the report and wrong for others"


def ask(student, case, grad=()):
    """The call; once more with float32 where float64 is refused, since no exercise names a dtype."""
    got = student(case.args, case.options, grad)
    if got or not got.ended or not _about_dtype(got):
        return got
    again = student(cast(case.args, torch.float32), cast(case.options, torch.float32), grad)
    return got if _about_dtype(again) else dataclasses.replace(again, single=True)


def _about_dtype(got):
    return re.search(r"dtype|Double|Float\b|float64", got.error) is not None


def values(student, name, cases, rules):
    """The line of one check, and whether there is no sense in going on."""
    spec = student.spec
    role = "told" if name in TOLD - rules.asked or rules.leaves_out(spec, name) else "value"
    results, failed, put_off = [], None, None
    for case in cases:
        got = ask(student, case)
        expected = None if name == "mismatched shapes" else spec.reference(*case.args, **case.options)
        refused = re.search(r"unexpected keyword argument '(\w+)'", got.error)
        if refused and name in spec.options and refused[1] in case.options and refused[1] not in student.names:
            if refused[1] == name:
                return not_taken(name, rules), False  # a decorator takes everything and hands it on
            cases = [other for other in cases if other is not case]
            continue
        if not got and got.ended and role == "value" and _is_row(case) and cases[-1].args[0].ndim > 1:
            put_off = put_off or (case, got, expected)  # an exercise on tables need not take a single row
            continue
        results.append((case, got))
        if failed is None and not _agrees(spec, name, case, got, expected):
            if not got and name in OPTIONAL - rules.asked:
                return Line(name, None, f"not checked: your function does not take them ({got.kind})", role="told"), False
            failed = case, got, expected
        if not got.ended:
            break
    if failed is None and put_off is None:
        return _anew(student, name, cases, rules, role)
    if failed is None:
        case, got, expected = put_off
        said = _said(spec, case, got, expected, rules, "told")
        student.notes[:] = student.notes or [
            Line("a single row", False, said, "It does for tables. Along which dimension do you sum?", role="told")
        ]
        return _anew(student, name, [c for c in cases if not _is_row(c)], rules, role)
    case, got, expected = put_off or failed
    mistakes, hints = diagnosis(spec, name, results)
    said = _said(spec, case, got, expected, rules, role)
    if name == "mismatched shapes" and not got:
        said = f"{shown(spec, case, got.single)} raised {got.error}; expected a ValueError that names both shapes, {tuple(case.args[0].shape)} and {tuple(case.args[1].shape)}"
    if not hints and not said.startswith(BEYOND):
        hints = advice(got, expected)
    line = Line(name, False, said, " ".join(dict.fromkeys(hints)), tuple(dict.fromkeys(mistakes)), role)
    if name == "values" and not got:
        student.said = got.error
    nothing = name == "values" and (not got or as_tensor(got.value) is None)
    return line, nothing or not got.ended


def _said(spec, case, got, expected, rules, role):
    """What came and what should have; where the exercise ends, only that it is another thing than ours."""
    if role != "told" or not rules.sheet:
        return f"{shown(spec, case, got.single)} {came(got, expected)}"
    ours = "raises an error in this book" if expected is None else "gives something else in this book"
    return f"{BEYOND} {shown(spec, case, got.single, most=8)} {ours if got else raised(got)}"


def not_taken(name, rules):
    if name in rules.required:
        return Line(name, False, f"your function takes no {name}, and the sheet asks for it")
    return Line(name, None, f"not checked: your function takes no {name}")


def _is_row(case):
    return isinstance(case.args[0], torch.Tensor) and case.args[0].ndim == 1


def _agrees(spec, name, case, got, expected):
    if name == "mismatched shapes":
        return not got and got.kind == "ValueError" and _names_shapes(got.error, case.args)
    return right(spec, case, got, expected)


def _names_shapes(text, args):
    """Whether both shapes stand there, in any spelling: (3, 1), [3, 1], 3 x 1, 3 by 1 or 3, 1, and (3,) or a plain 3."""
    text = re.sub(r" in line \d+(, .*)?$", "", text)  # where it was raised, which the student has not written
    rows = re.findall(r"\d+(?:\s*(?:[x×*]|by)\s*\d+)+", text)
    for row in rows:  # or the 3 of 3 x 1 would be a shape of its own
        text = text.replace(row, ";", 1)
    rows += re.findall(r"\d+(?:\s*,\s*\d+)*", text)
    named = {tuple(map(int, re.findall(r"\d+", row))) for row in rows}
    return all(tuple(x.shape) in named for x in args)


def _anew(student, name, cases, rules, role):
    """What is right for the inputs of the report has to be right for others."""
    if rules.seed is not None:
        for case in redrawn(student.spec, name, cases, rules.seed):
            got, expected = ask(student, case), student.spec.reference(*case.args, **case.options)
            if not right(student.spec, case, got, expected):
                said = f"{FRESH}: {_said(student.spec, case, got, expected, rules, role)}"
                return Line(name, False, said, "Is it a formula, or a list of answers?", role=role), not got.ended
    return Line(name, True, role=role), False


def values_drawn(student, rules):
    """A case of the values with other inputs, for the gradient."""
    cases = student.spec.cases["values"]
    return redrawn(student.spec, "values", cases[-1:], rules.seed) if rules.seed is not None else []
