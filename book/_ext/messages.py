"""The texts of the book, one by one: what a translator sees of a page, and how a translation takes its place.

A page is translated as source, before it is parsed: each paragraph, heading, cell of a table, title, caption and alt text is a message in
MyST, and its translation, also in MyST, is put where it stood. So whatever can be written in English can be written in the other
language, and roles, formulas, targets and blocks need no care of their own. Of displayed formulas only the words are messages, and of
code the comments.
"""

import inspect
import io
import json
import pkgutil
import re
import tokenize
from collections import namedtuple
from pathlib import Path

from myst_parser.config.main import MdParserConfig
from myst_parser.mdit_to_docutils.base import DocutilsRenderer
from myst_parser.parsers.mdit import create_md_parser
from sphinx.pycode import ModuleAnalyzer

BOOK = Path(__file__).parents[1]
EXTENSIONS = {"amsmath", "attrs_inline", "colon_fence", "deflist", "dollarmath", "smartquotes", "substitution"}  # as in _config.yml
PARSER = create_md_parser(MdParserConfig(enable_extensions=EXTENSIONS), DocutilsRenderer)

# From a line and column to another, both zero-based, what stands there, and what it is to the page.
Piece = namedtuple("Piece", "line column last_line end text kind")

# Of a directive: whether its argument is text, and whether its body is MyST. One that is not here is an error: nothing is left out
# because nobody has thought of it.
BLOCKS = {
    **dict.fromkeys(["answer", "card-of-chapter", "your-turn", "div", "solution", "prf:proof", "note"], (False, True)),
    **dict.fromkeys(["aside", "dropdown", "exercise"], (True, True)),
    **dict.fromkeys(["prf:definition", "prf:lemma", "prf:proposition", "prf:theorem"], (True, True)),
    **dict.fromkeys(
        ["solution-start", "solution-end", "bibliography", "book-in-one-file", "literalinclude", "eval-rst", "math"], (False, False)
    ),
    **dict.fromkeys(["glossary", "chapter-cards", "explorable"], (False, False)),  # see below
}

# Displayed formulas stay as they are, but for words in them.
FORMULAS = ("math_block", "math_block_label", "amsmath")
WORDS = re.compile(r"\\text\{\s*([^{}$]*[A-Za-z]{2}[^{}$]*?)\s*\}")


def pieces(text):
    """Each message of a MyST text, in order."""
    return list(find(text, text.split("\n"), 0))


def find(text, lines, first):
    """Those of a part of the lines that has been parsed out of a block; `first` is the line that it begins in."""
    kind, row = "", (0, 0)
    for token in PARSER.parse(text, {}):
        if token.type in ("fence", "colon_fence"):
            yield from find_in_block(token, lines, first + token.map[0])
        elif token.type == "tr_open":
            row = (first + token.map[0], 0)
        elif token.type == "inline" and kind in ("td_open", "th_open"):
            # The parser takes the backslash from \| and the spaces from an empty cell.
            line, start = row
            cell = re.compile(r"\s*\|?\s*((?:\\.|[^|\\])*?)\s*(?=\||$)").match(lines[line], start)
            row = (line, cell.end())
            yield from piece(line, cell.start(1), line, cell.end(1), cell[1], "table")
        elif token.type == "inline":
            begin, *_, end = (part := token.content.split("\n"))[0], part[-1]
            line, last = first + token.map[0], first + token.map[0] + len(part) - 1
            column = lines[line].index(begin)
            stop = lines[last].index(end, column if line == last else 0) + len(end)
            yield from piece(line, column, last, stop, token.content, kind.removesuffix("_open"))
        elif token.type in FORMULAS:
            for at in range(first + token.map[0], first + token.map[1]):
                for found in WORDS.finditer(lines[at]):
                    yield from piece(at, found.start(1), at, found.end(1), found[1], "formula")
        elif token.type in ("html_block", "html_inline", "dt_open"):
            raise ValueError(f"no translation reaches a {token.type}: {token.content}")
        kind = token.type


def piece(line, column, last_line, end, text, kind):
    message = re.sub(r"\s*\n\s*", " ", text.strip())
    if is_text(message):
        yield Piece(line, column, last_line, end, message, kind)


