"""What came out: the difference of two runs, and what is stored of runs that take longer than a chapter may."""

import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any, NamedTuple

import torch

from lossnotes._types import ArrayLike


class Gap(NamedTuple):
    """By how much one measurement exceeds another, over pairs of runs."""

    mean: float  #: The mean difference.
    error: float  #: Its standard error.
    pairs: int  #: How many pairs.

    @property
    def is_tie(self) -> bool:
        """Whether the mean is at most two standard errors from 0."""
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
            f"gap: a has shape {tuple(a.shape)} and b {tuple(b.shape)}; expected one value per run, of two or more runs. "
            "Try the test values of two calls of tune with the same seeds."
        )
    d = a - b
    return Gap(d.mean().item(), (d.std() / len(d) ** 0.5).item(), len(d))


STORED = Path(__file__).parents[1] / "stored"


def store(name: str, *, recipe: dict[str, Any], seeds: Iterable[int], results: dict[str, Any]) -> None:
    """Keep what a long experiment found, for a chapter to draw. The scripts in ``book/experiments`` call this.

    Parameters
    ----------
    name : str
        Of the script, and of the file.
    recipe : dict
        The settings that one needs to repeat a run.
    seeds : iterable of int
        One per run.
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
