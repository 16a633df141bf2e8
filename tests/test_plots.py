"""The book's figure style, its tables and its blanks."""

from types import SimpleNamespace

import matplotlib as mpl

mpl.use("agg")

import matplotlib.pyplot as plt  # noqa: E402
import nbformat  # noqa: E402
import pytest  # noqa: E402
import torch  # noqa: E402
from bs4 import BeautifulSoup  # noqa: E402
from nbclient import NotebookClient  # noqa: E402

from lossnotes import plots  # noqa: E402


@pytest.fixture
def ax():
    with mpl.rc_context():
        plots.set_style()
        figure, ax = plt.subplots()
        yield ax
        plt.close(figure)


def luminance(colour):
    """Relative luminance, as the contrast rules for web pages define it."""
    linear = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in mpl.colors.to_rgb(colour)]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


@pytest.mark.parametrize("colour", [plots.TRUTH, plots.MODEL, plots.THIRD, plots.QUIET])
def test_colours_stand_out_on_a_white_page(colour):
    assert 1.05 / (luminance(colour) + 0.05) >= 3  # the least contrast for graphics, WCAG 1.4.11


def test_style_draws_on_nothing_in_the_palette(ax):
    assert ax.figure.get_facecolor()[3] == 0 and ax.get_facecolor()[3] == 0
    assert ax.plot([0, 1])[0].get_color() == plots.TRUTH
    assert ax.figure.get_size_inches().tolist() == [5.6, 3.3]


def test_bars_are_named_and_valued(ax):
    drawn = plots.bars(ax, ["a", "b"], [1.25, 3], values="{:.1f}")
    assert [bar.get_height() for bar in drawn] == [1.25, 3]
    assert [label.get_text() for label in ax.get_xticklabels()] == ["a", "b"]
    assert [text.get_text() for text in ax.texts] == ["1.2", "3.0"]
    plots.bars(ax, ["a"], [1])
    assert len(ax.texts) == 2


def test_a_line_is_labelled_beside_it_in_its_colour(ax):
    plots.label_line(ax, 0.5, 1, "entropy", plots.MODEL, ha="center")
    (text,) = ax.texts
    assert (text.get_text(), text.get_color(), text.xy, text.get_ha()) == ("entropy", plots.MODEL, (0.5, 1), "center")


def test_spread_draws_the_mean_between_the_lowest_and_the_highest(ax):
    runs = torch.tensor([[1.0, 2.0], [3.0, 6.0], [2.0, 4.0]])
    (line,) = plots.spread(ax, [0, 10], runs, plots.MODEL, "--")
    assert line.get_ydata().tolist() == [2.0, 4.0] and line.get_linestyle() == "--" and line.get_color() == plots.MODEL
    (band,) = ax.collections
    corners = {tuple(point) for point in band.get_paths()[0].vertices.tolist()}
    assert {(0.0, 1.0), (0.0, 3.0), (10.0, 2.0), (10.0, 6.0)} <= corners


def test_a_table_is_text_outside_notebooks(capsys):
    rows = [["fair", 0.5, 1], ("loaded", torch.tensor(0.125), None), ["zero", -1e-9, torch.tensor(3)]]
    plots.table(rows, ["coin", "p", "bits"], digits=2)
    assert capsys.readouterr().out.splitlines() == [
        "coin       p    bits",
        "------  ----  ------",
        "fair    0.50       1",
        "loaded  0.12",
        "zero    0.00       3",
    ]


def test_a_table_has_figures_for_each_column(capsys):
    plots.table([[0.25, 0.25, "x", "2e-9"]], ["a", "b", "name", "small"], digits=[1, 3, 0, 0])
    assert capsys.readouterr().out.splitlines()[-1] == "0.2  0.250  x          2e-9"


def test_a_table_is_html_in_a_notebook():
    cell = nbformat.v4.new_code_cell("from lossnotes import plots\nplots.table([['a<b', 0.5]], ['q', 'p'], digits=1)")
    nb = NotebookClient(nbformat.v4.new_notebook(cells=[cell]), kernel_name="python3").execute()
    (output,) = nb.cells[0].outputs
    page = BeautifulSoup(output.data["text/html"], "html.parser")
    assert [tag.get_text() for tag in page.select("table.table td")] == ["a<b", "0.5"]
    assert ["right" in tag["style"] if tag.get("style") else False for tag in page.select("th")] == [False, True]
    assert output.data["text/plain"].splitlines()[-1].split() == ["a<b", "0.5"]


