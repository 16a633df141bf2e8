"""The check in a notebook and the grading agree: what is refused there is told here, in the same words, and counts with a sheet."""

import linecache
import sys

import pytest
import scipy.stats  # noqa: F401 - here, or it is imported within the seconds of a call
import torch
from grading import graded, report_of
from test_check_plain import BOUGHT, HEAD, TAKES
from test_homework import SHEETS, solution

import lossnotes as ln
from lossnotes.check._grade.sheet import of_names
from lossnotes.check._judge.home import AtHome


def written(source, name, file="homework_at_home.py"):
    """The function of a text, with its lines at hand, as those of a cell are."""
    linecache.cache[file] = (len(source), None, source.splitlines(keepends=True), file)
    namespace = {}
    exec(compile(source, file, "exec"), namespace)
    return namespace[name]


def sheet_of(folder, *names):
    path = folder / "my.toml"
    path.write_text("".join(f"[exercise.{name}]\n" for name in names))
    return path


# Not a Python function and in another thread: there is no frame and no mode. The first has no gradient, so that it does not pass.
UNSEEN = {"the inside of SciPy", "another thread"}


@pytest.mark.parametrize("how", sorted(set(BOUGHT) - UNSEEN))
def test_what_is_bought_fails_at_home_too(how, tmp_path):
    name, body, said = BOUGHT[how]
    fn = written(f"{HEAD}def {name}({TAKES.get(name, 'input, target')}):\n    {body}\n", name)
    report = ln.check(fn, like=name, sheet=sheet_of(tmp_path, name))
    words = said.partition(" is the library's")[0]
    assert not report.passed and report.score == 0 and words in report.lines[0].found, report
    assert "a graded submission" in report.lines[0].found


SAME = {
    "of this package": ("entropy", "import lossnotes as ln\ndef entropy(p):\n    return ln.entropy(p)\n"),
    "of this package, by another name": ("entropy", "from lossnotes import entropy as e\ndef entropy(p):\n    return e(p)\n"),
    "of this package, as a class": (
        "mse_loss",
        "import lossnotes as ln\ndef mse_loss(input, target):\n    return ln.MSELoss()(input, target)\n",
    ),
    "a textbook twin": ("softmax", "from lossnotes import naive\ndef softmax(input):\n    return naive.softmax(input, -1)\n"),
    "of PyTorch": ("softmax", "import torch\ndef softmax(input):\n    return torch.softmax(input, -1)\n"),
    "a method": ("softmax", "def softmax(input):\n    return input.softmax(-1)\n"),
    "what is not plain": (
        "mse_loss",
        "import torch\ndef mse_loss(input, target):\n    return torch.nn.functional.huber_loss(input, target)\n",
    ),
}


@pytest.mark.parametrize("how", SAME)
def test_home_and_grading_say_the_same(how, warm, tmp_path):
    name, source = SAME[how]
    (there,) = graded(warm, source, of_names([name]))["reports"]
    here = ln.check(written(source, name), like=name, sheet=sheet_of(tmp_path, name))
    told = ln.check(written(source, name), like=name).lines[-1]
    sentence = there["lines"][0]["found"].partition("Error: ")[2].partition(" in line")[0]
    assert "a graded submission" in sentence
    assert sentence.partition(" is ")[2] in here.lines[0].found and sentence.partition(" is ")[2] in told.found, (
        sentence,
        here,
        told,
    )
    if "package" in how or "plain" in how or "twin" in how:  # PyTorch's functions have several names
        assert sentence in here.lines[0].found and sentence == told.found


def test_without_a_sheet_it_is_told_and_the_check_is_for_learning():
    report = ln.check(
        written("import torch\ndef softmax(input):\n    return torch.softmax(input, -1)\n", "softmax"), like="softmax"
    )
    line = report.lines[-1]
    assert report.passed and report.score == 1 and (line.check, line.passed, line.role) == ("as homework", False, "told")
    assert "; grading refuses it" in str(report) and "; grading refuses it" in report._repr_html_()
    assert line.hint == "Where this is homework, it gets no points."
    assert "refuses" not in str(ln.check(lambda input: input.exp() / input.exp().sum(-1, keepdim=True), like="softmax"))


def test_what_an_exercise_is_built_on_is_no_matter():
    def cross_entropy(input, target):
        return -torch.log_softmax(input, 1).gather(1, target[:, None]).mean()

    assert "refuses" not in str(ln.check(cross_entropy))
    assert "torch.log_softmax is the library's" in ln.check(cross_entropy, sheet="losses").lines[0].found  # its own exercise


@pytest.mark.parametrize("sheet", SHEETS)
def test_a_solution_passes_at_home(sheet):
    source = "import torch\n" + "\n".join(solution(sheet).values())
    for name in solution(sheet):
        report = ln.check(written(source, name), like=name, sheet=sheet)
        assert report.passed and report.score == 1, report


