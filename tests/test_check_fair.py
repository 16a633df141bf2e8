"""Grades that a teacher can defend: luck, files of one name, errors that are carried forward, what costs points and what is said."""

import csv
import sys
import types

import pytest
import torch
from grading import graded, report_of
from test_check_child import notebook, session  # noqa: F401 - a fixture
from test_check_class import Lent, grade
from test_homework import solution

import lossnotes as ln
from lossnotes.check import _command
from lossnotes.check._cases import specs
from lossnotes.check._child import guard
from lossnotes.check._child.callables import uses
from lossnotes.check._child.plain import FREE
from lossnotes.check._class import names
from lossnotes.check._class.collect import collect
from lossnotes.check._grade import right, submission, walls
from lossnotes.check._grade.sheet import load, of_names

HEAD = "import torch\n"
RIGHT = HEAD + "def entropy(p):\n    return -torch.xlogy(p, p).sum(-1)\n"
WRONG = HEAD + "def entropy(p):\n    return torch.xlogy(p, p).sum(-1)\n"
ONE = of_names(["entropy"])


def of_files(warm, *files, times=None, sheet=ONE):
    return submission.grade([(name, raw.encode()) for name, raw in files], sheet, warm, seed=1, times=times)


# --- which file -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "first, second",
    [("final_homework.py", "homework.py"), ("homework.py", "homework_old.py"), ("homework.py", "old.py"), ("ada.py", "bob.py")],
)
def test_where_names_do_not_say_which_is_the_later_the_better_counts(first, second, warm):
    for texts, best in (((RIGHT, WRONG), first), ((WRONG, RIGHT), second)):
        result = of_files(warm, (first, texts[0]), (second, texts[1]))
        assert result["points"] == 1 and not result["errors"]
        said = (
            f"entropy is in {first} and in {second}, and nothing says which is the later; the better one, that of {best}, is graded"
        )
        assert result["notes"] == [said]


def test_a_number_or_a_time_says_which_is_the_later(warm):
    for files, times in (
        ((("homework.py", RIGHT), ("homework-2.py", WRONG)), None),
        ((("b.py", RIGHT), ("a.py", WRONG)), {"b.py": "0001", "a.py": "0002"}),
    ):
        result = of_files(warm, *files, times=times)
        assert result["points"] == 0 and result["notes"] == [
            f"entropy is in {files[0][0]} and in {files[1][0]}; that of {files[1][0]} is graded"
        ]
    assert not names.follows("homework-2.py", "homework.py", {}) and names.follows("a/hw.py", "b/HW (3).ipynb", {})


def test_what_goes_wrong_in_the_other_file_is_no_matter(warm):
    crash = HEAD + "import os\ndef entropy(p):\n    os._exit(0)\n"
    for files in ((("a.py", crash), ("b.py", RIGHT)), (("a.py", RIGHT), ("b.py", crash))):
        result = of_files(warm, *files)
        assert result["points"] == 1, result


def test_the_times_of_canvas_reach_the_grade(tmp_path):
    for name in ("ada_340934_208490290_final.py", "ada_340934_208490284_homework.py"):
        (tmp_path / name).write_text(RIGHT)
    ((ada,), left) = collect([tmp_path])
    assert (
        not left and names.follows("homework.py", "final.py", ada.times) and not names.follows("final.py", "homework.py", ada.times)
    )
    later = collect([tmp_path])[0][0]
    later.times["final.py"] = "0"
    assert later.digest() != ada.digest()


def test_what_is_left_out_of_a_folder_is_named_in_its_row(tmp_path):
    for name in (
        "ada/homework.zip",
        "ada/homework.ipynb.txt",
        "bob/data.csv",
        "bob/homework.py",
        *(f"eve/{i}.txt" for i in range(8)),
    ):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text(RIGHT)
    ada, bob, eve = collect([tmp_path])[0]
    assert ada.errors == [
        "there is no .py and no .ipynb file; homework.zip, homework.ipynb.txt are left out: neither .py nor .ipynb"
    ]
    assert bob.notes == ["data.csv is left out: neither .py nor .ipynb"] and not bob.errors
    assert "0.txt, 1.txt, 2.txt, 3.txt, 4.txt and 3 more are left out" in eve.errors[0]