def is_text(message):
    """Whether there is something to translate: not where all of it is formulas, code, numbers and citations."""
    bare = re.sub(r"\{(?:cite(?::\w+)?|eq|ref|numref|minutes|name)\}`[^`<]*`|`[^`]*`|\$[^$]*\$", "", message)
    return bool(re.search(r"[^\W\d_]", bare))


def find_in_block(token, lines, line):
    """Those of a block between fences."""
    opening = re.match(r"\{([\w:-]+)\}\s*(.*)", token.info.strip())
    if not opening:
        return  # code
    name, argument = opening.groups()
    titled, nested = BLOCKS[name]
    if titled and argument:
        column = lines[line].rindex(argument)
        yield from piece(line, column, line, column + len(argument), argument, f"title of {name}")
    body, at = token.content.removesuffix("\n").split("\n"), line + 1
    while body and (option := re.match(r":([\w-]+):\s*(.*?)\s*$", body[0])):
        if option[1] in ("alt", "caption"):
            column = lines[at].index(option[2])
            yield from piece(at, column, at, column + len(option[2]), option[2], option[1])
        body, at = body[1:], at + 1
    text = "\n".join(body)
    if nested:
        yield from find(text, lines, at)
    elif name == "explorable" and text.strip():
        yield from (p._replace(kind="caption") for p in find(text, lines, at))
    elif name == "glossary":  # terms stand in both languages already; what they mean is indented
        for found in re.finditer(r"(?m)^(?:[ ]+\S.*(?:\n|$))+", text):
            indent = text.count("\n", 0, found.start())
            dedented = re.sub(r"(?m)^ +", "", found[0])
            yield from find(dedented, lines, at + indent)
    elif name == "chapter-cards":
        for offset, card in enumerate(body):
            column = lines[at + offset].rfind("|") + 1
            start = column + len(card[column:]) - len(card[column:].lstrip())
            yield from piece(at + offset, start, at + offset, len(card), card[start:], "card")


def translate(text, look_up):
    """The text with each message replaced by what `look_up(message)` gives for it, if it gives anything."""
    return replace(text, pieces(text), look_up)


def replace(text, found_pieces, look_up):
    lines = text.split("\n")
    for found in reversed(found_pieces):
        if translation := look_up(found.text):
            before, after = lines[found.line][: found.column], lines[found.last_line][found.end :]
            lines[found.line : found.last_line + 1] = [before + translation + after]
    return "\n".join(lines)


# A notebook. Its code is run and stored as it is; what its comments and the metadata of a cell say to a reader are messages, too.

SAID_BY_CELL = [("figure", "caption"), ("image", "alt"), ("code_prompt_show",), ("code_prompt_hide",)]


def said(cell):
    """The places of these in a cell: a dict, a key, and what kind it is."""
    about = cell["metadata"].get("mystnb", {})
    for path in SAID_BY_CELL:
        place = about.get(path[0], {}) if len(path) == 2 else about
        if path[-1] in place:
            yield place, path[-1], {"caption": "caption", "alt": "alt"}.get(path[-1], "fold")


def comments(code):
    """The comments of a cell, as where they stand and what they say."""
    for token in tokenize.generate_tokens(io.StringIO(code).readline):
        if token.type == tokenize.COMMENT:
            line, column = token.start
            yield from piece(line - 1, column + 2, line - 1, token.end[1], token.string.removeprefix("#").strip(), "comment")


def messages_of_cells(cells):
    for cell in cells:
        if cell["cell_type"] == "markdown":
            yield from ((found.text, found.kind) for found in pieces("".join(cell["source"])))
        elif cell["cell_type"] == "code":
            yield from ((place[key], kind) for place, key, kind in said(cell))
            yield from ((found.text, found.kind) for found in comments("".join(cell["source"])))


def translate_cells(cells, look_up):
    """In place."""
    for cell in cells:
        if cell["cell_type"] == "markdown":
            cell["source"] = translate(cell["source"], look_up)
        elif cell["cell_type"] == "code":
            cell["source"] = replace(cell["source"], list(comments(cell["source"])), look_up)
            for place, key, _ in said(cell):
                place[key] = look_up(place[key]) or place[key]


# An explorable. A text of its spec that is put together from numbers is an expression, and a message as a whole, so that the
# translation can say things in another order: 'mean ' + format(H, '.3f').


def is_said(expression):
    """Whether an expression puts words together: a literal with a space in it, that is not compared with something."""
    literals = re.findall(r"'([^']*)'", re.sub(r"==\s*'[^']*'", "", expression))
    return any(" " in literal and is_text(literal.replace("\\n", " ")) for literal in literals)


