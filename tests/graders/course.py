"""A small course for the graders: a sheet, its solutions, and what three students hand in."""

import ast
import copy
import csv
import sys
from pathlib import Path

import nbformat

ROOT = Path(__file__).parents[2]
REVERSED = "def kl_divergence(p, q):\n    return torch.xlogy(q, q / p).sum(-1)"


def sheet(name="information"):
    return nbformat.read(ROOT / "book" / "homework" / f"{name}.ipynb", as_version=4)


def solutions(name="information"):
    source = (ROOT / "tests" / "homework" / f"{name}.py").read_text("utf-8")
    return {node.name: ast.get_source_segment(source, node) for node in ast.parse(source).body if hasattr(node, "name")}


def stub(cell):
    """The name of the function that the cell leaves to be written, if it does."""
    if cell.cell_type != "code" or "NotImplementedError" not in cell.source:
        return None
    return next(node.name for node in ast.parse(cell.source).body if hasattr(node, "name"))


def solved(notebook, answers):
    notebook = copy.deepcopy(notebook)
    for cell in notebook.cells:
        if stub(cell) in answers:
            cell.source = answers[stub(cell)]
    return notebook


def students(notebook):
    """Ada has solved it, Bob has one divergence the wrong way round, Eve hands in what she was given."""
    answers = solutions()
    return {
        "ada": solved(notebook, answers),
        "bob": solved(notebook, answers | {"kl_divergence": REVERSED}),
        "eve": solved(notebook, {}),
    }


def rows(path):
    with open(path, newline="", encoding="utf-8-sig") as file:
        return list(csv.DictReader(file))


def grade_with_lossnotes(folder, out):
    """The command of the page for teachers, on what was collected."""
    import subprocess

    command = [sys.executable, "-P", "-m", "lossnotes.check", folder, "--sheet", "information", "--csv", out]
    done = subprocess.run(list(map(str, command)), capture_output=True, text=True)
    assert done.returncode == 1, done.stdout + done.stderr  # not everybody has passed
    return {row["student"]: (float(row["points"]), row["mistakes"]) for row in rows(out)}
