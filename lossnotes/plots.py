"""The book's figure style, and its palette: the same colour for the same thing in every chapter. Its tables and its blanks.

Needs the extra ``lossnotes[book]``.
"""

from collections.abc import Iterable, Sequence
from typing import Any

import matplotlib as mpl
from cycler import cycler
from matplotlib.axes import Axes
from matplotlib.container import BarContainer
from matplotlib.lines import Line2D
from torch import Tensor

# Okabe and Ito's palette, which readers with any common colour blindness can tell apart. Named by what is drawn.
TRUTH = "#0072B2"  # the true distribution p, the data
MODEL = "#D55E00"  # the model's distribution q, its predictions
THIRD = "#009E73"  # what stands between or beside them
QUIET = "#7A7A7A"  # reference lines, bounds, what the eye should pass over

_STYLE: Any = {
    "figure.figsize": (5.6, 3.3),  # small, so that letters are large enough when a phone shows it 330 pixels wide
    "figure.dpi": 200,
    "figure.facecolor": "none",
    "axes.facecolor": "none",
    "savefig.facecolor": "none",
    "figure.constrained_layout.use": True,
    "font.size": 11.5,
    "axes.titlesize": 11.5,
    "axes.labelsize": 11.5,
    "legend.fontsize": 11,
    "legend.frameon": False,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.edgecolor": "#444444",
    "axes.labelcolor": "#222222",
    "text.color": "#222222",
    "xtick.color": "#444444",
    "ytick.color": "#444444",
    "lines.linewidth": 2.2,
    "axes.prop_cycle": cycler(color=[TRUTH, MODEL, THIRD, "#CC79A7", "#56B4E9", "#E69F00"]),
}


def set_style() -> None:
    """Draw in the book's style from here on: readable at phone width, on a light page and on a dark one."""
    mpl.rcParams.update(_STYLE)


def label_line(ax: Axes, x: float, y: float, text: str, color: str, **where: Any) -> None:
    """Write a line's name beside it, in its colour: no legend to look up."""
    where = {"xytext": (6, 0), "ha": "left", "va": "center"} | where
    ax.annotate(text, (x, y), textcoords="offset points", color=color, **where)


def bars(
    ax: Axes,
    labels: Sequence[str],
    heights: Sequence[float] | Tensor,
    *,
    color: str = TRUTH,
    values: str | None = None,
) -> BarContainer:
    """Bars with their names below, and with their values above where `values` is a format such as ``"{:.1f}"``."""
    drawn = ax.bar(range(len(labels)), heights, color=color, width=0.8)
    ax.set_xticks(range(len(labels)), labels)
    ax.tick_params(axis="x", length=0)
    if values:
        ax.bar_label(drawn, [values.format(h) for h in heights], padding=2, fontsize=10)
    return drawn


def spread(ax: Axes, x: Sequence[float] | Tensor, runs: Tensor, color: str, style: str = "-") -> list[Line2D]:
    """The mean of several runs as a line, and from the lowest to the highest of them as a band. `runs` has shape (runs, x)."""
    ax.fill_between(x, runs.min(0).values, runs.max(0).values, color=color, alpha=0.2, lw=0)
    return ax.plot(x, runs.mean(0), style, color=color)


def table(rows: Iterable[Sequence[Any]], headers: Sequence[str], *, digits: int | Sequence[int] = 3) -> None:
    """Show a table: as HTML in a notebook, as text elsewhere.

    Parameters
    ----------
    rows : iterable of sequences
        The cells: strings, numbers or one-element tensors. None leaves a cell empty.
    headers : sequence of str
        The names of the columns.
    digits : int or sequence of int
        Decimal places, one number for all columns or one for each. Whole numbers and strings stay as they are.

    Examples
    --------
    >>> from lossnotes import plots
    >>> plots.table([["fair", 0.5, 1], ["loaded", 0.125, 3]], ["coin", "p", "bits"])
    coin        p    bits
    ------  -----  ------
    fair    0.500       1
    loaded  0.125       3
    """
    rows = [list(row) for row in rows]
    digits = [digits] * len(headers) if isinstance(digits, int) else digits
    numeric = [any(_looks_like_a_number(row[i]) for row in rows) for i in range(len(headers))]
    shown = _Table(
        [[_cell(value, places) for value, places in zip(row, digits, strict=True)] for row in rows],
        list(headers),
        ["right" if n else "left" for n in numeric],
    )
    if _in_a_notebook():
        from IPython.display import display

        display(shown)
    else:
        print(shown)


