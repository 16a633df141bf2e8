"""The homework checker in a notebook: what is right passes, whatever a function does is a report."""

import builtins
import functools
import json
import sys
import time
import warnings

import pytest
import torch
import torch.nn.functional as F

import lossnotes as ln
from lossnotes.check import Line, Report, check
from lossnotes.check._cases import exercises, specs
from lossnotes.check._judge import local
from lossnotes.check._report import REFUSED

SPECS = specs()


def fails(report, line, role=None):
    (found,) = (x for x in report.lines if x.check == line)
    assert found.passed is False, report
    assert role is None or found.role == role
    return found


# --- what is right ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", list(SPECS))
def test_every_reference_passes(name):
    fn = getattr(ln, name, None) or getattr(exercises, name)
    report = check(fn, like=name)
    assert report.passed and report.score == 1 and not report.mistakes, report
    # Ours takes every option and every shape; what grading refuses is ours.
    assert all(line.passed for line in report.lines if line.check != REFUSED), report


def test_every_function_with_a_formula_can_be_checked():
    functions = {n for n in ln.__all__ if callable(getattr(ln, n)) and not isinstance(getattr(ln, n), type)}
    assert functions - {"check", "default_device", "distributed_mean", "strict"} == SPECS.keys() - {s.name for s in exercises.SPECS}


@pytest.mark.parametrize(
    "name, fn",
    [
        ("cross_entropy", F.cross_entropy),
        ("nll_loss", F.nll_loss),
        ("binary_cross_entropy_with_logits", F.binary_cross_entropy_with_logits),
        ("mse_loss", F.mse_loss),
        ("softmax", F.softmax),
        ("log_softmax", F.log_softmax),
        ("softmax", torch.softmax),  # written in C
        ("cross_entropy", torch.nn.CrossEntropyLoss()),
        ("cross_entropy", ln.CrossEntropyLoss()),
        ("cross_entropy", lambda scores, t: F.cross_entropy(scores, t)),
        ("cross_entropy", functools.partial(F.cross_entropy, label_smoothing=0.0)),
        ("cross_entropy", lambda *args, **options: F.cross_entropy(*args, **options)),
        ("softmax", lambda x, axis: torch.softmax(x, axis)),
        ("softmax", lambda x: torch.softmax(x, -1)),
    ],
)
def test_pytorch_passes_however_it_is_called(name, fn):
    report = check(fn, like=name)
    assert report.passed, report


def test_an_option_that_is_not_taken_is_not_checked_and_the_report_says_so():
    report = check(lambda input, target: F.cross_entropy(input, target))
    skipped = {line.check: line.found for line in report.lines if line.passed is None}
    assert skipped == {
        option: f"not checked: your function takes no {option}"
        for option in ("reduction", "weight", "ignore_index", "label_smoothing")
    }
    assert report.score == 1


def test_an_unusual_shape_that_is_refused_is_not_checked():
    def cross_entropy(input, target):
        n, _ = input.shape
        return F.cross_entropy(input, target[:n])

    report = check(cross_entropy)
    assert report.passed
    (line,) = (x for x in report.lines if x.check == "other shapes")
    assert line.passed is None and line.found == "not checked: your function does not take them (ValueError)"


# --- what else can be wrong ---------------------------------------------------------------------------------------------


def test_a_gradient_that_cannot_be():
    line = fails(check(lambda input, target: F.cross_entropy(input, target).item()), "gradient")
    assert "without a gradient" in line.found and ".item()" in line.hint
    line = fails(check(lambda input, target: F.cross_entropy(input.detach(), target)), "gradient")
    assert "without a gradient" in line.found


def test_the_gradient_of_wrong_values_is_not_called_cut_off():
    line = fails(check(lambda input, target: 2 * F.cross_entropy(input, target)), "gradient")
    assert line.found == "follows from your values: fix those first"


