"""A class: who handed in what, a run that goes on, the gradebook, pages, the command line and its status."""

import csv
import json
import os
import subprocess
import sys
from pathlib import Path

import nbformat
import pytest

from lossnotes.check import _command, names
from lossnotes.check._class import collect as collecting
from lossnotes.check._class import gradebook, pages, summary
from lossnotes.check._class import run as running
from lossnotes.check._class.collect import collect
from lossnotes.check._class.run import Store, run
from lossnotes.check._grade import process, proxy, submission, walls
from lossnotes.check._grade.sheet import SheetError, load, of_names, shipped

ENTROPY = "import torch\ndef entropy(p):\n    return -torch.xlogy(p, p).sum(-1)\n"
REVERSED = "import torch\ndef kl_divergence(p, q):\n    return torch.xlogy(q, q / p).sum(-1)\n"
TWO = of_names(["entropy", "kl_divergence"])


@pytest.fixture
def klass(tmp_path):
    """A folder as it comes: files, a notebook, folders, and what is none of these."""
    folder = tmp_path / "submitted"
    for name, text in {
        "ada.py": ENTROPY + REVERSED.replace("torch.xlogy(q, q / p)", "(torch.xlogy(p, p) - torch.xlogy(p, q))"),
        "bob.py": ENTROPY + REVERSED,
        "=cmd.py": "x = 1\n",
        "<i>.py": "",
        "notes.txt": "",
        ".hidden.py": "",
        "Eve/helper.py": ENTROPY,
        "Eve/work/homework.py": "from helper import entropy as e\ndef entropy(p):\n    return e(p)\n",
        "Eve/.ipynb_checkpoints/old.py": "1 / 0\n",
        "Nobody/readme.md": "",
    }.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    nbformat.write(nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(ENTROPY)]), folder / "ada.ipynb")
    (folder / "link.py").symlink_to("/etc/passwd")
    return folder


def grade(argv, monkeypatch, warm):
    """The command, in this process, with a warm process that is there already."""
    monkeypatch.setattr(process, "Warm", lambda hidden=(): Lent(warm))
    monkeypatch.setattr(_command, "hide", lambda: None)
    return _command.main([*map(str, argv), "--seed", "1", "-j", "1"])


class Lent:
    """A launcher that stays when its borrower closes it."""

    def __init__(self, launcher):
        self.launcher, self.wall, self.alone, self.filtered, self.connect = launcher, "process", True, True, launcher.connect

    def close(self):
        pass


# --- collecting -----------------------------------------------------------------------------------------------------------


def test_a_folder_is_a_class(klass):
    found, left = collect([klass])
    files = {s.student: [name for name, _ in s.files] for s in found}
    assert files == {
        "<i>": ["<i>.py"], "=cmd": ["=cmd.py"], "Eve": ["helper.py", "work/homework.py"], "Nobody": [],
        "ada": ["ada.ipynb"], "ada (2)": ["ada.py"], "bob": ["bob.py"], "link": [],
    }  # fmt: skip
    assert left == [str(klass / "notes.txt")]
    errors = {s.student: s.errors for s in found if s.errors}
    assert errors["Nobody"] == ["there is no .py and no .ipynb file; readme.md is left out: neither .py nor .ipynb"]
    assert "is a link or no file" in errors["link"][0]


def test_a_name_that_is_not_utf8_and_names_that_meet(tmp_path):
    """A Latin-1 name from an old zip file loses nobody, and a number makes no second of a name that is there."""
    made = tmp_path / "class"
    (made / "a").mkdir(parents=True)
    for path in (made / "a" / "x.py", made / "a (2).py", made / "a.py"):
        path.write_text("")
    with open(os.path.join(os.fsencode(made), b"M\xfcller.py"), "wb"):
        pass
    found, left = collect([made])
    assert sorted(s.student for s in found) == ["M\ufffdller", "a", "a (2)", "a (3)"] and not left


def test_a_file_that_is_too_large_or_closed_is_a_sentence(tmp_path, monkeypatch):
    (tmp_path / "a.py").write_text("x" * 100)
    monkeypatch.setattr(collecting, "LARGEST", 10)
    assert "larger than" in collect([tmp_path / "a.py"])[0][0].errors[0]
    monkeypatch.setattr(collecting, "LARGEST", 1000)
    monkeypatch.setattr(Path, "read_bytes", lambda self: (_ for _ in ()).throw(PermissionError(13, "Permission denied")))
    assert "cannot be read (Permission denied)" in collect([tmp_path / "a.py"])[0][0].errors[0]


