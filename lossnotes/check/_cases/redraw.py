"""Other inputs like those of a case: what stands in a report can be looked up, and these cannot."""

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
    args = []
    for kind, x in zip(spec.kinds, case.args):
        if extreme:  # as large as they are, and so are the targets that make them extreme
            x = x * factor if kind in ("numbers", "scores", "log-probabilities") else x
        elif kind in _DRAW:
            x = _DRAW[kind](x, case, draws)
        args.append(x)
    options = {k: _option(k, v, draws) for k, v in case.options.items()}
    return Case(tuple(args), options)


def _uniform(shape, draws):
    return torch.rand(shape, generator=draws, dtype=torch.float64)


def _normal(shape, draws):
    return torch.randn(shape, generator=draws, dtype=torch.float64)


def _numbers(x, case, draws):
    return torch.where(x.isfinite(), x + _normal(x.shape, draws), x)


def _log_probabilities(x, case, draws):
    return _numbers(x, case, draws).log_softmax(0 if x.ndim == 1 else 1)


def _mixed(x, dims, draws):
    changed = x * _normal(x.shape, draws).exp()
    return changed / changed.sum(dims, keepdim=True) * x.sum(dims, keepdim=True)


def _distribution(x, case, draws):
    return _mixed(x, case.options.get("dim", -1), draws)


def _table(x, case, draws):
    return _mixed(x, (-2, -1), draws)


def _event(x, case, draws):
    return torch.where((x > 0) & (x < 1), 0.01 + 0.98 * _uniform(x.shape, draws), x)


def _classes(x, case, draws):
    table = case.args[1] if len(case.args) == 3 and case.args[1].is_floating_point() else case.args[0]
    if not isinstance(table, torch.Tensor):  # a loss comes first, and the number of classes last
        count = case.args[-1]
    else:
        count = table.shape[0] if table is not case.args[0] or table.ndim == 1 else table.shape[1]
    other = torch.randint(count, x.shape, generator=draws)
    return torch.where(x < 0, x, other) if not x.is_floating_point() else x


def _answers(x, case, draws):
    soft = ((x != 0) & (x != 1)).any()
    return _uniform(x.shape, draws) if soft else (_uniform(x.shape, draws) < 0.5).to(x)


def _signs(x, case, draws):
    return 2 * (_uniform(x.shape, draws) < 0.5).to(x) - 1


def _counts(x, case, draws):
    return torch.randint(1, 12, x.shape, generator=draws)


def _temperatures(x, case, draws):
    return (0.8 * _normal(x.shape, draws)).exp()


def _text(x, case, draws):
    letters = "etaoinshrdlu zqEÄ."
    index = torch.randint(len(letters), (max(len(x), 4),), generator=draws)
    return "a" + "".join(letters[i] for i in index.tolist()) if x else x


_DRAW = {
    "numbers": _numbers,
    "scores": _numbers,
    "log-probabilities": _log_probabilities,
    "distribution": _distribution,
    "table": _table,
    "event": _event,
    "classes": _classes,
    "answers": _answers,
    "signs": _signs,
    "counts": _counts,
    "temperatures": _temperatures,
    "text": _text,
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
        return low + (high - low) * _uniform((), draws).item()
    if name == "steps":
        return int(torch.randint(1, 8, (), generator=draws))
    if name in ("weight", "pos_weight", "linear_bias"):
        return value * (0.5 + _uniform(value.shape, draws))
    return value  # reduction, dim, ignore_index
