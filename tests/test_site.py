"""Every built page: nothing from another host, no broken link, no picture without words, no mathematics left raw."""

import copy
import re
import sys
from pathlib import Path
from urllib.parse import unquote, urlsplit

import nbformat
import pytest
import sphinxcontrib.katex
from bs4 import BeautifulSoup

ROOT = Path(__file__).parents[1]
sys.path.insert(0, str(ROOT / "book" / "_ext"))
import lossnotes_chapters  # noqa: E402
import lossnotes_notebooks  # noqa: E402

SITE = ROOT / "_build" / "html"
# Attributes whose address a browser fetches as it shows the page. An <a href> is only followed when a reader clicks.
FETCHED = {"src", "srcset", "poster", "data", "action", "background"}
# Addresses that name things and fetch nothing.
NAMES = re.compile(r"https?://(www\.w3\.org|schema\.org)/")
RAW_MATH = re.compile(r"\$[^$]+\$|\\\(|\\\[|\\begin\{|\\frac|\\sum|\\log")


def remote_assets(page):
    """What the page would fetch from another host."""
    found = []
    for tag in page.find_all(True):
        fetched = [value for name, value in tag.attrs.items() if name in FETCHED]
        if tag.name == "link" and not {"canonical", "alternate"} & set(tag.get("rel", [])):
            fetched.append(tag.get("href", ""))
        fetched += re.findall(r"url\(([^)]*)\)", tag.get("style", ""))
        if tag.name in ("script", "style"):
            fetched += [a for a in re.findall(r"https?://[^\s\"'`)]+", tag.string or "") if not NAMES.match(a)]
        found += [f"<{tag.name}> {a}" for a in fetched if re.match(r"\s*[\"']?(https?:)?//", str(a))]
    return found


def broken_links(page, path, anchors):
    """Links and sources that point to a file or an anchor that is not there. `anchors` gives the ids of a page."""
    found = []
    for tag in page.find_all(True):
        for name in ("href", "src"):
            address = tag.get(name)
            if not address or urlsplit(address).scheme or address.startswith("//"):
                continue
            parts = urlsplit(address)
            target = (path.parent / unquote(parts.path)).resolve() if parts.path else path
            if target.is_dir():
                target = target / "index.html"
            if not target.is_file():
                found.append(f"{address}: no such file")
            elif parts.fragment and target.suffix == ".html" and unquote(parts.fragment) not in anchors(target):
                found.append(f"{address}: no such anchor")
    return found


def wordless_pictures(page):
    """Pictures without alt text."""
    return [str(tag)[:120] for tag in page.find_all("img") if not tag.get("alt", "").strip()]


def raw_mathematics(page):
    """TeX that a reader would see: outside code, unrendered or in KaTeX's colour of failure."""
    found = [str(tag) for tag in page.select(".katex-error")]
    found += [str(tag)[:120] for tag in page.select(".math:not(:has(.katex))")]
    for text in page.find_all(string=RAW_MATH):
        if not any(parent.name in ("pre", "code", "script", "style", "annotation") for parent in text.parents):
            found.append(text.strip()[:120])
    return found


def parse(html):
    return BeautifulSoup(html, "html.parser")


@pytest.fixture(scope="module")
def pages(built):
    return built


def report(found):
    """One line for each fault."""
    return "\n".join(f"{path.relative_to(SITE)}: {fault}" for path, faults in found.items() for fault in faults)


def test_book_is_whole_and_newer_than_its_sources(pages):
    chapters = re.findall(r"(?:root|file): (\S+)", (ROOT / "_toc.yml").read_text("utf-8"))
    for chapter in chapters:
        (source,) = (ROOT / chapter).parent.glob(Path(chapter).name + ".*")
        page = SITE / f"{chapter}.html"
        assert page in pages, f"{chapter} was not built. Try make book"
        # Sphinx rewrites a page when what it says changes, and marks each build in .buildinfo's neighbour, the inventory.
        assert (SITE / "objects.inv").stat().st_mtime >= source.stat().st_mtime, f"{chapter} is stale. Try make book"
        assert page.stat().st_size > 5000
    assert {p.relative_to(SITE).with_suffix("").as_posix() for p in pages} >= {"index", "search", "genindex"}


