"""nbgrader from end to end: generate, collect, autograde, feedback. `make graders` runs it in an environment of its own."""

import os
import subprocess
import sys
import tempfile
from pathlib import Path

import nbformat
from course import grade_with_lossnotes, rows, sheet, solutions, stub, students

from lossnotes.check._grade.sheet import load

# The page for teachers shows what stands between the quotes.
TEST = """\
report = ln.check(entropy, like="entropy", sheet="information")
print(report)
round(2 * report.score, 2)
"""


def source(notebook):
    """The teacher's version: solutions that nbgrader takes away again, and a graded test under each."""
    answers, points = solutions(), load("information").exercises
    for cell in notebook.cells:
        cell.metadata = {}
    for number, cell in enumerate(notebook.cells):
        name = stub(cell)
        if name is None:
            continue
        head, _, body = answers[name].partition("\n")
        cell.source = f"{head}\n    ### BEGIN SOLUTION\n{body}\n    ### END SOLUTION"
        cell.metadata["nbgrader"] = _about(name, solution=True)
        test = notebook.cells[number + 1]
        test.source = TEST.replace("entropy", name).replace("2 *", f"{points[name].points} *").rstrip()
        test.metadata = {"nbgrader": _about(f"test_{name}", grade=True, locked=True, points=points[name].points)}
    return notebook


def _about(grade_id, **about):
    return {"schema_version": 3, "grade_id": grade_id, "grade": False, "solution": False, "locked": False, "task": False, **about}


def nbgrader(folder, *arguments):
    command = [sys.executable, "-m", "nbgrader", *arguments]
    # It calls alembic by name, which stands beside its Python.
    environment = os.environ | {"PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"}
    done = subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True)
    assert done.returncode == 0, f"{' '.join(arguments)}\n{done.stdout}{done.stderr}"


def main():
    with tempfile.TemporaryDirectory() as folder:
        folder = Path(folder)
        (folder / "nbgrader_config.py").write_text('c = get_config()\nc.CourseDirectory.course_id = "losses"\n')
        _write(source(sheet()), folder / "source" / "information")
        nbgrader(folder, "generate_assignment", "information")
        released = nbformat.read(folder / "release" / "information" / "information.ipynb", as_version=4)
        assert not any("xlogy" in cell.source for cell in released.cells)
        for cell in released.cells:  # nbgrader's stub is found where the sheet had its own
            if "# YOUR CODE HERE" in cell.source:
                cell.source = cell.source.replace("# YOUR CODE HERE\n    raise NotImplementedError()", "raise NotImplementedError")
        for student, notebook in students(released).items():
            _write(notebook, folder / "submitted" / student / "information")
        nbgrader(folder, "autograde", "information")
        nbgrader(folder, "generate_feedback", "information")
        nbgrader(folder, "export")
        scores = {row["student_id"]: float(row["score"]) for row in rows(folder / "grades.csv")}
        said = (folder / "feedback" / "bob" / "information" / "information.html").read_text("utf-8")
        assert "Which of the two is the truth, and which the model?" in said
        mine = grade_with_lossnotes(folder / "submitted", folder / "lossnotes.csv")
    print("nbgrader:", scores)
    print("lossnotes.check:", mine)
    assert scores["ada"] == 15 and scores["eve"] == 0 and scores["bob"] == 11
    # Bob's other divergence is built on the reversed one: the command does not count that error twice.
    assert {student: points for student, (points, _) in mine.items()} == scores | {"bob": 13}
    assert "kl_divergence: KL reversed" in mine["bob"][1]


def _write(notebook, folder):
    folder.mkdir(parents=True)
    nbformat.write(notebook, folder / "information.ipynb")


if __name__ == "__main__":
    main()
