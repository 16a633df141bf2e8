"""The checks of one function, one after the other."""

import contextlib
import functools
import inspect
import itertools
import math

import torch

from lossnotes.check import _mistakes
from lossnotes.check._exercises import EXERCISES
from lossnotes.check._report import Line
from lossnotes.check._sandbox import call, code_of
from lossnotes.check._specs import OPTIONAL, SPECS
from lossnotes.device import default_device


@functools.cache
def specs():
    """Everything that can be checked, by name."""
    return {spec.name: spec for spec in SPECS + EXERCISES}


class _Student:
    """The function that is checked, and what it takes."""

    def __init__(self, fn, spec):
        self.fn, self.spec = fn, spec
        try:
            parameters = inspect.signature(code_of(fn) if isinstance(fn, torch.nn.Module) else fn).parameters.values()
        except (TypeError, ValueError):  # written in C, as torch.softmax is
            parameters = [inspect.Parameter(name, inspect.Parameter.POSITIONAL_ONLY) for name in (*spec.inputs, "dim")]
            parameters = parameters if "dim" in spec.options else parameters[:-1]
        self.by_name = {p.name for p in parameters if p.kind in (p.POSITIONAL_OR_KEYWORD, p.KEYWORD_ONLY)}
        self.takes_all = any(p.kind is p.VAR_KEYWORD for p in parameters)
        positional = [p for p in parameters if p.kind in (p.POSITIONAL_ONLY, p.POSITIONAL_OR_KEYWORD)]
        if isinstance(fn, torch.nn.Module):
            positional = positional[1:]
        beyond = positional[len(spec.inputs) : len(spec.inputs) + 1]
        # softmax(x, dim) may call its second parameter what it likes.
        self.extra = beyond[0].name if beyond and beyond[0].default is inspect.Parameter.empty else None

    def takes(self, option):
        return self.takes_all or option in self.by_name or (self.extra is not None and option == "dim")

    def __call__(self, args, options=None, **how):
        options = dict(options or {})
        args = [_copy(x) for x in args]
        if self.extra is not None and "dim" in self.spec.options:
            args.append(options.pop("dim", -1))
        outcome = call(self.fn, *args, **options, **how)
        outcome.args = args
        return outcome


def _copy(x):
    return x.detach().clone().requires_grad_(x.requires_grad) if isinstance(x, torch.Tensor) else x


def lines(fn, spec):
    """A `Line` for each check."""
    student = _Student(fn, spec)
    found = []
    for name, cases in spec.cases.items():
        if name in spec.options and not student.takes(name):
            found.append(Line(name, None, f"not checked: your function takes no {name}"))
            continue
        usable = [case for case in cases if all(student.takes(o) for o in case.options)]
        line, over = _values(student, name, usable)
        if found and found[0].passed is False and line.passed is False and not line.mistakes:
            line = Line(name, False, "wrong too: mend the values first")
        found.append(line)
        if over:
            return found
    right = found[0].passed
    if spec.differentiable:
        found += [_gradient(student, right)] + ([_extreme_gradient(student)] if right else [])
    if any(isinstance(x, torch.Tensor) for x in _ordinary(student).args):
        found += [_dtype(student), _device(student), _unchanged(student)]
    found.append(_deterministic(student))
    return [line for line in found if line is not None]


# --- values -------------------------------------------------------------------------------------------------------------


def _values(student, name, cases):
    """The line of a check of values, and whether there is no sense in going on."""
    spec = student.spec
    results, failed = [], None
    for case in cases:
        got = student(case.args, case.options)
        expected = _expected(spec, name, case)
        results.append((case, got))
        if failed is None and not _agrees(got, expected):
            if not got and name in OPTIONAL:
                return Line(name, None, f"not checked: your function does not take them ({got.kind.__name__})"), False
            failed = case, got, expected
        if not got.ended:
            break
    if failed is None:
        return Line(name, True), False
    case, got, expected = failed
    wanted = "an error" if expected is None else _number(expected)
    said = f"{_shown(spec, case)} {_came(got)}; expected {wanted}"
    mistakes, hints = _diagnose(spec, name, results)
    if not hints:
        hints = _advice(got, expected)
    nothing = name == "values" and (not got or _tensor(got.value) is None)
    line = Line(name, False, said, " ".join(dict.fromkeys(hints)), tuple(dict.fromkeys(mistakes)))
    return line, nothing or not got.ended


def _expected(spec, name, case):
    if name == "mismatched shapes":
        return None
    return spec.reference(*case.args, **case.options)


