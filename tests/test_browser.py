"""The built book in a browser: every page loads, is set, and can be used by keyboard, by ear, on a phone and in the dark."""

import re
from urllib.parse import urlsplit

import pytest
import serving
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import expect

CHAPTERS = re.findall(r"(?:root|file): (\S+)", (serving.ROOT / "_toc.yml").read_text("utf-8"))
PAGES = [f"{name}.html" for name in [*CHAPTERS, "search", "genindex", "py-modindex", "prf-prf"]]
# Of the Chinese edition, a few: its pages are made as the English ones are.
PAGES += [f"zh/{name}.html" for name in ["book/intro", "book/information/entropy", "book/reference/glossary", "search"]]
CHAPTER = "book/information/information-content.html"
PHONE, DESKTOP = {"width": 360, "height": 800}, {"width": 1280, "height": 900}
# Everything folded is open, and stands still.
OPEN = """() => {
  document.head.insertAdjacentHTML('beforeend', '<style>* { animation: none !important; transition: none !important }</style>');
  document.querySelectorAll('details').forEach(e => e.open = true);
}"""
# For axe: a formula is one word, and words of one kind in one kind of place are one case.
THIN = """() => {
  document.querySelectorAll('.katex').forEach(e => e.textContent = 'x');
  const seen = new Set();
  document.querySelectorAll('pre span:not(a *), em.sig-param').forEach(e => {
    const kind = e.className + ' in ' + e.parentElement.className + ' in ' + e.closest('div').className;
    if (seen.has(kind)) e.remove(); else seen.add(kind);
  });
}"""


@pytest.fixture(scope="module")
def page(browser, site):
    """One page for all tests. It asks no other host, and `page.faults` holds what went wrong since the last visit."""
    page = browser.new_page()
    page.faults = []

    def ask(route):
        host = urlsplit(route.request.url).netloc
        if site.endswith(host):
            route.continue_()
        else:
            page.faults.append(f"asked {host}")
            route.abort()

    page.route(re.compile("^(?!file:)"), ask)
    page.on("console", lambda m: m.type in ("error", "warning") and page.faults.append(m.text))
    page.on("pageerror", lambda error: page.faults.append(str(error)))
    yield page
    page.close()


@pytest.fixture
def visit(page, site):
    """Go to a page of the book as a new reader does."""

    def visit(path, scheme="light", size=DESKTOP):
        page.faults.clear()
        page.set_viewport_size(size)
        page.emulate_media(color_scheme=scheme)
        page.goto(path if "://" in path else f"{site}/{path}")
        return page

    yield visit
    page.evaluate("localStorage.clear()")


def violations(page, **options):
    """What axe finds, a line each."""
    found = Axe().run(page, options={"preload": False, "resultTypes": ["violations"], **options}).response["violations"]
    return [f"{v['id']}: {node['html'][:200]} {node['failureSummary']}" for v in found for node in v["nodes"]]


def sideways(page):
    """By how many pixels the page can be scrolled to the side."""
    return page.evaluate("document.documentElement.scrollWidth - document.documentElement.clientWidth")


@pytest.mark.parametrize("path", PAGES)
def test_page_is_sound(visit, path):
    """Light on a phone, and then, as loading it takes long, the same page dark on a desktop."""
    page = visit(path, "light", PHONE)
    assert not page.faults
    assert sideways(page) <= 0
    page.evaluate(OPEN)
    formulas = page.evaluate("[...document.querySelectorAll('.math .katex-html')].map(e => e.getBoundingClientRect().width)")
    assert all(formulas) and (formulas or page.locator("main .math").count() == 0)
    page.set_viewport_size(DESKTOP)
    assert sideways(page) <= 0
    page.set_viewport_size(PHONE)
    page.evaluate(THIN)
    assert not violations(page)
    page.set_viewport_size(DESKTOP)
    page.emulate_media(color_scheme="dark")
    page.wait_for_function("document.documentElement.dataset.theme == 'dark'")
    rules = ["color-contrast", "link-in-text-block", "scrollable-region-focusable"]
    assert not violations(page, runOnly={"type": "rule", "values": rules})
    assert not page.faults


