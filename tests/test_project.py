"""What carries the project beside its code: workflows, forms, versions, and the form of the code."""

import ast
import os
import re
import subprocess
import sys
import tomllib
from pathlib import Path
from types import SimpleNamespace

import pytest
import yaml

ROOT = Path(__file__).parents[1]
GITHUB = ROOT / ".github"
WORKFLOWS = sorted((GITHUB / "workflows").glob("*.yml"))
sys.path.insert(0, str(ROOT / "book" / "_ext"))
import lossnotes_book  # noqa: E402


def run(*command):
    # Without the variable CI, with which some tools write in colours.
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, env={**os.environ, "NO_COLOR": "1"})
    assert done.returncode == 0, done.stdout + done.stderr


def test_the_code_has_one_form():
    run(sys.executable, "-m", "ruff", "check", ".")
    run(sys.executable, "-m", "ruff", "format", "--check", ".")


@pytest.mark.parametrize("path", sorted([*ROOT.glob("book/**/*.py"), *ROOT.glob("benchmarks/*.py")]), ids=lambda p: p.name)
def test_a_script_that_is_imported_does_nothing(path):
    """pytest imports every file below `book` in search of examples, and each of its workers does: what stands free is run then."""
    for node in ast.parse(path.read_text("utf-8")).body:
        assert (
            isinstance(node, ast.Import | ast.ImportFrom | ast.FunctionDef | ast.ClassDef | ast.Assign)
            or ast.unparse(node).startswith(("if __name__ == '__main__':", "sys.path.insert("))
            or (isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant))
        ), f'line {node.lineno}: put it below `if __name__ == "__main__":`'


def test_workflows_and_forms_are_such_as_github_takes():
    run(sys.executable, "-m", "check_jsonschema", "--builtin-schema", "vendor.github-workflows", *map(str, WORKFLOWS))
    forms = [p for p in (GITHUB / "ISSUE_TEMPLATE").glob("*.yml") if p.name != "config.yml"]
    assert len(forms) >= 2
    run(sys.executable, "-m", "check_jsonschema", "--builtin-schema", "vendor.github-issue-forms", *map(str, forms))


def test_workflows_run_what_a_person_runs():
    targets = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text("utf-8"), re.MULTILINE))
    commands = []
    for path in WORKFLOWS:
        for job in yaml.safe_load(path.read_text("utf-8"))["jobs"].values():
            commands += [step["run"] for step in job["steps"] if "run" in step]
    assert ".ci/run" in commands
    for command in commands:
        if command.startswith("sudo apt-get install"):
            continue  # what a machine has to have before: a font
        assert command == ".ci/run" or re.match(r"make ([a-z-]+)", command)[1] in targets


def test_the_oldest_python_is_tested():
    oldest = re.search(r">=([\d.]+)", pyproject()["requires-python"])[1]
    matrix = yaml.safe_load((GITHUB / "workflows" / "test.yml").read_text("utf-8"))["jobs"]["test"]["strategy"]["matrix"]
    assert matrix["python"][0] == oldest and len(matrix["python"]) > 1


def pyproject():
    return tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]


def test_one_version():
    version = pyproject()["version"]
    citation = yaml.safe_load((ROOT / "CITATION.cff").read_text("utf-8"))
    released = re.findall(r"^## \[([\d.]+)\]", (ROOT / "CHANGELOG.md").read_text("utf-8"), re.MULTILINE)
    assert citation["version"] == version == released[0]
    teachers = (ROOT / "book/homework/for-teachers.ipynb").read_text("utf-8")
    assert set(re.findall(r"lossnotes-([\d.]+)-py3", teachers)) == {version} and f"({version} is the version" in teachers


@pytest.fixture
def config():
    return SimpleNamespace(language="en", html_baseurl="", html_theme_options={"show_toc_level": 2})


def test_the_book_takes_its_address_from_who_publishes_it(config, monkeypatch):
    monkeypatch.setenv("BOOK_URL", "https://example.org/notes")
    monkeypatch.setenv("BOOK_REPOSITORY", "https://github.com/owner/notes")
    monkeypatch.setenv("BOOK_BRANCH", "edition-2")
    lossnotes_book.take_address(None, config)
    assert config.html_baseurl == "https://example.org/notes/"
    options = config.html_theme_options
    assert options["repository_url"] == "https://github.com/owner/notes" and options["repository_branch"] == "edition-2"
    assert options["show_toc_level"] == 2 and {"binderhub_url", "colab_url"} == options["launch_buttons"].keys()
    config.language = "zh_CN"
    lossnotes_book.take_address(None, config)
    assert config.html_baseurl == "https://example.org/notes/zh/"


def test_without_an_address_there_is_none(config, monkeypatch):
    for name in ("BOOK_URL", "BOOK_REPOSITORY"):
        monkeypatch.delenv(name, raising=False)
    lossnotes_book.take_address(None, config)
    assert config.html_baseurl == "" and config.html_theme_options == {"show_toc_level": 2}
