"""Real data for the chapters. Needs the extra ``lossnotes[book]``."""

import functools
from collections import Counter

import torch

from lossnotes import _checks
from lossnotes.device import default_device

_ALPHABETS = {"en": ("a", "z"), "zh": ("\u4e00", "\u9fff")}


def symbol_frequencies(language, *, device=None):
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
    counts = Counter()
    for word, frequency in _words(language).items():
        for symbol in word:
            if low <= symbol <= high:
                counts[symbol] += frequency
    symbols = sorted(counts, key=lambda s: (-counts[s], s))
    p = torch.tensor([counts[s] for s in symbols], dtype=torch.float64)
    return symbols, (p / p.sum()).float().to(default_device() if device is None else device)


def letter_pairs(*, device=None):
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
    counts = Counter()
    for word, frequency in _words("en").items():
        for pair in zip(word, word[1:]):
            counts[pair] += frequency
    joint = torch.tensor([[counts[x, y] for y in letters] for x in letters], dtype=torch.float64)
    return letters, (joint / joint.sum()).float().to(default_device() if device is None else device)


@functools.cache
def _words(language):
    import wordfreq  # here, so that the other data sets need only their own packages

    return wordfreq.get_frequency_dict(language, wordlist="best")
