"""Which usual mistake gives what came."""

import functools
import inspect
import itertools
import math
import re

import torch

from lossnotes.check._judge.numbers import as_tensor, close
from lossnotes.check._mistakes import base


def diagnosis(spec, name, results):
    """Names and hints of the mistakes, as few as possible, that give what came for every input of this check."""
    if not all(got.ended for _, got in results):  # what did not end has no value to judge by
        return (), ()
    for mistakes, candidate in _candidates(spec, name, results):
        seen = [_seen(candidate, spec, case, got) for case, got in results]
        if all(fits for fits, _ in seen) and any(shows for _, shows in seen):
            return [m.name for m in mistakes], [m.hint for m in mistakes]
    return (), ()


_RAISED = (RuntimeError, IndexError, ValueError, TypeError)


def _seen(candidate, spec, case, got):
    """Whether the mistake explains what came, and whether there is a value that shows it: one that is not right."""
    try:
        wrong = candidate(case)
    except base.Silent:
        return True, False
    except base.Ends:
        return not got, True
    except _RAISED:
        return not got, False
    try:
        right = spec.reference(*case.args, **case.options)
    except _RAISED:  # that is what should happen
        return bool(got) and wrong is not None and close(got.value, wrong), True
    if wrong is None:  # the mistake cannot be made here: it raises, or makes no difference
        return not got or close(got.value, right), False
    fits = bool(got) and close(got.value, wrong)
    return fits, fits and not close(got.value, right)


def _candidates(spec, name, results):
    """Pairs of mistakes and a function from a case to the result that they give."""
    if name == "values":
        yield from _combined(spec)
        return
    for mistake in spec.mistakes.get(name, ()):
        if mistake.fitted:
            yield from _fitted(spec, name, mistake, results)
        else:
            yield (mistake,), functools.partial(_single, spec, name, mistake.fn)


def _single(spec, name, fn, case):
    if fn is None:  # the option is not used
        return spec.reference(*case.args, **{k: v for k, v in case.options.items() if k != name})
    options, taken = dict(case.options), inspect.signature(fn).parameters
    any_option = any(parameter.kind == parameter.VAR_KEYWORD for parameter in taken.values())
    if "reduction" in options and not any_option and "reduction" not in taken:
        raise base.Silent  # a mistake that is written for the mean
    if "reference" in taken:
        options["reference"] = spec.reference
    return fn(*case.args, **options)


def _fitted(spec, name, mistake, results):
    """The mistake with a number that explains a value that is finite and wrong: in float64 first, which rounds less."""
    for case, got in sorted(results, key=lambda result: result[0].args[0].dtype != torch.float64):
        value = as_tensor(got.value) if got else None
        if value is None or close(value, spec.reference(*case.args, **case.options)):
            continue
        eps = _solved(functools.partial(_single, spec, name), mistake, case, value.detach().double().sum().item())
        if eps is not None:
            found = mistake._replace(hint=mistake.hint.format(f"{-math.log(eps):.1f}"))
            yield (found,), functools.partial(_single, spec, name, functools.partial(mistake.fn, eps=eps))


def _solved(single, mistake, case, goal):
    """The number with which the mistake gives `goal`, by halving; None where there is none."""

    def miss(exponent):
        return single(functools.partial(mistake.fn, eps=10.0**exponent), case).double().sum().item() - goal

    low, high = -45.0, -0.5
    below, above = miss(low), miss(high)
    if not math.isfinite(goal) or math.isnan(below) or math.isnan(above) or (below > 0) == (above > 0):
        return None
    for _ in range(60):
        middle = (low + high) / 2
        low, high = (middle, high) if (miss(middle) > 0) == (below > 0) else (low, middle)
    return 10.0**low


def _combined(spec):
    right = {"reduction": "none"} if spec.reduced else {}
    inner = [((), functools.partial(spec.reference, **right))]
    inner += [((m,), m.fn) for m in spec.mistakes.get("values", ())]
    outer = [((), (lambda loss, input: loss.mean()) if spec.reduced else lambda loss, input: loss)]
    outer += [((m,), m.fn) for m in (base.REDUCTIONS if spec.reduced else base.OVER_ROWS if spec.simplex == (-1,) else ())]
    sign = [((), lambda x: x), ((base.SIGN,), base.SIGN.fn)]
    unit = [((), lambda x: x)] + [((m,), m.fn) for m in base.BASES] * spec.logarithm

    def make(f, g, s, b):
        def candidate(case):
            loss = f(*case.args)
            loss = None if loss is None else g(loss, spec.scores(case))
            return None if loss is None else b(s(loss))

        return candidate

    combinations = itertools.product(inner, outer, sign, unit)
    for parts in sorted(combinations, key=lambda parts: sum(len(mistakes) for mistakes, _ in parts)):
        mistakes = tuple(m for found, _ in parts for m in found)
        if mistakes:
            yield mistakes, make(*(f for _, f in parts))


# What an error says when its cause is usual, and what helps.
_CAUSES = [
    (
        r"keepdims|axis|numpy\(\)|ndarray|Numpy is not|unexpected keyword argument 'out'",
        "The inputs are PyTorch tensors, and NumPy's functions do not know them. What is the function called in PyTorch?",
    ),
    (
        r"dimensions as (input|self|index) tensor",
        "An index for gather has as many dimensions as the table it picks from. How many has yours?",
    ),
    (
        r"in-?place operation",
        "x /= ... and x[i] = ... overwrite numbers that the gradient needs. Can you make a new tensor?",
    ),
    (
        r"dimensions as src tensor",
        "What scatter writes is a plain number, or a tensor with as many dimensions as the index.",
    ),
    (
        r"NoneType",
        "Only a tensor that you made with requires_grad has a .grad. Is it still that one after the first step?",
    ),
    (r"second time", "What has to be computed anew in each step?"),
    (r"same dtype", "The two have different dtypes. Which should be converted?"),
    (r"[Ee]xpected .*(Long|int64)|one of the following types", "Which of the two is the index, and what dtype has it?"),
    (r"positional argument", "What does the exercise pass to your function, and in which order?"),
]


def advice(got, expected):
    """What can be said where no known mistake fits."""
    if not got:
        return tuple(hint for pattern, hint in _CAUSES if re.search(pattern, got.error))[:1]
    if expected is None:
        return ()
    value = as_tensor(got.value)
    if value is None:
        return ("Is there a return?",) if got.value is None else ("Return a tensor.",)
    if value.shape != expected.shape:
        return (f"The result has shape {tuple(value.shape)}, expected {tuple(expected.shape)}.",)
    if value.isnan().any() and not expected.isnan().any():
        return (base.NAN_HINT,)
    if expected.isnan().any():
        return ("The mean of nothing is 0 / 0: NaN, as in PyTorch.",)
    if value.isinf().any() and not expected.isinf().any():
        return ("Where does something become infinite: in an exponential, or in the logarithm of 0?",)
    return ()
