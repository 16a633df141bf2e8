"""The Chinese edition: every message translated, each translation fitting its message, and the same book on the pages."""

import copy
import json
import re
import sys
from pathlib import Path

import pytest
from bs4 import BeautifulSoup

ROOT = Path(__file__).parents[1]
sys.path[:0] = [str(ROOT / "book" / "_ext"), str(ROOT / "book")]
import catalogues  # noqa: E402
import messages  # noqa: E402
import translations  # noqa: E402
from fitting import faults  # noqa: E402

SITE = ROOT / "_build" / "html"
SOURCES = dict(catalogues.sources())
HAN = re.compile("[\u3400-\u9fff]")


# The catalogues.


@pytest.mark.parametrize("name", SOURCES)
def test_every_message_is_translated(name):
    catalogue, kept = catalogues.read("zh_CN", name), {text for text, _ in SOURCES[name]}
    missing = [text for text in kept if not (message := catalogue.get(text)) or not message.string or message.fuzzy]
    assert not missing, (
        f"{len(missing)} of {len(kept)} are not, or have changed since. Try make translations. The first: {missing[0]}"
    )
    assert {message.id for message in catalogue if message.id} == kept, "there is more than the book says. Try make translations"


@pytest.mark.parametrize("name", SOURCES)
def test_translations_fit(name):
    found = catalogues.translations("zh_CN", name)
    wrong = [
        f"{fault}\n  {text}\n  {found[text]}"
        for text, _ in SOURCES[name]
        if text in found
        for fault in faults(text, found[text], name)
    ]
    assert not wrong, "\n".join(wrong)


@pytest.mark.parametrize(
    "message, translation, fault",
    [
        ("the entropy of $p$", "$q$ 的熵", "formula p"),
        ("here $x_\\text{so far}$", "这里 $y_\\text{此前}$", "formula x"),
        ("call `ln.entropy`", "调用 `ln.cross_entropy`", "code ln.entropy"),
        ("see {ref}`this <a>`", "见{ref}`这里 <b>`", "role ref a"),
        ("as {cite:t}`shannon` says", "有人说过", "role cite:t shannon"),
        ("a [link](https://a.org)", "一个[链接](https://b.org)", "link https://a.org"),
        ("at most 0.35", "至多 0.53", "the number 0.35"),
        ("131 million weights", "13.1 亿个权重", "the number 131000000"),
        ("**Bold**, and not", "粗体，而不是", "bold"),
        ("the {term}`entropy` of a coin", "硬币的{term}`混乱度 <entropy>`", "entropy is 信息熵 or 熵"),
        ("the focal loss falls", "聚焦的损失下降", "focal loss is 焦点损失 or 聚焦损失"),
        ("two words of it", "PyTorch里的", "no space between"),
        ("two words of it", "两 个词", "a space inside Chinese"),
        ("two words of it", "两个词 ，", "a space beside"),
        ("two words of it", "两个,三个", "not full-width"),
        ("two words of it", "两个(词)", "brackets"),
        ("two words of it", "(两, 个) 词", "brackets"),
        ("two words of it", '"词"', "quotation marks"),
        ("**Two**: it", "**“二”**它", "markup"),
        ("two words that are left in it", "two words that are left in it", "no word of Chinese"),
        ("two words of it", "两个\n词", "line break"),
    ],
)
def test_the_check_sees_what_does_not_fit(message, translation, fault):
    assert any(fault in found for found in faults(message, translation)), faults(message, translation)


@pytest.mark.parametrize(
    "message, translation",
    [
        (
            "Of $p$ and {term}`cross-entropy`, 3 `x` (see {cite:t}`a`).",
            "$p$ 和{term}`交叉熵 <cross-entropy>`，3 个 `x`（见 {cite:t}`a`）。",
        ),
        ("here $x_\\text{so far}$", "这里 $x_\\text{此前}$"),
        ("In a clone of the {project}`project`,", "在克隆下来的{project}`项目`里"),
        ("Two of the softmax in 1948.", "1948 年的 2 个 softmax。"),
        ("1. The *first* **step**", "1. **第一步**"),
        ("131 million weights, 2.5 billion tokens", "1.31 亿个权重，25 亿个词元"),
        ("Fewer eights of shape (N, 64).", "形状为 (N, 64) 的 8 更少。"),
        ("Fewer eights of shape (N,).", "形状为 (N,) 的 8 更少。"),
    ],
)
def test_the_check_lets_pass_what_fits(message, translation):
    assert not faults(message, translation)


