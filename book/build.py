"""Build the book into _build/html: in English, and in Chinese under zh/. Options are those of `jupyter-book build`.

The Chinese edition is built second, with the same configuration but for its language: it takes outputs and addresses from the English one.
"""

import re
import shutil
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[1]
HTML, CHINESE = ROOT / "_build" / "html", ROOT / "_build" / "zh"


def build(*options):
    program = shutil.which("jupyter-book", path=Path(sys.executable).parent)
    if code := subprocess.run([program, "build", *sys.argv[1:], *map(str, options), str(ROOT)]).returncode:
        sys.exit(code)


if __name__ == "__main__":
    CHINESE.mkdir(parents=True, exist_ok=True)
    settings = (ROOT / "_config.yml").read_text("utf-8").replace("language: en\n", "language: zh_CN\n")
    settings = re.sub(r": book/_ext\b", f": {(ROOT / 'book' / '_ext').as_posix()}", settings)
    (CHINESE / "_config.yml").write_text(settings, "utf-8")
    build()
    build("--config", CHINESE / "_config.yml", "--path-output", CHINESE)
    shutil.rmtree(HTML / "zh", ignore_errors=True)
    shutil.copytree(CHINESE / "_build" / "html", HTML / "zh")
    print(f"Both editions are in {HTML}: open index.html, or zh/index.html")