def test_no_page_asks_another_host(pages):
    found = {path: remote_assets(page) for path, page in pages.items()}
    for sheet in SITE.rglob("*.css"):
        addresses = re.findall(r"(?:url\(|@import)\s*[\"']?((?:https?:)?//[^\"')]+)", sheet.read_text("utf-8"))
        found[sheet] = [a for a in addresses if not NAMES.match(a)]
    assert not any(found.values()), report(found)


def test_links_lead_somewhere(pages):
    ids = {}

    def anchors(path):
        if path not in ids:
            page = pages.get(path) or parse(path.read_text("utf-8"))
            ids[path] = {tag["id"] for tag in page.find_all(id=True)} | {"", "top"}
        return ids[path]

    found = {path: broken_links(page, path, anchors) for path, page in pages.items()}
    assert not any(found.values()), report(found)


def test_stylesheets_find_their_files():
    found = {}
    for sheet in (SITE / "_static").rglob("*.css"):
        for address in re.findall(r"url\([\"']?([^\"')]+)", sheet.read_text("utf-8")):
            if not address.startswith(("data:", "#", "http")):
                if not (sheet.parent / unquote(urlsplit(address).path)).resolve().is_file():
                    found.setdefault(sheet, []).append(address)
    assert not found, report(found)


def test_pictures_have_words(pages):
    found = {path: wordless_pictures(page) for path, page in pages.items()}
    assert not any(found.values()), report(found)


def test_mathematics_is_set(pages):
    found = {path: raw_mathematics(page) for path, page in pages.items()}
    assert not any(found.values()), report(found)
    assert sum(len(page.select(".katex")) for page in pages.values()) > 100


def test_katex_stylesheet_matches_the_renderer():
    sheet = (ROOT / "book" / "_static" / "katex" / "katex.min.css").read_text("utf-8")
    assert f'content:"{sphinxcontrib.katex.katex_version}"' in sheet, "take katex.min.css and the fonts of that version"


def test_figures_have_captions(pages):
    for path, page in pages.items():
        for picture in page.select(".cell_output img"):
            caption = picture.find_parent("figure") and picture.find_parent("figure").find("figcaption")
            least = 8 if page.html["lang"] == "zh-CN" else 20  # Chinese needs fewer letters
            assert caption and len(caption.get_text()) > least, f"{path.relative_to(SITE)}: {picture.get('alt')}"


def chapters(pages):
    """The pages that teach, by path, in English: tests/test_translation.py compares the others with them."""
    return {p: page for p, page in pages.items() if re.match("book/(information|losses|practice)/", p.relative_to(SITE).as_posix())}


def unlinked_terms(page, terms):
    """Terms that stand in the prose, and whose first use is under no link."""
    page = copy.copy(page.select_one("article"))
    for tag in page.select("h1, h2, h3, h4, pre, code, table, figcaption, .math, .admonition-title, .cell, script, output"):
        tag.decompose()
    prose, spans = "", []
    for string in page.find_all(string=True):
        link = string.find_parent("a")
        spans.append((len(prose), len(prose) + len(string), link.get("href", "#") if link else ""))
        prose += string
    found, taken = [], []
    for term in sorted(terms, key=len, reverse=True):  # what belongs to a longer term is no use of a shorter one
        uses = re.finditer(rf"(?<![\w-]){re.escape(term)}s?(?![\w-])", prose, re.IGNORECASE)
        if first := next((m for m in uses if not any(a <= m.start() < b for a, b in taken)), None):
            taken.append(first.span())
            # Under a link, be it to the chapter of that name, or after one to the entry.
            entry = "#term-" + term.replace(" ", "-")
            if not any((link and a <= first.start() < b) or (a < first.start() and link.endswith(entry)) for a, b, link in spans):
                found.append(f"{term}: {prose[max(0, first.start() - 30) : first.end() + 20]!r}")
    return found


def test_terms_lead_to_the_glossary_where_they_are_first_used(pages):
    entries = pages[SITE / "book" / "reference" / "glossary.html"].select("dl.glossary dt")
    terms = [t for t in (entry.find(string=True).strip() for entry in entries) if re.match("[A-Za-z]", t)]
    assert len(terms) > 30
    found = {path: unlinked_terms(page, terms) for path, page in chapters(pages).items()}
    assert not any(found.values()), report(found)


