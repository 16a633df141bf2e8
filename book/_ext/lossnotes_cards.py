"""The cards of the first page: each chapter with its question, one of its own figures, and its minutes.

    ```{chapter-cards}
    information/entropy | fig-four | How many yes/no questions does it take?
    ```

One line for each chapter: its file under book/, the name of a figure of it (or nothing, for its first), and a sentence. The figure comes
from the chapter as it was built, so that a card never shows an old one; it is made small here, for a page that loads fast. In place of a name,
/book/_static/cards/<file>.svg is a drawing for a chapter that has no figure, and its <title> says what is seen.
"""

import os
import re
from pathlib import Path

from catalogues import said as say
from docutils import nodes
from lossnotes_chapters import minutes, minutes_node
from PIL import Image
from sphinx import addnodes
from sphinx.transforms.post_transforms import SphinxPostTransform
from sphinx.util import logging
from sphinx.util.docutils import SphinxDirective

logger = logging.getLogger(__name__)
WIDTH, COLOURS = 440, 64  # two of these pixels for one of the page's, and colours enough for a figure


def setup(app):
    app.add_node(picture_of_chapter)
    app.add_node(minutes_of_chapter)
    app.add_directive("chapter-cards", ChapterCards)
    app.add_post_transform(FillInCards)
    app.connect("env-get-outdated", renew_cards)
    return {"version": "1", "parallel_read_safe": True, "parallel_write_safe": False}


class picture_of_chapter(nodes.General, nodes.Element):
    """Where the figure goes."""


class minutes_of_chapter(nodes.Inline, nodes.TextElement):
    """Where the minutes go."""


class ChapterCards(SphinxDirective):
    has_content = True

    def run(self):
        self.assert_has_content()
        self.env.note_dependency(__file__)
        self.env.metadata[self.env.docname]["shows_chapters"] = "yes"
        cards = nodes.container(classes=["chapter-cards"])
        for offset, line in enumerate(self.content):
            if not line.strip():
                continue
            name, figure, sentence = (part.strip() for part in line.split("|"))
            chapter = f"book/{name}"
            link = addnodes.pending_xref(
                "", nodes.inline("", ""), refdomain="std", reftype="doc", reftarget=f"/{chapter}", refexplicit=False, refwarn=True
            )
            link["refdoc"] = self.env.docname
            words, messages = self.state.inline_text(sentence, self.content_offset + offset)
            card = nodes.container(classes=["chapter-card"])
            card += picture_of_chapter(chapter=chapter, figure=figure)
            card += nodes.paragraph("", "", link, classes=["chapter-card-title"])
            card += nodes.paragraph("", "", *words, nodes.Text(" "), minutes_of_chapter(chapter=chapter))
            cards += [card, *messages]
        return [cards]


class FillInCards(SphinxPostTransform):
    """When every chapter is read, its figures and its minutes are known."""

    default_priority = 5  # before pictures are looked for

    def run(self, **kwargs):
        for node in list(self.document.findall(picture_of_chapter)):
            picture = self.picture(node["chapter"], node["figure"])
            node.replace_self([picture] if picture else [])
        for node in list(self.document.findall(minutes_of_chapter)):
            card = next(self.chapter(node["chapter"]).findall(minutes_node), None)
            said = say(self.config.language, "{} minutes.").format(minutes(card["counts"])) if card else ""
            node.replace_self(nodes.inline("", said, classes=["chapter-card-minutes"]))

    def chapter(self, name):
        return self.env.get_doctree(name) if name in self.env.all_docs else nodes.container()

    def picture(self, chapter, wanted):
        figures = [f for f in self.chapter(chapter).findall(nodes.figure) if first_image(f)["uri"].endswith(".png")]
        if wanted.startswith("/") and not figures:
            svg = Path(self.env.srcdir, wanted.lstrip("/"))
            return self.image(svg, re.search("<title>(.*?)</title>", svg.read_text("utf-8"))[1])
        figure = next((f for f in figures if wanted in f["ids"] + f["names"]), None)
        if wanted.startswith("fig-") and not figure and chapter in self.env.all_docs:
            logger.warning("%s has no figure %s for its card", chapter, wanted, type="lossnotes", subtype="cards")
        if not (figure := figure or next(iter(figures), None)):
            return None
        image = first_image(figure)
        small = Path(self.app.outdir).parent / "cards" / f"{chapter.replace('/', '-')}.png"
        shrink(Path(self.env.srcdir, image["uri"].lstrip("/")), small)
        return self.image(small, image.get("alt", figure.astext()))

    def image(self, path, alt):
        uri = Path(os.path.relpath(path, self.env.srcdir)).as_posix()
        self.env.images.add_file(self.env.docname, uri)
        return nodes.image(uri=uri, candidates={"*": uri}, alt=alt, classes=["dark-light"])


def first_image(figure):
    """Its picture, or one without an address where it has none."""
    return next(figure.findall(nodes.image), nodes.image(uri=""))


def shrink(source, target):
    """A figure at the size of a card."""
    target.parent.mkdir(parents=True, exist_ok=True)
    with Image.open(source) as picture:
        size = WIDTH, round(picture.height * WIDTH / picture.width)
        picture = picture.convert("RGBA").resize(size, Image.Resampling.LANCZOS)
        picture.quantize(COLOURS, method=Image.Quantize.FASTOCTREE).save(target, optimize=True)


def renew_cards(app, env, added, changed, removed):
    """A page that shows chapters is read again when one of them has changed."""
    showing = [name for name, about in env.metadata.items() if "shows_chapters" in about]
    return [name for name in showing if name in env.all_docs] if (added | changed | removed) else []