# --- a run ----------------------------------------------------------------------------------------------------------------


def test_a_class_from_files_to_gradebook_and_pages(klass, tmp_path, monkeypatch, warm, capsys):
    out = {key: tmp_path / name for key, name in {"csv": "a.csv", "json": "b.json", "html": "pages", "results": "c.jsonl"}.items()}
    options = [part for key, path in out.items() for part in (f"--{key}", path)]
    assert grade([klass, "--expect", "entropy,kl_divergence", *options], monkeypatch, warm) == 1
    said = capsys.readouterr()
    assert (
        "8 submissions" in said.out
        and "KL reversed         1" in said.out
        and "process of its own, with the system's programs, Python with its packages, and its own files" in said.out
    )
    assert "#] 8/8  " in said.err and "notes.txt is left out" in said.err
    table = {row["student"]: row for row in csv.DictReader(out["csv"].read_text("utf-8-sig").splitlines())}
    assert {name: row["points"] for name, row in table.items()} == {
        "<i>": "0.0", "'=cmd": "0.0", "Eve": "1.0", "Nobody": "0.0", "ada": "1.0", "ada (2)": "2.0", "bob": "1.0", "link": "0.0",
    }  # fmt: skip
    assert table["ada (2)"]["passed"] == "yes" and table["bob"]["mistakes"] == "kl_divergence: KL reversed"
    assert "the file is empty" in table["<i>"]["errors"]
    assert len(json.loads(out["json"].read_text())) == len(out["results"].read_text().splitlines()) == 8
    index = (out["html"] / "index.html").read_text()
    assert "<svg" in index and "kl_divergence: KL reversed</text>" in index and "&lt;i&gt;" in index and "<i>" not in index
    page = (out["html"] / "bob.html").read_text()
    assert "bob: 1 of 2 points" in page and "<td style" in page and "Which of the two is the truth" in page


ROWS = {
    "empty": ("def entropy(p):\n    raise NotImplementedError\n", "not written yet: entropy; not handed in: kl_divergence"),
    "eve": ("import os\ndef entropy(p):\n    os._exit(0)\n", "entropy ended the process it ran in; not handed in: kl_divergence"),
    "loop": (
        "def entropy(p):\n    while True:\n        pass\n",
        "entropy did not end within 2 seconds; not handed in: kl_divergence",
    ),
    "late": (
        "import os\ncalls = []\n" + ENTROPY.replace("return", "calls.append(p)\n    len(calls) > 8 and os._exit(0)\n    return"),
        "entropy ended",
    ),
    "top": ("import os\nos._exit(0)\n", "top.py: line 2 ended the process it ran in; not handed in: entropy, kl_divergence"),
    "typo": ("def entropy(p):\n    return totch.log(p)\n", "entropy raised NameError: name 'totch' is not defined in line 2"),
    "web": ("<html>", "web.py: SyntaxError"),
    "wrong": (ENTROPY.replace("-torch", "torch") + REVERSED, ""),
}


def test_a_row_of_zeros_says_why(tmp_path, monkeypatch, warm, capsys):
    """Who ends the program, loops, or hands in what cannot be read is not taken for one who wrote nothing."""
    (tmp_path / "class").mkdir()
    for name, (text, _) in ROWS.items():
        (tmp_path / "class" / f"{name}.py").write_text(text)
    monkeypatch.setattr(proxy, "FIRST", 2.0)
    grade(
        [tmp_path / "class", "--expect", "entropy,kl_divergence", "--csv", tmp_path / "g.csv", "--html", tmp_path],
        monkeypatch,
        warm,
    )
    rows = {row["student"]: row["errors"] for row in csv.DictReader((tmp_path / "g.csv").read_text("utf-8-sig").splitlines())}
    for name, (_, said) in ROWS.items():
        assert said in rows[name], rows
    assert rows["wrong"] == ""
    assert (
        "entropy ended the process it ran in" in (tmp_path / "index.html").read_text()
        and "totch" in (tmp_path / "typo.html").read_text()
    )
    capsys.readouterr()


def test_a_run_that_broke_off_goes_on(klass, tmp_path, monkeypatch, warm, capsys):
    store = tmp_path / "run.jsonl"
    argv = [klass, "--expect", "entropy", "--results", store]
    grade(argv, monkeypatch, warm)
    lines = store.read_text().splitlines()
    store.write_text("\n".join(lines[:3]) + "\n" + lines[3][:50])  # broken off within a line
    graded = []
    monkeypatch.setattr(running, "grade", lambda files, *a, **k: graded.append(files) or submission.grade(files, *a, **k))
    grade(argv, monkeypatch, warm)
    assert len(graded) == 5 and len(Store(store).known) == 8
    (klass / "bob.py").write_text(ENTROPY + "# changed\n")
    grade(argv, monkeypatch, warm)
    assert len(graded) == 6
    capsys.readouterr()


