"""The book's figure style, and its palette: the same colour for the same thing in every chapter.

Needs the extra ``lossnotes[book]``.
"""

import matplotlib as mpl

# Okabe and Ito's palette, which readers with any common colour blindness can tell apart. Named by what is drawn.
TRUTH = "#0072B2"  # the true distribution p, the data
MODEL = "#D55E00"  # the model's distribution q, its predictions
THIRD = "#009E73"  # what stands between or beside them
QUIET = "#7A7A7A"  # reference lines, bounds, what the eye should pass over

_STYLE = {
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
    "axes.prop_cycle": mpl.cycler(color=[TRUTH, MODEL, THIRD, "#CC79A7", "#56B4E9", "#E69F00"]),
}


def set_style():
    """Draw in the book's style from here on: readable at phone width, on a light page and on a dark one."""
    mpl.rcParams.update(_STYLE)


def label_line(ax, x, y, text, color, **where):
    """Write a line's name beside it, in its colour: no legend to look up."""
    where = {"xytext": (6, 0), "ha": "left", "va": "center"} | where
    ax.annotate(text, (x, y), textcoords="offset points", color=color, **where)


def bars(ax, labels, heights, *, color=TRUTH, values=None):
    """Bars with their names below, and with their values above where `values` is a format such as ``"{:.1f}"``."""
    drawn = ax.bar(range(len(labels)), heights, color=color, width=0.8)
    ax.set_xticks(range(len(labels)), labels)
    ax.tick_params(axis="x", length=0)
    if values:
        ax.bar_label(drawn, [values.format(h) for h in heights], padding=2, fontsize=10)
    return drawn


def spread(ax, x, runs, color, style="-"):
    """The mean of several runs as a line, and from the lowest to the highest of them as a band. `runs` has shape (runs, x)."""
    ax.fill_between(x, runs.min(0).values, runs.max(0).values, color=color, alpha=0.2, lw=0)
    return ax.plot(x, runs.mean(0), style, color=color)
