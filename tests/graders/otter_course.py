"""Otter from end to end: generate the autograder, run it on each notebook. `make graders` runs it in an environment of its own."""

import json
import subprocess
import sys
import tempfile
from pathlib import Path

import nbformat
from course import grade_with_lossnotes, sheet, students

from lossnotes.check._grade.sheet import load

# The page for teachers shows what stands between the quotes.
TEST = """\
from otter.test_files import test_case

import lossnotes as ln

OK_FORMAT = False
name = "entropy"


@test_case(points=2)
def test_entropy(entropy):
    report = ln.check(entropy, like="entropy", sheet="information")
    assert report.passed, report
"""


def otter(folder, *arguments):
    command = [sys.executable, "-m", "otter", *map(str, arguments)]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True)
    assert done.returncode == 0, f"{' '.join(command)}\n{done.stdout}{done.stderr}"


def main():
    with tempfile.TemporaryDirectory() as folder:
        folder = Path(folder)
        (folder / "tests").mkdir()
        for name, exercise in load("information").exercises.items():
            test = TEST.replace("entropy", name).replace("points=2", f"points={exercise.points}")
            (folder / "tests" / f"{name}.py").write_text(test)
        otter(folder, "generate", "--no-requirements", "--no-environment", "--no-config")
        scores, said = {}, {}
        (folder / "submissions").mkdir()
        for student, notebook in students(sheet()).items():
            path = folder / "submissions" / f"{student}.ipynb"
            nbformat.write(notebook, path)
            (folder / student).mkdir()
            otter(folder, "run", "--no-logo", "--output-dir", folder / student, path)
            results = json.loads((folder / student / "results.json").read_text("utf-8"))
            scores[student] = sum(test.get("score", 0) for test in results["tests"])
            said[student] = json.dumps(results, ensure_ascii=False)
        mine = grade_with_lossnotes(folder / "submissions", folder / "lossnotes.csv")
    print("otter:", scores)
    print("lossnotes.check:", mine)
    assert scores == {"ada": 15, "bob": 11, "eve": 0}
    assert "Which of the two is the truth, and which the model?" in said["bob"]
    # Bob's other divergence is built on the reversed one: the command does not count that error twice.
    assert {student: points for student, (points, _) in mine.items()} == scores | {"bob": 13}
    assert "kl_divergence: KL reversed" in mine["bob"][1]


if __name__ == "__main__":
    main()
