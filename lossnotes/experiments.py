"""Real data and real training runs for the chapters. Needs the extra ``lossnotes[book]``."""

import functools
import json
import re
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from importlib import resources
from pathlib import Path
from typing import Any, Literal, NamedTuple

import torch
from torch import Tensor

from lossnotes import _checks
from lossnotes._types import ArrayLike
from lossnotes.device import default_device

_ALPHABETS = {"en": ("a", "z"), "zh": ("\u4e00", "\u9fff")}


def symbol_frequencies(language: Literal["en", "zh"], *, device: torch.device | str | None = None) -> tuple[list[str], Tensor]:
    """How often each written symbol occurs in a language: the letters a–z of English, the characters of Chinese.

    Counted over the words of ``wordfreq``, each word as often as it occurs in books, news, subtitles and on the web. Spaces,
    digits and punctuation are left out.

    Parameters
    ----------
    language : str
        ``"en"`` or ``"zh"``.
    device : torch.device, optional
        Where the frequencies go; `default_device` unless given.

    Returns
    -------
    symbols : list of str
        The symbols that occur, the most frequent first.
    p : tensor of float32, shape (len(symbols),)
        Their frequencies, which sum to 1.

    Raises
    ------
    ValueError
        `language` is not one of the two.

    Examples
    --------
    >>> from lossnotes import experiments
    >>> symbols, p = experiments.symbol_frequencies("en", device="cpu")
    >>> "".join(symbols[:8])
    'etaoinsr'

    References
    ----------
    Speer, R., rspeer/wordfreq: v3.0, 2022.
    """
    _checks.is_one_of("symbol_frequencies", "language", language, _ALPHABETS)
    low, high = _ALPHABETS[language]
    counts: Counter[Any] = Counter()
    for word, frequency in _words(language).items():
        for symbol in word:
            if low <= symbol <= high:
                counts[symbol] += frequency
    symbols = sorted(counts, key=lambda s: (-counts[s], s))
    p = torch.tensor([counts[s] for s in symbols], dtype=torch.float64)
    return symbols, (p / p.sum()).float().to(default_device() if device is None else device)


def letter_pairs(*, device: torch.device | str | None = None) -> tuple[list[str], Tensor]:
    """How often an English letter follows another inside a word.

    Counted as in `symbol_frequencies`. A pair broken by an apostrophe or by the end of a word is not a pair.

    Parameters
    ----------
    device : torch.device, optional
        Where the table goes; `default_device` unless given.

    Returns
    -------
    letters : list of str
        a to z.
    joint : tensor of float32, shape (26, 26)
        ``joint[x, y]``: the frequency of letter x followed by letter y. The table sums to 1.

    Examples
    --------
    >>> from lossnotes import experiments
    >>> letters, joint = experiments.letter_pairs(device="cpu")
    >>> letters[joint[letters.index("q")].argmax()]
    'u'

    References
    ----------
    Speer, R., rspeer/wordfreq: v3.0, 2022.
    """
    letters = list("abcdefghijklmnopqrstuvwxyz")
    counts: Counter[Any] = Counter()
    for word, frequency in _words("en").items():
        for pair in zip(word, word[1:]):
            counts[pair] += frequency
    joint = torch.tensor([[counts[x, y] for y in letters] for x in letters], dtype=torch.float64)
    return letters, (joint / joint.sum()).float().to(default_device() if device is None else device)


@functools.cache
def _words(language):
    import wordfreq  # here, so that the other data sets need only their own packages

    return wordfreq.get_frequency_dict(language, wordlist="best")


class Data(NamedTuple):
    """Examples to train on, and examples held out to test on."""

    x: torch.Tensor  #: Inputs to train on.
    y: torch.Tensor  #: Their targets.
    x_test: torch.Tensor  #: Inputs held out.
    y_test: torch.Tensor  #: Their targets.


