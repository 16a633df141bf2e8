"""From the bytes of a file to statements: each can be run alone, so that one bad line loses itself alone."""

import ast
import io
import json
import re
import tokenize
from typing import NamedTuple

try:
    from IPython.core.inputtransformer2 import TransformerManager
except ImportError:
    TransformerManager = None


class Piece(NamedTuple):
    """A Python file, or a code cell of a notebook."""

    title: str
    source: str


def pieces(name, raw):
    """The code of a file. Raises ValueError, with a sentence, where there is none to be had."""
    if not raw.strip():
        raise ValueError("the file is empty")
    if not name.endswith(".ipynb"):
        return [Piece("", _text(raw))]
    try:
        notebook = json.loads(_text(raw))
    except (ValueError, RecursionError):
        what = "a web page" if raw.lstrip()[:1] == b"<" else "not a notebook"
        raise ValueError(f"the file is {what}; expected JSON. Try to save it again, with Jupyter") from None
    if isinstance(notebook, dict) and isinstance(notebook.get("worksheets"), list):  # before 2015
        notebook = {"cells": [cell for sheet in notebook["worksheets"] for cell in sheet.get("cells", [])]}
    if not isinstance(notebook, dict) or not isinstance(notebook.get("cells"), list):
        raise ValueError("the file has no cells; expected a notebook. Try to save it again, with Jupyter")
    cells = [cell for cell in notebook["cells"] if isinstance(cell, dict) and cell.get("cell_type") == "code"]
    sources = [cell.get("source", cell.get("input", "")) for cell in cells]
    sources = ["".join(map(str, source)) if isinstance(source, list) else str(source) for source in sources]
    return [Piece(f"code cell {number}", _without_magics(source)) for number, source in enumerate(sources, 1)]


def _text(raw):
    """As Python reads its files: a mark at the start or a coding line says how; else UTF-8, else Latin-1."""
    if raw[:2] in (b"\xff\xfe", b"\xfe\xff"):
        return raw.decode("utf-16", "replace")
    try:
        encoding = tokenize.detect_encoding(io.BytesIO(raw).readline)[0]
        return raw.decode(encoding)
    except (SyntaxError, UnicodeDecodeError, LookupError):
        return raw.decode("latin-1")


def _without_magics(source):
    """The cell as Python: IPython's own lines become calls that do nothing, or ``pass`` where there is no IPython."""
    if TransformerManager is not None:
        try:
            return _other_language(source) or TransformerManager().transform_cell(source)
        except (SyntaxError, ValueError, IndexError):
            pass  # half of a cell: as it is, and its good statements will be found
    return _other_language(source) or _passed(source)


_PYTHON = {"time", "timeit", "capture", "prun", "python", "python3", "pypy"}


def _other_language(source):
    found = re.match(r"\s*%%(\w+)([^\n]*)\n?", source)
    if not found:
        return None
    if found[1] in ("writefile", "file"):
        return _written(found[2], source[found.end() :])
    rest = source[found.end() :]
    # A line for each line that is taken away, so that the numbers stay.
    return _passed("pass\n" * source[: found.end()].count("\n") + rest) if found[1] in _PYTHON else "pass\n"


def _written(how, text):
    """The statement that writes the cell into a file beside the submission, as ``%%writefile`` does, so that it can be imported."""
    *options, name = how.split() or ["no name"]
    mode = "a" if options in (["-a"], ["--append"]) else "w"
    name = name.strip("\"'").replace("\\", "/").rpartition("/")[2]
    return f"with open({name!r}, {mode!r}, encoding='utf-8') as _: _.write({text!r}), __import__('importlib').invalidate_caches()\n"


_MAGIC = re.compile(r"(\s*)(?:[%!?].*|.*\?\s*|([\w\s,.]+?)=\s*[%!].*)$")


def _passed(source):
    """``pass`` for each line that only IPython knows. The parser says which: not one within brackets or a string."""
    lines = source.split("\n")
    for _ in range(len(lines)):
        try:
            ast.parse("\n".join(lines))
            break
        except (SyntaxError, ValueError, RecursionError, MemoryError) as error:
            row = (getattr(error, "lineno", None) or 0) - 1
            found = _MAGIC.match(lines[row]) if 0 <= row < len(lines) else None
            if not found:
                break
            lines[row] = f"{found[1]}{found[2].strip()} = None" if found[2] else f"{found[1]}pass"
    return "\n".join(lines)


def statements(source):
    """Pairs (statement, error): top-level statements as syntax trees, in order, and sentences for those that do not parse."""
    try:
        found = [(node, "") for node in ast.parse(source).body]
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        found = _each(source.split("\n"))
    return [(part, wrong) for node, wrong in found for part in _imports(node)]


def _imports(node):
    """Each package of ``import a, b`` by itself: one that is missing here loses itself alone."""
    if not isinstance(node, ast.Import):
        return [node]
    return [ast.copy_location(ast.Import([name]), node) for name in node.names]


# What goes on with the statement above although it stands at the left edge.
_GOES_ON = re.compile(r"[\s)\]}#]|$|(?:elif|else|except|finally|case)\b")


def _each(lines):
    starts = [i for i, line in enumerate(lines) if not _GOES_ON.match(line)] + [len(lines)]
    found, k = [], 0
    while k < len(starts) - 1:
        first = None
        for end in range(k + 1, min(k + 60, len(starts))):
            block = "\n" * starts[k] + "\n".join(lines[starts[k] : starts[end]])
            try:
                nodes = ast.parse(block).body
            except (SyntaxError, ValueError, RecursionError, MemoryError) as error:
                first = first or error
                continue
            found += [(node, "") for node in nodes]
            k = end
            break
        else:
            row = getattr(first, "lineno", None) or starts[k] + 1
            line = lines[min(row, len(lines)) - 1].strip()[:80]
            found.append((None, f"{type(first).__name__}: {getattr(first, 'msg', None) or first} in line {row}, {line}"))
            k += 1
    return found