def results(page, words):
    """The titles that the book's own search finds for words, typed into its box."""
    page.locator("input[type=search]").last.fill(words)
    page.keyboard.press("Enter")
    page.wait_for_url("**/search.html?q=*")
    page.locator(".search-summary", has_text=re.compile("Search finished|did not match|搜索完成|没有")).wait_for()
    return page.locator("#search-results ul.search li").all_inner_texts()


@pytest.mark.parametrize("words", ["entropy", "kl_divergence", "KL", "sigma", "σ", "交叉熵", "熵"])
@pytest.mark.parametrize("from_disk", [False, True], ids=["served", "from a disk"])
def test_search_finds(visit, words, from_disk):
    """Also where nothing serves the pages, and the summaries under the titles, which are fetched, stay away."""
    page = visit((serving.SITE / "search.html").as_uri() if from_disk else "search.html")
    assert not page.faults
    found = results(page, words)
    expected = {"kl_divergence": "lossnotes.kl_divergence", "sigma": "Softmax", "σ": "Softmax", "KL": "Glossary"}
    assert any(expected.get(words, "Glossary") in title for title in found), found
    assert from_disk or not page.faults


@pytest.mark.parametrize(
    "words, expected", [("交叉熵", "4. 交叉熵"), ("熵", "熵"), ("softmax", "softmax"), ("焦点损失", "7. 焦点损失")]
)
@pytest.mark.parametrize("from_disk", [False, True], ids=["served", "from a disk"])
def test_search_finds_chinese(visit, words, expected, from_disk):
    page = visit((serving.SITE / "zh" / "search.html").as_uri() if from_disk else "zh/search.html", size=PHONE)
    found = results(page, words)
    assert found
    assert from_disk or any(expected in about for about in found), found
    page.locator(".search-summary", has_text="搜索完成").wait_for()


@pytest.mark.parametrize("from_disk", [False, True], ids=["served", "from a disk"])
def test_the_other_edition_opens_at_the_same_section(visit, from_disk):
    """There and back, from the place on the page where the reader is."""
    home = f"{serving.SITE.as_uri()}/" if from_disk else ""
    page = visit(f"{home}{CHAPTER}")
    page.locator("#exercises").evaluate("e => e.scrollIntoView({behavior: 'instant'})")
    page.locator("a.btn-edition").evaluate("e => e.click()")  # the header has slid away
    page.wait_for_url(f"**/zh/{CHAPTER}#exercises")
    assert page.evaluate("Math.abs(document.querySelector('#exercises').getBoundingClientRect().top)") < 200
    page.locator("a.btn-edition").evaluate("e => e.click()")
    page.wait_for_url(re.compile(f"html/{CHAPTER}#exercises$" if from_disk else f"\\d/{CHAPTER}#exercises$"))


def test_search_opens_with_a_button_and_leads_to_a_page(visit):
    page = visit(CHAPTER, size=PHONE)
    page.locator("button.search-button:visible").click()
    assert any("Entropy" in title for title in results(page, "Boltzmann entropy"))
    page.locator("#search-results ul.search li a").first.click()
    page.wait_for_url("**/book/**")
    assert not page.faults


def test_theme_switch_turns_and_is_remembered(visit):
    theme = "document.documentElement.dataset.theme"
    assert visit(CHAPTER, "dark").evaluate(theme) == "dark"
    page = visit(CHAPTER)
    colours = []
    for _ in range(3):  # to one of the two, to the other, and back to what the system asks for
        page.locator(".theme-switch-button:visible").first.click()
        colours.append((page.evaluate(theme), page.evaluate("getComputedStyle(document.body).backgroundColor")))
    assert len(set(colours)) == 2 and {"light", "dark"} == {name for name, _ in colours}
    while page.evaluate(theme) != "dark":
        page.locator(".theme-switch-button:visible").first.click()
    page.reload()
    assert page.evaluate(theme) == "dark"


