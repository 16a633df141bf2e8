"""How a page of this book differs from what the theme writes: lighter, foldable without scripts, and described."""

import html
import re
import textwrap
import unicodedata
from pathlib import Path

import fontTools.subset
from catalogues import mark, said
from docutils import nodes
from sphinx import addnodes
from sphinx.jinja2glue import BuiltinTemplateLoader
from sphinx.search.en import SearchEnglish
from sphinx.transforms import SphinxTransform
from sphinx.transforms.post_transforms import SphinxPostTransform
from sphinx.util.images import get_image_size
from sphinx_codeautolink.extension.block import CodeBlockAnalyser

# An exercise is a section without a title. The stack that loses count is for lists of examples, which this book has not.
CodeBlockAnalyser.depart_section = lambda self, node: self.title_stack and self.title_stack.pop()


def setup(app):
    app.add_node(fold, html=(open_fold, close_fold))
    app.add_node(fold_title, html=(open_fold_title, close_fold_title))
    app.add_transform(LinkTerms)
    app.add_post_transform(FoldSolutions)
    app.add_search_language(Search)
    app.add_search_language(SearchChinese)
    app.connect("html-page-context", describe)
    app.connect("html-page-context", lead_to_other_edition, priority=600)
    app.connect("build-finished", take_only_the_icons_in_use)
    return {"version": "1", "parallel_read_safe": True, "parallel_write_safe": True}


# What is folded. <details> needs no script, opens with Enter and Space, and a browser's search looks into it.


class fold(nodes.General, nodes.Element):
    """A block that a reader unfolds."""


class fold_title(nodes.TextElement):
    """What one sees of it before."""


def open_fold(self, node):
    self.body.append(self.starttag(node, "details", CLASS="admonition"))


def close_fold(self, node):
    self.body.append("</details>\n")


def open_fold_title(self, node):
    self.body.append(self.starttag(node, "summary", "", CLASS="admonition-title"))


def close_fold_title(self, node):
    self.body.append("</summary>\n")


class FoldSolutions(SphinxPostTransform):
    default_priority = 900  # after titles and references are resolved

    def run(self, **kwargs):
        for node in list(self.document.findall(lambda n: isinstance(n, nodes.Admonition) and "dropdown" in n["classes"])):
            title, body = node.children[0], node.children[1:]
            if not isinstance(title, nodes.title):  # a proof says "Proof." in its first line
                title, body = nodes.title("", self.named(node["classes"][1])), node.children
                first = next(node.findall(nodes.Text))
                first.parent.replace(first, nodes.Text(first.removeprefix("Proof. ")))
            for link in list(title.findall(nodes.reference)):  # a click anywhere unfolds
                link.replace_self(link.children)
            node.replace_self(
                fold("", fold_title("", "", *title.children), *body, ids=node["ids"], classes=["fold", *node["classes"]])
            )

    def named(self, kind):
        names = {"proof": mark("Proof")}
        return said(self.config.language, names[kind])


# What leads from word to word.


class LinkTerms(SphinxTransform):
    """A chapter's first use of a term of the glossary leads there, unless the author has linked it or put it under a link."""

    default_priority = 800
    # Where a link would be out of place, or is one.
    passed_over = (nodes.title, nodes.caption, nodes.table, nodes.raw, nodes.literal_block, nodes.math_block)

    def apply(self, **kwargs):
        if not self.env.docname.startswith(("book/information/", "book/losses/", "book/practice/")):
            return
        self.env.note_dependency("book/reference/glossary.md")
        terms = names_of_terms(Path(self.env.srcdir, "book", "reference", "glossary.md").read_text("utf-8"), self.config.language)
        words = "|".join(sorted(map(re.escape, terms), key=len, reverse=True))
        # Latin words as wholes; Chinese has no spaces between words.
        pattern = re.compile(rf"(?<![A-Za-z\d_-])({words})s?(?![A-Za-z\d_-])", re.IGNORECASE)
        linked = set()
        for node in list(self.document.findall(lambda n: isinstance(n, (nodes.Text, addnodes.pending_xref)))):
            if isinstance(node, addnodes.pending_xref):
                linked |= {terms.get(node["reftarget"].lower(), node["reftarget"])} if node["reftype"] == "term" else set()
            elif not self.is_passed_over(node):
                self.link(node, pattern, terms, linked)

    def is_passed_over(self, node):
        while node := node.parent:
            inline = isinstance(node, nodes.Inline) and not isinstance(node, (nodes.emphasis, nodes.strong))
            if inline or isinstance(node, self.passed_over) or "cell" in node.get("classes", []):
                return True
        return False

    def link(self, node, pattern, terms, linked):
        pieces, end = [], 0
        for match in pattern.finditer(node):
            term = terms[match[1].lower()]
            if term not in linked:
                linked.add(term)
                seen = nodes.inline("", match[0], classes=["xref", "std", "std-term"])
                options = {"refdomain": "std", "reftype": "term", "refexplicit": True, "refwarn": True}
                pieces += [nodes.Text(node[end : match.start()])]
                pieces += [addnodes.pending_xref("", seen, reftarget=term, refdoc=self.env.docname, **options)]
                end = match.end()
        if pieces:
            node.parent.replace(node, [*pieces, nodes.Text(node[end:])])


