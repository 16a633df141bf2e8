"""The checks of gradients: against ours and, where that does not agree, against the function's own values."""

import torch

from lossnotes.check._judge.diagnosis import advice
from lossnotes.check._judge.numbers import as_tensor, one_for_each, right, rounded, slopes_agree
from lossnotes.check._judge.outcome import Outcome
from lossnotes.check._judge.values import FRESH, ask, values_drawn
from lossnotes.check._judge.words import apart, number, shown
from lossnotes.check._mistakes.answers import CANCEL, CANCEL_HINT, CANCEL_OF_CLASSES_HINT
from lossnotes.check._report import Line

GRAPH = "A gradient passes through tensors only: not through .item(), .detach(), float(), NumPy or torch.tensor()."
CUT_OFF = "part of the graph cut off"


def gradient(student, rules, right):
    """`right` are the names of the checks of values that passed: where those of an option did, its gradient counts, too."""
    spec, values_are_right = student.spec, "values" in right
    cases = [("", case) for case in spec.cases["values"]]
    cases += [(f"{FRESH}: ", case) for case in values_drawn(student, rules)]
    cases += [("", spec.cases[name][0]) for name in sorted(spec.options & right) if not rules.leaves_out(spec, name)]
    for fresh, case in cases:
        slopes, got = _slopes(student, case)
        if slopes is None:
            if not got and case.args[0].ndim == 1 and values_are_right and not ask(student, case):
                continue  # it does not take a single row, which has been said
            hint = GRAPH if got or "numpy" in got.error.lower() else " ".join(advice(got, None))
            return _line(f"{fresh}{shown(spec, case, got.single)} {got.error or 'gave a result without a gradient'}", hint)
        expected, single = _expected(spec, case, got)
        rtol, atol = (1e-3, 1e-5) if single else (1e-5, 1e-8)
        if slopes_agree(spec, slopes, expected, rtol, atol):
            continue
        said = f"{fresh}{shown(spec, case, single)} has gradient {apart(_flat(slopes), _flat(expected))}"
        if not all(slope.isfinite().all() for slope in slopes):
            return _line(said, "Which power, quotient, root or logarithm has an infinite slope there?")
        own = None if single else _finite_differences(student, case)
        if own is not None and not own.isfinite().all():
            own = None
        if own is not None and _between(_flat(slopes), *own):
            return _line(said if values_are_right else "follows from your values: fix those first", "")
        if own is None:
            return _line(said, "")
        hint = "It is not the gradient of your own values either. Does a part of them leave the graph?"
        return _line(said, hint, (CUT_OFF,))
    return Line("gradient", True, role="extra")


def _line(said, hint, mistakes=()):
    return Line("gradient", False, said, hint, mistakes, "extra")


def _slopes(student, case):
    """The gradients of the result with respect to the inputs that have one, or None, and what came."""
    got = ask(student, case, student.spec.differentiable)
    value = as_tensor(got.value) if got else None
    if value is None or got.pull is None or not value.is_floating_point():
        return None, got
    back = got.pull(one_for_each(value.detach()))
    if not back:
        return None, Outcome(error=back.error, kind=back.kind, ended=back.ended)
    if any(slope is None for slope in back.value):
        return None, got
    return back.value, got


def _expected(spec, case, got):
    """Our gradients, and whether it was computed in float32: then they are those at the rounded inputs."""
    single = got.single or as_tensor(got.value).dtype == torch.float32
    if single:
        case = case._replace(args=tuple(rounded(case.args)), options=rounded(case.options))
    return our_slopes(spec, case), single


def our_slopes(spec, case):
    args = list(case.args)
    for i in spec.differentiable:
        args[i] = args[i].detach().clone().requires_grad_()
    value = spec.reference(*args, **case.options)
    return torch.autograd.grad(value, [args[i] for i in spec.differentiable], one_for_each(value.detach()))


def _between(slopes, left, right, rtol=1e-3, atol=1e-5):
    """Whether these are slopes of a function with these on its two sides: at a kink, any between them is one."""
    low, high = torch.minimum(left, right), torch.maximum(left, right)
    return bool(((slopes >= low - atol - rtol * low.abs()) & (slopes <= high + atol + rtol * high.abs())).all())


def _finite_differences(student, case, h=1e-5):
    """Slopes of the function's own values to the left and to the right, in two lists; None where it has none."""
    slopes = []
    for i in student.spec.differentiable:
        for k in range(case.args[i].numel()):
            ends = []
            for step in (-h, 0, h):
                args = [x.detach().clone() if isinstance(x, torch.Tensor) else x for x in case.args]
                args[i].view(-1)[k] += step
                got = student(args, case.options)
                value = as_tensor(got.value) if got else None
                if value is None:
                    return None
                value = value.detach().cpu().double()
                ends.append((one_for_each(value) * value).sum())
            slopes.append(torch.stack([ends[1] - ends[0], ends[2] - ends[1]]) / h)
    return torch.stack(slopes, 1)


def _flat(slopes):
    return torch.cat([slope.detach().cpu().double().flatten() for slope in slopes])


def extreme(student):
    """Where the value is right, the gradient may still be 0 / 0."""
    spec = student.spec
    cases = [c for c in spec.cases.get("extreme scores", []) if all(student.takes(o) for o in c.options)]
    if "gamma" in spec.options and student.takes("gamma"):
        # A power below 1 has an infinite slope at 0, and 1 - p is 0 in float32 long before it is too small for a number.
        cases += [c._replace(options={"gamma": 0.5}) for c in cases if c.args[0].dtype == torch.float32]
    seen = False
    for case in cases:
        slopes, got = _slopes(student, case)
        if slopes is None:
            continue
        expected, single = _expected(spec, case, got)
        seen = True
        if slopes_agree(spec, slopes, expected, 1e-3, 1e-5):
            continue
        said = f"{shown(spec, case, single)} has gradient {apart(_flat(slopes), _flat(expected))}"
        hint, mistakes = "", ()
        value = spec.reference(*case.args, **case.options)
        if not _flat(slopes).isfinite().all() and right(spec, case, ask(student, case), value):
            hint = "The value is right. Which power, quotient or branch not taken has an infinite slope there?"
            if "gamma" in case.options:
                hint, mistakes = CANCEL_OF_CLASSES_HINT if "classes" in spec.kinds else CANCEL_HINT, (CANCEL,)
        return Line("extreme gradients", False, said, hint, mistakes, "extra")
    return Line("extreme gradients", True, role="extra") if seen else None


def at_zero(student):
    """Where a probability is 0: a NaN there would spoil every weight of a network, and no exercise asks for it."""
    spec = student.spec
    if not spec.simplex:
        return None
    for case in spec.cases["edge cases"]:
        slopes, got = _slopes(student, case)
        expected = our_slopes(spec, case)
        if slopes is not None and any((a.isnan() & ~b.isnan()).any() for a, b in zip(slopes, expected)):
            said = f"{shown(spec, case)} has gradient {number(_flat(slopes))}"
            hint = "In training, this NaN would reach every weight. Which slope is infinite there, and is it multiplied by 0?"
            return Line("gradient at 0", False, said, hint, role="told")
    return Line("gradient at 0", True, role="told")
