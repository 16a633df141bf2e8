"""What results.json says, as tables and pictures: for the terminal, and for the page benchmarks of the book."""

import functools
import itertools
import json
import textwrap
from pathlib import Path
from typing import NamedTuple

import matplotlib.pyplot as plt
from tabulate import tabulate

from lossnotes import plots

MODES = ("huge pages", "small pages")
CONTROL = "ours again"


def read(path=Path(__file__).with_name("results.json")):
    return json.loads(path.read_text("utf-8"))


def peers(entry, mode):
    """The seconds of everything that may be called in place of ours."""
    others = {"ours", CONTROL, *entry.get("aside", ())}
    return {name: t["median"] for name, t in entry["time"][mode].items() if name not in others}


def best(entry, mode):
    """The fastest peer."""
    found = peers(entry, mode)
    return min(found, key=found.get)


def seconds(entry, mode, name):
    return entry["time"][mode][best(entry, mode) if name == "best" else name]["median"]


def ratio(entry, mode, over="best", under="ours"):
    """Seconds of one way in those of another."""
    return seconds(entry, mode, over) / seconds(entry, mode, under)


# Whether a goal is met: with both kinds of pages, with one of them, or not.
VERDICTS = ("yes", *MODES, "NO")


class Verdict(NamedTuple):
    """A goal, and what became of it."""

    case: str
    wanted: str
    measured: list[float]
    noise: list[float]  # of memory, which is counted, none
    margin: float  # by what factor the goal is met, with the kind of pages with which it is met by less
    met: str  # one of VERDICTS
    second: bool  # a weaker goal, set after the first one of the same case was missed


def verdicts(results, of):
    """Each goal of time, or of memory."""
    found = []
    for entry in results["cases"]:
        seen = set()
        for over, under, sign, bound in entry["goals"]:
            if (
                (over == "memory") != (of == "memory")
                or of == "time"
                and not {over, under} - {"best"} <= set(entry["time"][MODES[0]])
            ):
                continue
            measured, off = [], []
            if of == "memory":
                measured, name = [entry["memory"]["ours"]["profiler"]], "peak memory / input"
            else:
                measured, off = zip(*((ratio(entry, mode, over, under), noise_of(entry, mode, over, under)) for mode in MODES))
                name = f"{over} / {under}".replace("best", "fastest peer")
            margins = [x / bound if sign == "≥" else bound / x for x in measured]
            # Nearer to its bound than what is noise, a goal may be met by luck.
            met = [margin >= n for margin, n in itertools.zip_longest(margins, off, fillvalue=1.0)]
            met = "yes" if all(met) else MODES[met.index(True)] if any(met) else "NO"
            wanted, second = f"{name} {sign} {bound:g}", (over, under) in seen
            found.append(Verdict(entry["case"], wanted, measured, off, min(margins), met, second))
            seen.add((over, under))
    return found


def summary(results):
    """How many goals are met, and which are not."""
    lines = []
    for of in ("time", "memory"):
        found = verdicts(results, of)
        for which, second in (("first", False), ("second", True)):
            goals = [goal for goal in found if goal.second == second]
            met = [goal for goal in goals if goal.met == "yes"]
            if goals:
                surely = f", {sum(goal.margin > 4 / 3 for goal in met)} by more than a third" if of == "time" else ""
                lines.append(f"{of}: {len(met)} of {len(goals)} {which} goals are met{surely}")
        for goal in found:
            if goal.met != "yes":
                how = "not met" if goal.met == "NO" else f"met with {goal.met}"
                lines.append(f"  {goal.case}: {goal.wanted} {how}")
    return "\n".join(lines)


def noise_of(entry, mode, *ways):
    """By how much the times of a case are uncertain, as a factor: by what ours differ from ours again, or by half of what the middle
    half of the samples of one of the ways spans, whichever is more."""
    r = ratio(entry, mode, CONTROL) if CONTROL in entry["time"][mode] else 1.0
    times = [entry["time"][mode][best(entry, mode) if way == "best" else way] for way in ways]
    return max(r, 1 / r, *(1 + (t["q3"] - t["q1"]) / 2 / t["median"] for t in times))