def names_of_terms(glossary, language):
    """The names that a page may use for a term, in small letters, and the one that the glossary is asked for."""
    block = re.search(r"```\{glossary\}\n(.*?)\n```", glossary, re.DOTALL)[1]
    entries = [entry.split("\n") for entry in re.sub(r"(?m)^ .*\n?", "", block).strip().split("\n\n")]
    if language == "en":
        return {name.lower(): name for entry in entries for name in entry if re.match(r"[A-Za-z]", name)}
    return {name.lower(): entry[0] for entry in entries for name in entry}


class Search(SearchEnglish):
    """English, and Greek letters: who looks for σ finds the formulas that say \\sigma."""

    def split(self, input):
        return super().split(re.sub(r"\\([A-Za-z]+)", lambda m: f"{m[1]} {greek(m[1])}", input))


class SearchChinese(Search):
    """Chinese is written without spaces: what is looked up are its characters, one by one and in pairs, in the pages and in a query."""

    lang, language_name = "zh_CN", "Chinese"
    js_splitter_code = """
function splitQuery(query) {
  const words = query.split(/([\u3400-\u9fff]+)|[^\\p{Letter}\\p{Number}_]+/u).filter((word) => word);
  const pairs = (word) => word.length < 2 ? [word] : [...word.slice(1)].map((next, i) => word[i] + next);
  return words.flatMap((word) => /[\u3400-\u9fff]/.test(word) ? pairs(word) : [word]);
}
"""

    def split(self, input):
        found = []
        for word in re.findall(r"[\u3400-\u9fff]+|[^\W\u3400-\u9fff]+", " ".join(super().split(input))):
            found += [word] if not re.match("[\u3400-\u9fff]", word) else [*word, *(a + b for a, b in zip(word, word[1:]))]
        return found


def greek(name):
    size = "CAPITAL" if name[0].isupper() else "SMALL"
    try:
        return unicodedata.lookup(f"GREEK {size} LETTER {name.upper().replace('LAMBDA', 'LAMDA')}")
    except KeyError:
        return ""


# What the theme's templates write, mended. A pattern that no longer occurs is an error: the theme has changed.

