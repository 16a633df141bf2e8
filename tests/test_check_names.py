"""Whose a file is: what Moodle, Canvas and Blackboard pack, several files of one student, and several versions of one file."""

import csv
import json
import re

import pytest
from grading import ROOT, graded, report_of

from lossnotes.check._class import gradebook, names
from lossnotes.check._class.collect import collect
from lossnotes.check._class.run import Store, run
from lossnotes.check._grade.sheet import of_names
from lossnotes.check._grade.submission import grade

RIGHT = "import torch\ndef entropy(p):\n    return -torch.xlogy(p, p).sum(-1)\n"
WRONG = RIGHT.replace("-torch", "torch")
STUB = "def entropy(p):\n    raise NotImplementedError\n"
SHEET = of_names(["entropy"])


def put(folder, files):
    for name, text in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    return folder


@pytest.mark.parametrize(
    "name, owner",
    [
        ("Ada Lovelace_12345_assignsubmission_file_", ("Ada Lovelace", "12345", "")),
        ("Ada Lovelace_12345_assignsubmission_file", ("Ada Lovelace", "12345", "")),
        ("Ada_Lovelace_12345_assignsubmission_file_homework.ipynb", ("Ada_Lovelace", "12345", "homework.ipynb")),
        ("Participant_77_assignsubmission_onlinetext_", ("Participant", "77", "")),
        ("lovelaceada_340934_208490284_homework-1.ipynb", ("lovelaceada", "340934", "homework-1.ipynb")),
        ("lovelaceada_LATE_340934_208490284_my_work.py", ("lovelaceada", "340934", "my_work.py")),
        ("Sheet 1_al12_attempt_2026-11-26-10-12-33_homework.ipynb", ("al12", "", "homework.ipynb")),
        ("Ada Lovelace", None),
        ("information.ipynb", None),
        ("lab_1_2_homework.ipynb", None),
        ("week_3_2026.py", None),
    ],
)
def test_the_name_of_a_file_says_whose_it_is(name, owner):
    (found,) = names.owners([name])
    assert (found and (found.student, found.id, found.file)) == owner
    assert bool(found and found.late) == ("LATE" in name)


def test_later_versions_come_behind_earlier_ones():
    files = [
        "homework.ipynb",
        "homework (1).ipynb",
        "homework-2.ipynb",
        "homework_v3.ipynb",
        "homework10.ipynb",
        "p9.py",
        "p10.py",
        "1.py",
    ]
    assert sorted(reversed(files), key=names.order) == ["1.py", *files[:-1]]  # noqa: C414
    assert names.order("9" * 30 + ".py")


def test_moodle_packs_a_folder_for_each_student(tmp_path):
    folder = put(
        tmp_path / "moodle",
        {
            "Ada Lovelace_12345_assignsubmission_file_/homework.ipynb": "{}",
            "Ada Lovelace_12345_assignsubmission_onlinetext_/onlinetext.html": "<p>",
            "Bob Ray_12346_assignsubmission_file_/homework.py": RIGHT,
            "Bob Ray_999_assignsubmission_file_/homework.py": STUB,
            "Cy Twombly_7_assignsubmission_file_/scan.pdf": "",
            "Eve Hill_8_assignsubmission_file_homework.py": RIGHT,
            "Eve Hill_8_assignsubmission_file_helper.py": "x = 1\n",
            "Flo Bell_9_assignsubmission_file_scan.pdf": "",
            "notes.pdf": "",
        },
    )
    found, left = collect([folder])
    nothing = "there is no .py and no .ipynb file; scan.pdf is left out: neither .py nor .ipynb"
    assert {(s.student, s.id): ([name for name, _ in s.files], s.errors) for s in found} == {
        ("Ada Lovelace", "12345"): (["homework.ipynb"], []),
        ("Bob Ray (12346)", "12346"): (["homework.py"], []),  # two of one name are told apart by Moodle's numbers
        ("Bob Ray (999)", "999"): (["homework.py"], []),
        ("Cy Twombly", "7"): ([], [nothing]),
        ("Eve Hill", "8"): (["helper.py", "homework.py"], []),
        ("Flo Bell", "9"): ([], [nothing]),  # a student, and no file that was left out
    }
    assert left == [str(folder / "notes.pdf")]


def test_canvas_packs_all_files_in_one_folder(tmp_path, warm):
    """Two uploads of one student are one submission, the later counts, and what came late is told."""
    folder = put(
        tmp_path / "canvas",
        {
            "lovelaceada_340934_208490290_homework-1.py": "from helper import total\n"
            + RIGHT.replace("torch.xlogy(p, p).sum(-1)", "total(torch.xlogy(p, p))"),
            "lovelaceada_340934_208490284_homework.py": WRONG,
            "lovelaceada_340934_208490285_helper.py": "def total(x):\n    return x.sum(-1)\n",
            "raybob_LATE_340935_208490300_homework.py": RIGHT,
        },
    )
    found, left = collect([folder])
    assert [name for name, _ in found[0].files] == ["homework.py", "helper.py", "homework-1.py"] and not left
    results = list(run(found, SHEET, lambda: _Lent(warm), Store(None), seed=1, allowed=set(), seconds=60, jobs=1))
    gradebook.write_csv(tmp_path / "g.csv", sorted(results, key=lambda result: result["student"]), SHEET)
    ada, bob = csv.DictReader((tmp_path / "g.csv").read_text("utf-8-sig").splitlines())
    assert (ada["student"], ada["id"], ada["entropy"], ada["errors"]) == ("lovelaceada", "340934", "1.0", "")
    assert ada["notes"] == "entropy is in homework.py and in homework-1.py; that of homework-1.py is graded"
    assert (bob["student"], bob["points"], bob["notes"]) == ("raybob", "1.0", "handed in late")


