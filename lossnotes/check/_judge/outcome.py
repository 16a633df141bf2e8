"""One call of a function that is judged: how it is asked, and what came of it. The judge sees nothing else of a student."""

import dataclasses
from collections.abc import Callable
from typing import Any

import torch


@dataclasses.dataclass
class Outcome:
    """What came of one call: a value, or `error`, in words, with the line of the code that was called."""

    value: Any = None
    error: str = ""
    kind: str = ""  # the name of the exception
    ended: bool = True
    changed: tuple[int, ...] = ()  # inputs that it changed
    pull: Callable | None = None  # from a slope of the value to slopes of the inputs, or None
    single: bool = False  # float64 was refused, and this came of float32

    def __bool__(self):
        return not self.error


@dataclasses.dataclass
class Foreign:
    """A value of another process that is no tensor there: what it is called and, if it is an array, its numbers."""

    named: str
    tensor: torch.Tensor | None = None


class Student:
    """A function that is judged, and what it takes. A subclass says how it is called.

    The judge keeps here what goes beyond the lines of a report: `notes`, lines that come with others, and `said`, the error for
    which there are no values.
    """

    def __init__(self, spec, signature):
        self.spec, self.notes, self.said = spec, [], ""
        if signature is None:  # written in C, as torch.softmax is
            names = [*spec.inputs, "dim"] if "dim" in spec.options else spec.inputs
            signature = {"placed": [[name, True] for name in names], "named": [], "any": False}
        self.names, self.takes_any = set(signature["named"]), signature["any"]
        beyond = signature["placed"][len(spec.inputs) : len(spec.inputs) + 1]
        # softmax(x, dim) may call its second parameter what it likes.
        self.has_dim = "dim" in spec.options and bool(beyond) and beyond[0][1]

    def takes(self, option):
        return self.takes_any or option in self.names or (self.has_dim and option == "dim")

    def __call__(self, args, options=None, grad=()):
        """`grad` are the places of the inputs that a gradient is asked for."""
        args, options = list(args), dict(options or {})
        if self.has_dim:
            args.append(options.pop("dim", -1))
        return self.call(args, options, grad)

    def call(self, args, options, grad):
        raise NotImplementedError

    def device(self, args):
        """``"kept"``, ``"mixed"`` or ``"lost"``: what becomes of a device that is not the CPU; None where nobody can tell."""
        raise NotImplementedError


def cast(args, dtype):
    """The arguments, or the options, with every floating-point tensor in another dtype."""
    if isinstance(args, dict):
        return dict(zip(args, cast(args.values(), dtype)))
    return [x.to(dtype) if isinstance(x, torch.Tensor) and x.is_floating_point() else x for x in args]
