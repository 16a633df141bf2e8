"""What the first page offers to take along: the book as one file, in each form that has been made (book/take_along.py).

    ```{book-in-one-file}
    ```

A form that has not been made is not named: there is no dead link.
"""

from pathlib import Path

from docutils import nodes
from pikepdf import Pdf
from sphinx import addnodes
from sphinx.util.docutils import SphinxDirective

FORMS = {"loss-notes.pdf": "PDF", "loss-notes.epub": "EPUB"}


def setup(app):
    app.add_directive("book-in-one-file", BookInOneFile)
    app.connect("env-get-outdated", renew_offers)
    return {"version": "1", "parallel_read_safe": True, "parallel_write_safe": True}


class BookInOneFile(SphinxDirective):
    def run(self):
        found = made(self.env)
        self.env.metadata[self.env.docname]["offers"] = " ".join(path.name for path in found)
        if not found:
            return []
        said = nodes.paragraph("", "", nodes.strong("", "To take along:"), nodes.Text(" the whole book in one file, as "))
        for number, path in enumerate(found):
            said += nodes.Text(" or as " if number else "")
            # Sphinx copies the file beside the pages, and reads this page again when it changes.
            said += addnodes.download_reference("", FORMS[path.name], reftarget=f"/_build/{path.name}", refdoc=self.env.docname)
            said += nodes.Text(f" ({size(path)})")
        said += nodes.Text(".")
        return [nodes.container("", said, classes=["download-of-book"])]


def made(env):
    return [path for path in (Path(env.srcdir, "_build", name) for name in FORMS) if path.is_file()]


def size(path):
    said = f"{path.stat().st_size / 1e6:.0f} MB"
    if path.suffix == ".pdf":
        with Pdf.open(path) as pdf:
            said = f"{len(pdf.pages)} pages, {said}"
    return said


def renew_offers(app, env, added, changed, removed):
    """A page that offers other files than there are is read again."""
    names = " ".join(path.name for path in made(env))
    return [page for page, about in env.metadata.items() if about.get("offers", names) != names]
