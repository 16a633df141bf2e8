"""The book as one file: what is in it, and that nothing of the pages is lost on the way."""

import os
import re
import subprocess
import sys
from collections import Counter
from pathlib import Path

import pikepdf
import pytest
from fontTools.ttLib import TTFont
from lxml import html

ROOT = Path(__file__).parents[1]
sys.path.insert(0, str(ROOT / "book"))
sys.path.insert(0, str(ROOT / "book" / "_ext"))
import lossnotes_downloads  # noqa: E402
import take_along  # noqa: E402


def letters(font):
    """What the numbers of a font's glyphs stand for."""
    said, found = font.ToUnicode.read_bytes().decode("latin-1"), {}
    for first, last, letter in re.findall(r"<(\w{4})> <(\w{4})> <(\w{4})>", said):
        found |= {int(first, 16) + k: chr(int(letter, 16) + k) for k in range(int(last, 16) - int(first, 16) + 1)}
    found |= {int(glyph, 16): chr(int(letter, 16)) for glyph, letter in re.findall(r"^<(\w{4})> <(\w{4})>$", said, re.MULTILINE)}
    return found


def set_in_katex(pdf):
    """How often each letter is drawn in one of KaTeX's fonts, which set nothing but formulas."""
    drawn, known = Counter(), {}
    for page in pdf.pages:
        font = None
        for operands, operator in pikepdf.parse_content_stream(page, "Tf Tj TJ"):
            if str(operator) == "Tf":
                font = page.obj.Resources.Font[str(operands[0])]
            elif "KaTeX" in str(font.get("/BaseFont")):
                if font.objgen not in known:
                    known[font.objgen] = letters(font)
                table = known[font.objgen]
                pieces = operands if str(operator) == "Tj" else operands[0]
                for piece in (bytes(p) for p in pieces if isinstance(p, pikepdf.String)):
                    drawn.update(table[int.from_bytes(piece[i : i + 2], "big")] for i in range(0, len(piece), 2))
    return drawn


def of_formulas(text, within=""):
    """How often each letter stands in the formulas of a page, or of parts of it."""
    formulas = html.fromstring(text).xpath(f"{within}//*[contains(concat(' ', @class, ' '), ' katex-html ')]")
    return len(formulas), sum((Counter(formula.text_content()) for formula in formulas), Counter())


@pytest.fixture(scope="module")
def pdf():
    """The PDF as `make pdf` leaves it; made now, where it is missing or older than the pages."""
    # In a process of its own: in this one another test may hold Playwright, which starts once.
    made = subprocess.run([sys.executable, ROOT / "book" / "take_along.py", "pdf", "en"], capture_output=True, text=True)
    if made.returncode:
        without = "no Chromium" in made.stderr and not os.environ.get("CI")
        (pytest.skip if without else pytest.fail)(made.stderr)
    with pikepdf.open(take_along.EDITIONS["en"].pdf) as pdf:
        yield pdf


@pytest.fixture(scope="module")
def text():
    return take_along.joined()


def test_no_letter_of_a_formula_is_lost(pdf, text):
    number, letters_of_pages = of_formulas(text)
    drawn = set_in_katex(pdf)
    assert number > 1500
    # The head of a table that goes over a page stands on both.
    _, letters_of_heads = of_formulas(text, "//thead")
    assert not letters_of_pages - drawn and not drawn - letters_of_pages - letters_of_heads


def test_no_formula_of_a_page_is_left_out(text):
    """But for those in code that is left out, of which there are none."""
    pages = (take_along.SITE / f"{name}.html" for _, names in take_along.contents() for name in names)
    assert of_formulas(text)[0] == sum(page.read_text("utf-8").count('class="katex-html"') for page in pages)


def test_no_output_and_no_figure_of_a_page_is_left_out(text):
    def count(page):
        return Counter({kind: len(page.xpath(f".//{kind}")) for kind in ("*[contains(@class, 'cell_output')]", "img", "figure")})

    pages = (
        html.parse(take_along.SITE / f"{name}.html").find(".//article") for _, names in take_along.contents() for name in names
    )
    assert count(html.fromstring(text)) == sum(map(count, pages), Counter())


def test_chinese_is_set_in_the_font_that_comes_with_the_book(pdf):
    """A machine that prints the book may have none. To make it anew, see CONTRIBUTING."""
    sources = [path for ending in ("md", "ipynb") for path in (ROOT / "book").rglob(f"*.{ending}")]
    used = {letter for path in sources for letter in re.findall("[\u2e80-\u9fff]", path.read_text("utf-8"))}
    with TTFont(ROOT / "book" / "_static" / "chinese" / "DroidSansFallback.woff") as font:
        assert used and used <= {chr(code) for code in font.getBestCmap()}
    fonts = {str(o.FontName).partition("+")[2] for o in pdf.objects if isinstance(o, pikepdf.Dictionary) and "/FontName" in o}
    assert "DroidSansFallback" in fonts


def test_it_is_of_a_size_to_send(pdf):
    assert Path(pdf.filename).stat().st_size < 15e6
    assert 250 < len(pdf.pages) < 500


def test_every_font_is_in_it(pdf):
    about = [o for o in pdf.objects if isinstance(o, pikepdf.Dictionary)]
    drawn = {
        o.FontDescriptor.objgen for o in about if o.get("/Subtype") == "/Type3" and "/FontDescriptor" in o
    }  # letters as pictures
    fonts = [o for o in about if o.get("/Type") == "/FontDescriptor" and o.objgen not in drawn]
    assert {"KaTeX_Main-Regular", "KaTeX_Math-Italic"} <= {str(font.FontName).partition("+")[2] for font in fonts}
    assert all({"/FontFile", "/FontFile2", "/FontFile3"} & set(font.keys()) for font in fonts)