def test_the_check_reads_expressions_and_docstrings():
    expression = "'Entropy ' + format(H, '.3f') + ' bits of ' + name"
    assert not faults(expression, "name + ' 的熵 ' + format(H, '.3f') + ' 比特'", "explorables")
    assert faults(expression, "'熵 ' + format(H, '.2f') + name", "explorables")
    assert not faults("Scores, as ``x`` of `z`.", "得分，如 `z` 的 ``x``。", "docstrings")
    assert faults("Scores, as ``x`` of `z`.", "得分，如 `z`。", "docstrings")
    assert not faults('Scores, as ``"x"`` says.', '得分，如 ``"x"`` 所说。', "docstrings")


# From a message to its place.


PAGES = [ROOT / "book" / "intro.md", *(ROOT / "book").glob("*/*.ipynb"), *(ROOT / "book" / "reference").glob("*.md")]


@pytest.mark.parametrize("path", PAGES, ids=lambda path: path.stem)
def test_each_message_is_put_where_it_stood(path):
    cells = json.loads(path.read_text("utf-8"))["cells"] if path.suffix == ".ipynb" else None
    for text in (
        ["".join(cell["source"]) for cell in cells if cell["cell_type"] == "markdown"] if cells else [path.read_text("utf-8")]
    ):
        before = [piece.text for piece in messages.pieces(text)]
        marked = messages.translate(text, lambda message: f"换 {message}")
        assert [piece.text for piece in messages.pieces(marked)] == [f"换 {message}" for message in before]
        assert re.sub(r"\s+", "", marked.replace("换 ", "")) == re.sub(r"\s+", "", text)


def test_nothing_of_a_block_is_left_out():
    text = """(here)=
# Title

:::{aside} Its *title*
A line
of $x$.

- one
- two
:::

$$ x = y \\quad \\text{for all } y $$

| a | b \\| c |
|---|---|
| `d` | e |

```{explorable} entropy
:alt: what is seen

The caption.
```

```python
code
```
"""
    found = [piece.text for piece in messages.pieces(text)]
    assert found == [
        "Title",
        "Its *title*",
        "A line of $x$.",
        "one",
        "two",
        "for all",
        "a",
        "b \\| c",
        "e",
        "what is seen",
        "The caption.",
    ]
    with pytest.raises(KeyError, match="unheard-of"):
        messages.pieces("```{unheard-of}\nwords\n```")


def test_a_cell_is_translated_and_its_code_is_not():
    about = {"mystnb": {"figure": {"name": "fig-a", "caption": "Two lines"}, "image": {"alt": "a line"}}}
    cells = [{"cell_type": "code", "source": "x = '# no'  # the sum\n", "metadata": about}]
    words = {"Two lines": "两条线", "a line": "一条线", "the sum": "总和", "no": "不"}
    messages.translate_cells(cells, words.get)
    assert cells[0]["source"] == "x = '# no'  # 总和\n"
    assert about == {"mystnb": {"figure": {"name": "fig-a", "caption": "两条线"}, "image": {"alt": "一条线"}}}


