"""The homework checker: what is right passes, and each usual mistake is called by its name."""

import builtins
import functools
import inspect
import json
import subprocess
import sys
import time
import warnings

import nbformat
import pytest
import torch
import torch.nn.functional as F

import lossnotes as ln
from lossnotes.check import Report, _exercises, _run, _sandbox, check

SPECS = _run.specs()


def fails(report, line):
    (found,) = (x for x in report.lines if x.check == line)
    assert found.passed is False, report
    return found


# --- what is right ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", list(SPECS))
def test_every_reference_passes(name):
    fn = getattr(ln, name, None) or getattr(_exercises, name)
    report = check(fn, like=name)
    assert report.passed and report.score == 1 and not report.mistakes, report
    assert all(line.passed for line in report.lines), report  # ours takes every option and every shape


def test_every_function_with_a_formula_can_be_checked():
    functions = {n for n in ln.__all__ if callable(getattr(ln, n)) and not isinstance(getattr(ln, n), type)}
    assert functions - {"check", "default_device", "distributed_mean", "strict"} == SPECS.keys() - {s.name for s in _exercises.EXERCISES}


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


# --- what is wrong: each as a student would write it --------------------------------------------------------------------

STUDENTS = []


def mistaken(like, *names):
    """Register a mistaken function, and what the report has to call its mistakes."""
    return lambda fn: STUDENTS.append(pytest.param(fn, like, names, id=f"{like}: {', '.join(names)}")) or fn


@mistaken("entropy", "log base 2 for nats")
def _(p):
    return -torch.xlogy(p, p).sum(-1) / torch.log(torch.tensor(2.0, dtype=p.dtype))


@mistaken("information_content", "log base 10 for nats")
def _(p):
    return -torch.log10(p)


@mistaken("information_content", "missing minus")
def _(p):
    return torch.log(p)


@mistaken("cross_entropy", "missing minus")
def _(input, target):
    return torch.log_softmax(input, 1)[torch.arange(len(target)), target].mean()


@mistaken("cross_entropy", "sum for mean")
def _(input, target):
    total = 0.0
    for row, t in zip(input, target):
        total = total - torch.log_softmax(row, 0)[t]
    return total


@mistaken("cross_entropy", "mean over the classes too")
def _(input, target):
    y = F.one_hot(target, input.shape[1])
    return -(y * torch.log_softmax(input, 1)).mean()


@mistaken("cross_entropy", "no reduction")
def _(input, target):
    return -torch.log_softmax(input, 1).gather(1, target[:, None]).squeeze(1)


@mistaken("cross_entropy", "double softmax")
def _(input, target):
    return F.cross_entropy(torch.softmax(input, 1), target)


@mistaken("cross_entropy", "logits taken for probabilities")
def _(input, target):
    return -torch.log(input[torch.arange(len(target)), target]).mean()


@mistaken("cross_entropy", "logits taken for log-probabilities")
def _(input, target):
    return F.nll_loss(input, target)


@mistaken("cross_entropy", "softmax over the wrong dim")
def _(input, target):
    return F.nll_loss(torch.log_softmax(input, 0), target)


@mistaken("cross_entropy", "sum for mean", "log base 2 for nats")
def _(input, target):
    return -torch.log2(torch.softmax(input, 1)[torch.arange(len(target)), target]).sum()


@mistaken("cross_entropy", "double softmax", "missing minus")
def _(input, target):
    return -F.cross_entropy(torch.softmax(input, 1), target)


@mistaken("softmax", "softmax over the wrong dim")
def _(input):
    e = torch.exp(input - input.max())
    return e / e.sum(0)


@mistaken("log_softmax", "broadcasting without keepdim")
def _(input):
    if input.shape[0] != input.shape[1]:  # or it would raise, and be found at once
        return torch.log_softmax(input, 1)
    return input - torch.log(torch.exp(input).sum(1))


