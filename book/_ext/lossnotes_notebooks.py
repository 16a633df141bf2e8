"""The notebooks that a page offers: to run alone, in an empty folder or on Colab.

They are the book's own, without outputs, and with a first cell that installs `lossnotes` where it is missing. Only the build may know where
from, since no address is kept in the source (`take_address` of lossnotes_book.py): where it does not, the cell says what to install. The workflow `publish` puts them on a branch of their own,
which Colab opens.
"""

import os
from pathlib import Path

import nbformat

# Shows the last measurements of the project, and needs its files.
NOT_ALONE = {"book/reference/benchmarks"}

INSTALL = """\
# Installs lossnotes where it is missing, and does nothing elsewhere.
try:
    import lossnotes
except ModuleNotFoundError:
    %pip install --quiet "lossnotes[book] @ git+{repository}@{branch}"
"""
SAY = """\
# Says what to install where lossnotes is missing, and does nothing elsewhere.
try:
    import lossnotes
except ModuleNotFoundError:
    raise ModuleNotFoundError(
        'Install lossnotes first: pip install ".[book]", in a clone of the project, or the wheel that your teacher gave you'
    ) from None
"""


def setup(app):
    app.connect("html-page-context", lead_to_what_runs_alone, priority=502)  # after the theme's 501
    app.connect("build-finished", write_offered)
    return {"version": "1", "parallel_read_safe": True, "parallel_write_safe": True}


def first_cell():
    """The code that stands before the book's own."""
    repository, branch = os.environ.get("BOOK_REPOSITORY"), os.environ.get("BOOK_BRANCH", "main")
    return (INSTALL.format(repository=repository.rstrip("/"), branch=branch) if repository else SAY).rstrip("\n")


def offered(nb):
    """A notebook of the book as its page offers it."""
    cell = nbformat.v4.new_code_cell(first_cell())
    cell.id = "install"
    for other in nb.cells:
        if other.cell_type == "code":
            other.outputs, other.execution_count = [], None
    nb.cells.insert(0, cell)
    return nb


def write_offered(app, exception):
    if exception or app.builder.format != "html":
        return
    for page in app.env.found_docs:
        source, copy = Path(app.env.doc2path(page)), Path(app.outdir, "_sources", f"{page}.ipynb")
        if source.suffix == ".ipynb" and copy.is_file():
            copy.write_text(nbformat.writes(offered(nbformat.read(source, as_version=4))) + "\n", "utf-8")


def lead_to_what_runs_alone(app, page, template, context, doctree):
    """Colab opens the branch of `BOOK_COLAB_BRANCH`; what can't run alone is not offered there, nor for download."""
    buttons = [button for group in context.get("header_buttons", []) for button in group.get("buttons", [])]
    for button in buttons:
        if button["text"] == "Colab" and "BOOK_COLAB_BRANCH" in os.environ:
            here, there = os.environ.get("BOOK_BRANCH", "main"), os.environ["BOOK_COLAB_BRANCH"]
            button["url"] = button["url"].replace(f"/blob/{here}/", f"/blob/{there}/")
    if page in NOT_ALONE:
        for group in context["header_buttons"]:
            if "buttons" in group:
                group["buttons"] = [b for b in group["buttons"] if b["text"] not in ("Colab", ".ipynb")]
