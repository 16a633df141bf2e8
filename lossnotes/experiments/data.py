"""Real data, as tensors on a device."""

import functools
import re
from collections import Counter
from importlib import resources
from typing import Any, Literal, NamedTuple

import torch
from torch import Tensor

from lossnotes import _checks
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