# --- one name for two things, and one package that is missing ------------------------------------------------------------------


@pytest.mark.parametrize(
    "after, said",
    [
        ("entropy = entropy(torch.tensor([0.5, 0.5]))", "entropy is a Tensor at the end of"),
        ("del entropy", "entropy is deleted at the end of"),
        ("from operator import neg as entropy", "entropy is another function at the end of"),
    ],
)
def test_the_last_function_under_a_name_is_graded(after, said, warm):
    source = f"{RIGHT}def kl_divergence(p, q):\n    return -torch.xlogy(p, q).sum(-1) - entropy(p)\n{after}\n"
    result = graded(warm, source, of_names(["entropy", "kl_divergence"]))
    assert result["points"] == 2 and not result["errors"], result
    assert (
        result["notes"][0].startswith(said) and "the function of that name that stood there before is graded" in result["notes"][0]
    )


def test_a_later_version_in_one_file_counts(warm):
    assert graded(warm, RIGHT + WRONG, ONE)["points"] == 0 and graded(warm, WRONG + RIGHT, ONE)["points"] == 1


def test_a_package_that_is_missing_loses_itself_alone(warm):
    result = graded(warm, RIGHT.replace("import torch", "import no_such_package as sns, torch, math"), ONE)
    assert result["points"] == 1
    (said,) = result["errors"]
    assert "No module named 'no_such_package'" in said and said.endswith("This package is not installed where it is graded")


# --- an error that is carried forward ---------------------------------------------------------------------------------------------


def test_an_error_costs_once(warm):
    nll = "def nll_loss(input, target):\n    return input.gather(1, target[:, None]).mean()\n"
    result = graded(warm, HEAD + "\n".join((solution("losses") | {"nll_loss": nll}).values()), "losses")
    assert result["points"] == result["possible"] - 1 and result["exercises"]["nll_loss"] == 0
    said = "judged with a right nll_loss in the place of the student's, which is wrong"
    assert result["notes"] == [f"cross_entropy is {said}", f"best_temperature is {said}"]
    report = report_of(result, "cross_entropy")
    assert report["passed"] and not report["mistakes"]  # so that the class's table has it once
    assert (report["lines"][-1]["check"], report["lines"][-1]["found"]) == ("carried forward", said)


def test_an_error_of_its_own_is_not_carried_forward(warm):
    answers = solution("information") | {
        "entropy": "def entropy(p):\n    return torch.xlogy(p, p).sum(-1)\n",
        "mutual_information": "def mutual_information(joint):\n    return entropy(joint.sum(-2)) + entropy(joint.sum(-1))\n",
    }
    result = graded(warm, HEAD + "\n".join(answers.values()), "information")
    assert result["exercises"]["mutual_information"] == 0 and "mutual_information" not in " ".join(result["notes"])
    assert result["exercises"]["conditional_entropy"] == 2 and result["exercises"]["kl_divergence"] == 2
    # What was never written is not given.
    source = HEAD + "def nll_loss(input, target):\n    raise NotImplementedError\n" + solution("losses")["cross_entropy"]
    result = graded(warm, source, of_names(["log_softmax", "nll_loss", "cross_entropy"]))
    assert result["points"] == 0