def test_a_student_is_graded_again_and_the_gradebook_stays_whole(klass, tmp_path, monkeypatch, warm, capsys):
    """Where the machine has changed and no file, as when a package is installed that was missing."""
    (klass / "Zoe\u0308.py").write_text(ENTROPY)  # as a Mac writes it: two letters for one
    argv = [klass, "--expect", "entropy,kl_divergence", "--results", tmp_path / "run.jsonl", "--csv", tmp_path / "g.csv"]
    grade(argv, monkeypatch, warm)
    before = (tmp_path / "g.csv").read_text("utf-8-sig").splitlines()
    graded = []

    def installed(files, *arguments, **options):
        graded.append(files[0][0])
        return submission.grade(
            [(name, raw.replace(b"torch.xlogy(q, q / p)", b"(torch.xlogy(p, p) - torch.xlogy(p, q))")) for name, raw in files],
            *arguments,
            **options,
        )

    monkeypatch.setattr(running, "grade", installed)
    grade([*argv, "--again", "bob", "--again", "Zo\u00eb"], monkeypatch, warm)
    after = (tmp_path / "g.csv").read_text("utf-8-sig").splitlines()
    assert sorted(graded) == ["Zoe\u0308.py", "bob.py"] and len(after) == len(before) == 10
    changed = [(old, new) for old, new in zip(before, after) if old != new]
    assert [(old.split(",")[3], new.split(",")[3]) for old, new in changed] == [("1.0", "2.0")] and changed[0][1].startswith("bob,")
    grade(argv, monkeypatch, warm)  # the new result is the one that is kept
    assert len(graded) == 2 and (tmp_path / "g.csv").read_text("utf-8-sig").splitlines() == after
    capsys.readouterr()


def test_a_gradebook_is_read_by_a_spreadsheet_as_utf8(tmp_path, monkeypatch, warm, capsys):
    (tmp_path / "class").mkdir()
    for name in ("Zoë Müller", "李明"):
        (tmp_path / "class" / f"{name}.py").write_text(ENTROPY)
    grade([tmp_path / "class", "--expect", "entropy", "--csv", tmp_path / "g.csv"], monkeypatch, warm)
    raw = (tmp_path / "g.csv").read_bytes()
    assert raw.startswith("\ufeffstudent,entropy,".encode()) and raw.count("\ufeff".encode()) == 1
    with open(tmp_path / "g.csv", newline="", encoding="utf-8-sig") as file:
        assert [row["student"] for row in csv.DictReader(file)] == ["Zoë Müller", "李明"]
    capsys.readouterr()


def test_gradescope_is_not_told_of_0_points_where_the_checker_failed(tmp_path, monkeypatch, warm, capsys):
    """It reads a file that is missing as a fault of the autograder, which it was."""
    (tmp_path / "ada.py").write_text(ENTROPY)
    monkeypatch.setattr(running, "grade", lambda *a, **k: (_ for _ in ()).throw(process.Broken("no torch")))
    argv = [tmp_path / "ada.py", "--expect", "entropy", "--gradescope", tmp_path / "results.json"]
    assert grade(argv, monkeypatch, warm) == 3 and not (tmp_path / "results.json").exists()
    assert "the checker failed: Broken: no torch" in capsys.readouterr().out


def test_a_fault_of_the_checker_is_told_and_the_others_go_on(klass, tmp_path, monkeypatch, warm, capsys):
    def broken(files, *arguments, **options):
        if files and files[0][0] == "bob.py":
            raise process.Broken("no torch")
        return submission.grade(files, *arguments, **options)

    monkeypatch.setattr(running, "grade", broken)
    argv = [klass, "--expect", "entropy", "--json", tmp_path / "a.json", "--results", tmp_path / "r.jsonl"]
    assert grade(argv, monkeypatch, warm) == 3
    results = {result["student"]: result for result in json.loads((tmp_path / "a.json").read_text())}
    assert results["bob"]["errors"] == ["the checker failed: Broken: no torch"] and results["ada"]["passed"]
    assert "bob" not in (tmp_path / "r.jsonl").read_text()  # it is tried again
    capsys.readouterr()


