"""Seeded training runs."""

from collections.abc import Callable, Iterable, Sequence
from typing import Any, Literal, NamedTuple

import torch
from torch import Tensor

from lossnotes import _checks
from lossnotes.experiments.data import Data


class Runs(NamedTuple):
    """What `train` saw."""

    step: torch.Tensor  #: The numbers of steps after which it measured, shape (K,).
    curves: dict[str, Tensor]  #: For each name what was measured, a float64 tensor of shape (runs, K), on the CPU.
    models: list[torch.nn.Module]  #: The trained models, one per run.


def train(
    model: Callable[[], torch.nn.Module],
    loss: Callable[[Tensor, Tensor], Tensor],
    data: Callable[..., Data],
    *,
    seeds: Iterable[int] = range(5),
    steps: int = 300,
    batch: int = 64,
    lr: float = 0.1,
    optimizer: Callable[..., torch.optim.Optimizer] = torch.optim.SGD,
    measure: Callable[[torch.nn.Module, Data], dict[str, float]] | None = None,
    every: int = 20,
) -> Runs:
    """Train the same model once for each seed, and measure it on the way.

    Parameters
    ----------
    model : callable
        Without arguments; gives a new ``torch.nn.Module``.
    loss : callable
        ``loss(model(x), y)``, a scalar.
    data : callable
        ``data(seed=seed)`` gives the `Data` of one run, such as `digits`.
    seeds : iterable of int
        One run each. The seed sets the data, the initial weights and the batches.
    steps, batch, lr
        How many steps of the optimizer, on how many examples drawn at random, at which learning rate.
    optimizer : callable
        ``optimizer(parameters, lr=lr)``.
    measure : callable, optional
        ``measure(model, data)`` gives a dict of names and numbers, before the first step and after each `every` steps.
    every : int
        Divides `steps`; not used without `measure`.

    Returns
    -------
    Runs
        The global random state is left as it was.

    Raises
    ------
    ValueError
        There is no seed, or `every` does not divide `steps`.

    Examples
    --------
    >>> import torch, lossnotes as ln
    >>> from lossnotes import experiments
    >>> runs = experiments.train(lambda: torch.nn.Linear(64, 10), ln.cross_entropy, experiments.digits,
    ...                          measure=experiments.accuracy)
    >>> bool((runs.curves["accuracy"][:, -1] > 0.85).all())
    True
    """
    seeds = list(seeds)
    _is_not_empty("train", "seeds", seeds, "seeds=range(5)")
    if measure is not None:
        _divides("train", every, steps)
    curves, models = [], []
    for seed in seeds:
        split = data(seed=seed)
        with torch.random.fork_rng(devices=[]):  # weights and batches are drawn on the CPU: the same on every device
            torch.default_generator.manual_seed(seed)
            net = model().to(split.x)
        draws = torch.Generator().manual_seed(seed)
        step_of = optimizer(net.parameters(), lr=lr)
        seen = []
        for step in range(steps + 1):
            if measure is not None and step % every == 0:
                with torch.no_grad():
                    seen.append({name: float(value) for name, value in measure(net, split).items()})
            if step < steps:
                rows = torch.randint(len(split.x), (batch,), generator=draws).to(split.x.device)
                step_of.zero_grad()
                loss(net(split.x[rows]), split.y[rows]).backward()
                step_of.step()
        curves.append(seen)
        models.append(net)
    names = curves[0][0] if measure is not None else ()
    values = {name: torch.tensor([[at[name] for at in run] for run in curves], dtype=torch.float64) for name in names}
    return Runs(torch.arange(0, steps + 1, every) if measure is not None else torch.arange(0), values, models)


def accuracy(model: torch.nn.Module, data: Data) -> dict[str, float]:
    """Share of the test examples whose largest score is that of the right class, for `train` to measure.

    Parameters
    ----------
    model : torch.nn.Module
        Gives scores of shape (N, C).
    data : Data
        With classes as ``y_test``.

    Returns
    -------
    dict
        ``{"accuracy": share}``.

    Examples
    --------
    >>> import torch
    >>> from lossnotes import experiments
    >>> data = experiments.Data(None, None, torch.eye(2), torch.tensor([0, 0]))
    >>> experiments.accuracy(torch.nn.Identity(), data)
    {'accuracy': 0.5}
    """
    return {"accuracy": (model(data.x_test).argmax(1) == data.y_test).double().mean().item()}


class Tuned(NamedTuple):
    """What `tune` chose, and how the models that it chose did on the test part."""

    lr: float  #: The learning rate.
    steps: int  #: After how many steps the training was stopped.
    validation: torch.Tensor  #: The mean over the runs, for each rate and each step, (rates, K), by which both were chosen.
    test: dict[str, Tensor]  #: For each name what was measured on the test part, a float64 tensor of shape (runs,), on the CPU.
    models: list[torch.nn.Module]  #: The models, one per run.
    at_edge: bool  #: The rate is the smallest or the largest of several, so that a better one may lie beyond.


