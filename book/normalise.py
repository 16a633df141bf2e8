"""Execute notebooks and store them in the form that git keeps: text outputs in, pictures and metadata out.

python book/normalise.py                        execute and normalise every notebook
python book/normalise.py book/.../entropy.ipynb ...     only these
python book/normalise.py --text book/.../entropy.ipynb  execute nothing: enough where only text has changed
python book/normalise.py --check                execute nothing; name the notebooks that are not in this form
"""

import argparse
import hashlib
import sys
from collections import Counter
from pathlib import Path

import nbformat
from nbclient import NotebookClient

BOOK = Path(__file__).resolve().parent
# No version of Python, which would change with each machine.
KERNEL = {
    "kernelspec": {"display_name": "Python 3", "language": "python", "name": "python3"},
    "language_info": {"name": "python"},
}
# What the book is built from: a figure's caption and alt text, and the tags that fold or hide a cell.
KEPT_METADATA = ("mystnb", "tags")
# nbval compares these. Pictures are drawn anew with every build, so that none is stale.
KEPT_OUTPUT = ("text/plain", "text/html")


def notebooks():
    """Every notebook of the book."""
    return sorted(p for p in BOOK.rglob("*.ipynb") if ".ipynb_checkpoints" not in p.parts)


def normalise(nb):
    """The notebook in normal form."""
    nb.metadata = nbformat.from_dict(KERNEL)
    nb.nbformat, nb.nbformat_minor = 4, 5
    seen = Counter()
    executed = 0
    for cell in nb.cells:
        cell.metadata = {k: cell.metadata[k] for k in KEPT_METADATA if cell.metadata.get(k)}
        cell.pop("attachments", None)
        cell.source = cell.source.strip("\n")
        # By content, so that a cell keeps its id when another comes in above it.
        seen[cell.source] += 1
        cell.id = hashlib.sha256(f"{seen[cell.source]}{cell.source}".encode()).hexdigest()[:8]
        if cell.cell_type == "code":
            executed += 1
            cell.execution_count = executed
            cell.outputs = joined(cell.outputs)
            for output in cell.outputs:
                if "data" in output:
                    output.data = {k: output.data[k] for k in KEPT_OUTPUT if k in output.data}
                    output.metadata = {}
                if "execution_count" in output:
                    output.execution_count = executed
    return nb


def joined(outputs):
    """The outputs, with what was printed in one piece: a busy machine may send it in several."""
    kept = []
    for output in outputs:
        if kept and output.output_type == kept[-1].output_type == "stream" and output.name == kept[-1].name:
            kept[-1].text += output.text
        else:
            kept.append(output)
    return kept


def text(nb):
    """The notebook as the text of its file."""
    return nbformat.writes(nb, version=4) + "\n"


def is_normal(path):
    """Whether the file is in normal form."""
    return path.read_text("utf-8") == text(normalise(nbformat.read(path, as_version=4)))


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("paths", nargs="*", type=Path, help="notebooks; every one of the book unless given")
    parser.add_argument("--check", action="store_true", help="change nothing, and fail where a file is not in normal form")
    parser.add_argument("--text", action="store_true", help="execute nothing, and bring into the normal form what is stored")
    arguments = parser.parse_args()
    paths = arguments.paths or notebooks()
    if arguments.check:
        wrong = [str(p) for p in paths if not is_normal(p)]
        sys.exit(f"not in normal form. Try .venv/bin/python book/normalise.py --text {' '.join(wrong)}" if wrong else 0)
    for path in paths:
        print(f"{path} ...", flush=True)
        nb = nbformat.read(path, as_version=4)
        if not arguments.text:
            NotebookClient(nb, timeout=120, resources={"metadata": {"path": str(path.parent)}}).execute()
        path.write_text(text(normalise(nb)), "utf-8")


if __name__ == "__main__":
    main()