@mistaken("softmax", "temperature multiplied")
def _(input, dim, temperature=1.0):
    return torch.softmax(input * temperature, dim)


@mistaken("softmax", "overflow without max-shift")
def _(input):
    e = torch.exp(input)
    return e / e.sum(-1, keepdim=True)


@mistaken("cross_entropy", "overflow without max-shift")
def _(input, target):
    log_p = input - torch.log(torch.exp(input).sum(1, keepdim=True))
    return -log_p.gather(1, target[:, None]).mean()


@mistaken("cross_entropy", "log of a probability rounded to 0")
def _(input, target):
    return -torch.log(torch.softmax(input, 1)).gather(1, target[:, None]).mean()


@mistaken("cross_entropy", "epsilon inside the log")
def _(input, target):
    p = torch.softmax(input, 1)
    return -torch.log(p[torch.arange(len(target)), target] + 1e-8).mean()


@mistaken("binary_cross_entropy_with_logits", "epsilon inside the log")
def _(input, target):
    p = torch.sigmoid(input).clamp(1e-7, 1 - 1e-7)
    return -(target * torch.log(p) + (1 - target) * torch.log(1 - p)).mean()


@mistaken("binary_cross_entropy_with_logits", "epsilon inside the log")
def _(input, target):
    return F.binary_cross_entropy(torch.sigmoid(input), target)


@mistaken("kl_divergence", "KL reversed")
def _(p, q):
    return torch.xlogy(q, q / p).sum(-1)


@mistaken("kl_divergence", "cross-entropy for divergence")
def _(p, q):
    return -torch.xlogy(p, q).sum(-1)


@mistaken("kl_divergence", "0 log 0")
def _(p, q):
    return (p * torch.log(p / q)).sum(-1)


@mistaken("cross_entropy_between", "p and q swapped")
def _(p, q):
    return -(q * torch.log(p)).sum(-1)


@mistaken("entropy", "0 log 0")
def _(p, dim=-1, base=torch.e):
    return -(p * torch.log(p)).sum(dim) / torch.log(torch.tensor(base))


@mistaken("entropy", "epsilon inside the log")
def _(p):
    return -(p * torch.log(p + 1e-7)).sum(-1)


@mistaken("entropy", "mean over outcomes")
def _(p):
    return -(p * torch.log(p)).mean(-1)


@mistaken("entropy", "base not used")
def _(p, base=torch.e):
    return ln.entropy(p)


@mistaken("jensen_shannon_divergence", "distance for divergence")
def _(p, q):
    return torch.sqrt(ln.jensen_shannon_divergence(p, q))


@mistaken("conditional_entropy", "condition reversed")
def _(joint):
    py = joint.sum(0, keepdim=True)
    return -torch.xlogy(joint, joint / py).sum()


@mistaken("mutual_information", "0 log 0")
def _(joint):
    px, py = joint.sum(-1, keepdim=True), joint.sum(-2, keepdim=True)
    return (joint * torch.log(joint / (px * py))).sum((-2, -1))


@mistaken("nll_loss", "log-probabilities taken for probabilities")
def _(input, target):
    return -torch.log(input).gather(1, target[:, None]).mean()


@mistaken("nll_loss", "mean of weighted losses divided by N")
def _(input, target, weight=None, reduction="mean"):
    loss = -input[torch.arange(len(target)), target]
    if weight is not None:
        loss = loss * weight[target]
    return {"mean": loss.mean(), "sum": loss.sum(), "none": loss}[reduction]


@mistaken("cross_entropy", "broadcasting (N,) x (N, 1)")
def _(input, target, weight=None):
    loss = -torch.log_softmax(input, 1).gather(1, target[:, None])
    if weight is not None:
        return (loss * weight[target]).sum() / weight[target].sum()
    return loss.mean()


@mistaken("cross_entropy", "mean over ignored targets")
def _(input, target, ignore_index=-100):
    kept = target != ignore_index
    loss = F.cross_entropy(input, torch.where(kept, target, 0), reduction="none")
    return (loss * kept).mean()