def tune(
    model: Callable[[], torch.nn.Module],
    loss: Callable[[Tensor, Tensor], Tensor],
    data: Callable[..., Data],
    *,
    rates: Sequence[float],
    measure: Callable[[torch.nn.Module, Data], dict[str, float]] = accuracy,
    by: str | None = None,
    best: Literal["highest", "lowest"] = "highest",
    seeds: Iterable[int] = range(20),
    steps: int = 300,
    every: int = 20,
    share: float = 0.2,
    **settings: Any,
) -> Tuned:
    """Train with the learning rate and the number of steps that suit this loss, and measure the result on the test part once.

    Each run sets a part of its training examples aside, for validation. Every rate is tried on all runs and measured there
    on the way; the pair of rate and step that is best on average is kept: of equally good ones, the rate that comes first in
    the list and the earliest step. Only then are the models of that rate and step measured on the test part. Two losses that
    are tuned with the same seeds see the same examples, begin with the same weights and draw the same batches: compare them
    with `gap`.

    Parameters
    ----------
    model, loss, data
        As in `train`.
    rates : sequence of float
        Learning rates to choose from.
    measure : callable
        As in `train`. It has to look at ``data.x_test`` and ``data.y_test``, which hold the validation part until the choice
        is made.
    by : str, optional
        The name of the measurement to choose by; the first one unless given.
    best : {"highest", "lowest"}
        Which value of it is best.
    seeds : iterable of int
        One run each.
    steps, every : int
        The largest number of steps, and after how many each to measure.
    share : float
        How much of the training part is for validation.
    **settings
        `batch` and `optimizer`, as in `train`.

    Returns
    -------
    Tuned

    Raises
    ------
    ValueError
        `best` is neither of the two, there is no seed or no rate, `every` does not divide `steps`, or `by` names no measurement.

    Examples
    --------
    >>> import torch, lossnotes as ln
    >>> from lossnotes import experiments
    >>> found = experiments.tune(lambda: torch.nn.Linear(64, 10), ln.cross_entropy, experiments.digits, rates=(0.01, 0.1, 1),
    ...                          seeds=range(3), steps=100)
    >>> found.lr, bool((found.test["accuracy"] > 0.85).all())
    (1, True)
    """
    _checks.is_one_of("tune", "best", best, ("highest", "lowest"))
    rates, seeds = list(rates), list(seeds)
    _is_not_empty("tune", "seeds", seeds, "seeds=range(5)")
    _is_not_empty("tune", "rates", rates, "rates=[0.01, 0.1, 1.0]")
    _divides("tune", every, steps)
    parts = {seed: set_aside(data(seed=seed), share, seed) for seed in seeds}

    def run(lr, steps, measure):
        def validation(*, seed):
            return parts[seed][0]

        return train(model, loss, validation, seeds=seeds, steps=steps, lr=lr, measure=measure, every=every, **settings)

    tried = []
    for lr in rates:
        tried.append(run(lr, steps, measure).curves)
        by = next(iter(tried[0])) if by is None else by
        _checks.is_one_of("tune", "by", by, tried[0])  # a wrong name costs the runs of one rate, not of all
    validation = torch.stack([curves[by].mean(0) for curves in tried])
    # A run that diverged is worse than any other.
    worst = -torch.inf if best == "highest" else torch.inf
    values = validation.nan_to_num(nan=worst, posinf=worst, neginf=worst)
    rate, step = divmod(int(values.argmax() if best == "highest" else values.argmin()), values.shape[1])
    lr, steps = rates[rate], step * every

    models = run(lr, steps, None).models
    with torch.no_grad():
        seen = [measure(net, parts[seed][1]) for net, seed in zip(models, seeds)]
    test = {name: torch.tensor([float(of[name]) for of in seen], dtype=torch.float64) for name in seen[0]}
    at_edge = len(rates) > 1 and lr in (min(rates), max(rates))
    return Tuned(lr, steps, validation, test, models, at_edge)


def set_aside(data: Data, share: float, seed: int) -> tuple[Data, Data]:
    """The data with a part of the training examples in place of the test part, and the data without these examples."""
    order = torch.randperm(len(data.x), generator=torch.Generator().manual_seed(seed + 1_000_003)).to(data.x.device)
    aside, rest = order[: round(share * len(order))], order[round(share * len(order)) :]
    x, y = data.x[rest], data.y[rest]
    return Data(x, y, data.x[aside], data.y[aside]), Data(x, y, data.x_test, data.y_test)


def _is_not_empty(fn, name, values, usual):
    if not values:
        raise ValueError(f"{fn}: {name} is empty; expected at least one. Try {usual}.")


def _divides(fn, every, steps):
    """Else the last step would not be measured."""
    if every < 1 or steps % every:
        fix = f"steps={-(-steps // every) * every}" if every > 0 else f"every={max(steps, 1)}"
        raise ValueError(f"{fn}: every is {every} but steps is {steps}; expected a positive number that divides it. Try {fix}.")