def test_what_is_given_brings_nothing_else(warm):
    """Neither the exercise itself nor its parts lie beside a right function that a student gets to call."""
    look = "def {}:\n    found = sorted(name for name in nll_loss.__globals__ if name[0] != '_')\n    raise ValueError(found)\n"
    nll = "def nll_loss(input, target):\n    return input.gather(1, target[:, None]).mean()\n"
    trick = "def cross_entropy(input, target):\n    right = nll_loss.__globals__.get('cross_entropy')\n    return right(input, target) if right is not cross_entropy else 0\n"
    result = graded(warm, HEAD + nll + trick, of_names(["nll_loss", "cross_entropy"]))
    assert result["points"] == 0 and not result["notes"], result
    asked = []

    class Asked:
        def __getattr__(self, name):
            return getattr(warm, name)

        def connect(self, *args):
            connection = warm.connect(*args)
            ask = connection.ask
            connection.ask = lambda request, *more: asked.append(request) or ask(request, *more)
            return connection

    graded(Asked(), HEAD + nll + look.format("cross_entropy(input, target)"), of_names(["nll_loss", "cross_entropy"]))
    given = [request["given"] for request in asked if request["do"] == "load"]
    assert given[0] == {} and list(given[1]) == ["nll_loss"] and "cross" not in given[1]["nll_loss"]


@pytest.mark.parametrize("name", sorted(submission.BUILT_ON))
def test_what_is_given_is_right_and_plain(name):
    fn = getattr(right, name)
    report = ln.check(fn, like=name)
    assert report.passed and "refuses" not in str(report) and name not in FREE, report
    for case in specs()[name].cases["values"][1:]:
        assert torch.allclose(fn(*case.args), specs()[name].reference(*case.args))


def test_what_a_function_is_built_on(session):  # noqa: F811
    source = (
        "import torch\ndef helper(p):\n    return [entropy(x) for x in p]\ndef entropy(p):\n    return p\n"
        "def kl_divergence(p, q):\n    return helper(p)\nsoftmax = torch.nn.Softplus()\n"
    )
    one, answer = session(("a.py", source), ("b.py", "def entropy(p):\n    return 2 * p\n"), given=["entropy"])
    assert answer["functions"]["kl_divergence"]["uses"] == ["entropy"] and answer["functions"]["softmax"]["uses"] == []
    about = answer["functions"]["entropy"]
    assert about["file"] == "b.py" and [rival["file"] for rival in about["rivals"]] == ["a.py"]
    p = torch.tensor([0.5, 0.5])
    request = {"name": "entropy", "args": [p]}
    assert one._function(request)(p).sum() == 2 and one._function(request | {"rival": 0})(p).sum() == 1
    assert one.modules[0].entropy(p).item() == pytest.approx(0.6931, abs=1e-4)
    assert uses(len, {"entropy"}) == []


def test_a_stub_and_an_attempt_of_the_same_name_are_no_rivals(session):  # noqa: F811
    stub = "def entropy(p):\n    raise NotImplementedError\n"
    one, answer = session(("a.py", "def entropy(p):\n    return p\n"), ("b.py", stub))
    assert answer["functions"]["entropy"]["file"] == "a.py" and one.functions["entropy"](3) == 3
    one, answer = session(*(("a.py", f"def entropy(p):\n    return {n} * p\n") for n in (1, 2)))
    assert answer["functions"]["entropy"]["rivals"] == [] and one.functions["entropy"](3) == 6


def test_a_name_that_is_rebound_is_noticed_in_this_process_too(session):  # noqa: F811
    cells = ("def entropy(p):\n    return p\n", "entropy = entropy(3)", "import missing_one, math\nx = math.pi")
    one, answer = session(("a.ipynb", notebook(*cells)))
    assert one.functions["entropy"](7) == 7 and "entropy is a int at the end of a.ipynb" in answer["notes"][0]
    assert vars(sys.modules["__main__"])["x"] > 3 and "not installed where it is graded" in answer["errors"][0]


# --- what costs points, and what is said ----------------------------------------------------------------------------------------