def test_what_a_figure_says_is_translated_and_its_names_are_not():
    spec = {
        "signals": [
            {
                "name": "loss",
                "value": "squared error",
                "bind": {"input": "select", "name": "the loss", "options": ["squared error", "hinge"]},
            },
            {"name": "say", "update": "'Loss ' + loss"},
            {"name": "top", "update": "loss == 'squared error' ? 1 : 2"},
        ],
        "marks": [{"type": "text", "encode": {"update": {"text": {"value": "slope"}, "align": {"value": "left"}}}}],
        "axes": [{"scale": "x", "title": "score"}],
    }
    found = [place[key] for place, key, _ in messages.said_by_spec(spec)]
    assert sorted(found) == sorted(["the loss", "squared error", "hinge", "'Loss ' + loss", "slope", "score"])
    messages.translate_spec(spec, {"squared error": "平方误差", "the loss": "损失"}.get)
    assert spec["signals"][0]["bind"] == {
        **{"input": "select", "name": "损失"},
        **{"options": ["squared error", "hinge"], "labels": ["平方误差", "hinge"]},
    }
    assert spec["signals"][0]["value"] == "squared error" and "'squared error'" in spec["signals"][2]["update"]


@pytest.fixture
def small_book(monkeypatch, tmp_path):
    """A book of one page, in catalogues of its own."""
    long = "The first sentence of the page, so long that Babel needs two lines for it when it has become the older text."
    found = {"page": [(long, "paragraph"), ("The second one.", "paragraph")]}
    for module in (catalogues, translations):
        monkeypatch.setattr(module, "sources", found.items)
    monkeypatch.setattr(catalogues, "LOCALE", tmp_path)
    yield found
    catalogues.translations.cache_clear()


def shown(message):
    catalogues.translations.cache_clear()
    return catalogues.translations("zh_CN", "page").get(message)


def test_a_change_of_the_text_leaves_its_translation_and_marks_it(small_book, capsys):
    translations.update("zh_CN")
    assert translations.check("zh_CN", []) == 2 and shown("The second one.") is None
    page = catalogues.read("zh_CN", "page")
    for message, translation in zip([m for m in page if m.id], ["这一页的第一句话。", "第二句。"]):
        message.string = translation
    translations.write(page, catalogues.file_of("zh_CN", "page"))
    assert translations.check("zh_CN", []) == 0 and shown("The second one.") == "第二句。"

    small_book["page"][0] = (small_book["page"][0][0].replace("first", "very first"), "paragraph")
    assert translations.check("zh_CN", []) == 1
    before = capsys.readouterr().out
    translations.update("zh_CN")
    assert "page: changed: The very first" in capsys.readouterr().out and "changed" not in before
    assert shown(small_book["page"][0][0]) is None and shown("The second one.") == "第二句。"
    kept = catalogues.file_of("zh_CN", "page").read_text("utf-8")
    assert "#, fuzzy" in kept and "这一页的第一句话。" in kept and '#| msgid "The first sentence' in kept
    translations.update("zh_CN")
    assert catalogues.file_of("zh_CN", "page").read_text("utf-8") == kept

    second = small_book["page"].pop()
    translations.update("zh_CN")
    small_book["page"].append(second)
    translations.update("zh_CN")
    assert shown("The second one.") == "第二句。", "what was taken out and came back has lost its translation"


# The pages.


@pytest.fixture(scope="module")
def editions(built):
    """Each page of the English edition with that of the other one."""
    names = [path.relative_to(SITE) for path in built if "zh" not in path.relative_to(SITE).parts]
    return {name: (built[SITE / name], built[SITE / "zh" / name]) for name in names}


def test_editions_know_their_language_and_each_other(editions):
    for name, pages in editions.items():
        if name.name == "index.html":  # leads to the first page
            continue
        for page, language, other, home in zip(pages, ("en", "zh-CN"), ("zh-CN", "en"), (SITE, SITE / "zh")):
            assert page.html["lang"] == language
            alternates = {link["hreflang"]: link["href"] for link in page.select("link[rel=alternate][hreflang]")}
            (switch,) = page.select("a.btn-edition")
            assert set(alternates) == {"en", "zh-CN"} and switch["hreflang"] == switch["lang"] == other and not switch.get("target")
            there = ((home / name).parent / switch["href"]).resolve()
            assert there == (SITE / "zh" / name if other == "zh-CN" else SITE / name).resolve(), name