def outline(items):
    return [(item.title, outline(item.children)) for item in items]


def test_outline_has_parts_chapters_and_sections(pdf):
    with pdf.open_outline() as root:
        found = outline(root.root)
    first, *parts = [(part, [name for name in chapters if part]) for part, chapters in take_along.contents()]
    assert [title for title, _ in found] == ["About this book", *(part for part, _ in parts)]
    for (_, chapters), (_, names) in zip(found[1:], parts, strict=True):
        assert len(chapters) == len(names)
    softmax = next(sections for title, sections in found[2][1] if title == "Softmax")
    assert {"Temperature", "Exercises", "Summary"} <= {title for title, _ in softmax}


def links(pdf):
    return [link for page in pdf.pages for link in page.obj.get("/Annots", []) if link.Subtype == "/Link"]


def test_links_stay_inside_or_lead_to_the_web(pdf):
    inside = [link.Dest for link in links(pdf) if "/Dest" in link]
    assert len(inside) > 1500 and {str(place) for place in inside} <= set(pdf.Root.Dests.keys())
    outside = {str(link.A.URI) for link in links(pdf) if "/Dest" not in link}
    assert outside and all(address.startswith("https://") for address in outside), outside


def contents_numbers(pdf):
    """The numbers at the ends of the lines of the second page, as they are printed.

    A matrix (Tm) begins a new piece of text. Td only moves on within one: kerning parts 311 into 31 and 1.
    """
    said, known = "", {}
    page = pdf.pages[1]
    for operands, operator in pikepdf.parse_content_stream(page, "Tf Tj Tm"):
        if str(operator) == "Tf":
            known = letters(page.obj.Resources.Font[str(operands[0])])
        elif str(operator) == "Tj":
            piece = bytes(operands[0])
            said += "".join(known[int.from_bytes(piece[i : i + 2], "big")] for i in range(0, len(piece), 2))
        else:
            said += "\n"
    return re.findall(r"^\d+$", said, re.MULTILINE)


def test_chapters_begin_where_the_contents_say(pdf):
    """What is printed on the second page are the numbers of the pages that its lines lead to."""
    starts = take_along.starts(pdf)
    numbers = [starts[take_along.anchor(name)] for _, names in take_along.contents() for name in names]
    assert numbers == sorted(set(numbers)) and numbers[0] == 3
    drawn = [str(n) for n in numbers]
    assert contents_numbers(pdf) == drawn


def test_no_page_is_empty(pdf):
    for number, page in enumerate(pdf.pages, start=1):
        assert page.obj.Contents.read_bytes().count(b"Tj") > 10, number


def test_what_is_only_for_a_screen_is_left_at_home(text):
    page = html.fromstring(text)
    assert not page.xpath("//script | //*[contains(@class, 'headerlink')] | //nav[not(contains(@class, 'contents'))] | //button")
    assert not page.xpath("//details[not(@open)] | //img[@loading]")
    assert page.xpath("//figure[contains(@class, 'explorable')]")
    assert {a.lstrip("#") for a in page.xpath("//a/@href") if a.startswith("#")} <= set(page.xpath("//@id"))


def test_the_first_page_offers_what_there_is(tmp_path):
    """In a book of one page: not before there is a PDF, when there is one, and no more when it is gone."""
    (tmp_path / "index.rst").write_text("Title\n=====\n\n.. book-in-one-file::\n")
    made, out = tmp_path / lossnotes_downloads.PDFS["en"], tmp_path / "out"

    def offer():
        command = [sys.executable, "-m", "sphinx", "-q", "-C", "-D", "extensions=lossnotes_downloads", tmp_path, out]
        subprocess.run(command, check=True, env={**os.environ, "PYTHONPATH": str(ROOT / "book" / "_ext")})
        return html.parse(out / "index.html").xpath("//*[contains(@class, 'download-of-book')]")

    assert not offer()
    made.parent.mkdir()
    pikepdf.Pdf.new().save(made)
    (said,) = offer()
    assert said.text_content().strip() == "To take along: the whole book in one file, as PDF (0 pages, 0 MB)."
    assert (out / said.xpath(".//a/@href")[0]).read_bytes() == made.read_bytes()
    made.unlink()
    assert not offer()


def test_the_other_edition_is_the_same_book_in_chinese():
    edition = take_along.EDITIONS["zh"]
    english, chinese = html.fromstring(take_along.joined()), html.fromstring(take_along.joined(edition))
    assert chinese.get("lang") == "zh-CN" and english.get("lang") == "en"
    for where in ("//article/@id", "//*[contains(@class, 'contents')]//a/@href", "//figure/@id", "//article//img/@alt"):
        number = [len(page.xpath(where)) for page in (english, chinese)]
        assert number[0] == number[1] > 20, where
    assert {a for a in chinese.xpath("//a/@href") if a.startswith("#")} <= {f"#{id}" for id in chinese.xpath("//@id")}
    missing = [src for src in chinese.xpath("//img/@src") if not (take_along.SITE.parent / src).is_file()]
    assert not missing, missing[:3]
    for said in chinese.xpath("//*[contains(@class, 'front')]//*[not(*)]"):
        text = said.text_content()
        assert len(re.findall("[A-Za-z]{2,}", text)) < 4 or re.search("[\u4e00-\u9fff]", text), text
