"""What a call and a specification are, and the words that the families of cases are written in."""

import dataclasses
from collections.abc import Callable
from typing import Any, NamedTuple

import torch

from lossnotes.check._mistakes.base import Mistake


class Case(NamedTuple):
    """One call: tensors, in order, and keyword options."""

    args: tuple
    options: dict[str, Any] = {}


@dataclasses.dataclass(frozen=True)
class Spec:
    """What is known of one function.

    `cases` maps the name of a check to its calls, smallest first. A check with the name of an option is made if the
    function takes that option. `mistakes` maps a check to the mistakes that it can recognise; those of ``"values"`` are
    also tried together with a wrong reduction, sign or base of logarithm. `scores` gives the table with a row for each
    example. `kinds` says of each input what it is, so that other inputs like it can be drawn (see `_redraw`). `simplex` are
    the dimensions along which the inputs are distributions: a gradient there is defined up to a constant.
    """

    name: str
    reference: Callable
    inputs: tuple[str, ...]
    cases: dict[str, list[Case]]
    mistakes: dict[str, list[Mistake]]
    reduced: bool = False
    logarithm: bool = True
    differentiable: tuple[int, ...] = (0,)
    scores: Callable = lambda case: case.args[0]
    kinds: tuple[str, ...] = ()
    simplex: tuple[int, ...] = ()

    @property
    def options(self):
        return {option for cases in self.cases.values() for case in cases for option in case.options}


# Checks in which an exception means "does not take that", which is no mistake.
OPTIONAL = {"other shapes", "class probabilities", "soft targets"}
# What no exercise asks for unless its sheet says so: it is told, and costs nothing.
TOLD = OPTIONAL | {"mismatched shapes", "masked scores", "empty batch", "one class", "gradient at 0", "dtype kept", "device kept"}


def t(data, dtype=torch.float64):
    return torch.tensor(data, dtype=dtype)


def classes(*index):
    return torch.tensor(index[0] if index and isinstance(index[0], list) and len(index) == 1 else index, dtype=torch.int64)


def drawn(*shape, seed=0, scale=2.0):
    """Numbers that no one can have thought of, the same for everybody."""
    return scale * torch.randn(*shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def distributions(*shape, seed=0):
    return torch.softmax(drawn(*shape, seed=seed, scale=1.0), -1)


def with_options(case, **options):
    return Case(case.args, options)


def each_way(case, **options):
    """With the mean, which is not asked for, and with one number for each example."""
    return [with_options(case, **options), with_options(case, **options, reduction="none")]


def reductions(*cases):
    return [with_options(case, reduction=how) for case in cases for how in ("sum", "none", "mean")]


NOTHING = torch.empty(0, dtype=torch.float64)
