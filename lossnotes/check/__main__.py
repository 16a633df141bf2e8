"""``python -m lossnotes.check homework.py``: check every function of a file or notebook whose name is known here.

Exit status 0 if all of them pass, 1 if one does not, 2 if there is nothing to check.
"""

import argparse
import json
import linecache
import sys
from pathlib import Path

from lossnotes.check import _run, check
from lossnotes.check._sandbox import call

FILE_LIMIT = 120.0  # seconds for everything that the file itself does


def main(argv=None):
    parser = argparse.ArgumentParser(
        prog="python -m lossnotes.check", description="Check every function of a homework whose name lossnotes knows."
    )
    parser.add_argument("file", nargs="+", type=Path, help="a Python file or a notebook")
    parser.add_argument("--json", action="store_true", help="print JSON, for a grader, instead of reports")
    files = parser.parse_args(argv).file
    as_json = parser.parse_args(argv).json
    result, missing = [], False
    for path in files:
        if not path.is_file():
            parser.error(f"{path} is not a file; expected a .py or an .ipynb file. Try the path of your homework.")
        functions, errors = load(path)
        reports = [check(fn, like=name) for name, fn in functions.items()]
        missing = missing or not reports
        result.append({"file": str(path), "errors": errors, "reports": [report.to_dict() for report in reports]})
        if not as_json:
            _print(path, errors, reports)
    if as_json:
        print(json.dumps(result, indent=2))
    if missing:
        return 2
    return int(not all(report["passed"] for of_file in result for report in of_file["reports"]))


def _print(path, errors, reports):
    for error in errors:
        print(f"{path}: {error}\n")
    for report in reports:
        print(report, end="\n\n")
    if not reports:
        names = ", ".join(sorted(_run.specs()))
        print(
            f"{path}: no function with a known name; expected one or more of {names}. Try def cross_entropy(input, target)."
        )


def load(path):
    """The functions that `path` defines under a known name, in order, and what went wrong while running it."""
    namespace, errors = {"__name__": "homework", "__file__": str(path)}, []
    own = {}
    for title, source in _pieces(path):
        # So that inspect and tracebacks find the source.
        name = f"{path}" if title is None else f"{path}, {title}"
        linecache.cache[name] = (len(source), None, source.splitlines(keepends=True), name)
        own[name] = None
        outcome = call(_execute, source, name, namespace, seconds=FILE_LIMIT, source=name)
        if not outcome:
            errors.append(f"{title}: {outcome.error}" if title else outcome.error)
    known = _run.specs()
    found = {}
    for key, value in namespace.items():
        code = getattr(value, "__code__", None)
        if key in known and code is not None and code.co_filename in own:  # and not imported from elsewhere
            found[key] = value
    return found, errors


def _execute(source, name, namespace):
    exec(compile(source, name, "exec"), namespace)


def _pieces(path):
    """(title, source) of a file, or of each code cell of a notebook."""
    text = path.read_text("utf-8")
    if path.suffix != ".ipynb":
        return [(None, text)]
    cells = [cell for cell in json.loads(text)["cells"] if cell["cell_type"] == "code"]
    pieces = []
    for number, cell in enumerate(cells, 1):
        rows = "".join(cell["source"]).splitlines()
        # Magics and shell commands are for IPython; a blank line keeps the numbers of the others.
        rows = ["" if row.lstrip().startswith(("%", "!")) else row for row in rows]
        pieces.append((f"code cell {number}", "\n".join(rows) + "\n"))
    return pieces


if __name__ == "__main__":
    sys.exit(main())
