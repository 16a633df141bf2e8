"""Other inputs like those of a case: what stands in a report can be looked up, and these cannot.

The cases cover the hard places, and what is drawn keeps each of them: a rare outcome stays rare, a zero stays a zero, a capital letter
a capital. So it hangs on the function, and not on the seed, whether it is right there.
"""

import torch

from lossnotes.check._cases.base import Case

# What is also drawn anew beside the values. Not the rest: "empty batch" and the like have nothing to draw.
ANEW = {"values", "other shapes", "edge cases", "extreme scores"}


def redrawn(spec, name, cases, seed):
    """The cases of the check `name` with other numbers of the same kind: zeros, ignored targets and shapes stay."""
    if name not in ANEW | spec.options:
        return []
    draws = torch.Generator().manual_seed(seed)
    cases = cases[-1:] if "function" in spec.kinds else cases  # a training takes its time
    return [_redrawn(spec, name, case, draws) for case in cases]


def _redrawn(spec, name, case, draws):
    extreme = name == "extreme scores"
    factor = 1 + 0.2 * _uniform((), draws).item()
    if "text" in spec.kinds:
        return Case(_texts(case, draws))
    args = []
    for kind, x in zip(spec.kinds, case.args):
        if extreme:  # as large as they are, and so are the targets that make them extreme
            x = x * factor if kind in ("numbers", "scores", "log-probabilities") else x
            x = x.log_softmax(1) if kind == "log-probabilities" else x  # they sum to 1, as they did
        elif kind in _DRAW:
            x = _DRAW[kind](x, case, draws)
        args.append(x)
    options = {k: _option(k, v, draws) for k, v in case.options.items()}
    return Case(tuple(args), options)


def _uniform(shape, draws):
    return torch.rand(shape, generator=draws, dtype=torch.float64)


def _around_0(shape, draws):
    return 2 * _uniform(shape, draws) - 1


def _numbers(x, case, draws):
    return torch.where(x.isfinite(), x + _around_0(x.shape, draws), x)


def _log_probabilities(x, case, draws):
    return _numbers(x, case, draws).log_softmax(0 if x.ndim == 1 else 1)


def _mixed(x, dims, draws):
    """Each changes by a factor of 2.3 at most, so that what is rare stays rare and what is common stays common."""
    changed = x * (0.4 * _around_0(x.shape, draws)).exp()
    return changed / changed.sum(dims, keepdim=True) * x.sum(dims, keepdim=True)


def _distribution(x, case, draws):
    return _mixed(x, case.options.get("dim", -1), draws)


def _table(x, case, draws):
    return _mixed(x, (-2, -1), draws)


def _event(x, case, draws):
    common = 0.01 + 0.98 * _uniform(x.shape, draws)
    rare = x * (0.5 * _around_0(x.shape, draws)).exp()
    return torch.where(x < 0.01, rare, torch.where(x < 1, common, x))


def _reordered(x, case, draws):
    """Classes, answers and signs: as many of each as there were, so that neither is missing."""
    return x.flatten()[torch.randperm(x.numel(), generator=draws)].view(x.shape)


def _answers(x, case, draws):
    soft = ((x != 0) & (x != 1)).any()
    return _uniform(x.shape, draws) if soft else _reordered(x, case, draws)


def _counts(x, case, draws):
    other = torch.randint(1, 12, x.shape, generator=draws)
    return torch.where((x == 0) | (x > 1000), x, other)


def _temperatures(x, case, draws):
    return x * (0.3 * _around_0(x.shape, draws)).exp()


def _texts(case, draws):
    """Other letters for the same ones, small ones and capitals alike, and more or less of what is known."""
    small = [chr(ord("a") + i) for i in torch.randperm(26, generator=draws).tolist()]
    other = str.maketrans(dict(zip("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ", [*small, *map(str.upper, small)])))
    text, known = (x.translate(other) for x in case.args)
    return text, (known + " ") * int(torch.randint(1, 5, (), generator=draws)) if known else known


_DRAW = {
    "numbers": _numbers,
    "scores": _numbers,
    "log-probabilities": _log_probabilities,
    "distribution": _distribution,
    "table": _table,
    "event": _event,
    "classes": _reordered,
    "answers": _answers,
    "signs": _reordered,
    "counts": _counts,
    "temperatures": _temperatures,
}

_RANGE = {
    "base": (2, 12),
    "temperature": (0.5, 3),
    "label_smoothing": (0.05, 0.4),
    "margin": (0.3, 1.7),
    "gamma": (0.5, 4),
    "alpha": (0.1, 0.9),
    "lr": (0.05, 0.5),
}


def _option(name, value, draws):
    if name in _RANGE:
        low, high = _RANGE[name]
        other = low + (high - low) * _uniform((), draws).item()
        if value in (0, 1) and name != "gamma" or value == 0:  # where an option switches something off
            return value
        return other if low / 4 <= value <= high * 4 else value * (0.8 + 0.4 * _uniform((), draws).item())
    if name == "steps":
        return int(torch.randint(1, 8, (), generator=draws))
    if name in ("weight", "pos_weight", "linear_bias"):
        return value * (0.5 + _uniform(value.shape, draws))
    return value  # reduction, dim, ignore_index