def test_what_cannot_be_written_loses_nothing_else(klass, tmp_path, monkeypatch, warm, capsys):
    """A folder that is gone or a disk that is full: the class is graded, the rest is written, and the status says it."""
    gone = tmp_path / "gone"
    full = tmp_path / "full.json"
    full.symlink_to("/dev/full")
    gone.write_text("a file where a folder is expected")
    argv = [klass, "--expect", "entropy", "--csv", tmp_path / "a.csv", "--json", full, "--html", gone / "pages"]
    assert grade([*argv, "--results", gone / "r.jsonl"], monkeypatch, warm) == 3
    said = capsys.readouterr()
    assert "8 submissions" in said.out and len((tmp_path / "a.csv").read_text().splitlines()) == 9
    for name, why in (
        (gone / "r.jsonl", "Not a directory"),
        (full, "No space left on device"),
        (gone / "pages", "Not a directory"),
    ):
        assert said.err.count(f"{name} could not be written ({why}); expected a place to write to") == 1


def test_results_that_vanish_on_the_way_lose_nothing_else(klass, tmp_path, monkeypatch, warm, capsys):
    store = tmp_path / "kept" / "r.jsonl"
    store.parent.mkdir()

    def vanishing(files, *arguments, **options):
        if files and files[0][0] == "bob.py":
            store.parent.rename(tmp_path / "moved")
        return submission.grade(files, *arguments, **options)

    monkeypatch.setattr(running, "grade", vanishing)
    argv = [klass, "--expect", "entropy", "--results", store, "--json", tmp_path / "all.json"]
    assert grade(argv, monkeypatch, warm) == 3
    assert len(json.loads((tmp_path / "all.json").read_text())) == 8 and (tmp_path / "moved" / "r.jsonl").exists()
    assert f"{store} could not be written (No such file or directory)" in capsys.readouterr().err


def test_results_that_cannot_be_read_are_graded(tmp_path):
    assert Store(tmp_path).known == {} and "could not be written (Is a directory)" in Store(tmp_path).lost[0]
    (tmp_path / "odd.jsonl").write_bytes(b"\xff\n")
    assert Store(tmp_path / "odd.jsonl").known == {}


def test_several_at_a_time(klass, warm):
    submissions, _ = collect([klass])
    found = run(submissions, TWO, lambda: Lent(warm), Store(None), seed=1, allowed=set(), seconds=60, jobs=1)
    assert {result["student"] for result in found} == {submission.student for submission in submissions}


def test_one_submission(tmp_path, monkeypatch, warm, capsys):
    (tmp_path / "ada.py").write_text(ENTROPY + "1 / 0\n")
    out = tmp_path / "results.json"
    assert grade([tmp_path / "ada.py", "--expect", "entropy", "--gradescope", out], monkeypatch, warm) == 0
    said = capsys.readouterr().out
    assert "entropy: 5 of 5 checks passed" in said and "ada: 1 of 1 points" in said and "ZeroDivisionError" in said
    (test,) = json.loads(out.read_text())["tests"]
    assert test["score"] == test["max_score"] == 1 and test["status"] == "passed" and "checks passed" in test["output"]
    assert grade([tmp_path / "ada.py"], monkeypatch, warm) == 1  # without a sheet an error may hide what is missing
    (tmp_path / "ada.py").write_text("x = 1\n")
    assert grade([tmp_path / "ada.py", "--json", "-"], monkeypatch, warm) == 1
    (result,) = json.loads(capsys.readouterr().out.partition("points")[2].partition("\n")[2].partition("[")[2].join(["[", ""]))
    assert "no function with a known name" in result["notes"][0]


def test_summaries_of_nothing():
    assert summary.picture([]) == "" and summary.text([], TWO).startswith("0 submissions")
    assert gradebook.gradescope({"reports": [], "errors": ["x"], "notes": [], "points": 0, "possible": 1})["output"] == "x"


def test_pages_of_students_with_one_name(tmp_path, warm):
    results = list(run(collect([])[0], TWO, None, Store(None), seed=1, allowed=set(), seconds=1, jobs=1))
    about = {
        "points": 0.0,
        "possible": 1.0,
        "errors": [],
        "notes": [],
        "reports": [],
        "exercises": {},
        "worth": {},
        "passed": False,
    }
    results += [{"student": name} | about for name in ("a b", "a-b", "index", "?")]
    pages.write_pages(tmp_path / "out", results, None)
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == [
        "a-b-.html",
        "a-b.html",
        "index-.html",
        "index.html",
        "student.html",
    ]


