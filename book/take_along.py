"""The whole book in one file, made from its built pages.

python book/take_along.py pdf      _build/loss-notes.pdf and _build/loss-notes-zh.pdf: the pages joined into one, printed by Chromium
python book/take_along.py pdf en   the English one alone

Everything folded is open, but code that only draws a figure or checks a number is left out: it is in the notebooks.
"""

import argparse
import hashlib
import io
import os
import re
import sys
import tomllib
from collections import namedtuple
from pathlib import Path
from urllib.parse import unquote, urlsplit

import pikepdf
import yaml
from browser import launched
from lxml import html
from lxml.html.builder import E

sys.path.insert(0, str(Path(__file__).parent / "_ext"))
import lossnotes_downloads  # noqa: E402
import lossnotes_pages  # noqa: E402
from catalogues import said as say  # noqa: E402

ROOT = Path(__file__).resolve().parents[1]
SITE = ROOT / "_build" / "html"
Edition = namedtuple("Edition", "language tag site pdf")
EDITIONS = {
    tag[:2]: Edition(language, tag, SITE / folder, ROOT / lossnotes_downloads.PDFS[language])
    for language, (tag, folder) in lossnotes_pages.EDITIONS.items()
}
# What a page has for a screen alone; folded code that says nothing itself, which draws; and checks.
NOT_TAKEN = (
    ".//script | .//*[contains(@class, 'headerlink')] | .//*[contains(@class, 'explorable-controls')]"
    " | .//*[contains(@class, 'download-of-book')] | .//details[contains(@class, 'hide')][not(.//*[contains(@class, 'cell_output')])]"
    " | .//details[contains(@class, 'check')]"
)
LONG = 16  # lines


def contents():
    """The parts of the book and their pages, in order: pairs of a title, or None, and names of files without their ending."""
    toc = yaml.safe_load((ROOT / "_toc.yml").read_text("utf-8"))
    return [(None, [toc["root"]])] + [(p["caption"], [c["file"] for c in p["chapters"]]) for p in toc["parts"]]


def anchor(name, fragment=""):
    """Where a page, or a place in it, stands in the one document."""
    return re.sub(r"\W+", "-", name.removeprefix("book/")) + (f"--{fragment}" if fragment else "")


def taken(site, name, names):
    """A page's article, with every id its own and every link inside the document; `names` are the pages that are in it."""
    (article,) = html.parse(site / f"{name}.html").xpath("//article")
    for tag in article.xpath(NOT_TAKEN):
        tag.drop_tree()
    for tag in article.xpath(".//details"):
        tag.set("open", "")
    # What fits a page with what stands around it is kept in one piece.
    for tag in article.xpath(".//div[contains(@class, 'cell_input')]"):
        if tag.text_content().count("\n") > LONG:
            tag.classes.add("long")
    for tag in article.xpath(".//table"):
        if len(tag.xpath(".//tr")) <= LONG:
            tag.classes.add("keep")
    for tag in article.xpath(".//img"):
        tag.set("src", "html/" + os.path.relpath((site / name).parent / tag.get("src"), SITE))
        tag.attrib.pop("loading", None)
    for tag in article.xpath(".//*[@id]"):
        tag.set("id", anchor(name, tag.get("id")))
    for tag in article.xpath(".//a[@href]"):
        address = urlsplit(tag.get("href"))
        if not address.scheme:
            path = os.path.relpath((site / name).parent / unquote(address.path), site) if address.path else f"{name}.html"
            page = path.removesuffix(".html")
            if page in names:
                tag.set("href", "#" + anchor(page, address.fragment))
            else:  # the index of the whole book, a file to download
                tag.drop_tag()
    # One level down: the parts are above the chapters.
    for level in (5, 4, 3, 2, 1):
        for heading in article.xpath(f".//h{level}"):
            heading.tag = f"h{level + 1}"
    return article


def title(article):
    (heading,) = article.xpath(".//h2[1]")[:1]
    return heading.text_content()


def project():
    return tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]


def authors(language):
    name = project()["authors"][0]["name"]
    return say(language, name)