def digits(*, seed: int = 0, device: torch.device | str | None = None) -> Data:
    """1797 handwritten digits, 8 × 8 pixels: scikit-learn's, a fifth of them held out.

    Parameters
    ----------
    seed : int
        Which fifth.
    device : torch.device, optional
        Where the data go; `default_device` unless given.

    Returns
    -------
    Data
        ``x`` of shape (1437, 64), from 0 (paper) to 1 (ink), ``y`` of int64 with the classes 0 to 9, and 360 pairs to test
        on. Floats are float64, in which every machine trains to the same printed figures (float32 on mps, which has no
        other).

    Examples
    --------
    >>> from lossnotes import experiments
    >>> data = experiments.digits(device="cpu")
    >>> data.x.shape, data.x_test.shape
    (torch.Size([1437, 64]), torch.Size([360, 64]))

    References
    ----------
    Alpaydin, E., and Kaynak, C., "Optical recognition of handwritten digits", UCI Machine Learning Repository, 1998.
    """
    from sklearn import datasets

    x, y = datasets.load_digits(return_X_y=True)
    return _split(torch.from_numpy(x) / 16, torch.from_numpy(y), seed, device)


def diabetes(*, seed: int = 0, device: torch.device | str | None = None) -> Data:
    """442 patients, ten measurements each, and how far their diabetes went on in a year: scikit-learn's, a fifth held out.

    Parameters
    ----------
    seed : int
        Which fifth.
    device : torch.device, optional
        Where the data go; `default_device` unless given.

    Returns
    -------
    Data
        ``x`` of shape (353, 10): age, sex, body mass index, blood pressure and six blood values, each with mean 0 and standard
        deviation 1 over all patients. ``y`` of shape (353,): the disease's progression, 25 to 346. And 89 pairs to test on.
        Float64 as in `digits`.

    Examples
    --------
    >>> from lossnotes import experiments
    >>> data = experiments.diabetes(device="cpu")
    >>> data.y.min().item(), data.y.max().item()
    (25.0, 346.0)

    References
    ----------
    Efron, B., Hastie, T., Johnstone, I., and Tibshirani, R., "Least angle regression", Annals of Statistics 32, 2004.
    """
    from sklearn import datasets

    x, y = datasets.load_diabetes(return_X_y=True)
    x = torch.from_numpy(x)
    return _split((x - x.mean(0)) / x.std(0), torch.from_numpy(y), seed, device)


def canvases(*, seed: int = 0, count: int = 150, device: torch.device | str | None = None) -> Data:
    """A dense detector's data: canvases with one digit each somewhere among pieces of others, 1023 windows of background to it.

    Each canvas has 39 × 39 pixels, so 32 × 32 windows of 8 × 8, of which exactly one holds the digit. The clutter is eight
    half digits a canvas and normal noise of standard deviation 0.1. Digits of test canvases are in no training canvas.

    Parameters
    ----------
    seed : int
        Which digits, where, and which are held out.
    count : int
        How many canvases there are to train on.
    device : torch.device, optional
        Where the data go; `default_device` unless given.

    Returns
    -------
    Data
        ``x`` of shape (count, 1, 39, 39); ``y`` of shape (count, 1, 32, 32), which is 1 where the window that begins there (its upper
        left corner) holds the digit, and 0 elsewhere. And 60 canvases to test on. Float64 as in `digits`.

    Examples
    --------
    >>> from lossnotes import experiments
    >>> data = experiments.canvases(device="cpu")
    >>> data.y[0].sum().item(), data.y[0].numel()
    (1.0, 1024)

    References
    ----------
    Alpaydin, E., and Kaynak, C., "Optical recognition of handwritten digits", UCI Machine Learning Repository, 1998.
    """
    pool = digits(seed=seed, device="cpu")
    draws = torch.Generator().manual_seed(seed)
    sets = _canvases(pool.x.view(-1, 8, 8), count, draws) + _canvases(pool.x_test.view(-1, 8, 8), 60, draws)
    return Data(*(_to_device(t, device) for t in sets))


