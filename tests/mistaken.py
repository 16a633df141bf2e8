"""Mistaken functions, registered with what the report has to call their mistakes."""

import pytest

from lossnotes.check import check


def registry():
    """A list of test parameters, and the decorator that fills it."""
    students = []

    def mistaken(like, *names):
        return lambda fn: students.append(pytest.param(fn, like, names, id=f"{like}: {', '.join(names)}")) or fn

    return students, mistaken


def is_named(fn, like, names):
    report = check(fn, like=like)
    assert not report.passed and report.score < 1
    assert set(names) <= set(report.mistakes), report
    (line,) = (x for x in report.lines if names[0] in x.mistakes)
    assert line.hint or names == ("part of the graph cut off",)
    text = f"{report}{report.to_dict()}"  # and no code of ours
    assert not any(code in text for code in ("ValueError", "lossnotes/", "_mistakes", "logsumexp"))