def test_user_names_of_blackboard_may_hold_what_parts_them_from_the_sheet(tmp_path):
    """What all names begin with is the sheet's. Of one student alone, the last part is the name: no other can be taken for it."""
    when = "_attempt_2026-11-26-10-12-33_homework.py"
    for sheet in ("Sheet 1_", "Sheet_1_"):
        for students in (["a_smith", "b_smith", "smith"], ["a", "a_b"], ["ann", "anna"], ["x_y_z", "u"]):
            found, _ = collect([put(tmp_path / sheet / "-".join(students), {f"{sheet}{s}{when}": RIGHT for s in students})])
            assert sorted(s.student for s in found) == sorted(students)
    assert [s.student for s in collect([put(tmp_path / "one", {f"Sheet 1_a_smith{when}": RIGHT})])[0]] == ["smith"]


@pytest.mark.parametrize(
    "files",
    [
        [f"Sheet 1_al12_attempt_2026-11-26-{hour}-12-33_homework.py" for hour in (10, 11)],
        [f"lovelaceada_340934_{upload}_homework.py" for upload in (208490284, 208490290)],
    ],
    ids=["Blackboard", "Canvas"],
)
def test_two_uploads_of_one_name_are_told_apart(files, tmp_path, warm):
    """The later one counts, and the note says so."""
    ((submission,), _) = collect([put(tmp_path / "class", dict(zip(files, (RIGHT, WRONG))))])
    (_, _), (later, _) = submission.files
    result = grade(submission.files, SHEET, warm, seed=1, times=submission.times)
    assert not result["passed"] and result["notes"] == [f"entropy is in homework.py and in {later}; that of {later} is graded"]
    assert later in ("homework (2026-11-26-11-12-33).py", "homework (208490290).py")


class _Lent:
    def __init__(self, launcher):
        self.wall, self.alone, self.filtered, self.connect = launcher.wall, True, True, launcher.connect

    def close(self):
        pass


def test_a_gradebook_without_numbers_has_no_column_for_them(tmp_path):
    gradebook.write_csv(tmp_path / "g.csv", [], SHEET)
    assert (tmp_path / "g.csv").read_text("utf-8-sig") == "student,entropy,points,possible,passed,lost,mistakes,errors,notes\n"


@pytest.mark.parametrize(
    "files, passed, note",
    [
        ({"homework.py": WRONG, "homework (1).py": RIGHT}, True, "that of homework (1).py is graded"),
        ({"homework.py": RIGHT, "homework-2.py": WRONG}, False, "that of homework-2.py is graded"),
        ({"a.py": RIGHT, "information.py": STUB}, True, None),  # the sheet as it was handed out, beside the solution
        ({"information.py": STUB, "mine.py": RIGHT}, True, None),
        ({"ahelper.py": RIGHT, "homework.py": "from ahelper import entropy\n"}, True, None),
        ({"homework.py": "from zhelper import entropy\n", "zhelper.py": RIGHT}, True, None),
        ({"homework.py": WRONG + RIGHT}, True, None),
    ],
)
def test_of_several_files_the_latest_version_counts(files, passed, note, tmp_path, warm):
    (submission,) = collect([put(tmp_path / "class", {f"ada/{name}": text for name, text in files.items()})])[0]
    result = grade(submission.files, SHEET, warm, seed=1)
    assert result["passed"] is passed and not result["errors"], result
    assert result["notes"] == ([f"entropy is in {list(files)[0]} and in {list(files)[1]}; {note}"] if note else [])


def test_a_stub_is_not_taken_for_a_second_version(warm):
    """Also where the stub is that of another cell of the same file, which somebody ran last: there the last one counts."""
    result = graded(warm, RIGHT + STUB, SHEET)
    assert report_of(result, "entropy")["lines"][0]["found"] == "not written yet"


def test_the_names_on_the_page_for_teachers_are_read_as_it_says():
    """Its table has a name of each system, who that is, and the number."""
    page = json.loads((ROOT / "book" / "homework" / "for-teachers.ipynb").read_text("utf-8"))
    text = "".join("".join(cell["source"]) for cell in page["cells"] if cell["cell_type"] == "markdown")
    rows = re.findall(
        r"^\| (Moodle|Canvas|Blackboard): `([^`]+)`[^|]*\| (\w[\w ]*?)(?:, with (\d+) as `id`)? \|$", text, re.MULTILINE
    )
    assert [row[0] for row in rows] == ["Moodle", "Canvas", "Blackboard"]
    for _, name, student, number in rows:
        assert names.owners([name])[0][:2] == (student, number)
