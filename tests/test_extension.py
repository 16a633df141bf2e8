"""The book's Sphinx extension: outputs are kept until something that they depend on changes."""

import sys
from pathlib import Path
from types import SimpleNamespace
from unittest.mock import MagicMock

import nbformat
import pytest
from docutils import nodes
from jupyter_cache import get_cache
from sphinxcontrib.katex import KaTeXError, KaTeXServer

ROOT = Path(__file__).parents[1]
sys.path.insert(0, str(ROOT / "book" / "_ext"))
import lossnotes_book  # noqa: E402


@pytest.fixture
def app(tmp_path):
    """As much of a Sphinx application as the extension looks at, over a small project."""
    (tmp_path / "lossnotes").mkdir()
    (tmp_path / "lossnotes" / "a.py").write_text("x = 1\n")
    (tmp_path / "benchmarks").mkdir()
    (tmp_path / "benchmarks" / "results.json").write_text("{}\n")
    (tmp_path / "benchmarks" / "show.py").write_text("x = 1\n")
    (tmp_path / "requirements.txt").write_text("torch==2.13.0\n")
    config = SimpleNamespace(nb_execution_mode="cache", nb_execution_timeout=60, nb_execution_cache_path="")
    env = SimpleNamespace(doc2path=lambda name: str(tmp_path / name))
    return SimpleNamespace(srcdir=str(tmp_path), outdir=str(tmp_path / "_build" / "html"), config=config, env=env)


def key(app):
    lossnotes_book.key_cache(app, app.config)
    return app.config.nb_execution_cache_path


def test_key_stays_while_nothing_changes(app):
    assert key(app) == key(app)
    (Path(app.srcdir) / "README.md").write_text("no notebook reads this")
    (Path(app.srcdir) / "benchmarks" / "run.py").write_text("no notebook runs this")
    assert key(app) == key(app)


@pytest.mark.parametrize(
    "changed",
    [
        "lossnotes/a.py",
        "lossnotes/new.py",
        "lossnotes/kept.json",
        "requirements.txt",
        "benchmarks/results.json",
        "benchmarks/show.py",
    ],
)
def test_key_changes_with_what_outputs_depend_on(app, changed):
    before, pages = key(app), app.config.lossnotes_cache_key
    (Path(app.srcdir) / changed).write_text("x = 2\n")
    assert key(app) != before and app.config.lossnotes_cache_key != pages


def test_outputs_of_another_key_are_forgotten(app):
    old = Path(key(app))
    old.mkdir(parents=True)
    (old / "outputs").write_text("x")
    (Path(app.srcdir) / "lossnotes" / "a.py").write_text("x = 2\n")
    new = Path(key(app))
    assert not old.exists()
    new.mkdir()
    assert Path(key(app)).exists()


def test_notebooks_are_executed_once_and_found_by_myst_nb(app, capfd):
    cell = nbformat.v4.new_code_cell("import os\nprint(os.environ['OMP_NUM_THREADS'])")
    nbformat.write(nbformat.v4.new_notebook(cells=[cell]), Path(app.srcdir) / "a.ipynb")
    key(app)
    lossnotes_book.execute_in_parallel(app, app.env, ["a.ipynb", "requirements.txt"])
    cache = get_cache(app.config.nb_execution_cache_path)
    nb = nbformat.read(Path(app.srcdir) / "a.ipynb", as_version=4)
    first = cache.match_cache_notebook(nb)  # what myst-nb asks; KeyError where it would execute
    _, merged = cache.merge_match_into_notebook(nb)
    assert merged.cells[0].outputs[0].text == "1\n"
    lossnotes_book.execute_in_parallel(app, app.env, ["a.ipynb"])
    assert cache.match_cache_notebook(nb).created == first.created


def test_a_failing_notebook_is_left_to_myst_nb(app, capfd):
    nbformat.write(nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell("1 / 0")]), Path(app.srcdir) / "a.ipynb")
    key(app)
    lossnotes_book.execute_in_parallel(app, app.env, ["a.ipynb"])
    with pytest.raises(KeyError):
        get_cache(app.config.nb_execution_cache_path).match_cache_notebook(
            nbformat.read(Path(app.srcdir) / "a.ipynb", as_version=4)
        )


@pytest.mark.parametrize(
    "options, language, html",
    [
        ({"repository_url": "https://example.org/notes"}, "en", [("project", "https://example.org/notes")]),
        ({}, "en", [("project", None), (" (ask whoever gave you this book)", None)]),
    ],
    ids=["address", "no address"],
)
def test_the_project_is_linked_where_its_address_is_known(options, language, html):
    role = next(call.args[1] for call in registered("add_role") if call.args[0] == "project")
    (words,), _ = role("project", "{project}`project`", "project", 1, None)
    paragraph = nodes.paragraph("", "", words)
    app = SimpleNamespace(config=SimpleNamespace(html_theme_options=options, language=language))
    lossnotes_book.lead_to_project(app, paragraph, "book/intro")
    assert [(node.astext(), node.get("refuri") if isinstance(node, nodes.Element) else None) for node in paragraph] == html


def registered(kind):
    """What the extension adds of a kind."""
    app = MagicMock()
    lossnotes_book.setup(app)
    return getattr(app, kind).call_args_list


# The process that draws formulas: what it says of itself, as a program.
SLOW = """
import socket, sys, time
listener = socket.socket(socket.AF_UNIX)
time.sleep(0.2)
listener.bind(sys.argv[1])
time.sleep(0.3)
listener.listen()
listener.accept()[0].sendall(b"here")
time.sleep(60)
"""


def test_a_process_that_listens_late_is_waited_for(monkeypatch, tmp_path):
    program = [sys.executable, "-c", SLOW]
    monkeypatch.setattr(KaTeXServer, "build_command", lambda socket: [*program, socket])
    process, connection = lossnotes_book.start_katex(tmp_path, 5)
    with process, connection:
        assert connection.recv(4) == b"here"
        process.kill()
    program[:] = [sys.executable, "-c", "raise SystemExit"]
    with pytest.raises(KaTeXError):
        lossnotes_book.start_katex(tmp_path, 5)


def test_the_book_waits_for_it(monkeypatch):
    monkeypatch.setattr(KaTeXServer, "start_server_process", None)
    lossnotes_book.setup(MagicMock())
    assert KaTeXServer.start_server_process is lossnotes_book.start_katex