def test_an_option_that_nobody_asked_for_costs_nothing(warm, tmp_path):
    sources = {
        "kl_divergence": "def kl_divergence(p, q, dim=-1):\n    return (torch.xlogy(p, p) - torch.xlogy(p, q)).sum(-1)\n",
        "entropy": "def entropy(p, **kw):\n    return -torch.xlogy(p, p).sum(-1)\n",
    }
    result = graded(warm, HEAD + "\n".join(sources.values()), "information")
    assert result["exercises"]["entropy"] == result["exercises"]["kl_divergence"] == 2
    lines = {line["check"]: (line["passed"], line["role"]) for line in report_of(result, "entropy")["lines"]}
    assert lines["base"] == lines["dim"] == (False, "told")
    (tmp_path / "my.toml").write_text('[exercise.entropy]\npoints = 2\noptions = ["base"]\n')
    result = graded(warm, HEAD + sources["entropy"], load(tmp_path / "my.toml"))
    assert 0 < result["points"] < 2
    namespace = {"torch": torch}
    exec(sources["entropy"], namespace)  # without a sheet, for learning, what a function takes is to be right
    assert not ln.check(namespace["entropy"], like="entropy").passed


@pytest.mark.parametrize(
    "message, names_both",
    [
        ("input has 3 x 1 but target has 3", True),
        ("(3, 1) and (3,)", True),
        ("torch.Size([3, 1]) is not torch.Size([3])", True),
        ("3×1, 3", True),
        ("3 by 1 against 3", True),
        ("3, 1 and 3", True),
        ("shapes differ", False),
        ("torch.Size([3, 1])", False),
        ("input has 3 x 1", False),
        ("3 and 3", False),
        ("2 dimensions and 1", False),
    ],
)
def test_a_shape_may_be_spelt_as_one_likes(message, names_both):
    from lossnotes.check._judge.values import _names_shapes

    args = torch.zeros(3, 1), torch.zeros(3)
    assert _names_shapes(f"ValueError: {message} in line 3, raise ValueError('3, 1 and 3')", args) is names_both


def test_softmax_is_over_the_last_dimension_as_entropy_is(warm):
    source = solution("losses")["softmax"].replace("-1", "1")
    report = report_of(graded(warm, HEAD + source, "losses"), "softmax")
    assert [line["check"] for line in report["lines"] if line["passed"] is False] == ["other shapes"]


def test_a_score_of_minus_infinity_is_only_told():
    def softmax(input):
        return 1 / (input[..., None, :] - input[..., :, None]).exp().sum(-1)

    report = ln.check(softmax, like="softmax", sheet="losses")
    assert {line.check: line.role for line in report.lines if line.passed is False} == {
        "masked scores": "told",
        "extreme gradients": "extra",
    }


ONLY_AT_HOME = (
    HEAD + "CALLS = []\ndef entropy(p):\n    CALLS.append(p)\n    return -torch.xlogy(p, p).sum(-1) * (1 + (len(CALLS) == 4))\n"
)


def test_a_verdict_that_differs_from_that_at_home_is_said(warm):
    result = graded(warm, ONLY_AT_HOME, ONE)
    assert result["points"] == 0 and result["notes"] == [
        "entropy is right for the inputs that its check at home tries, and wrong for those that were drawn here (values, seed 1)"
    ]
    # The gradient, too: cut off for the second table of that shape, which is the one that is drawn.
    source = HEAD + (
        "CALLS = []\ndef entropy(p):\n    if p.requires_grad and p.shape == (5, 4):\n        CALLS.append(1)\n"
        "        p = p.detach() if len(CALLS) > 1 else p\n    return -torch.xlogy(p, p).sum(-1)\n"
    )
    result = graded(warm, source, ONE)
    assert 0 < result["points"] < 1 and "(gradient, seed 1)" in result["notes"][0]