def noise(results):
    """By what ours differ from ours again, over all cases: the median, and the largest."""
    factors = sorted(noise_of(entry, mode) for entry in results["cases"] for mode in MODES)
    return factors[len(factors) // 2], factors[-1]


def told(results):
    """On what machine, when, with what."""
    m = results["machine"]
    lines = [
        f"{results['date']}, {results['minutes']} minutes, PyTorch {results['versions']['torch']}",
        f"{m['cpu']}, threads: {m['cores']} ({m['vectors']}), {m['memory']}, {m['system']}; on {m['device']}",
        f"a copy moves {results['copy'] / 1e9:.3g} GB/s",
        "peers: " + ", ".join(f"{k} {v}" for k, v in results["versions"].items() if k not in ("torch", *results["missing"])),
        *(f"left out: {name}, which {why}" for name, why in results["missing"].items()),
        "ours against ours: {:.3f} times in the median case, {:.3f} in the worst".format(*noise(results)),
    ]
    if results["quick"]:
        lines.append("A quick run of tiny sizes: these numbers mean nothing.")
    elif results["load"] and results["load"] > 0.5:
        lines.append(f"The machine was busy ({results['load']} others at work): these numbers are not to be quoted.")
    return "\n".join(textwrap.fill(line, 78, subsequent_indent="  ") for line in lines)


def milliseconds(t):
    """The median, and half of what the middle half of the samples spans."""
    digits = 3 if t["median"] < 1e-3 else 1 if t["median"] < 0.1 else 0
    return f"{t['median'] * 1e3:.{digits}f}\N{NO-BREAK SPACE}±\N{NO-BREAK SPACE}{(t['q3'] - t['q1']) * 500:.{digits}f}"


class Table:
    """Rows under their heads: on a terminal as text, in a notebook as a table of the page."""

    def __init__(self, rows, heads, align):
        self.drawn = functools.partial(tabulate, rows, heads, disable_numparse=True, colalign=align)

    def __repr__(self):
        return self.drawn(tablefmt="simple")

    def _repr_html_(self):
        return self.drawn(tablefmt="html").replace("<table>", '<table class="table">')  # which the book's theme gives air


def table(results):
    """Time of every case, ours and the fastest peer's, with huge pages; and the peer's in ours, with both."""
    rows = []
    for entry in results["cases"]:
        here = entry["time"][MODES[0]]
        rival = best(entry, MODES[0])
        ratios = (f"{ratio(entry, mode):.2f}" for mode in MODES)
        share = f"{share_of_copy(results, entry):.0%}"
        rows.append((entry["case"], milliseconds(here["ours"]), share, milliseconds(here[rival]), *ratios, rival))
    heads = ("milliseconds", "ours", "of a copy", "fastest peer", "peer / ours", "small pages", "which peer")
    return Table(rows, heads, ("left", *["right"] * 5, "left"))


def share_of_copy(results, entry):
    """What ours have to read and write at least, in what a copy of memory moves in the time that they take."""
    return entry["bytes"] / entry["time"][MODES[0]]["ours"]["median"] / results["copy"]


def weights(results):
    """Peak memory of every case, as PyTorch counts it and as the system does."""
    rows = []
    for entry in results["cases"]:
        memory = {name: m for name, m in entry["memory"].items() if name != "ours"}
        if memory:
            # scipy allocates outside of PyTorch, where only the system sees it.
            least = min(memory, key=lambda name: memory[name]["profiler"] or memory[name]["rss"] or 0)
            both = [entry["memory"]["ours"], memory[least]]
            figures = ("-" if m[k] is None else f"{m[k]:.2f}" for m in both for k in ("profiler", "rss"))
            rows.append((entry["case"], *figures, least))
    heads = ("peak / input", "ours", "as RSS", "smallest peer", "as RSS", "which peer")
    return Table(rows, heads, ("left", *["right"] * (len(rows[0]) - 2), "left"))


def goals(results, of):
    """Every goal of time or of memory, and what became of it; with times the noise."""
    rows = []
    for goal in verdicts(results, of):
        cells = [
            " | ".join(f"{x:.{digits}f}" for x in numbers) for numbers, digits in ((goal.measured, 3), (goal.noise, 2)) if numbers
        ]
        rows.append((goal.case, goal.wanted, *(cell.replace(" ", "\N{NO-BREAK SPACE}") for cell in cells), goal.met))
    heads = ("case", "goal", "measured", *(["noise"] if of == "time" else []), "met")
    return Table(rows, heads, ("left", "left", *["right"] * (len(heads) - 3), "left"))


def traffic():
    """Bytes moved and held elsewhere than on a CPU, and operations started: ours and a peer's."""
    import traffic

    heads = ("case", "moved: ours", "peer", "ours / peer", "peak: ours", "peer", "operations: ours", "peer", "which peer")
    return Table(traffic.rows(), heads, ("left", *["right"] * 7, "left"))


def draw_ratios(results, ax):
    """A bar of each case: how many times longer the fastest peer takes."""
    entries = [e for e in results["cases"] if peers(e, MODES[0])][::-1]
    where = range(len(entries))
    for mode, color, shift in zip(MODES, (plots.TRUTH, plots.MODEL), (0.2, -0.2)):
        lengths = [ratio(e, mode) - 1 for e in entries]
        ax.barh([i + shift for i in where], lengths, 0.38, left=1, color=color, label=mode)
    for i, entry in enumerate(entries):
        wanted = [g[3] for g in entry["goals"] if g[0] == "best"]
        if wanted:
            ax.plot([wanted[0]] * 2, [i - 0.45, i + 0.45], color="black", lw=1.5, zorder=3)
    ax.axvline(1, color=plots.QUIET, lw=1)
    ax.margins(y=0.01)
    ax.set_yticks(where, [e["case"] for e in entries])
    ax.set_xscale("log", base=2)
    ax.set_xticks([0.5, 1, 2, 4], ["0.5", "1", "2", "4"])
    ax.set_xlabel("fastest peer's time / ours")
    ax.legend(loc="lower center", bbox_to_anchor=(0.5, 1), ncols=2)


def draw_curves(results, axes):
    """Time for each element against their number: ours, the fastest peer, and PyTorch's own where it has one."""
    for ax, name in zip(axes, curve_names(results)):
        points = [p for p in results["curves"] if p["curve"] == name]
        mode = MODES[0]
        points = [p | {"time": {mode: p["time"]}} for p in points]
        n = [p["elements"] for p in points]
        for which, color in (("best", plots.MODEL), ("ours", plots.TRUTH)):
            ax.plot(n, [seconds(p, mode, which) / p["elements"] * 1e9 for p in points], color=color, marker="o", ms=3)
        for own in (x for x in points[0]["time"][mode] if x.startswith("F.")):
            slower = [seconds(p, mode, own) / p["elements"] * 1e9 for p in points]
            ax.plot(n, slower, ":", color=plots.QUIET)
        ax.set_xscale("log", base=2)
        ax.set_yscale("log")
        ax.set_title(name, loc="left")
    axes[0].plot([], [], color=plots.TRUTH, label="ours")
    axes[0].plot([], [], color=plots.MODEL, label="fastest peer")
    axes[0].plot([], [], ":", color=plots.QUIET, label="PyTorch's own")
    axes[0].legend(loc="upper right")
    axes[len(axes) // 2].set_ylabel("nanoseconds for an element")
    axes[-1].set_xlabel("elements")


def crossings(results):
    """For each curve the largest number of elements at which ours take more than 1.05 times as long as the fastest peer, and the most."""
    lines = []
    for name in curve_names(results):
        points = [p for p in results["curves"] if p["curve"] == name]
        times = [(p["elements"], {k: t["median"] for k, t in p["time"].items()}) for p in points]
        slower = [(n, t["ours"] / min(v for k, v in t.items() if k not in ("ours", CONTROL))) for n, t in times]
        slower = [(n, r) for n, r in slower if r > 1.05]
        if not slower:
            lines.append(f"{name}: at none")
            continue
        at, most = max(slower, key=lambda x: x[1])
        lines.append(f"{name}: up to {slower[-1][0]:,} elements, at most {most:.1f} times (at {at:,})")
    return "\n".join(lines)


def curve_names(results):
    return list(dict.fromkeys(p["curve"] for p in results["curves"]))


def draw(results, path):
    """Both pictures in one file."""
    plots.set_style()
    figure = plt.figure(figsize=(11, 7))
    left, right = figure.subfigures(1, 2)
    draw_ratios(results, left.subplots())
    draw_curves(results, right.subplots(len(curve_names(results)), sharex=True))
    figure.savefig(path, facecolor="white", dpi=120)