def _agrees(got, expected):
    """Whether a call gave what it should; `expected` is None where it should refuse, or at least warn."""
    if expected is None:
        return not got or got.warned
    return bool(got) and _close(got.value, expected)


def _close(value, expected):
    value = _tensor(value)
    if value is None or value.shape != expected.shape:
        return False
    exact = expected.dtype == torch.float64
    value, expected = value.detach().cpu().double(), expected.detach().cpu().double()
    return torch.allclose(value, expected, rtol=1e-5, atol=1e-8 if exact else 1e-6, equal_nan=True)


def _tensor(value):
    if isinstance(value, torch.Tensor):
        return None if value.is_complex() else value
    if hasattr(value, "__array__") or (isinstance(value, int | float) and not isinstance(value, bool)):
        return torch.as_tensor(value)
    return None


# --- diagnosis ----------------------------------------------------------------------------------------------------------


def _diagnose(spec, name, results):
    """Names and hints of the mistakes, as few as possible, that give what came for every input of this check."""
    for mistakes, candidate in _candidates(spec, name):
        if all(_fits(candidate, spec, case, got) for case, got in results):
            return [m.name for m in mistakes], [m.hint for m in mistakes]
    return (), ()


def _fits(candidate, spec, case, got):
    try:
        wrong = candidate(case)
    except (RuntimeError, IndexError, ValueError, TypeError):
        return False
    if wrong is None:  # the mistake cannot be made here: it raises, or makes no difference
        return not got or _close(got.value, spec.reference(*case.args, **case.options))
    return bool(got) and _close(got.value, wrong)


def _candidates(spec, name):
    """Pairs of mistakes and a function from a case to the result that they give."""
    if name == "values":
        yield from _combined(spec)
        return
    for mistake in spec.mistakes.get(name, ()):
        yield (mistake,), functools.partial(_single, spec, name, mistake.fn)


def _single(spec, name, fn, case):
    if fn is None:  # the option is not used
        return spec.reference(*case.args, **{k: v for k, v in case.options.items() if k != name})
    options = dict(case.options)
    if "reference" in inspect.signature(fn).parameters:
        options["reference"] = spec.reference
    return fn(*case.args, **options)


def _combined(spec):
    right = {"reduction": "none"} if spec.reduced else {}
    inner = [((), functools.partial(spec.reference, **right))]
    inner += [((m,), m.fn) for m in spec.mistakes.get("values", ())]
    outer = [((), lambda loss, input: loss.mean())] + [((m,), m.fn) for m in _mistakes.REDUCTIONS]
    outer = outer if spec.reduced else [((), lambda loss, input: loss)]
    sign = [((), lambda x: x), ((_mistakes.SIGN,), _mistakes.SIGN.fn)]
    base = [((), lambda x: x)] + [((m,), m.fn) for m in _mistakes.BASES] * spec.logarithm

    def make(f, g, s, b):
        def candidate(case):
            loss = f(*case.args)
            loss = None if loss is None else g(loss, spec.scores(case))
            return None if loss is None else b(s(loss))

        return candidate

    combinations = itertools.product(inner, outer, sign, base)
    for parts in sorted(combinations, key=lambda parts: sum(len(mistakes) for mistakes, _ in parts)):
        mistakes = tuple(m for found, _ in parts for m in found)
        if mistakes:
            yield mistakes, make(*(f for _, f in parts))


def _advice(got, expected):
    """What can be said where no known mistake fits."""
    if not got or expected is None:
        return ()
    value = _tensor(got.value)
    if value is None:
        return ("Is there a return?",) if got.value is None else ("Return a tensor.",)
    if value.shape != expected.shape:
        return (f"The result has shape {tuple(value.shape)}, expected {tuple(expected.shape)}.",)
    if value.isnan().any() and not expected.isnan().any():
        return ("NaN comes from 0 / 0, 0 times infinity or infinity minus infinity. Which is it here?",)
    if expected.isnan().any():
        return ("The mean of nothing is 0 / 0: NaN, as in PyTorch.",)
    if value.isinf().any() and not expected.isinf().any():
        return ("Where does something become infinite: in an exponential, or in the logarithm of 0?",)
    return ()


# --- gradients ----------------------------------------------------------------------------------------------------------