THEME = '(matchMedia("(prefers-color-scheme: dark)").matches ? "dark" : "light")'
EDITS = [
    # The theme is right from the first moment, before any script has come; without scripts the page is light.
    (r'(dataset.mode = localStorage.getItem\("mode"\) \|\| )""', r'\1"auto"'),
    (r'(dataset.theme = localStorage.getItem\("theme"\) \|\| )""', rf"\1{THEME}"),
    # A sheet that only imports another, which then comes one round later.
    (r'(<link href="[^"]*_static/)styles/theme\.css', r"\1basic.css"),
    # An icon font as a script, 540 kB compressed. The stylesheet has the same icons.
    (r'\s*<script defer src="[^"]*/fontawesome\.js[^"]*"></script>', ""),
    # Said three times.
    (r'<meta name="viewport" content="width=device-width, initial-scale=1" ?/>', ""),
    # Scripts run after the page is read, in their order. The options stay first: scripts inside the page use them.
    (r'<script (?=(?:data-[^>]*)?src="(?![^"]*documentation_options))', "<script defer "),
    (r'<img (?=[^>]*class="logo__image)', '<img width="72" height="72" '),
    (r'(<button class="btn search-button-field[^>]*?) title="([^"]*)" aria-label="\2"', r"\1"),
    # The other edition opens in the place of this one.
    (r'target="_blank"\s+class="btn btn-sm btn-edition-(\S+)"', r'class="btn btn-sm btn-edition" lang="\1" hreflang="\1"'),
    (r'(<button class="sidebar-toggle[^>]*? title="([^"]*)")', r'\1 aria-label="\2"'),
]
# What a screen reader says holds the words that are seen, and an entry of a list is one.
NAMES = {'<summary aria-label="Toggle hidden content">': "<summary>", 'role="doc-biblioentry"': 'role="listitem"'}
# What the theme has in English only, or in the Chinese of elsewhere. Each is a message of ours where it is all of a text or of an attribute.
UNTRANSLATED = [
    *(mark("Main"), mark("Page"), mark("Toggle primary sidebar"), mark("Toggle secondary sidebar"), mark("Color mode")),
    *(mark("System Settings"), mark("Link to this heading"), mark("Link to this term"), mark("Permalink to this equation")),
    *(mark("Link to this image"), mark("Link to this table"), mark("Link to this definition"), mark("Link to this code")),
    *(mark("列印成 PDF"), mark("Proof Index"), mark("module"), mark("definition"), mark("theorem"), mark("lemma")),
    mark("proposition"),
]
# How a title, its solution and a proof are set in Chinese.
CHINESE = [
    (r'(<span class="caption-number">[^<]*?) ?</span> \((.*?)\)(?=</p>)', r"\1</span>（\2）"),
    (r'(<summary class="admonition-title">)解答 (练习 \d+) \((.*?)\)(?=</summary>)', r"\1\2 的解答（\3）"),
    (r"<p>Proof\. ", "<p>证明。"),
]
# The index of the whole book is for the page that searches it.
NOT_FOR_SEARCH = r'\s*<script src="[^"]*/?(?:searchtools|language_data|searchindex)\.js[^"]*"></script>'


class Templates(BuiltinTemplateLoader):
    def render(self, template, context):
        page = super().render(template, context)
        if "<!DOCTYPE html>" not in page[:100] or "<main" not in page:
            return page
        if context["pagename"] != "search":
            page = re.sub(NOT_FOR_SEARCH, "", page)
        for pattern, replacement in EDITS:
            page, count = re.subn(pattern, replacement, page)
            assert count, f"{context['pagename']}: no {pattern}"
        for written, better in NAMES.items():
            page = page.replace(written, better)
        # The words that scripts say, before the scripts that say them.
        if words := re.search(r"\s*<script [^>]*translations\.js[^>]*></script>", page):
            page = page.replace(words[0], "", 1)
            page = re.sub(r"(?=\s*<script [^>]*sphinx_highlight\.js)", lambda _: words[0], page, count=1)
        for pattern, better in CHINESE if self.builder.config.language == "zh_CN" else []:
            page = re.sub(pattern, better, page)
        for word in UNTRANSLATED if self.builder.config.language != "en" else []:
            # In code, a name in a <span> may be the same word.
            there = rf'((?:title|aria-label)="|<(?:a|em|dt|h1)\b[^>]*>){word}(?=["<])'
            page = re.sub(there, rf"\g<1>{said(self.builder.config.language, word)}", page)
        return re.sub(r'<img (?![^>]* width=)(?=[^>]*src="[^"]*_images/([^"]+)")', self.sized, page)

    def sized(self, match):
        """With its size a picture has its place before it has come, and it comes when it is near."""
        sources = {name: source for source, name in self.builder.images.items()}
        size = get_image_size(Path(self.builder.srcdir, sources[match[1]]))
        return '<img loading="lazy" width="{}" height="{}" '.format(*size)

    def init(self, builder, *args):
        super().init(builder, *args)
        self.builder = builder


def describe(app, pagename, templatename, context, doctree):
    """What a search engine or a message shows of a page: the question that it opens with, and its first figure."""
    if doctree is None:
        return
    opening = ""
    for paragraph in next(doctree.findall(nodes.section)).children:
        if isinstance(paragraph, nodes.paragraph) and len(opening) < 80:
            opening += " " + re.sub(r"\s+", " ", paragraph.astext())
    opening = opening.strip() or context["title"]
    # Chinese says as much with half the letters, and has no spaces to break at.
    opening = (
        textwrap.shorten(opening, 200, placeholder=" …")
        if app.config.language == "en"
        else re.sub(r"(?<=^.{100}).+", "……", opening)
    )
    figures = [Path(image["uri"]).name for image in doctree.findall(nodes.image)]
    figure = next((f for f in figures if f in app.builder.images.values() and f.endswith(".png")), None)
    picture = f"_images/{figure}" if figure else "_static/logo.svg"
    # An address that is whole needs to know where the book stands. Without html_baseurl it is relative to the page.
    base = app.config.html_baseurl.rstrip("/")
    said = {
        "og:type": "article" if figure else "website",
        "og:site_name": app.config.html_title,
        "og:title": re.sub("<[^>]*>", "", html.unescape(context["title"])),
        "og:description": opening,
        "og:image": f"{base}/{picture}" if base else context["pathto"](picture, 1),
    }
    if base:
        said["og:url"] = f"{base}/{pagename}.html"
    card = "summary_large_image" if figure else "summary"
    tags = [("name", "description", opening), ("name", "twitter:card", card), *(("property", *pair) for pair in said.items())]
    context["metatags"] += "".join(f'<meta {kind}="{key}" content="{html.escape(value)}" />\n' for kind, key, value in tags)