def test_names_in_code_lead_to_their_entries(pages):
    for path, page in chapters(pages).items():
        names = [str(c) for c in page.select(".cell_input pre") if re.search(r"\bln\.(?!naive\b)[a-z]\w+", c.get_text())]
        linked = [c for c in names if "api.html#lossnotes." in c]
        assert names and len(linked) >= 0.9 * len(names), f"{path.relative_to(SITE)}: {len(linked)} of {len(names)}"


def main_line(page):
    """What `lossnotes_chapters.main_line` counts, on the built page: what one reads who unfolds nothing and does no exercise."""
    article = copy.copy(page.select_one("article"))
    for tag in article.select("details, .exercise, .headerlink, .caption-number, script, output, span.minutes"):
        tag.decompose()
    found = {
        "cells": ".cell:not(.tag_hide-input, .tag_hide-cell)",
        "turns": ".your-turn",
        "formulas": "div.math",
        "figures": "figure",
    }
    counts = {kind: len(article.select(selector)) for kind, selector in found.items()}
    for tag in article.select(".cell_input, .cell_output > :not(figure), div.math, pre"):
        tag.decompose()
    for tag in article.select("span.math"):
        tag.string = "x"
    return counts | {"words": len(re.findall(r"\S*\w\S*", article.get_text()))}


def second_edition(pages):
    """The minutes on the card of each chapter that has them, by path; they are counted in English words."""
    return {path: page.select_one(".card-of-chapter .minutes") for path, page in chapters(pages).items() if page.select(".minutes")}


def wrong_minutes(card, page):
    """Where the card and the page part."""
    counted = {kind: int(card[f"data-{kind}"]) for kind in lossnotes_chapters.MINUTES_FOR}
    found = [] if int(card.get_text()) == lossnotes_chapters.minutes(counted) else ["minutes"]
    # The names of links are written in other words than the author's.
    slack = {"words": 0.03 * counted["words"]}
    return found + [kind for kind, number in main_line(page).items() if abs(number - counted[kind]) > slack.get(kind, 0)]


def test_main_lines_are_short(pages):
    for path, card in second_edition(pages).items():
        assert int(card["data-words"]) <= 2500, path


def test_cards_say_how_long_a_chapter_takes(pages):
    found = {path: wrong_minutes(card, pages[path]) for path, card in second_edition(pages).items()}
    assert not any(found.values()), report(found)


def test_the_check_sees_wrong_minutes():
    page = parse(
        """<article><p>One two &amp; three <span class="math">y = 4</span>.</p><div class="math">y</div><figure></figure>
        <div class="cell"><div class="cell_input">x</div></div><div class="cell tag_hide-input"></div><div class="cell tag_hide-cell"></div><div class="your-turn"></div>
        <details><div class="cell">folded</div></details><div class="exercise">six</div></article>"""
    )
    right = {"words": 4, "formulas": 1, "figures": 1, "cells": 1, "turns": 1}
    assert main_line(page) == right
    for kind in right:
        counts = right | {kind: right[kind] + 1}
        data = "".join(f' data-{k}="{number}"' for k, number in counts.items())
        said = lossnotes_chapters.minutes(counts)
        assert wrong_minutes(parse(f"<span{data}>{said}</span>").span, page) == [kind]
        assert wrong_minutes(parse(f"<span{data}>{said + 1}</span>").span, page) == ["minutes", kind]


def test_the_first_page_shows_every_chapter_and_leads_everywhere(pages):
    path = SITE / "book" / "intro.html"
    page = pages[path].select_one("article")
    cards = {card.a["href"].split("#")[0]: card for card in page.select(".chapter-card")}
    assert list(cards) == [f"{p.parent.name}/{p.name}" for p in in_order(chapters(pages))]
    weight = 0
    for address, card in cards.items():
        picture = path.parent / card.img["src"]
        assert card.a.get_text() == pages[path.parent / address].h1.find(string=True) and len(card.img["alt"]) > 40
        minutes = pages[path.parent / address].select_one(".card-of-chapter .minutes")
        assert (minutes.get_text() + " minutes" if minutes else "") in card.get_text(" ")
        assert card.img["loading"] == "lazy"
        weight += picture.stat().st_size
    assert weight < 300_000
    linked = {(path.parent / tag["href"].split("#")[0]).resolve() for tag in page.select("a[href]")}
    assert {SITE / f"{name}.html" for name in re.findall(r"file: (\S+)", (ROOT / "_toc.yml").read_text("utf-8"))} <= linked
    assert len(page.select("figure.explorable")) == 1 and len(page.select(".way-in")) == 3


