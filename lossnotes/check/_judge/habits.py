"""The checks of what a function does besides giving a value: dtype, device, inputs, chance."""

import torch

from lossnotes.check._judge.numbers import as_tensor
from lossnotes.check._judge.outcome import cast
from lossnotes.check._judge.values import ask
from lossnotes.check._judge.words import kind, number
from lossnotes.check._report import Line


def _ordinary(student):
    return student.spec.cases["values"][-1]


def ordinary(student):
    """The call that these checks look at."""
    return ask(student, _ordinary(student))


def dtype(student, first):
    """`first` is what came of the ordinary call."""
    case = _ordinary(student)

    def told(passed, found="", hint=""):
        return Line("dtype kept", passed, found, hint, role="told")

    for wanted in (torch.float64, torch.float32, torch.bfloat16):
        got = first if wanted == torch.float64 else student(cast(case.args, wanted), case.options)
        if got.single:
            return told(False, "right, but only for float32 inputs", "Which tensor do you make with a dtype of its own?")
        if not got:
            if wanted == torch.bfloat16:
                continue
            return told(False, f"with {wanted} inputs: {got.error}")
        if not isinstance(got.value, torch.Tensor):
            return told(False, f"a {kind(got.value)} came out, expected a tensor")
        if got.value.dtype != wanted:
            said = f"{wanted} went in, {got.value.dtype} came out"
            return told(False, said, "What you make yourself should take its dtype from the input.")
    return told(True)


def device(student):
    """On the accelerator, if there is one; else on tensors that only pretend to be on another device."""
    hint = "What you make yourself (torch.zeros, torch.arange, ...) should be made on the device of the input."
    found = student.device(_ordinary(student).args)
    if found is None:
        said = "not checked: this takes a GPU to try"
        return Line("device kept", None, said, role="told")
    if found == "kept":
        return Line("device kept", True, role="told")
    said = {"mixed": "mixes tensors of two devices", "lost": "the result is not on the device of the input"}[found]
    return Line("device kept", False, said, hint, role="told")


def unchanged(student, got):
    if not got:
        return None
    if got.changed:
        names = [name for i, name in enumerate(student.spec.inputs) if i in got.changed]
        hint = "A function name that ends in _ , and x -= ..., change the tensor of the caller."
        said = f"{' and '.join(names)} {'was' if len(names) == 1 else 'were'} changed"
        return Line("inputs unchanged", False, said, hint, ("input changed in place",), "extra")
    return Line("inputs unchanged", True, role="extra")


def _same_but_for_rounding(a, b):
    """Sums in another order, as of shuffled examples, differ in their last digits."""
    rtol = 1e-4 if a.element_size() < 8 else 1e-10
    return torch.allclose(a.double(), b.double(), rtol=rtol, atol=rtol / 100, equal_nan=True)


def deterministic(student, first):
    second = ask(student, _ordinary(student))
    a, b = (as_tensor(got.value) if got else None for got in (first, second))
    if a is None or b is None:
        return None
    if a.shape == b.shape and a.dtype == b.dtype and _same_but_for_rounding(a, b):
        return Line("deterministic", True, role="extra")
    said = f"two equal calls gave {number(a)} and {number(b)}"
    hint = "Is something drawn at random, or remembered from the last call?"
    return Line("deterministic", False, said, hint, ("drawn at random",), "extra")
