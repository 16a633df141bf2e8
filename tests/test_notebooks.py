"""The notebooks as files. nbval, in the same run, compares what their cells print."""

import ast
import re
import sys
import tomllib
from importlib.metadata import packages_distributions
from pathlib import Path

import nbformat
import pytest

ROOT = Path(__file__).parents[1]
sys.path.insert(0, str(ROOT / "book"))
import normalise  # noqa: E402

NOTEBOOKS = normalise.notebooks()


@pytest.fixture(params=NOTEBOOKS, ids=lambda path: path.stem)
def path(request):
    return request.param


def visible_code(nb):
    return [c for c in nb.cells if c.cell_type == "code" and not {"hide-input", "hide-cell", "check"} & tags(c)]


def tags(cell):
    return set(cell.metadata.get("tags", []))


def test_is_in_normal_form(path):
    assert normalise.is_normal(path), f"{path.name} is not in normal form. Try make notebooks"


def test_is_in_the_contents(path):
    assert str(path.relative_to(ROOT).with_suffix("")) in (ROOT / "_toc.yml").read_text("utf-8")


def test_cells_can_be_read_at_a_glance(path):
    lengths = sorted(cell.source.count("\n") + 1 for cell in visible_code(nbformat.read(path, as_version=4))) or [0]
    assert lengths[len(lengths) // 2] <= 8 and lengths[-1] <= 20, lengths


def test_code_fits_the_page(path):
    for cell in visible_code(nbformat.read(path, as_version=4)):
        for line in cell.source.split("\n"):
            assert len(line) <= 80, line


# Chapters of the second edition: those whose card is a block of its own.
SECOND = [path for path in NOTEBOOKS if "{card-of-chapter}" in path.read_text("utf-8")]


@pytest.fixture(params=SECOND, ids=lambda path: path.stem)
def chapter(request):
    return nbformat.read(request.param, as_version=4)


def long_cells(nb):
    """Visible cells that one does not take in at a glance."""
    return [cell.source for cell in visible_code(nb) if cell.source.count("\n") >= 12]


def asserts(cell):
    """Whether the cell confirms something."""
    names = {"assert_close", "gradcheck", "gradgradcheck"}
    walk = list(ast.walk(ast.parse(re.sub(r"^\s*[%!].*$", "pass", cell.source, flags=re.MULTILINE))))
    return any(isinstance(n, ast.Assert) or getattr(n, "attr", getattr(n, "id", None)) in names for n in walk)


def cells_that_only_assert(nb):
    """Visible cells that show a reader nothing but that what he has read is so."""
    return [cell.source for cell in visible_code(nb) if asserts(cell) and not cell.outputs]


def checks_that_print_or_confirm_nothing(nb):
    return [c.source for c in nb.cells if "check" in tags(c) and (c.outputs or not asserts(c))]


def blanks(nb):
    """For each "Your turn" before the exercises, what the code cell behind it printed."""
    found = []
    for number, cell in enumerate(nb.cells):
        if cell.cell_type == "markdown":
            before, exercises, _ = cell.source.partition("\n## Exercises")
            if "{your-turn}" in before:
                code = next((c for c in nb.cells[number + 1 : number + 2] if c.cell_type == "code"), None)
                found.append("".join(output.get("text", "") for output in code.outputs) if code else "")
            if exercises:
                break
    return found


def test_visible_cells_are_short(chapter):
    assert not long_cells(chapter)


def test_visible_cells_do_not_only_assert(chapter):
    assert not cells_that_only_assert(chapter)


def test_checks_confirm_and_print_nothing(chapter):
    assert not checks_that_print_or_confirm_nothing(chapter)


def test_there_are_blanks_and_a_fresh_run_says_that_they_are(chapter):
    said = blanks(chapter)
    assert len(said) >= 2 and all("not written yet" in text for text in said), said


def new_chapter(*cells):
    """A notebook of markdown (a string) and code (its source, what it prints, its tags)."""
    made = []
    for cell in cells:
        if isinstance(cell, str):
            made.append(nbformat.v4.new_markdown_cell(cell))
        else:
            source, printed, *named = cell
            outputs = [nbformat.v4.new_output("stream", name="stdout", text=printed)] if printed else []
            made.append(nbformat.v4.new_code_cell(source, outputs=outputs, metadata={"tags": named}))
    return nbformat.v4.new_notebook(cells=made)


def test_the_tests_of_a_chapter_see_what_they_look_for():
    nb = new_chapter(
        ("assert 1 == 1", ""),
        ("torch.testing.assert_close(a, b)", ""),
        ("assert 1 == 1\nprint(1)", "1\n"),
        ("assert 1 == 1", "", "check"),
        ("assert 1 == 1\nprint(2)", "2\n", "check"),
        ("x = 1", "", "check"),
        ("\n".join("abcdefghijkl"), ""),
        ("\n".join("abcdefghijklm"), ""),
    )
    assert cells_that_only_assert(nb) == ["assert 1 == 1", "torch.testing.assert_close(a, b)"]
    assert checks_that_print_or_confirm_nothing(nb) == ["assert 1 == 1\nprint(2)", "x = 1"]
    assert long_cells(nb) == ["\n".join("abcdefghijklm")]
    turn, blank = "A.\n\n:::{your-turn}\nb\n:::", ("answer = ...", "it: not written yet\n")
    assert blanks(new_chapter(turn, blank, turn, ("answer = 1", "right\n"), "## Summary", turn)) == [
        "it: not written yet\n",
        "right\n",
        "",
    ]
    assert blanks(new_chapter(turn, blank, "text\n\n## Exercises\n\nmore", turn, blank)) == ["it: not written yet\n"]


def imported(nb):
    """The packages that the cells import, by the first part of their names."""
    found = set()
    for cell in nb.cells:
        # IPython's own lines (%, !) are no Python, and import nothing.
        source = re.sub(r"^\s*[%!].*$", "pass", cell.source, flags=re.MULTILINE) if cell.cell_type == "code" else ""
        for node in ast.walk(ast.parse(source)):
            if isinstance(node, ast.Import):
                found |= {alias.name.split(".")[0] for alias in node.names}
            elif isinstance(node, ast.ImportFrom):
                found.add(node.module.split(".")[0])
    return found


def foreign(packages):
    """Those that `pip install "lossnotes[book]"` does not promise."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]
    promised = {re.match(r"[\w.-]+", line)[0] for line in project["dependencies"] + project["optional-dependencies"]["book"]}
    homes = packages_distributions()
    own = {"lossnotes", "show", "traffic"}  # the last two lie in benchmarks/
    return {p for p in packages - sys.stdlib_module_names - own if not promised & set(homes.get(p, []))}


def test_imports_what_the_extra_book_brings(path):
    assert not foreign(imported(nbformat.read(path, as_version=4)))


def test_the_check_sees_a_foreign_import():
    nb = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell("import math\nfrom sklearn import svm\nimport bs4.element")])
    assert foreign(imported(nb)) == {"bs4"}


def test_outputs_name_no_device_and_no_error(path):
    for cell in nbformat.read(path, as_version=4).cells:
        for output in cell.get("outputs", []):
            assert output.output_type != "error", cell.source
            said = output.get("text", "") + str(output.get("data", ""))
            assert "cuda" not in said and "device=" not in said and " at 0x" not in said, said


def typing_faults(text):
    """What the book types in one way: 30%, and a citation that is the names of its authors in place of one behind them."""
    cited = re.findall(r"([A-Z]\w+)(?: and \w+)? \{cite\}`([a-z]+)\d", text)
    return re.findall(r"\d\$? \\?%", text) + [name for name, key in cited if name.lower() == key]


def test_percent_and_citations_are_typed_in_one_way(path):
    faults = [
        fault for cell in nbformat.read(path, 4).cells if cell.cell_type == "markdown" for fault in typing_faults(cell.source)
    ]
    assert not faults, "Try 30%, and {cite:t} for the authors' names"


def test_the_check_sees_what_is_typed_otherwise():
    assert typing_faults("On 30 % of days, or $30$ \\% of them, as Weston and Watkins {cite}`weston1999` say.") == [
        "0 %",
        "0$ \\%",
        "Weston",
    ]
    assert not typing_faults("On 30% of days, as {cite:t}`weston1999` and others say {cite}`shannon1948`.")


def test_figures_have_caption_name_and_alt_text(path):
    for cell in nbformat.read(path, as_version=4).cells:
        if any("<Figure" in str(output.get("data", "")) for output in cell.get("outputs", [])):
            about = cell.metadata.mystnb
            assert about.figure.name.startswith("fig-") and len(about.figure.caption) > 20 and len(about.image.alt) > 40


def test_normal_form_drops_pictures_and_metadata_and_keeps_text():
    picture = nbformat.v4.new_output("display_data", data={"image/png": "aGk=", "text/plain": "<Figure>"}, metadata={"width": 3})
    printed = nbformat.v4.new_output("stream", name="stdout", text="3 bits\n")
    cell = nbformat.v4.new_code_cell("draw()\n", outputs=[picture, printed], execution_count=7)
    cell.metadata = {"tags": ["hide-input"], "collapsed": False, "mystnb": {"image": {"alt": "x"}}}
    nb = nbformat.v4.new_notebook(cells=[cell], metadata={"widgets": {}})
    nb.metadata.language_info = {"name": "python", "version": "3.99"}
    result = normalise.normalise(nb)
    (kept,) = result.cells
    assert kept.source == "draw()" and kept.execution_count == 1
    assert kept.metadata == {"tags": ["hide-input"], "mystnb": {"image": {"alt": "x"}}}
    assert kept.outputs[0].data == {"text/plain": "<Figure>"} and kept.outputs[0].metadata == {}
    assert kept.outputs[1].text == "3 bits\n"
    assert "version" not in result.metadata.language_info and "widgets" not in result.metadata
    assert normalise.text(normalise.normalise(result)) == normalise.text(result)


@pytest.mark.parametrize("change", ["execution_count", "picture", "metadata"])
def test_a_notebook_as_jupyter_saves_it_is_not_normal(tmp_path, change):
    nb = nbformat.read(NOTEBOOKS[0], as_version=4)
    cell = next(c for c in nb.cells if c.cell_type == "code")
    if change == "execution_count":
        cell.execution_count = 42
    elif change == "picture":
        cell.outputs.append(nbformat.v4.new_output("display_data", data={"image/png": "aGk="}))
    else:
        nb.metadata.language_info.version = "3.11.7"
    saved = tmp_path / "saved.ipynb"
    saved.write_text(nbformat.writes(nb) + "\n", "utf-8")
    assert not normalise.is_normal(saved)
    assert normalise.is_normal(NOTEBOOKS[0])


def test_what_is_printed_in_pieces_is_stored_in_one():
    pieces = [
        nbformat.v4.new_output("stream", name=name, text=text)
        for name, text in (("stdout", "a\n"), ("stdout", "b\n"), ("stderr", "c\n"))
    ]
    cell = nbformat.v4.new_code_cell("print()", outputs=pieces)
    outputs = normalise.normalise(nbformat.v4.new_notebook(cells=[cell])).cells[0].outputs
    assert [(output.name, output.text) for output in outputs] == [("stdout", "a\nb\n"), ("stderr", "c\n")]