def in_order(paths):
    """Paths of pages in the order of the contents."""
    order = re.findall(r"file: (\S+)", (ROOT / "_toc.yml").read_text("utf-8"))
    return sorted(paths, key=lambda path: order.index(path.relative_to(SITE).with_suffix("").as_posix()))


def test_entries_lead_to_chapters(pages):
    for entry in pages[SITE / "book" / "reference" / "api.html"].select("dl.py.function"):
        name = entry.dt["id"]
        if re.match(r"lossnotes\.(?!default_device|strict|check)\w+$", name):
            assert entry.select('dd a[href*="../information/"], dd a[href*="../losses/"], dd a[href*="../practice/"]'), name


def test_pages_say_what_they_are(pages):
    seen = set()
    for path, page in chapters(pages).items():
        said = {tag.get("name") or tag.get("property"): tag["content"] for tag in page.select("meta[content]")}
        assert 60 <= len(said["description"]) <= 200 and said["description"] not in seen, path
        assert said["og:description"] == said["description"] and said["og:title"] == page.h1.find(string=True), path
        assert (path.parent / said["og:image"]).is_file(), path
        seen.add(said["description"])


def test_notebooks_can_be_downloaded(pages):
    sources = {path: (ROOT / path.relative_to(SITE)).with_suffix(".ipynb") for path in pages}
    sources = {path: source for path, source in sources.items() if source.is_file()}
    assert len(sources) > 15
    for path, source in sources.items():
        button = pages[path].select_one("a.btn-download-source-button")
        if path.relative_to(SITE).with_suffix("").as_posix() in lossnotes_notebooks.NOT_ALONE:
            assert not button
            continue
        first, *cells = nbformat.read(path.parent / button["href"], as_version=4).cells
        assert "import lossnotes" in first.source and first.id == "install"
        assert [c.source for c in cells] == [c.source for c in nbformat.read(source, as_version=4).cells]
        assert not any(cell.get("outputs") for cell in cells)


@pytest.mark.parametrize(
    "html",
    [
        '<script src="https://cdn.example/x.js"></script>',
        '<link rel="stylesheet" href="//cdn.example/x.css">',
        '<img src="http://cdn.example/x.png" alt="x">',
        "<script>load('https://cdn.example/x.js')</script>",
        "<style>@import 'https://cdn.example/x.css'</style>",
        '<p style="background: url(https://cdn.example/x.png)"></p>',
    ],
)
def test_the_check_sees_a_remote_asset(html):
    assert remote_assets(parse(html))
    assert not remote_assets(parse('<a href="https://example.org">x</a><img src="x.png">'))


def test_the_check_sees_a_broken_link(tmp_path):
    path = tmp_path / "page.html"
    path.write_text("<p id='here'>")
    page = parse('<a href="page.html#here">a</a><a href="#gone">b</a><a href="gone.html">c</a><img src="gone.png">')
    assert broken_links(page, path, lambda _: {"here"}) == [
        "#gone: no such anchor",
        "gone.html: no such file",
        "gone.png: no such file",
    ]


def test_the_check_sees_a_wordless_picture():
    assert len(wordless_pictures(parse('<img src="a"><img src="b" alt=" "><img src="c" alt="a cat">'))) == 2


def test_the_check_sees_an_unlinked_term():
    page = parse("<article><h1>nat</h1><p>A bit, a <a>nat</a>. Cross-entropy, bits.</p></article>")
    found = unlinked_terms(page, ["bit", "nat", "entropy", "cross-entropy"])
    assert [line.split(":")[0] for line in found] == ["cross-entropy", "bit"]


@pytest.mark.parametrize(
    "html", [r"<p>so $x^2$ is</p>", r"<p>\(x\)</p>", '<span class="math">x</span>', '<i class="katex-error">x</i>']
)
def test_the_check_sees_raw_mathematics(html):
    assert raw_mathematics(parse(html))
    assert not raw_mathematics(parse("<pre>$x$</pre><p>it costs $5</p>"))