def said_by_spec(spec, above=""):
    """The places of what a spec says: a dict or list, a key, and what kind it is."""
    for key, value in spec.items() if isinstance(spec, dict) else enumerate(spec):
        if isinstance(value, (dict, list)):
            if key == "bind" and "options" in value:
                value.setdefault(
                    "labels", [str(option) for option in value["options"]]
                )  # they may be said in other words than they are named
            if key not in ("options", "on", "scales", "config"):
                yield from said_by_spec(value, key if isinstance(key, str) else above)
        elif isinstance(value, str) and (
            (key in ("update", "signal", "expr") and is_said(value))
            or (key in ("title", "value") and above in ("axes", "legends", "text", "title"))
            or (key == "name" and above in ("bind", "values") and len(value) > 1)
            or above == "labels"
        ):
            yield spec, key, "expression" if key in ("update", "signal", "expr") else "label"


def translate_spec(spec, look_up):
    """In place."""
    for place, key, _ in list(said_by_spec(spec)):
        place[key] = look_up(place[key]) or place[key]


# A docstring on the page of the package, in reStructuredText: its paragraphs, but not names, types, examples and displayed formulas.

HEADING = re.compile(r"-{3,}$")


def pieces_of_docstring(lines):
    kind, at = "docstring", 0
    while at < len(lines):
        end = at
        while end < len(lines) and lines[end].strip() and indent(lines[end]) == indent(lines[at]):
            end += 1
        block = lines[at:end]
        if not lines[at].strip():
            at += 1
        elif HEADING.match(lines[at + 1] if at + 1 < len(lines) else ""):  # numpy's headings, which the theme translates
            kind = {"Notes": "docstring", "References": "docstring"}.get(lines[at], "entry")
            at += 2
        elif lines[at].lstrip().startswith((">>>", "..")):
            while at < len(lines) and lines[at].strip():
                at += 1
        elif kind == "entry" and not indent(lines[at]):
            at += 1  # a name and its type
        else:
            yield from piece(at, indent(lines[at]), end - 1, len(lines[end - 1]), "\n".join(block), kind)
            at = end


def indent(line):
    return len(line) - len(line.lstrip())


def translate_docstring(lines, look_up):
    """In place."""
    for found in reversed(list(pieces_of_docstring(lines))):
        if translation := look_up(found.text):
            lines[found.line : found.last_line + 1] = [" " * found.column + translation]


def documented():
    """Every docstring that the page of the package shows, and the comments that describe fields."""
    page, module = (BOOK / "reference" / "api.md").read_text("utf-8"), ""
    for kind, name, members in re.findall(r"\.\. (currentmodule|auto\w+):: (\S+)\n(?:   :members:(.*))?", page):
        if kind == "currentmodule":
            module = name
            continue
        thing = pkgutil.resolve_name(name) if kind == "automodule" or "." in name else getattr(pkgutil.resolve_name(module), name)
        yield inspect.getdoc(thing)
        if kind == "autoclass" and members:
            yield from (inspect.getdoc(getattr(thing, member)) for member in members.split())
        elif kind == "automodule":
            for value in public(thing).values():
                if getattr(value, "__module__", "").startswith(name):
                    yield inspect.getdoc(value)
                    yield from of_class(value) if inspect.isclass(value) else ()


def public(thing):
    return {key: value for key, value in vars(thing).items() if not key.startswith("_")}


def of_class(thing):
    docs = ModuleAnalyzer.for_module(thing.__module__).find_attr_docs()
    fields = {field: "\n".join(lines).strip() for (owner, field), lines in docs.items() if owner == thing.__name__}
    yield from fields.values()
    yield from (inspect.getdoc(member) for key, member in public(thing).items() if key not in fields)


def messages_of_docstrings():
    for text in documented():
        yield from ((found.text, found.kind) for found in pieces_of_docstring((text or "").split("\n")))


def messages(path):
    """All of a file of the book, as (text, kind)."""
    text = path.read_text("utf-8")
    if path.suffix == ".ipynb":
        return list(messages_of_cells(json.loads(text)["cells"]))
    if path.suffix == ".json":
        return [(place[key], kind) for place, key, kind in said_by_spec(json.loads(text)) if is_text(place[key])]
    return [(found.text, found.kind) for found in pieces(text)]