def _gradient(student, values_are_right):
    """Against ours and, where that does not agree, against finite differences of the function itself."""
    spec = student.spec
    for case in spec.cases["values"]:
        slopes, got = _slope(student, case)
        if slopes is None:
            return Line("gradient", False, f"{_shown(spec, case)} {_no_graph(got)}", _GRAPH_HINT if got else "")
        expected = _our_slope(spec, case)
        if _close(slopes, expected):
            continue
        own = _finite_differences(student, case)
        if own is not None and torch.allclose(slopes, own, rtol=1e-3, atol=1e-5):
            if not values_are_right:
                return Line("gradient", False, "is that of your values: mend them first")
            hint = ""
        else:
            hint = "It is not the gradient of your own values either. Does a part of them leave the graph?"
        said = f"{_shown(spec, case)} has gradient {_number(slopes)}; expected {_number(expected)}"
        return Line("gradient", False, said, hint, ("part of the graph cut off",) if hint else ())
    return Line("gradient", True)


_GRAPH_HINT = (
    "A gradient passes through tensors only: not through .item(), .detach(), float(), NumPy or torch.tensor()."
)


def _inputs(spec, case):
    args = list(case.args)
    for i in spec.differentiable:
        args[i] = args[i].detach().clone().requires_grad_()
    return args


def _slope(student, case):
    """The gradient of the result with respect to the inputs that have one, or None."""
    got = student(_inputs(student.spec, case), case.options)
    value = got.value
    if not got or not isinstance(value, torch.Tensor) or not value.requires_grad:
        return None, got
    leaves = [got.args[i] for i in student.spec.differentiable]
    back = call(torch.autograd.grad, _one_number(value), leaves, allow_unused=True)
    if not back or any(slope is None for slope in back.value):
        return None, got
    return torch.cat([slope.flatten() for slope in back.value]), got


def _one_number(value):
    """A single value itself; of several, a sum with weights: the plain sum of a softmax has no slope."""
    weights = torch.linspace(1, 2, value.numel(), dtype=value.dtype, device=value.device)
    return value if value.ndim == 0 else (weights * value.flatten()).sum()


def _our_slope(spec, case):
    args = _inputs(spec, case)
    value = spec.reference(*args, **case.options)
    slopes = torch.autograd.grad(_one_number(value), [args[i] for i in spec.differentiable])
    return torch.cat([slope.flatten() for slope in slopes])


def _finite_differences(student, case, h=1e-5):
    slopes = []
    for i in student.spec.differentiable:
        for k in range(case.args[i].numel()):
            ends = []
            for step in (h, -h):
                args = [x.detach().clone() for x in case.args]
                args[i].view(-1)[k] += step
                value = _tensor(student(args, case.options).value)
                if value is None:
                    return None
                ends.append(_one_number(value.detach().double()))
            slopes.append((ends[0] - ends[1]) / (2 * h))
    return torch.stack(slopes)


def _no_graph(got):
    if not got:
        return got.error
    return "gave a result without a gradient"


def _extreme_gradient(student):
    spec = student.spec
    cases = spec.cases.get("extreme scores", [])
    cases = [c for c in cases if all(student.takes(o) for o in c.options)]
    if "gamma" in spec.options and student.takes("gamma"):
        # A power below 1 has an infinite slope at 0, and 1 - p is 0 in float32 long before it is too small for a number.
        single = [case for case in cases if case.args[0].dtype == torch.float32]
        cases = cases + [case._replace(options={"gamma": 0.5}) for case in single]
    seen = False
    for case in cases:
        expected = _our_slope(spec, case)
        slopes, got = _slope(student, case)
        if slopes is None or not expected.isfinite().all():
            continue
        seen = True
        if not torch.allclose(slopes.double(), expected.double(), rtol=1e-3, atol=1e-5):
            said = f"{_shown(spec, case)} has gradient {_number(slopes)}; expected {_number(expected)}"
            hint, mistakes = "", ()
            if not slopes.isfinite().all() and _agrees(
                student(case.args, case.options), spec.reference(*case.args, **case.options)
            ):
                hint = "The value is right. Which power, quotient or branch not taken has an infinite slope there?"
                if "gamma" in case.options:
                    hint, mistakes = _mistakes.CANCEL_HINT, (_mistakes.CANCEL,)
            return Line("extreme gradients", False, said, hint, mistakes)
    return Line("extreme gradients", True) if seen else None


# --- everything else ----------------------------------------------------------------------------------------------------


def _ordinary(student):
    return student.spec.cases["values"][-1]


def _cast(args, dtype):
    return [x.to(dtype) if isinstance(x, torch.Tensor) and x.is_floating_point() else x for x in args]