def test_editions_have_the_same_sections_code_outputs_and_minutes(editions):
    for name, (english, chinese) in editions.items():
        for kind in ["section[id]", "figure[id]", "div[id^=ex-]"]:
            assert [e["id"] for e in english.select(kind)] == [e["id"] for e in chinese.select(kind)], name
        for kind in [".cell_output pre", ".minutes", ".katex-display annotation", "a.internal code"]:
            said = [[re.sub(r"\\text\{[^{}]*\}", "", e.get_text()) for e in page.select(kind)] for page in (english, chinese)]
            assert said[0] == said[1], (name, kind)
        code = [re.sub(r"#.*", "", e.get_text()) for page in (english, chinese) for e in page.select(".cell_input pre")]
        assert code[: len(code) // 2] == code[len(code) // 2 :], name
        pictures = [[Path(e["src"]).name for e in page.select(".cell_output img")] for page in (english, chinese)]
        assert pictures[0] == pictures[1], name


def test_pages_say_what_they_are_and_link_their_terms(editions):
    for name, (english, chinese) in editions.items():
        if re.match("book/(information|losses|practice)/", name.as_posix()):
            said = chinese.select_one("meta[name=description]")["content"]
            assert 20 <= len(said) <= 200 and chinese.title.get_text().startswith(chinese.h1.find(string=True)), name
            links = [len(page.select("article p a[href*='glossary.html#term-']")) for page in (english, chinese)]
            assert links[1] >= links[0] / 2, name


def test_titles_and_proofs_are_set_in_chinese(editions):
    """By program: 定理 1（…）, 练习 1 的解答（…）, and a proof that does not say so in English."""
    titles = [e.get_text() for _, page in editions.values() for e in page.select(".admonition-title")]
    solutions = [title for title in titles if "解答" in title]
    assert len(solutions) > 50 and all(re.match(r"练习 \d+ 的解答（.+）$", title) for title in solutions)
    numbered = [title for title in titles if re.match(r"(定理|定义|引理|命题|练习) \d+", title)]
    assert len(numbered) > 150 and not [title for title in numbered if re.search(r"\d+ *\(", title)]
    proofs = [e.get_text(" ", strip=True) for _, page in editions.values() for e in page.select(".proof p, .fold p")]
    assert any(text.startswith("证明。") for text in proofs) and not any("Proof" in text for text in proofs)


# Where English is right: code and what it prints, formulas, names of works and of functions, and what has English in both editions.
SHARED = "pre, code, .katex, script, style, svg, .cell_output, dt.sig, dl.glossary > dt, [role=listitem], .citation, noscript, .btn-edition"


def english_left(page):
    """What a reader of Chinese would see in English: a block without a Chinese character, or a name of a button."""
    page = copy.copy(page)
    for shared in page.select(SHARED):
        shared.extract()
    for block in page.select("p, li, td, th, h1, h2, h3, h4, figcaption, summary, dt, dd, button, figure output"):
        text = " ".join(block.get_text(" ").split())
        if len(re.findall("[A-Za-z]{2,}", text)) > 3 and not HAN.search(text) and not re.search(r", \d{4}\.", text):  # a work
            yield f"<{block.name}> {text[:100]}"
    for tag in page.select("[alt], [title], [aria-label], [placeholder], meta[name=description]"):
        for key in ("alt", "title", "aria-label", "placeholder", "content"):
            text = tag.get(key, "")
            if len(re.findall("[A-Za-z]{2,}", text)) > 1 and not HAN.search(text) and not re.search(r"\d{4}\b|\.\w+\b", text):
                yield f'<{tag.name} {key}="{text[:100]}">'


def test_no_english_is_left_on_a_chinese_page(editions):
    left = [f"{name}: {text}" for name, (_, page) in editions.items() if name.parts[0] == "book" for text in english_left(page)]
    assert not left, f"{len(left)} texts, the first of them\n" + "\n".join(left[:20])


def test_the_check_sees_english():
    html = (
        '<p>All of this is English.</p><p>这是 PyTorch 的中文 text。</p><img alt="two words"><pre>code is code and it stays</pre>'
    )
    assert list(english_left(BeautifulSoup(html, "html.parser"))) == ["<p> All of this is English.", '<img alt="two words">']