def _canvases(pool, count, draws, side=39):
    def below(n):
        return torch.randint(n, (), generator=draws).item()

    def paint(canvas, piece):  # somewhere on the canvas; ink on ink is ink
        (height, width), top, left = piece.shape, below(side - piece.shape[0] + 1), below(side - piece.shape[1] + 1)
        place = canvas[top : top + height, left : left + width]
        place.copy_(torch.maximum(place, piece))
        return top, left

    x = torch.zeros(count, 1, side, side, dtype=pool.dtype)
    y = torch.zeros(count, 1, side - 7, side - 7, dtype=pool.dtype)
    for canvas, here in zip(x[:, 0], y[:, 0]):
        for half in range(8):
            height, width = (4, 8) if half % 2 else (8, 4)
            top, left = below(9 - height), below(9 - width)
            paint(canvas, pool[below(len(pool)), top : top + height, left : left + width])
        here[paint(canvas, pool[below(len(pool))])] = 1
    return x + 0.1 * torch.randn(x.shape, dtype=x.dtype, generator=draws), y


def _split(x, y, seed, device):
    order = torch.randperm(len(x), generator=torch.Generator().manual_seed(seed))
    test, rest = order[: len(x) // 5 + 1], order[len(x) // 5 + 1 :]
    return Data(*(_to_device(t, device) for t in (x[rest], y[rest], x[test], y[test])))


def _to_device(t, device):
    device = torch.device(default_device() if device is None else device)
    return t.to(device, torch.float32 if t.is_floating_point() and device.type == "mps" else t.dtype)


def prose() -> dict[str, str]:
    """English text: the fourteen descriptions that scikit-learn ships with its data sets.

    Returns
    -------
    dict of str to str
        The text of each description by its name: lower-case letters, and one space for everything between words.

    Examples
    --------
    >>> from lossnotes import experiments
    >>> experiments.prose()["wine_data"][:40]
    ' wine dataset wine recognition dataset d'

    References
    ----------
    Pedregosa, F., et al., "Scikit-learn: Machine learning in Python", JMLR 12, 2011.
    """
    texts = {}
    for file in sorted(resources.files("sklearn.datasets.descr").iterdir(), key=lambda file: file.name):
        if file.name.endswith(".rst"):
            texts[file.name.removesuffix(".rst")] = re.sub("[^a-z]+", " ", file.read_text(encoding="utf-8").lower())
    return texts


class Runs(NamedTuple):
    """What `train` saw."""

    step: torch.Tensor  #: After which steps was measured, shape (K,).
    curves: dict[str, Tensor]  #: For each name what was measured, a float64 tensor of shape (runs, K), on the CPU.
    models: list[torch.nn.Module]  #: The trained models, one a run.


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
        Divides `steps`.

    Returns
    -------
    Runs
        The global random state is left as it was.

    Examples
    --------
    >>> import torch, lossnotes as ln
    >>> from lossnotes import experiments
    >>> runs = experiments.train(lambda: torch.nn.Linear(64, 10), ln.cross_entropy, experiments.digits,
    ...                          measure=experiments.accuracy)
    >>> bool((runs.curves["accuracy"][:, -1] > 0.85).all())
    True
    """
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
    validation: torch.Tensor  #: Means over the runs that both were chosen by, for each rate and each step, (rates, K).
    test: dict[str, Tensor]  #: For each name what was measured on the test part, a float64 tensor of shape (runs,), on the CPU.
    models: list[torch.nn.Module]  #: The models, one a run.
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
    on the way; the pair of rate and step that is best on average is kept, of equals the earlier in the list and in time. Only
    then are the models of that rate and step measured on the test part. Two losses that are tuned with the same seeds see the
    same examples, begin with the same weights and draw the same batches: compare them with `gap`.

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
        `best` is neither of the two.

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
    parts = {seed: set_aside(data(seed=seed), share, seed) for seed in seeds}

    def run(lr, steps, measure):
        def validation(*, seed):
            return parts[seed][0]

        return train(model, loss, validation, seeds=seeds, steps=steps, lr=lr, measure=measure, every=every, **settings)

    tried = [run(lr, steps, measure).curves for lr in rates]
    by = next(iter(tried[0])) if by is None else by
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


class Gap(NamedTuple):
    """By how much one measurement exceeds another, over pairs of runs."""

    mean: float  #: The mean difference.
    error: float  #: Its standard error.
    pairs: int  #: How many pairs.

    @property
    def is_tie(self) -> bool:
        """Whether the mean is less than two standard errors from 0."""
        return abs(self.mean) <= 2 * self.error

    def __str__(self) -> str:
        return f"{self.mean:+.4f} ± {self.error:.4f} ({self.pairs} pairs)"


def gap(a: ArrayLike, b: ArrayLike) -> Gap:
    r"""The paired difference of two measurements, with its standard error.

    With :math:`d_n = a_n - b_n` for the runs of the same seed, the mean :math:`\bar d` and its standard error
    :math:`\sqrt{\sum_n (d_n - \bar d)^2 / (N (N - 1))}`. What the two runs of a pair share (a hard test part, lucky weights)
    cancels. The error is about other seeds on the same data set, and says nothing of other data sets.

    Parameters
    ----------
    a, b : tensor or sequence of float, shape (runs,)
        Run by run of the same seeds, at least two.

    Returns
    -------
    Gap
        It prints as ``mean ± error (pairs)``.

    Raises
    ------
    ValueError
        There are not two pairs, or not equally many values on both sides.

    Examples
    --------
    >>> from lossnotes import experiments
    >>> print(experiments.gap([0.93, 0.95, 0.94], [0.92, 0.93, 0.92]))
    +0.0167 ± 0.0033 (3 pairs)
    """
    a, b = (torch.as_tensor(v, dtype=torch.float64) for v in (a, b))
    if a.dim() != 1 or a.shape != b.shape or len(a) < 2:
        raise ValueError(
            f"gap: a has shape {tuple(a.shape)} and b {tuple(b.shape)}; expected one value a run, of two or more runs. "
            "Try the test values of two calls of tune with the same seeds."
        )
    d = a - b
    return Gap(d.mean().item(), (d.std() / len(d) ** 0.5).item(), len(d))


STORED = Path(__file__).with_name("stored")


def store(name: str, *, recipe: dict[str, Any], seeds: Iterable[int], results: dict[str, Any]) -> None:
    """Keep what a long experiment found, for a chapter to draw. The scripts in ``book/experiments`` call this.

    Parameters
    ----------
    name : str
        Of the script, and of the file.
    recipe : dict
        The settings that one needs to repeat a run.
    seeds : iterable of int
        One a run.
    results : dict
        Numbers, lists, tensors, or dicts of them. They are stored with six figures.
    """
    STORED.mkdir(exist_ok=True)
    kept = {"recipe": recipe, "seeds": list(seeds), "results": rounded(results)}
    (STORED / f"{name}.json").write_text(json.dumps(kept, indent=1) + "\n", "utf-8")


def stored(name: str) -> dict[str, Any]:
    """What a long experiment found: its recipe, its seeds, and the results as `store` got them, lists as float64 tensors.

    Parameters
    ----------
    name : str
        Of the script in ``book/experiments``.

    Returns
    -------
    dict
        With the keys ``"recipe"``, ``"seeds"`` and ``"results"``.

    Raises
    ------
    ValueError
        Nothing is stored under that name.
    """
    names = sorted(path.stem for path in STORED.glob("*.json"))
    if name not in names:
        raise ValueError(
            f"stored: nothing is stored under {name!r}; expected one of {names}. "
            f"Try python book/experiments/{name}.py, which stores it."
        )
    kept = json.loads((STORED / f"{name}.json").read_text("utf-8"))
    return kept | {"results": _as_tensors(kept["results"])}


def rounded(value: Any) -> Any:
    """Results as they are stored: numbers with six figures, tensors as lists, in dicts of any depth."""
    if isinstance(value, dict):
        return {str(key): rounded(v) for key, v in value.items()}
    value = value.tolist() if hasattr(value, "tolist") else value
    if isinstance(value, (list, tuple)):
        return [rounded(v) for v in value]
    return float(f"{value:.6g}") if isinstance(value, float) else value


def _as_tensors(value):
    if isinstance(value, dict):
        return {key: _as_tensors(v) for key, v in value.items()}
    return torch.tensor(value, dtype=torch.float64) if isinstance(value, list) else value