def test_solutions_unfold(visit):
    page = visit(CHAPTER)
    folds = page.locator("details.fold.solution")
    assert folds.count() >= 4
    for fold in folds.all():
        inside = fold.locator("section p").first
        expect(inside).not_to_be_visible()
        fold.locator("> summary").click()  # a solution may hold a check, which folds too
        expect(inside).to_be_visible()


def focused(page):
    """What has the keyboard, and whether one can see it."""
    about = "e => [e.tagName, e.id, e.className, e.textContent, getComputedStyle(e).outlineStyle !== 'none'"
    return page.evaluate(f"({about} || getComputedStyle(e).boxShadow !== 'none'])(document.activeElement)")


def tab_to(page, selector):
    """Press Tab until it is there, as somebody without a mouse does. A focus that cannot be seen is a trap."""
    for _ in range(200):
        page.keyboard.press("Tab")
        if page.evaluate("s => document.activeElement.matches(s)", selector):
            return
    raise AssertionError(f"Tab does not reach {selector}: {focused(page)}")


def test_keyboard_alone_skips_searches_and_switches(visit):
    page = visit(CHAPTER)
    tab_to(page, "#pst-skip-link a")
    page.wait_for_function("document.activeElement.getBoundingClientRect().top >= 0")  # it slides into view
    page.keyboard.press("Enter")
    page.wait_for_url("**/*#main-content")
    page = visit(CHAPTER)
    tab_to(page, ".theme-switch-button")
    before = page.evaluate("document.documentElement.dataset.mode")
    page.keyboard.press("Enter")
    page.wait_for_function("mode => document.documentElement.dataset.mode != mode", arg=before)
    page = visit(CHAPTER)
    tab_to(page, ".search-button__button")
    page.keyboard.press("Enter")
    expect(page.locator("#pst-search-dialog")).to_be_visible()
    expect(page.locator("#pst-search-dialog input[type=search]")).to_be_focused()
    page.keyboard.press("Escape")
    expect(page.locator("#pst-search-dialog")).not_to_be_visible()


@pytest.mark.parametrize("key", ["Enter", "Space"])
def test_keyboard_alone_unfolds(visit, key):
    page = visit(CHAPTER)
    page.evaluate("document.querySelector('#exercises').scrollIntoView()")
    page.locator("#exercises h2 a").focus()
    tab_to(page, "details.fold.solution > summary")
    assert focused(page)[-1], "the focus cannot be seen"
    page.keyboard.press(key)
    expect(page.locator("details.fold.solution[open] section p").first).to_be_visible()


def test_without_scripts_a_page_is_whole(browser, site):
    context = browser.new_context(java_script_enabled=False)
    page = context.new_page()
    page.goto(f"{site}/{CHAPTER}")
    expect(page.locator(".katex-html").first).to_be_visible()
    page.locator("details.fold.solution summary").first.click()
    expect(page.locator("details.fold.solution section p").first).to_be_visible()
    assert page.evaluate("getComputedStyle(document.querySelector('.bd-article a')).color") != "rgb(0, 0, 238)"
    context.close()


@pytest.mark.parametrize("chapter", ["book/losses/softmax", "book/information/entropy"])
def test_printed_nothing_is_lost(visit, chapter):
    page = visit(f"{chapter}.html")
    page.emulate_media(media="print")
    for kind in [".katex-html", "details.fold section p:not(summary *)", "details.hide pre", ".cell_output img"]:
        shown = page.evaluate("s => [...document.querySelectorAll(s)].map(e => e.checkVisibility())", kind)
        assert shown and all(shown), kind
    page.set_viewport_size({"width": 700, "height": 1000})  # A4 between its margins
    assert page.evaluate("[...document.querySelectorAll('pre')].filter(e => e.scrollWidth > e.clientWidth + 1).length") == 0


@pytest.mark.parametrize("paper", ["A4", "Letter"])
def test_the_cheat_sheet_prints_on_one_page(visit, paper):
    page = visit("book/reference/cheat-sheet.html")
    assert len(re.findall(rb"/Type\s*/Page[^s]", page.pdf(format=paper))) == 1