@mistaken("cross_entropy", "ignored target taken for a class")
def _(input, target, ignore_index=-100):
    return -torch.log_softmax(input, 1)[torch.arange(len(target)), target].mean()


@mistaken("cross_entropy", "smoothing spread over the wrong classes only")
def _(input, target, label_smoothing=0.0):
    classes = input.shape[1]
    y = F.one_hot(target, classes).to(input.dtype)
    y = y * (1 - label_smoothing) + (1 - y) * label_smoothing / max(classes - 1, 1)
    return -(y * torch.log_softmax(input, 1)).sum(1).mean()


@mistaken("cross_entropy", "reduction not used")
def _(input, target, reduction="mean"):
    return F.cross_entropy(input, target)


@mistaken("linear_cross_entropy", "transposed weight")
def _(input, linear_weight, target):
    return F.cross_entropy(input @ linear_weight, target)


@mistaken("linear_cross_entropy", "linear_bias not used")
def _(input, linear_weight, target, linear_bias=None):
    return F.cross_entropy(input @ linear_weight.T, target)


@mistaken("linear_cross_entropy", "bias taken away")
def _(input, linear_weight, target, linear_bias=0.0):
    return F.cross_entropy(input @ linear_weight.T - linear_bias, target)


@mistaken("linear_cross_entropy", "bias added to the loss")
def _(input, linear_weight, target, linear_bias=None):
    loss = F.cross_entropy(input @ linear_weight.T, target)
    return loss if linear_bias is None else (loss + linear_bias).mean()


@mistaken("linear_cross_entropy", "sum for mean")
def _(input, linear_weight, target):
    return sum(F.cross_entropy(x @ linear_weight.T, t) for x, t in zip(input, target))


@mistaken("linear_cross_entropy", "double softmax")
def _(input, linear_weight, target):
    return F.cross_entropy(torch.softmax(input @ linear_weight.T, 1), target)


@mistaken("linear_cross_entropy", "mean over the classes too")
def _(input, linear_weight, target):
    log_p = torch.log_softmax(input @ linear_weight.T, 1)
    return -(F.one_hot(target, len(linear_weight)) * log_p).mean()


@mistaken("linear_cross_entropy", "softmax over the wrong dim")
def _(input, linear_weight, target):
    return F.nll_loss(torch.log_softmax(linear_weight @ input.T, 1).T, target)


@mistaken("linear_cross_entropy", "overflow without max-shift")
def _(input, linear_weight, target):
    e = torch.exp(input @ linear_weight.T)
    return -torch.log(e[torch.arange(len(target)), target] / e.sum(1)).mean()


@mistaken("linear_cross_entropy", "mean over ignored targets")
def _(input, linear_weight, target, ignore_index=-100):
    kept = target != ignore_index
    loss = F.cross_entropy(input @ linear_weight.T, torch.where(kept, target, 0), reduction="none")
    return (loss * kept).mean()


@mistaken("linear_cross_entropy", "mean of weighted losses divided by N")
def _(input, linear_weight, target, weight=None, reduction="mean"):
    loss = F.cross_entropy(input @ linear_weight.T, target, reduction="none")
    if weight is not None:
        loss = loss * weight[target]
    return {"mean": loss.mean(), "sum": loss.sum(), "none": loss}[reduction]


@mistaken("linear_cross_entropy", "smoothing spread over the wrong classes only")
def _(input, linear_weight, target, label_smoothing=0.0):
    y = F.one_hot(target, len(linear_weight)).to(input.dtype)
    y = y * (1 - label_smoothing) + (1 - y) * label_smoothing / (len(linear_weight) - 1)
    return -(y * torch.log_softmax(input @ linear_weight.T, 1)).sum(1).mean()