EDITIONS = {"en": ("en", ""), "zh_CN": ("zh-CN", "zh/")}  # how HTML names a language, and where its edition is
OTHER = {"en": ("zh_CN", "中文", "这一页的中文版"), "zh_CN": ("en", "English", "This page in English")}


def lead_to_other_edition(app, pagename, templatename, context, doctree):
    """By a button in the header, and for search engines."""
    here = EDITIONS[app.config.language][1]
    base = app.config.html_baseurl.removesuffix(here)

    def address(language):
        there = EDITIONS[language][1]
        if base:
            return f"{base}{there}{pagename}.html"
        return context["pathto"](f"{'../' if here else ''}{there}{pagename}.html", 1)

    links = [f'<link rel="alternate" hreflang="{name}" href="{address(key)}" />\n' for key, (name, _) in EDITIONS.items()]
    context["metatags"] = context.get("metatags", "") + "".join(links)
    other, text, tooltip = OTHER[app.config.language]
    path = context["pathto"](f"{'../' if here else ''}{EDITIONS[other][1]}{pagename}.html", 1)
    button = {"type": "link", "url": path, "text": text, "tooltip": tooltip, "label": f"edition-{EDITIONS[other][0]}"}
    context["header_buttons"].insert(0, button)
    app.add_js_file("edition.js", loading_method="defer")


def take_only_the_icons_in_use(app, exception):
    """The theme has rules for 1,400 icons and a font of 150 kB. A page shows a dozen of them."""
    static = Path(app.outdir) / "_static"
    sheet = static / "styles" / "pydata-sphinx-theme.css"
    solid = static / "vendor" / "fontawesome" / "webfonts" / "fa-solid-900"
    if exception or not solid.with_suffix(".ttf").is_file():  # not of HTML, or nothing has changed since
        return
    (static / "scripts" / "fontawesome.js").unlink(missing_ok=True)
    (static / "scripts" / "fontawesome.js.map").unlink(missing_ok=True)
    places = list(Path(app.outdir).rglob("*.html")) + list((static / "scripts").glob("*.js"))
    used = {name for place in places for name in re.findall(r"\bfa-[a-z-]+", place.read_text("utf-8"))}

    def keep(rule):
        return rule[0] if used & set(re.findall(r"fa-[a-z-]+", rule[0])) else ""

    css = re.sub(r"(?:\.fa-[a-z0-9-]+:before,?)+\{content:[^}]*\}", keep, sheet.read_text("utf-8"))
    others = (static / "styles" / "sphinx-book-theme.css").read_text("utf-8")
    codes = {ord(c) for c in css if "\ue000" <= c <= "\uf8ff"}
    codes |= {int(c, 16) for c in re.findall(r"\\([ef]\w{3})\b", css + others)}
    options = fontTools.subset.Options(flavor="woff")
    font = fontTools.subset.load_font(solid.with_suffix(".ttf"), options)
    subsetter = fontTools.subset.Subsetter(options)
    subsetter.populate(unicodes=codes)
    subsetter.subset(font)
    fontTools.subset.save_font(font, solid.with_suffix(".woff"), options)
    solid.with_suffix(".ttf").unlink()
    solid.with_suffix(".woff2").unlink()
    face = r'url\([^)]*fa-solid-900\.woff2\) format\("woff2"\),url\([^)]*fa-solid-900\.ttf\) format\("truetype"\)'
    css, count = re.subn(face, 'url(../vendor/fontawesome/webfonts/fa-solid-900.woff) format("woff")', css)
    assert count == 1, "the theme names its icon font in another way"
    sheet.write_text(css, "utf-8")