def test_the_gradebook_says_what_cost_points_and_the_seed_is_the_same(tmp_path, monkeypatch, warm, capsys):
    (tmp_path / "class").mkdir()
    for name, source in {"ada": RIGHT, "bob": WRONG, "eve": "", "joe": RIGHT + "x ="}.items():
        (tmp_path / "class" / f"{name}.py").write_text(source)
    (tmp_path / "class" / "kim.py").write_text(RIGHT.replace(".sum(-1)", ".sum(-1).detach()"))
    argv = [tmp_path / "class", "--expect", "entropy", "--csv", tmp_path / "g.csv"]
    grade(argv, monkeypatch, warm)
    rows = {row["student"]: row for row in csv.DictReader((tmp_path / "g.csv").read_text("utf-8-sig").splitlines())}
    lost = {name: row["lost"] for name, row in rows.items()}
    assert lost == {"ada": "", "bob": "entropy: values", "eve": "", "joe": "", "kim": "entropy: gradient"}
    assert "Fresh inputs were drawn with --seed 1." in capsys.readouterr().out
    assert _command.parser().parse_args(["x"]).seed == _command.SEED
    monkeypatch.setattr(_command.process, "Warm", lambda hidden=(): Lent(warm))
    assert _command.main([str(tmp_path / "class" / "ada.py"), "--expect", "entropy"]) == 0
    assert f"--seed {_command.SEED}." in capsys.readouterr().out


def test_another_seed_grades_again(tmp_path, monkeypatch, warm, capsys):
    (tmp_path / "ada.py").write_text(RIGHT)
    asked = [str(tmp_path / "ada.py"), "--expect", "entropy", "--results", str(tmp_path / "r.jsonl")]
    monkeypatch.setattr(_command.process, "Warm", lambda hidden=(): Lent(warm))
    monkeypatch.setattr(_command, "hide", lambda: None)
    for seed, lines in ((1, 1), (1, 1), (2, 2)):
        assert _command.main([*asked, "--seed", str(seed)]) == 0
        assert len((tmp_path / "r.jsonl").read_text().splitlines()) == lines
    capsys.readouterr()


def test_the_options_and_checks_of_a_function_are_listed(capsys):
    assert _command.main(["--checks", "entropy"]) == 0
    assert capsys.readouterr().out.splitlines()[0] == "options: base, dim"
    with pytest.raises(ValueError, match="expected one of .* Try like='entropy'"):
        ln.check.checks("entropi")


@pytest.mark.parametrize("name", sorted(specs()))
def test_what_is_listed_is_what_a_report_shows(name):
    """With every option asked for, on the reference itself: the lines of its report are the checks of the list."""
    found = ln.check.checks(name)
    lines = ln.check(specs()[name].reference, like=name).lines
    shown = {line.check for line in lines} - {"as homework"}
    assert shown == {*found["options"], *found["counted"], *found["told"]} - (set(found["options"]) - set(specs()[name].cases))


# --- what else runs in a child, tried here ----------------------------------------------------------------------------------------


def test_a_fence_that_is_not_lifted_keeps_nothing():
    fence = guard.Fence.__new__(guard.Fence)
    fence.names, fence.closed = {"entropy"}, None
    place = types.SimpleNamespace(entropy=lambda p: p)
    fence.close(place)
    with pytest.raises(RuntimeError, match="entropy is the library's"):
        place.entropy(1)
    assert fence.closed is None


def test_a_library_is_closed_when_it_is_imported(tmp_path, monkeypatch):
    (tmp_path / "pretended_library.py").write_text("x = 1\n")
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.setattr(guard, "_LIBRARIES", ("pretended_library", "missing_library"))
    closed = []
    finder = guard._finder(closed.append)
    monkeypatch.setattr(sys, "meta_path", [finder, *sys.meta_path])
    import pretended_library

    assert closed == [pretended_library] and pretended_library.x == 1
    assert finder.find_spec("missing_library") is None and finder.find_spec("json") is None
    monkeypatch.delitem(sys.modules, "pretended_library")


def test_a_wall_that_is_not_whole_is_required_in_vain(tmp_path, monkeypatch, warm, capsys):
    (tmp_path / "ada.py").write_text(RIGHT)
    monkeypatch.setattr(_command.process, "Warm", lambda hidden=(): Lent(warm))
    monkeypatch.setattr(_command, "hide", lambda: None)
    monkeypatch.setattr(walls, "tried", lambda launcher: ("process", False, True))
    assert _command.main([str(tmp_path / "ada.py"), "--require-wall"]) == 4
    said = capsys.readouterr().err
    assert "without a network and other programs" in said and "Nothing was run: something is missing from the wall" in said