def joined(edition=EDITIONS["en"], pages=None, front_only=False):
    """The one document, as HTML, or its title and contents. `pages` are the numbers of the pages, by anchor, for the contents."""
    language, site = edition.language, edition.site
    names = [name for _, chapters in contents() for name in chapters]
    body, lines, styles = [], [], []
    for part, chapters in contents():
        part = part and say(language, part)
        if part:
            lines.append(E.li(part, {"class": "part"}))
        for name in chapters:
            article = taken(site, name, names)
            article.set("id", anchor(name))
            article.set("style", f"page: {anchor(name)}")
            if part and name == chapters[0]:
                article.insert(0, E.h1(part, {"class": "part"}))
            if not part:
                article.xpath(".//h2")[0].text = say(language, "About this book")
            said = title(article)
            styles.append(f'@page {anchor(name)} {{ @top-right {{ content: "{said}" }} }}')
            number = E.span(str((pages or {}).get(anchor(name), 888)), {"class": "page-number"})
            lines.append(E.li(E.a(E.span(said), number, href="#" + anchor(name))))
            body.append(article)
    imprint = say(
        language,
        "Version {}. Text and figures under CC BY 4.0, code under the MIT licence. What the pages of the web fold away is open here. "
        "Figures that move stand still; code that only draws a figure or checks a number is left out. The notebooks have it.",
    )
    front = E.section(
        E.div(say(language, "Loss Notes"), {"class": "title"}),
        E.p(say(language, "What loss functions are, where they come from, and what they do when they run"), {"class": "subtitle"}),
        E.p(authors(language)),
        E.p(imprint.format(project()["version"]), {"class": "imprint"}),
        E.nav(E.div(say(language, "Contents"), {"class": "contents-title"}), E.ul(*lines), {"class": "contents"}),
        {"class": "front"},
    )
    sheets = html.parse(site / f"{names[0]}.html").xpath("//link[@rel='stylesheet']/@href")
    sheets = ["html/" + os.path.relpath((site / names[0]).parent / urlsplit(sheet).path, SITE) for sheet in sheets]
    own = (Path(__file__).parent / "take_along.css").read_text("utf-8")
    head = E.head(
        E.meta(charset="utf-8"),
        E.title(say(language, "Loss Notes")),
        *(E.link(rel="stylesheet", href=sheet) for sheet in sheets),
        E.style(own + "\n".join(styles)),
    )
    document = E.html(
        head,
        E.body(E.main(front, *([] if front_only else body), {"class": "bd-main bd-content"})),
        {"lang": edition.tag, "data-theme": "light"},
    )
    # KaTeX's zero-width spaces hold up nothing on paper; without them a test can count what is printed of the formulas.
    return html.tostring(document, doctype="<!DOCTYPE html>", encoding="unicode").replace("\u200b", "")


# What is wider than the page is made smaller, as little as it takes.
FIT = """async () => {
  await document.fonts.ready;
  for (const box of document.querySelectorAll('.katex-html, .pst-scrollable-table-container, .cell_output > .output')) {
    const fits = box.clientWidth / box.scrollWidth;
    if (fits < 1) (box.closest('.katex-display') || box).style.zoom = 0.99 * fits;
  }
}"""
WIDTH, HEIGHT = 514, 767  # of the text, in pixels: 136 and 203 mm, as take_along.css has it


def printed(chromium, text):
    """A page as Chromium prints it."""
    source = ROOT / "_build" / "loss-notes.html"  # beside the folder that its addresses lead to
    source.write_text(text, "utf-8")
    page = chromium.new_page(viewport={"width": WIDTH, "height": HEIGHT})
    page.emulate_media(media="print", color_scheme="light")
    page.goto(source.as_uri())
    page.evaluate(FIT)
    made = page.pdf(prefer_css_page_size=True, print_background=True, outline=True, tagged=True)
    page.close()
    source.unlink()
    return pikepdf.open(io.BytesIO(made))


def starts(pdf):
    """The number of the page, counted from 1, on which each anchor stands."""
    numbers = {page.objgen: number for number, page in enumerate(pdf.pages, start=1)}
    return {name.lstrip("/"): numbers[place[0].objgen] for name, place in pdf.Root.Dests.items()}


def make_pdf(edition):
    """Write the book as PDF, unless what is there was printed from the same pages. Gives its path, or None without a Chromium."""
    text = joined(edition)
    made_from = hashlib.sha256(text.encode())
    for file in sorted([*(edition.site / "_images").iterdir(), *(edition.site / "_static").rglob("*.css"), Path(__file__)]):
        made_from.update(file.read_bytes())
    if edition.pdf.is_file():
        with pikepdf.open(edition.pdf) as pdf:
            if pdf.docinfo.get("/MadeFrom") == made_from.hexdigest():
                return edition.pdf
    with launched() as chromium:
        if not chromium:
            return None
        pdf = printed(chromium, text)
        # The contents again, with the numbers of the pages: what draws the first pages is exchanged, and all that leads to
        # them or from them stays.
        again = printed(chromium, joined(edition, starts(pdf), front_only=True))
    for page, numbered in zip(pdf.pages, again.pages, strict=False):
        numbered = pdf.copy_foreign(numbered.obj)
        page.obj.Contents, page.obj.Resources = numbered.Contents, numbered.Resources
    pdf.docinfo["/Author"] = authors(edition.language)
    pdf.docinfo["/MadeFrom"] = made_from.hexdigest()
    pdf.Root.PageMode = pikepdf.Name.UseOutlines
    pdf.save(edition.pdf, object_stream_mode=pikepdf.ObjectStreamMode.generate, deterministic_id=True)
    return edition.pdf


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("form", choices=["pdf"])
    parser.add_argument("edition", nargs="?", choices=EDITIONS, help="all of them if none is named")
    named = parser.parse_args().edition
    for name in [named] if named else EDITIONS:
        if not (path := make_pdf(EDITIONS[name])):
            sys.exit("no Chromium, and none could be fetched. Try to install one")
        print(f"{path}: {path.stat().st_size / 1e6:.1f} MB")


if __name__ == "__main__":
    main()