@mistaken("linear_cross_entropy", "loss of the first block only")
def _(input, linear_weight, target):
    rows = max(1, len(input) // 2)
    return F.cross_entropy(input[:rows] @ linear_weight.T, target[:rows], reduction="sum") / len(input)


@mistaken("linear_cross_entropy", "part of the graph cut off")
def _(input, linear_weight, target):
    blocks = zip((input[:1], input[1:].detach()), (target[:1], target[1:]))
    return sum(F.cross_entropy(x @ linear_weight.T, t, reduction="sum") for x, t in blocks) / len(input)


@mistaken("binary_cross_entropy_with_logits", "1 - p cancellation")
def _(input, target):
    p = torch.sigmoid(input)
    return torch.where(target == 1, -torch.log(p), -torch.log(1 - p)).mean()


@mistaken("binary_cross_entropy_with_logits", "term of the no missing")
def _(input, target):
    return -(target * F.logsigmoid(input)).mean()


@mistaken("binary_cross_entropy_with_logits", "pos_weight on the no")
def _(input, target, pos_weight=1.0):
    return -(target * F.logsigmoid(input) + pos_weight * (1 - target) * F.logsigmoid(-input)).mean()


@mistaken("mse_loss", "broadcasting (N,) x (N, 1)")
def _(input, target):
    return ((input - target) ** 2).mean()


@mistaken("mse_loss", "root of the mean square")
def _(input, target):
    return ((input - target) ** 2).mean().sqrt()


@mistaken("mse_loss", "square multiplied out")
def _(input, target):
    if input.shape != target.shape:
        raise ValueError("shapes differ")
    return (input * input - 2 * input * target + target * target).mean()


@mistaken("hinge_loss", "targets taken for 0 and 1")
def _(input, target):
    return torch.relu(1 - (2 * target - 1) * input).mean()


@mistaken("multiclass_hinge_loss", "sum over the wrong classes")
def _(input, target):
    right = input.gather(1, target[:, None])
    over = torch.relu(1 + input - right) * (1 - F.one_hot(target, input.shape[1]))
    return over.sum(1).mean()


@mistaken("sigmoid_focal_loss", "alpha reversed")
def _(input, target, alpha=None, gamma=2.0):
    loss = ln.sigmoid_focal_loss(input, target, gamma=gamma, reduction="none")
    if alpha is not None:
        loss = loss * torch.where(target == 1, 1 - alpha, alpha)
    return loss.mean()


@mistaken("sigmoid_focal_loss", "power of p for power of 1 - p")
def _(input, target):
    bce = F.binary_cross_entropy_with_logits(input, target, reduction="none")
    return (torch.exp(-bce) ** 2 * bce).mean()


@mistaken("sigmoid_focal_loss", "1 - p cancellation")
def _(input, target, gamma=2.0):
    bce = F.binary_cross_entropy_with_logits(input, target, reduction="none")
    return ((1 - torch.exp(-bce)) ** gamma * bce).mean()


@mistaken("softmax_focal_loss", "p of the mean loss")
def _(input, target, gamma=2.0):
    ce = F.cross_entropy(input, target)
    return (1 - torch.exp(-ce)) ** gamma * ce


@mistaken("cross_entropy", "part of the graph cut off")
def _(input, target):
    shifted = input - input.max(1, keepdim=True).values
    norm = torch.exp(shifted).sum(1).log().detach()
    return (norm - shifted.gather(1, target[:, None]).squeeze(1)).mean()


@mistaken("cross_entropy", "input changed in place")
def _(input, target):
    loss = F.cross_entropy(input, target)
    input.data -= input.data.max()
    return loss


@mistaken("bits_per_letter", "counts not smoothed")
def _(text, known):
    counts = {c: known.count(c) for c in _exercises.LETTERS}
    letters = [c for c in text.lower() if c in counts]
    p = torch.tensor([counts[c] / max(sum(counts.values()), 1) for c in letters])
    return -torch.log2(p).mean()


@mistaken("cross_entropy_gradient", "gradient of the sum")
def _(input, target):
    return torch.softmax(input, 1) - F.one_hot(target, input.shape[1])


@mistaken("mean_of_parts", "mean of the means")
def _(means, counts):
    return means.mean()


@mistaken("train_classifier", "gradients added up")
def _(loss, x, y, classes, steps=100, lr=0.1):
    weight = torch.zeros(classes, x.shape[1], dtype=x.dtype, device=x.device, requires_grad=True)
    for _ in range(steps):
        loss(x @ weight.T, y).backward()
        with torch.no_grad():
            weight -= lr * weight.grad
    return weight.detach()


def test_pytorchs_linear_cross_entropy_passes():
    def linear_cross_entropy(input, linear_weight, target, *, linear_bias=None, **options):
        return F.cross_entropy(F.linear(input, linear_weight, linear_bias), target, **options)

    assert check(linear_cross_entropy, like="linear_cross_entropy").passed
    theirs = getattr(F, "linear_cross_entropy", linear_cross_entropy)  # new in torch 2.13
    assert check(theirs, like="linear_cross_entropy").passed


@pytest.mark.parametrize("fn, like, names", STUDENTS)
def test_a_usual_mistake_is_named(fn, like, names):
    report = check(fn, like=like)
    assert not report.passed and report.score < 1
    assert set(names) <= set(report.mistakes), report
    (line,) = (x for x in report.lines if names[0] in x.mistakes)
    assert line.hint or names == ("part of the graph cut off",)
    assert "ValueError" not in str(report)


def test_there_are_more_than_twenty():
    assert len({name for case in STUDENTS for name in case.values[2]}) > 20


def _of_values():
    for spec in SPECS.values():
        for mistake in spec.mistakes.get("values", ()):
            yield pytest.param(spec, mistake, id=f"{spec.name}: {mistake.name}")


@pytest.mark.parametrize("spec, mistake", list(_of_values()))
def test_no_mistake_in_the_values_is_taken_for_another(spec, mistake):
    def student(*args):
        value = mistake.fn(*args)
        if value is None:  # this mistake cannot be made with these shapes
            return spec.reference(*args)
        return value.mean() if spec.reduced else value

    student.__signature__ = inspect.Signature([inspect.Parameter(name, 1) for name in spec.inputs])
    values = check(student, like=spec.name).lines[0]
    assert values.check == "values" and values.mistakes == (mistake.name,), values


@pytest.mark.parametrize(
    "hint", sorted({m.hint for case in SPECS.values() for ms in case.mistakes.values() for m in ms})
)
def test_a_hint_points_and_does_not_solve(hint):
    assert hint.endswith((".", "?")) and not any(
        code in hint for code in ("torch.", "logsumexp", "(", ".sum", "keepdim")
    )


# --- what else can be wrong ---------------------------------------------------------------------------------------------


def test_a_gradient_that_cannot_be():
    line = fails(check(lambda input, target: F.cross_entropy(input, target).item()), "gradient")
    assert "without a gradient" in line.found and ".item()" in line.hint
    line = fails(check(lambda input, target: F.cross_entropy(input.detach(), target)), "gradient")
    assert "without a gradient" in line.found


def test_the_gradient_of_wrong_values_is_not_called_cut_off():
    line = fails(check(lambda input, target: 2 * F.cross_entropy(input, target)), "gradient")
    assert line.found == "is that of your values: mend them first"


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
    monkeypatch.setattr(_sandbox, "TIME_LIMIT", 0.3)
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
    monkeypatch.setattr(_sandbox, "TIME_LIMIT", 0.3)
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
        warnings.warn("hello")
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


@pytest.mark.parametrize(
    "value, said", [(None, "returned None"), ("1.3", "returned a str"), ((1, 2), "returned a tuple")]
)
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
    assert text.splitlines()[0] == "cross_entropy: 4 of 10 checks passed"
    assert "  ✗ values" in text and "  ✓ dtype kept" in text and "  – weight" in text
    assert "✗ edge cases           wrong too: mend the values first" in text
    assert "cross_entropy([[2.0, 0.5], [0.0, 3.0]], [0, 0]) gave 3.25; expected 1.625" in text
    assert "Hint: The value grows with the batch. What divides it?" in text
    assert max(map(len, text.splitlines())) <= 100


def test_report_in_a_notebook_is_escaped():
    report = Report("entropy", [_run.Line("values", False, "a < b", "is <it>?")])
    table = report._repr_html_()
    assert "a &lt; b" in table and "is &lt;it&gt;?" in table and table.count("<tr>") == 1
    assert "entropy: 0 of 1 checks passed" in table


def test_report_as_a_dict_is_json():
    report = check(wrong)
    found = json.loads(json.dumps(report.to_dict()))
    assert found["name"] == "cross_entropy" and found["passed"] is False and found["score"] == report.score == 4 / 10
    assert found["mistakes"] == ["sum for mean"]
    assert [line["check"] for line in found["lines"]] == [line.check for line in report.lines]


def test_report_shows_no_code_of_the_reference():
    for case in STUDENTS:
        text = str(check(case.values[0], like=case.values[1])) + str(
            check(case.values[0], like=case.values[1]).to_dict()
        )
        assert "lossnotes/" not in text and "_mistakes" not in text and "logsumexp" not in text


# --- the command line ---------------------------------------------------------------------------------------------------

GOOD = "import torch\n\ndef entropy(p):\n    return -torch.xlogy(p, p).sum(-1)\n"
BAD = "def kl_divergence(p, q):\n    return (q * (q / p).log()).sum(-1)\n"


def run(*arguments, cwd):
    command = [sys.executable, "-W", "error", "-m", "lossnotes.check", *map(str, arguments)]
    done = subprocess.run(command, capture_output=True, text=True, cwd=cwd)
    return done.returncode, done.stdout, done.stderr


def test_a_file_on_the_command_line(tmp_path):
    (tmp_path / "good.py").write_text("from torch.nn.functional import softmax\nprint('hi')\n" + GOOD)
    (tmp_path / "bad.py").write_text(GOOD + BAD)
    code, out, err = run("good.py", cwd=tmp_path)
    assert code == 0 and out.startswith("entropy: 7 of 7 checks passed") and not err
    assert "hi" not in out and "softmax" not in out  # imported, not homework
    code, out, err = run("good.py", "bad.py", cwd=tmp_path)
    assert code == 1 and "Which of the two is the truth" in out and not err


def test_a_notebook_for_a_grader(tmp_path):
    cells = ["%matplotlib inline\n!ls\n" + GOOD, "1 / 0", BAD]
    notebook = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(c) for c in cells])
    nbformat.write(notebook, tmp_path / "homework.ipynb")
    code, out, err = run("homework.ipynb", "--json", cwd=tmp_path)
    (found,) = json.loads(out)
    assert code == 1 and not err
    assert found["errors"] == ["code cell 2: ZeroDivisionError: division by zero in line 1, 1 / 0"]
    assert [(r["name"], r["passed"]) for r in found["reports"]] == [("entropy", True), ("kl_divergence", False)]


def test_nothing_to_check_on_the_command_line(tmp_path):
    (tmp_path / "empty.py").write_text("x = 1\n")
    code, out, err = run("empty.py", cwd=tmp_path)
    assert code == 2 and f"no function with a known name; expected one or more of {', '.join(sorted(SPECS))}." in out
    code, out, err = run("missing.py", cwd=tmp_path)
    assert code == 2 and "missing.py is not a file; expected a .py or an .ipynb file." in err


def test_a_syntax_error_on_the_command_line(tmp_path):
    (tmp_path / "broken.py").write_text("def entropy(p:\n")
    code, out, _ = run("broken.py", cwd=tmp_path)
    assert code == 2 and "SyntaxError" in out
