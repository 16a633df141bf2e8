"""The book's figure style."""

import matplotlib as mpl

mpl.use("agg")

import matplotlib.pyplot as plt  # noqa: E402
import pytest  # noqa: E402
import torch  # noqa: E402

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
