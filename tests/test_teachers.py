"""What the page for teachers says of the command, of the sheets and of files to copy, held against them."""

import ast
import json
import re
from pathlib import Path

import pytest

import lossnotes as ln
from lossnotes.check._grade import proxy, submission
from lossnotes.check._grade.sheet import load, shipped

ROOT = Path(__file__).parents[1]
PAGE = ROOT / "book" / "homework" / "for-teachers.ipynb"
CELLS = ["".join(cell["source"]) for cell in json.loads(PAGE.read_text("utf-8"))["cells"] if cell["cell_type"] == "markdown"]
TEXT = "\n\n".join(CELLS)


def test_the_time_limits_are_those_of_the_command():
    row = re.search(
        r"raises the limit for a whole submission, one minute; .* always has (\d+) seconds, a later call (\d+) \|", TEXT
    )
    assert submission.TOTAL == 60 and {submission.STATEMENT, proxy.FIRST} == {int(row[1])} and int(row[2]) == proxy.CALL
    for limit in (proxy.CALL, proxy.FIRST):  # whatever --seconds says
        assert proxy.Clock(20 * submission.TOTAL).limit(limit) == limit


def test_the_short_version_has_as_many_commands_as_it_says():
    (box,) = re.findall(r"## The short version.*?```\n(.*?)```", TEXT, re.DOTALL)
    assert "The short version is four commands" in TEXT and len(box.splitlines()) == 4


def test_the_functions_in_no_sheet_are_those_that_it_names():
    used = {name for sheet in shipped() for name in load(sheet).exercises}
    said = re.search(r"Mix functions of different sheets \((.*?) is in none\)", TEXT)[1]
    assert {f"`{name}`" for name in set(ln.check.names()) - used} == {said}


@pytest.mark.parametrize(
    "box", re.findall(r"```\{literalinclude\} (.*?)```", TEXT, re.DOTALL), ids=lambda box: Path(box.split()[0]).stem
)
def test_what_is_to_be_copied_is_all_of_a_box(box):
    """The test of `entropy`, with its points, and nothing of the script that the box is taken from."""
    path, *options = box.splitlines()
    after, before = (re.search(rf":{key}: '(.*)'", "\n".join(options))[1] for key in ("start-after", "end-before"))
    rest = (PAGE.parent / path).read_text("utf-8").split(after, 1)[1].split("\n", 1)[1]
    copied = rest[: re.search(rf"(?m)^.*{re.escape(before)}", rest).start()]
    calls = [ast.unparse(node) for node in ast.walk(ast.parse(copied)) if isinstance(node, ast.Call)]
    assert "ln.check(entropy, like='entropy', sheet='information')" in calls and "{" not in copied
    worth = int(load("information").exercises["entropy"].points)
    assert f"round({worth} * report.score, 2)" in calls or f"test_case(points={worth})" in calls