def test_a_sheet_asks_at_home_for_what_it_asks_in_grading(warm):
    source = "import torch\ndef cross_entropy(input, target):\n    return -torch.log_softmax(input, 1).gather(1, target[:, None]).mean()\n"
    here = ln.check(written(source, "cross_entropy"), sheet="practice")
    there = report_of(graded(warm, source, "practice"), "cross_entropy")
    assert "takes no weight, and the sheet asks for it" in str(here) and here.score == there["score"] < 1


def test_what_a_sheet_allows_is_allowed_at_home(tmp_path):
    source = "import lossnotes as ln\ndef kl_divergence(p, q):\n    return ln.cross_entropy_between(p, q) - ln.entropy(p)\n"
    sheet = sheet_of(tmp_path, "kl_divergence")
    assert not ln.check(written(source, "kl_divergence"), like="kl_divergence", sheet=sheet).passed
    sheet.write_text('allowed = ["entropy", "cross_entropy_between"]\n' + sheet.read_text())
    assert "is the library's" not in str(ln.check(written(source, "kl_divergence"), like="kl_divergence", sheet=sheet))
    source = "import torch\ndef log_softmax(input):\n    return torch.distributions.Categorical(logits=input).logits\n"
    sheet = sheet_of(tmp_path, "log_softmax")
    assert "torch.distributions" in ln.check(written(source, "log_softmax"), like="log_softmax", sheet=sheet).lines[0].found
    sheet.write_text('allowed = ["distributions"]\n' + sheet.read_text())
    assert "is the library's" not in str(ln.check(written(source, "log_softmax"), like="log_softmax", sheet=sheet))


@pytest.mark.parametrize(
    "like, sheet, said",
    [
        ("entropy", "nothing", "there is no sheet nothing; expected one of information, losses, practice"),
        ("entropy", "losses", "'entropy' is no exercise of losses; expected one of softmax, .* Try like='cross_entropy'"),
        ("bits_per_letter", "practice", "Try like='hinge_loss'"),
    ],
)
def test_a_sheet_that_does_not_fit_is_a_sentence(like, sheet, said):
    with pytest.raises(ValueError, match=said):
        ln.check(lambda p: p, like=like, sheet=sheet)


def test_what_is_plain_in_an_exercise_is_refused_where_its_sheet_forbids_it(warm):
    """A cross-entropy is what a temperature is built on; in this sheet it is an exercise."""
    source = "import lossnotes as ln\ndef best_temperature(input, target, temperatures):\n    return min(temperatures, key=lambda t: ln.cross_entropy(input / t, target))\n"
    namespace = {}
    exec(source, namespace)
    here = ln.check(namespace["best_temperature"], like="best_temperature", sheet="losses")
    assert here.score == 0 and "lossnotes.cross_entropy is the library's" in here.lines[0].found, here
    assert ln.check(namespace["best_temperature"], like="best_temperature").lines[0].passed
    assert not graded(warm, source, "losses")["exercises"]["best_temperature"]


def test_the_rule_itself():
    """In this thread, where coverage sees it: what PyTorch calls, and the frames of what is written in Python."""
    rule = AtHome("softmax", ["entropy"])
    with rule:
        torch.zeros(2).exp()
        torch.softmax(torch.zeros(2), -1)
        torch.zeros(2).softmax(-1)
        torch.softmax(torch.zeros(2), -1)  # is said once
        torch.nn.functional.huber_loss(torch.zeros(2), torch.zeros(2))
    assert [said.partition(" is ")[0] for said in rule.said] == [
        "torch.softmax",
        "torch.Tensor.softmax",
        "torch.nn.functional.huber_loss",
    ]
    with AtHome("softmax", strict=True), pytest.raises(RuntimeError, match="torch.softmax is the library's"):
        torch.softmax(torch.zeros(2), -1)
    free = AtHome("train_classifier")
    with free:
        torch.nn.functional.huber_loss(torch.zeros(2), torch.zeros(2))
    assert not free.said


def test_the_frames_that_the_rule_looks_at():
    rule, p = AtHome("entropy"), torch.full((2,), 0.5)

    def watched(frame, event, arg):
        rule.entered(frame)

    before = sys.gettrace()
    sys.settrace(watched)
    try:
        ln.entropy(p)
        ln.naive.entropy(p)
        ln.MSELoss()
        scipy.stats.entropy([0.5, 0.5])
        torch.distributions.Categorical(p)
    finally:
        sys.settrace(before)
    found = [said.partition(" is ")[0] for said in rule.said]
    wanted = ["lossnotes.entropy", "lossnotes.naive.entropy", "lossnotes.MSELoss", "torch.distributions.__init__"]
    assert [name for name in found if not name.startswith("scipy")] == wanted
    assert any(name.startswith("scipy.stats") for name in found)