class _Table:
    def __init__(self, rows, headers, align):
        self.options = {"headers": headers, "colalign": align, "headersalign": align, "disable_numparse": True}
        self.rows = rows

    def _write(self, form):
        from tabulate import tabulate

        return tabulate(self.rows, tablefmt=form, **self.options)

    def __repr__(self):
        return self._write("simple")

    def _repr_html_(self):
        return self._write("html").replace("<table>", '<table class="table">', 1)


def _number(value):
    """The value as a Python number, or None where it is none."""
    if hasattr(value, "item"):
        value = value.item()
    return value if isinstance(value, (int, float)) and not isinstance(value, bool) else None


def _looks_like_a_number(value):
    try:
        float(value)
    except (TypeError, ValueError):
        return False
    return True


def _cell(value, digits):
    number = _number(value)
    if isinstance(number, float):
        text = f"{number:.{digits}f}"
        return text.lstrip("-") if float(text) == 0 else text  # no -0.00
    return "" if value is None else str(value if number is None else number)


def _in_a_notebook():
    import sys

    ipython = sys.modules.get("IPython")
    return ipython is not None and getattr(ipython.get_ipython(), "kernel", None) is not None


def report(name: str, answer: Any, target: Any, *, tolerance: float | None = None) -> None:
    """Say whether the reader's answer to a blank is right. Before there is one, say so, and go on.

    Parameters
    ----------
    name : str
        What was asked for.
    answer : number, tensor, array, sequence of numbers or of rows of them, or str
        ``...`` or None, which an unfilled blank or an unwritten function gives, counts as no answer yet. Rows are read one after
        the other.
    target : number, tensor, array, sequence of numbers or of rows of them, or str
        What is right, written with as many figures as the answer has to have. Read in the same way. Trailing zeros of a float
        do not count (0.50 has one decimal place, 2.0 has none); of several numbers, the one with the most decimal places does.
    tolerance : float, optional
        How far the answer may lie from the target, even if the two then differ as printed. Unless given, a target that is a
        float and the answer have to agree when both are rounded to those places, a half up or down; others have to be equal.

    Examples
    --------
    >>> from lossnotes import plots
    >>> plots.report("average bill", ..., target=0.92)
    average bill: not written yet
    >>> plots.report("average bill", 0.9163, target=0.92)
    average bill: yours 0.92, target 0.92: right
    >>> plots.report("average bill", 0.35, target=0.92)
    average bill: yours 0.35, target 0.92: not yet
    >>> plots.report("slopes", [[-0.25, 0.25], [-0.375, 0.375]], target=[-0.25, 0.25, -0.375, 0.375])
    slopes: yours -0.250, 0.250, -0.375, 0.375, target -0.250, 0.250, -0.375, 0.375: right
    """
    if answer is None or answer is ...:
        print(f"{name}: not written yet")
        return
    answers, targets = _list(answer), _list(target)
    digits = figures = max(map(_figures, targets), default=0)

    def are_right(answers):
        return len(answers) == len(targets) and all(_agree(a, t, figures, tolerance) for a, t in zip(answers, targets))

    def written(values):
        return ", ".join(_cell(value, digits) for value in values)

    def look_right():
        rounded = [round(number, digits) if isinstance(number := _number(a), float) else a for a in answers]
        return written(answers) == written(targets) or are_right(rounded)

    right = are_right(answers)
    while not right and digits < 6 and look_right():  # show where they differ
        digits += 1
    wanted = written(targets)
    # Python writes 0.125 as 0.12. Beside a target of 0.13, it is right as 0.13.
    yours = wanted if right and tolerance is None else written(answers)
    print(f"{name}: yours {yours}, target {wanted}: {'right' if right else 'not yet'}")


def _list(value):
    """Its numbers in one list, row by row."""
    value = value.tolist() if hasattr(value, "tolist") else value
    return [number for row in value for number in _list(row)] if isinstance(value, (list, tuple)) else [value]


def _figures(target):
    """How many decimal places it has, up to six."""
    number = _number(target)
    if not isinstance(number, float):
        return 0
    return len(f"{number:.6f}".rstrip("0").partition(".")[2])


def _agree(answer, target, digits, tolerance):
    a, t = _number(answer), _number(target)
    if a is None or t is None:
        return answer == target
    if a == t:
        return True
    if tolerance is not None:
        return abs(a - t) <= tolerance * (1 + 1e-9)  # 0.8 - 0.7 is a little more than 0.1
    if not isinstance(t, float):
        return abs(a - t) <= 1e-6
    # A half may be rounded up or down; a float32 may be a little more than a half.
    return abs(a - round(t, digits)) <= 0.5001 * 10**-digits