def _dtype(student):
    case = _ordinary(student)
    for dtype in (torch.float64, torch.float32, torch.bfloat16):
        got = student(_cast(case.args, dtype), case.options)
        if not got:
            if dtype == torch.bfloat16:
                continue
            return Line("dtype kept", False, f"with {dtype} inputs: {got.error}")
        if isinstance(got.value, torch.Tensor) and got.value.dtype != dtype:
            said = f"{dtype} went in, {got.value.dtype} came out"
            return Line("dtype kept", False, said, "What you make yourself should take its dtype from the input.")
        if not isinstance(got.value, torch.Tensor):
            return Line("dtype kept", False, f"a {type(got.value).__name__} came out, expected a tensor")
    return Line("dtype kept", True)


_DEVICE_HINT = "What you make yourself (torch.zeros, torch.arange, ...) should be made on the device of the input."


def _device(student):
    """On the accelerator, if there is one; else on tensors that only pretend to be on another device."""
    case = _ordinary(student)
    device = default_device()
    if device.type != "cpu":
        dtype = torch.float32 if device.type == "mps" else torch.float64
        got = student(
            [x.to(device) if isinstance(x, torch.Tensor) else x for x in _cast(case.args, dtype)], case.options
        )
    else:
        got = _pretend(student, case)
        if got is None:
            return Line("device kept", None, "not checked: your function looks at values, which takes a GPU to try")
    if not got:
        return Line("device kept", False, "mixes tensors of two devices", _DEVICE_HINT)
    if isinstance(got.value, torch.Tensor) and got.value.device.type in ("meta", device.type):
        return (
            Line("device kept", True)
            if got.value.device.type != "cpu"
            else Line("device kept", False, "the result is on the CPU", _DEVICE_HINT)
        )
    return Line("device kept", False, "the result is not on the device of the input", _DEVICE_HINT)


def _pretend(student, case):
    from torch._subclasses.fake_tensor import FakeTensorMode

    mode = FakeTensorMode(allow_non_fake_inputs=True)
    with mode:
        args = [
            torch.empty(x.shape, dtype=x.dtype, device="meta") if isinstance(x, torch.Tensor) else x for x in case.args
        ]
    # Not cloned: a clone outside of the mode would be a meta tensor and no longer pretend.
    extra = [-1] if student.extra is not None and "dim" in student.spec.options else []
    got = call(student.fn, *args, *extra, mode=lambda: mode)
    if not got and "FakeTensorDeviceMismatch" not in got.error and "device" not in got.error:
        return None
    return got


def _unchanged(student):
    case = _ordinary(student)
    got = student(case.args, case.options)
    if not got:
        return None
    for name, before, after in zip(student.spec.inputs, case.args, got.args):
        if isinstance(before, torch.Tensor) and not torch.equal(before, after.detach()):
            hint = "A function name that ends in _ , and x -= ..., change the tensor of the caller."
            return Line("inputs unchanged", False, f"{name} was changed", hint, ("input changed in place",))
    return Line("inputs unchanged", True)


def _deterministic(student):
    case = _ordinary(student)
    first, second = student(case.args, case.options), student(case.args, case.options)
    if not first or not second:
        return None
    a, b = _tensor(first.value), _tensor(second.value)
    if a is None or b is None or (a.shape == b.shape and torch.equal(a.nan_to_num(), b.nan_to_num())):
        return Line("deterministic", True)
    said = f"two equal calls gave {_number(a)} and {_number(b)}"
    return Line("deterministic", False, said, "Is something drawn at random, or remembered from the last call?")


# --- words --------------------------------------------------------------------------------------------------------------


def _shown(spec, case):
    """The call, as one could type it."""
    inputs = [_number(x) for x in case.args]
    options = [f"{k}={_number(v) if isinstance(v, torch.Tensor) else repr(v)}" for k, v in case.options.items()]
    return f"{spec.name}({', '.join(inputs + options)})"


def _came(got):
    if not got:
        return got.error if not got.ended else f"raised {got.error}"
    value = _tensor(got.value)
    if value is not None:
        return f"gave {_number(value)}"
    if got.value is None:
        return "returned None"
    return f"returned a {type(got.value).__name__}"


def _number(x):
    """An argument in a few characters."""
    if not isinstance(x, torch.Tensor):
        return getattr(x, "__name__", repr(x))
    if x.numel() > 24:
        return f"<{'x'.join(map(str, x.shape))} numbers>"
    return str(_rounded(x.detach().tolist())).replace("'", "")


def _rounded(x):
    if isinstance(x, list):
        return [_rounded(y) for y in x]
    if isinstance(x, float) and math.isfinite(x):
        return float(f"{x:.4g}")
    return x
