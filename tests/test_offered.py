"""The notebooks that a page offers: their first cell, and the empty folder in which nbval runs the rest (../conftest.py)."""

import sys
from pathlib import Path
from types import SimpleNamespace

import nbformat
import pytest

from lossnotes.check._child import reading

ROOT = Path(__file__).parents[1]
sys.path.insert(0, str(ROOT / "book" / "_ext"))
import lossnotes_notebooks  # noqa: E402

ADDRESS = "https://example.org/owner/notes"


@pytest.fixture(params=[None, ADDRESS], ids=["no address", "address"])
def cell(request, monkeypatch):
    monkeypatch.setenv("BOOK_REPOSITORY", request.param) if request.param else monkeypatch.delenv("BOOK_REPOSITORY", raising=False)
    monkeypatch.setenv("BOOK_BRANCH", "edition-2")
    return lossnotes_notebooks.first_cell()


def test_where_lossnotes_is_installed_the_first_cell_does_nothing(cell, run_alone):
    assert run_alone(cell) == [""]


def test_notebooks_run_in_an_empty_folder_with_what_is_installed(run_alone):
    (said,) = run_alone("import os, lossnotes; print(os.listdir('.'), lossnotes.__file__)")
    listed, _, file = said.strip().partition(" ")
    assert listed == "[]" and not Path(file).is_relative_to(ROOT)


def test_where_it_is_missing_the_first_cell_installs_it_or_says_what_to_install(cell, run_alone):
    """In a notebook that finds no `lossnotes`, and whose pip only says what it is asked for."""
    without = "import sys; sys.modules['lossnotes'] = None; get_ipython().register_magic_function(print, magic_name='pip')"
    said = run_alone(without, cell)[1]
    if ADDRESS in cell:
        assert said == f'install --quiet "lossnotes[book] @ git+{ADDRESS}@edition-2"\n'
    else:
        where = "in a clone of the project, or the wheel that your teacher gave you"
        assert said == f'Install lossnotes first: pip install ".[book]", {where}'


@pytest.mark.parametrize("sheet", ["information", "losses", "practice"])
def test_an_exam_as_the_page_for_teachers_has_it_runs_without_lossnotes(sheet, run_alone):
    cells = nbformat.read(ROOT / "book" / "homework" / f"{sheet}.ipynb", as_version=4).cells
    stubs = [cell.source for cell in cells if "raise NotImplementedError" in cell.source and cell.cell_type == "code"]
    assert len(stubs) >= 7
    assert not any(run_alone("import sys; sys.modules['lossnotes'] = None", "import torch", *stubs))


def test_the_grader_reads_a_sheet_with_that_cell(cell):
    nb = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(cell)])
    (piece,) = reading.pieces("sheet.ipynb", nbformat.writes(nb).encode())
    assert [error for _, error in reading.statements(piece.source)] == [""]


def test_what_is_offered_is_the_notebook_without_outputs_and_with_the_cell():
    source = ROOT / "book" / "homework" / "information.ipynb"
    made, nb = lossnotes_notebooks.offered(nbformat.read(source, as_version=4)), nbformat.read(source, as_version=4)
    assert [c.source for c in made.cells[1:]] == [c.source for c in nb.cells]
    assert any(c.get("outputs") for c in nb.cells) and not any(c.get("outputs") for c in made.cells)
    nbformat.validate(made)


def context():
    colab = {"text": "Colab", "url": "https://colab.example/github/owner/notes/blob/edition-2/book/x.ipynb"}
    return {"header_buttons": [{"buttons": [{"text": ".ipynb", "url": "x"}, colab, {"text": ".pdf"}]}, {"text": "search"}]}


def test_colab_opens_the_branch_with_the_cell(monkeypatch):
    monkeypatch.setenv("BOOK_BRANCH", "edition-2")
    monkeypatch.setenv("BOOK_COLAB_BRANCH", "notebooks")
    about = context()
    lossnotes_notebooks.lead_to_what_runs_alone(SimpleNamespace(), "book/x", "", about, None)
    assert about["header_buttons"][0]["buttons"][1]["url"].endswith("/blob/notebooks/book/x.ipynb")


def test_what_cannot_run_alone_is_not_offered():
    about = context()
    (page,) = lossnotes_notebooks.NOT_ALONE
    lossnotes_notebooks.lead_to_what_runs_alone(SimpleNamespace(), page, "", about, None)
    assert [button["text"] for button in about["header_buttons"][0]["buttons"]] == [".pdf"]