def test_dtype_and_determinism():
    line = fails(check(lambda input, target: F.cross_entropy(input.float(), target)), "dtype kept")
    assert line.found == "torch.float64 went in, torch.float32 came out"
    line = fails(check(lambda input, target: F.cross_entropy(input, target) + 1e-7 * torch.rand(())), "deterministic")
    assert line.found.startswith("two equal calls gave")


def test_device():
    def here(input, target):
        return F.cross_entropy(input + torch.zeros(input.shape, dtype=input.dtype), target)

    assert fails(check(here), "device kept").found == "mixes tensors of two devices"

    def looks(input, target):
        return F.cross_entropy(input, target) if input.max() > -9 else 0 * input.sum()

    (line,) = (x for x in check(looks).lines if x.check == "device kept")
    if ln.default_device().type == "cpu":
        assert line.passed is None and "takes a GPU to try" in line.found


def test_a_device_that_cannot_be_tried_is_no_alarm(caplog):
    """Whatever PyTorch writes when tensors that only pretend meet in two dtypes: the answer is right."""
    report = check(lambda means, counts: means @ (counts / counts.sum()), like="mean_of_parts", sheet="practice")
    assert report.passed and not caplog.records


def test_an_exception_is_shown_with_its_line():
    def cross_entropy(input, target):
        scores = input
        return scores.not_there

    report = check(cross_entropy)
    assert report.score == 0 and len(report.lines) == 1
    found = report.lines[0].found
    assert "raised AttributeError" in found and "return scores.not_there" in found
    assert found.startswith("cross_entropy([[2.0, 1.0]], [1])")


@pytest.mark.parametrize("error", [SystemExit(0), KeyboardInterrupt(), RecursionError("deep"), MemoryError()])
def test_nothing_that_is_raised_ends_the_check(error):
    def cross_entropy(input, target):
        raise error

    assert type(error).__name__ in check(cross_entropy).lines[0].found


def test_a_call_that_does_not_end_is_stopped(monkeypatch):
    monkeypatch.setattr(local, "TIME_LIMIT", 0.3)
    beats = []

    def forever(input, target):
        while True:
            beats.append(time.monotonic())

    started = time.monotonic()
    report = check(forever)
    assert time.monotonic() - started < 10
    (line,) = report.lines
    assert line.found == "cross_entropy([[2.0, 1.0]], [1]) did not end within 0.3 seconds; expected 1.313"
    time.sleep(0.1)
    count = len(beats)
    time.sleep(0.2)
    assert len(beats) == count  # it no longer runs


def test_a_call_that_swallows_every_exception_does_not_hold_up_the_check(monkeypatch):
    monkeypatch.setattr(local, "TIME_LIMIT", 0.3)
    until = time.monotonic() + 5

    def stubborn(input, target):
        while time.monotonic() < until:
            try:
                time.sleep(0.01)
            except:  # noqa: E722 - what it is about
                pass

    assert "did not end" in check(stubborn).lines[0].found
    assert time.monotonic() < until


def test_what_is_printed_is_swallowed_and_input_has_nothing(capsys):
    def cross_entropy(input, target):
        print("hello")
        print("hello", file=sys.stderr)
        warnings.warn("hello", stacklevel=2)
        return F.cross_entropy(input, target)

    def asks(input, target):
        return F.cross_entropy(input, target) * float(builtins.input("by what?"))

    assert check(cross_entropy).passed
    assert capsys.readouterr() == ("", "")
    assert "raised EOFError: input() has nothing to read" in check(asks).lines[0].found


def test_the_state_of_the_caller_is_kept():
    def rude(input, target):
        torch.manual_seed(1)
        torch.set_default_dtype(torch.float64)
        return F.cross_entropy(input, target)

    torch.manual_seed(0)
    before = torch.random.get_rng_state()
    assert check(rude).passed
    assert torch.equal(torch.random.get_rng_state(), before) and torch.get_default_dtype() == torch.float32