@pytest.mark.parametrize(
    ("answer", "target", "options", "said"),
    [
        (..., 0.92, {}, "not written yet"),
        (None, 0.92, {}, "not written yet"),
        (0.9163, 0.92, {}, "yours 0.92, target 0.92: right"),
        (torch.tensor(0.9163), 0.92, {}, "yours 0.92, target 0.92: right"),
        (0.9263, 0.92, {}, "yours 0.93, target 0.92: not yet"),
        (0.9263, 0.92, {"tolerance": 0.01}, "yours 0.93, target 0.92: right"),
        (3.0000001, 3, {}, "yours 3, target 3: right"),
        (2.6, 3, {}, "yours 2.6, target 3: not yet"),
        (3, 3, {}, "yours 3, target 3: right"),
        (float("inf"), float("inf"), {}, "yours inf, target inf: right"),
        (float("nan"), 0.5, {}, "yours nan, target 0.5: not yet"),
        (torch.tensor([0.25, 0.75]), [0.25, 0.75], {}, "yours 0.25, 0.75, target 0.25, 0.75: right"),
        ([0.25], [0.25, 0.75], {}, "yours 0.25, target 0.25, 0.75: not yet"),
        ([[0.1, 0.2], [0.3, 0.4]], [0.1, 0.2, 0.3, 0.4], {}, "yours 0.1, 0.2, 0.3, 0.4, target 0.1, 0.2, 0.3, 0.4: right"),
        (torch.tensor([[1, 2], [3, 4]]), [1, 2, 3, 4], {}, "yours 1, 2, 3, 4, target 1, 2, 3, 4: right"),
        ([torch.tensor([1, 2]), (torch.tensor(3), 4)], [1, 2, 3, 4], {}, "yours 1, 2, 3, 4, target 1, 2, 3, 4: right"),
        ([1, 2, 3, 4], torch.tensor([[1, 2], [3, 4]]), {}, "yours 1, 2, 3, 4, target 1, 2, 3, 4: right"),
        (torch.tensor([[1, 3], [2, 4]]), [1, 2, 3, 4], {}, "yours 1, 3, 2, 4, target 1, 2, 3, 4: not yet"),
        ([[1, 2], [3]], [1, 2, 3, 4], {}, "yours 1, 2, 3, target 1, 2, 3, 4: not yet"),
        ("z", "z", {}, "yours z, target z: right"),
        ("z", 0.5, {}, "yours z, target 0.5: not yet"),
        (0.61, 0.5, {"tolerance": 0.1}, "yours 0.61, target 0.50: not yet"),
        (0.6004, 0.5, {"tolerance": 0.1}, "yours 0.6004, target 0.5000: not yet"),
        ([0.61, 0.9], [0.5, 0.5], {"tolerance": 0.1}, "yours 0.6, 0.9, target 0.5, 0.5: not yet"),
        (0.8, 0.7, {"tolerance": 0.1}, "yours 0.8, target 0.7: right"),
        (0.5004, 0.5, {"tolerance": 1e-5}, "yours 0.5004, target 0.5000: not yet"),
        # No two numbers that differ are right without a tolerance. A half may go up or down.
        (0.9251, 0.92, {}, "yours 0.93, target 0.92: not yet"),
        (0.9149, 0.92, {}, "yours 0.91, target 0.92: not yet"),
        (0.125, 0.12, {}, "yours 0.12, target 0.12: right"),
        (0.125, 0.13, {}, "yours 0.13, target 0.13: right"),
        (torch.tensor(0.925), 0.92, {}, "yours 0.92, target 0.92: right"),
        (torch.tensor(0.915), 0.92, {}, "yours 0.92, target 0.92: right"),
        (2.506, 2.0, {}, "yours 3, target 2: not yet"),
        (2.4, 2.0, {}, "yours 2, target 2: right"),
        (1 / 3, 1 / 3 + 1e-9, {}, "yours 0.333333, target 0.333333: right"),
        ([0.52, 0.125], [0.5, 0.125], {}, "yours 0.520, 0.125, target 0.500, 0.125: not yet"),
        ([1.0, 0.251], [1, 0.25], {}, "yours 1, 0.25, target 1, 0.25: right"),
    ],
)
def test_a_report_says_whether_an_answer_is_right(answer, target, options, said, capsys):
    plots.report("bill", answer, target, **options)
    assert capsys.readouterr().out == f"bill: {said}\n"


def test_a_table_goes_to_the_notebook_that_runs_it(monkeypatch, capsys):
    import IPython
    import IPython.display

    shown = []
    monkeypatch.setattr(IPython, "get_ipython", lambda: SimpleNamespace(kernel=object()))
    monkeypatch.setattr(IPython.display, "display", shown.append)
    plots.table([["fair", 0.5]], ["coin", "p"], digits=1)
    assert capsys.readouterr().out == "" and len(shown) == 1
    assert shown[0]._repr_html_().startswith('<table class="table">') and repr(shown[0]).startswith("coin")
