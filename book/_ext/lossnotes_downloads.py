"""What the first page offers to take along: the book as one file, once it has been made (book/take_along.py).

    ```{book-in-one-file}
    ```

Until then nothing is said: there is no dead link. There is no EPUB: what Sphinx writes of this book is no valid one (epubcheck).
"""

from pathlib import Path

from catalogues import said as say
from docutils import nodes
from pikepdf import Pdf
from sphinx import addnodes
from sphinx.util.docutils import SphinxDirective

PDFS = {"en": "_build/loss-notes.pdf", "zh_CN": "_build/loss-notes-zh.pdf"}


def setup(app):
    app.add_directive("book-in-one-file", BookInOneFile)
    app.connect("env-get-outdated", renew_offer)
    return {"version": "1", "parallel_read_safe": True, "parallel_write_safe": True}


class BookInOneFile(SphinxDirective):
    def run(self):
        pdf_of_edition = PDFS[self.config.language]
        path = Path(self.env.srcdir, pdf_of_edition)
        self.env.metadata[self.env.docname]["offers"] = path.is_file()
        if not path.is_file():
            return []
        with Pdf.open(path) as pdf:
            about = len(pdf.pages), round(path.stat().st_size / 1e6)
        language = self.config.language
        title = nodes.strong("", say(language, "To take along:"))
        offer = say(language, " the whole book in one file, as PDF ({} pages, {} MB).")
        before, name, after = offer.format(*about).partition("PDF")
        # Sphinx copies the file beside the pages, and reads this page again when it changes.
        link = addnodes.download_reference("", name, reftarget=f"/{pdf_of_edition}", refdoc=self.env.docname)
        said = nodes.paragraph("", "", title, nodes.Text(before), link, nodes.Text(after))
        return [nodes.container("", said, classes=["download-of-book"])]


def renew_offer(app, env, added, changed, removed):
    """A page that offers what is not there, or does not offer what is, is read again."""
    there = Path(env.srcdir, PDFS[app.config.language]).is_file()
    return [page for page, about in env.metadata.items() if about.get("offers", there) != there]
