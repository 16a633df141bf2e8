"""The judge: a line for each check of one function, whether it runs here or in a process of its own."""

import dataclasses

import torch

from lossnotes.check._judge import gradients, habits
from lossnotes.check._judge.values import not_taken, values


@dataclasses.dataclass(frozen=True)
class Rules:
    """What a sheet asks: options that must be taken, checks that count though they are else only told, checks that do not,
    a seed for inputs of its own, and whether there is a sheet: without one, every option that a function takes counts."""

    required: frozenset = frozenset()
    asked: frozenset = frozenset()
    ignored: frozenset = frozenset()
    seed: int | None = None
    sheet: bool = False

    def leaves_out(self, spec, name):
        """Whether a check is about an option that nobody asked for: it is told, and costs nothing."""
        return self.sheet and name in spec.options and name not in self.required | self.asked


def lines(student, rules=Rules()):
    """A `Line` for each check."""
    spec, found = student.spec, []
    student.notes, student.said = [], ""
    for name, cases in spec.cases.items():
        if name in spec.options and not student.takes(name):
            found.append(not_taken(name, rules))
            continue
        usable = [case for case in cases if all(student.takes(o) for o in case.options)]
        # Nor is an option that nobody asked for tried together with another, unless there is nothing else to try.
        usable = [c for c in usable if not any(o != name and rules.leaves_out(spec, o) for o in c.options)] or usable
        line, over = values(student, name, usable, rules)
        if found and found[0].passed is False and line.passed is False and not line.mistakes:
            line = dataclasses.replace(line, found="also wrong: fix the values first", hint="")
        found.append(line)
        if over:
            return [_as_asked(line, rules) for line in found]
    found += student.notes
    right = found[0].passed
    if spec.differentiable:
        found.append(gradients.gradient(student, rules, {line.check for line in found if line.passed}))
        if right:
            found += [gradients.extreme(student), gradients.at_zero(student)]
    first = habits.ordinary(student)
    if any(isinstance(x, torch.Tensor) for x in spec.cases["values"][-1].args):
        found += [habits.dtype(student, first), habits.device(student), habits.unchanged(student, first)]
    found.append(habits.deterministic(student, first))
    return [_as_asked(line, rules) for line in found if line is not None]


def _as_asked(line, rules):
    if line.check in rules.ignored:
        return dataclasses.replace(line, role="told")
    if line.check in rules.asked and line.role == "told":
        return dataclasses.replace(line, role="extra")
    return line