# --- usage ------------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "argv, said",
    [
        ([], "nothing to grade; expected a file or a folder"),
        (["missing.py"], "missing.py is not a file; expected a .py or an .ipynb file, or a folder"),
        (["."], "there is no submission in ."),
        (["a.py", "--sheet", "nothing"], "there is no sheet nothing; expected one of information, losses, practice"),
        (["a.py", "--sheet", "losses", "--expect", "entropy"], "both say what is expected"),
        (["a.py", "--expect", "entropi"], "entropi is not a function that can be checked"),
        (["a.py", "-j", "0"], "--jobs is 0"),
        (["a.py", "--json", "b.ipynb"], "--json is b.ipynb; expected a file that ends in .json"),
        (["a.py", "--csv", "b.py"], "--csv is b.py; expected a file that ends in .csv"),
        (["a.py", "b.py", "--gradescope", "r.json"], "--gradescope is for one submission"),
        (["a.py", "--again", "a"], "expected --results"),
        (
            ["a.py", "b.py", "--again", "b.py", "--results", "r.jsonl"],
            "--again is b.py; expected a student, as the gradebook calls them. Try b",
        ),
        (["a.py", "--sandbox"], "--sandbox needs bubblewrap"),
        (["a.py", "--container", "image"], "--container needs docker or podman"),
    ],
)
def test_wrong_usage_is_a_sentence_and_status_2(argv, said, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(walls.shutil, "which", lambda name: None)
    if argv and argv[0] == "a.py":
        (tmp_path / "a.py").write_text(ENTROPY)
        (tmp_path / "b.py").write_text(ENTROPY)
    with pytest.raises(SystemExit) as end:
        _command.main(argv)
    assert end.value.code == 2 and said in capsys.readouterr().err


def test_a_file_that_stands_before_a_module_is_named(tmp_path, monkeypatch, capsys):
    (tmp_path / "random.py").write_text(ENTROPY)
    monkeypatch.chdir(tmp_path)
    with pytest.raises(SystemExit):
        _command.main(["random.py"])
    assert "random.py in this folder stands before the module of that name. Try python -P" in capsys.readouterr().err


def test_the_names_are_listed(capsys):
    assert _command.main(["--names"]) == 0
    assert capsys.readouterr().out.split() == names()


def test_the_command_itself(tmp_path):
    (tmp_path / "random.py").write_text(ENTROPY)
    command = [sys.executable, "-P", "-W", "error", "-m", "lossnotes.check", "random.py", "--expect", "entropy", "--json", "-"]
    done = subprocess.run(command, capture_output=True, text=True, cwd=tmp_path)
    (result,) = json.loads(done.stdout)
    assert done.returncode == 0 and result["passed"] and not done.stderr


# --- sheets -----------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "text, said",
    [
        ("[", "is not TOML"),
        ("", "has no exercise"),
        ("exercises = 1", "has no 'exercises'; expected one of title, exercise, forbidden, allowed. Try exercise"),
        ("[exercise.entropi]", "the checker has no 'entropi'"),
        ("[exercise.entropy]\npoint = 1", "exercise.entropy has no 'point'"),
        ("[exercise.entropy]\npoints = true", "expected a number"),
        ("[exercise.entropy]\noptions = ['bases']", "options of entropy has no 'bases'; expected one of base, dim. Try base"),
        ("[exercise.entropy]\ncounts = ['dtype']", "Try dtype kept"),
        ("[exercise.entropy]\nignores = 'gradient'", "expected a list of names"),
        ("forbidden = 3\n[exercise.entropy]", "expected a list of names"),
    ],
)
def test_a_sheet_that_asks_for_what_is_not_there(text, said, tmp_path):
    (tmp_path / "my.toml").write_text(text)
    with pytest.raises(SheetError) as error:
        load(tmp_path / "my.toml")
    assert said in str(error.value) and "Try" in str(error.value)


def test_a_sheet_says_what_counts(tmp_path, warm):
    from grading import graded

    (tmp_path / "my.toml").write_text('[exercise.entropy]\npoints = 4\ncounts = ["dtype kept"]\nignores = ["gradient"]\n')
    sheet = load(tmp_path / "my.toml")
    source = "import torch\ndef entropy(p):\n    return torch.tensor((-torch.xlogy(p, p).sum(-1)).tolist())\n"
    (report,) = graded(warm, source, sheet)["reports"]
    roles = {line["check"]: (line["role"], line["passed"]) for line in report["lines"]}
    assert roles["gradient"] == ("told", False) and roles["dtype kept"] == ("extra", False)
    assert 0 < report["score"] < 1 and shipped() == ["information", "losses", "practice"]