@pytest.mark.parametrize("value, said", [(None, "returned None"), ("1.3", "returned a str"), ((1, 2), "returned a tuple")])
def test_what_is_no_tensor_is_named(value, said):
    line = check(lambda input, target: value).lines[0]
    assert said in line.found and line.hint


def stub_docstring(input, target):
    """To be written."""


def stub_raise(input, target):
    """To be written."""
    raise NotImplementedError("write me")


def stub_dots(input, target): ...


class StubModule(torch.nn.Module):
    def forward(self, input, target):
        pass


@pytest.mark.parametrize("stub", [stub_docstring, stub_raise, stub_dots, StubModule()])
def test_a_stub_is_not_written_yet(stub):
    report = check(stub)
    assert str(report) == repr(report) == "cross_entropy: not written yet"
    assert not report.passed and report.score == 0
    assert report._repr_html_() == "<p><strong>cross_entropy: not written yet</strong></p>"


def test_the_number_of_arguments():
    report = check(lambda input: input.sum())
    assert "takes 1 positional argument but 2 were given" in report.lines[0].found


def test_bad_arguments_are_named():
    with pytest.raises(ValueError) as error:
        check(F.cross_entropy, like="crossentropy")
    assert str(error.value).startswith("check: like is 'crossentropy'; expected one of ")
    assert str(error.value).endswith("Try like='cross_entropy'.")
    with pytest.raises(ValueError, match="Try a name of this list.$"):
        check(F.cross_entropy, like=3)
    with pytest.raises(TypeError) as error:
        check(torch.tensor(1.0))
    assert str(error.value) == (
        "check: fn is a Tensor; expected a function. Try check(cross_entropy, like='cross_entropy'), without a call."
    )


# --- the report ---------------------------------------------------------------------------------------------------------


def wrong(input, target):
    return F.cross_entropy(input, target, reduction="sum")


def test_report_says_the_same_each_time():
    assert str(check(wrong)) == str(check(wrong))


def test_report_in_a_terminal():
    text = str(check(wrong))
    assert text.splitlines()[0] == "cross_entropy: 2 of 5 checks passed; grading refuses it"
    assert "  ✗ values" in text and "  ✓ dtype kept" in text and "  – weight" in text
    assert "✗ extreme scores       also wrong: fix the values first" in text
    assert "cross_entropy([[2.0, 0.5], [0.0, 3.0]], [0, 0]) gave 3.25; expected 1.625" in text
    assert "Hint: The value grows with the batch. What divides it?" in text
    assert max(map(len, text.splitlines())) <= 100


def test_what_is_right_on_top_of_wrong_values_is_said_to_wait():
    """A share of the points that does not go with the number of checks passed needs a reason that is seen."""

    def entropy(p):
        return -(p * p.log()).sum(-1)  # nan at 0

    report = ln.check(entropy, like="entropy", sheet="information")
    held = [line.check for line in report.lines if line.role == "extra" and line.passed]
    assert held == ["gradient", "inputs unchanged", "deterministic"] and report.score < 0.5
    for text in (str(report), report._repr_html_()):
        assert text.count("counts once all values are right") == len(held)
    assert "counts once" not in str(ln.check(ln.entropy))


def test_report_in_a_notebook_is_escaped():
    report = Report("entropy", [Line("values", False, "a < b", "is <it>?")])
    table = report._repr_html_()
    assert "a &lt; b" in table and "is &lt;it&gt;?" in table and table.count("<tr>") == 1
    assert "entropy: 0 of 1 checks passed" in table


def test_report_as_a_dict_is_json():
    report = check(wrong)
    found = json.loads(json.dumps(report.to_dict()))
    assert found["name"] == "cross_entropy" and found["passed"] is False and found["score"] == report.score == 0
    assert found["mistakes"] == ["sum for mean"]
    assert [line["check"] for line in found["lines"]] == [line.check for line in report.lines]
