"""Right functions that were refused, and wrong ones that were accepted, each found by somebody who tried."""

import functools

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from grading import graded, report_of
from torch.distributions import Categorical
from torch.distributions import kl_divergence as kl
from torch.utils.data import DataLoader, TensorDataset

from lossnotes.check import check
from lossnotes.check._cases import specs
from lossnotes.check._grade.sheet import of_names
from lossnotes.check._judge.gradients import _between
from lossnotes.check._report import REFUSED

RIGHT = []


def right(like, told=()):
    """Register a right function, and the checks that only tell something of it."""
    return lambda fn: RIGHT.append(pytest.param(fn, like, set(told), id=f"{like} {len(RIGHT)}")) or fn


@right("train_classifier")
def _(loss, x, y, classes, steps=100, lr=0.1):
    w = torch.zeros(classes, x.shape[1], dtype=x.dtype, requires_grad=True)
    optimizer = torch.optim.SGD([w], lr=lr)
    for _ in range(steps):
        optimizer.zero_grad()
        loss(x @ w.T, y).backward()
        optimizer.step()
    return w.detach()


@right("train_classifier", {"dtype kept"})
def _(loss, x, y, classes, steps=100, lr=0.1):
    layer = torch.nn.Linear(x.shape[1], classes, bias=False)
    torch.nn.init.zeros_(layer.weight)
    for _ in range(steps):
        layer.weight.grad = None
        loss(layer(x), y).backward()
        with torch.no_grad():
            layer.weight -= lr * layer.weight.grad
    return layer.weight.detach()


@right("conditional_entropy", {"other shapes"})
def _(joint):
    return -(torch.xlogy(joint, joint) - torch.xlogy(joint, joint.sum(1, keepdim=True))).sum()


@right("conditional_entropy", {"other shapes"})
def _(joint):
    return -torch.xlogy(joint, joint).sum() + torch.xlogy(joint.sum(1), joint.sum(1)).sum()


@right("mutual_information", {"other shapes"})
def _(joint):
    outer = joint.sum(1, keepdim=True) * joint.sum(0, keepdim=True)
    return (torch.xlogy(joint, joint) - torch.xlogy(joint, outer)).sum()


@right("mean_of_parts", {"dtype kept"})
def _(means, counts):
    return torch.dot(means, counts.float()) / counts.sum()


@right("nll_loss", {"dtype kept", "device kept"})
def _(input, target):
    y = torch.zeros(len(target), input.shape[1])
    y[torch.arange(len(target)), target] = 1
    return -(y * input).sum() / max(len(target), 1)


@right("cross_entropy", {"device kept"})
def _(input, target):
    return -(torch.eye(input.shape[1])[target] * torch.log_softmax(input, 1)).sum(1).mean()


@right("cross_entropy", {"empty batch"})
def _(input, target):
    return sum(-torch.log_softmax(row, 0)[t] for row, t in zip(input, target)) / len(target)


@right("cross_entropy", {"empty batch"})
def _(input, target):
    return torch.stack([torch.logsumexp(row, 0) - row[t] for row, t in zip(input, target)]).mean()


@right("multiclass_hinge_loss", {"one class"})
def _(input, target):
    best, second = input.topk(2, 1).values.T
    own = input.gather(1, target[:, None]).squeeze(1)
    return torch.relu(1 + torch.where(own == best, second, best) - own).mean()


@right("entropy")
def _(p):
    p = p / p.sum(-1, keepdim=True)
    return -torch.xlogy(p, p).sum(-1)


@right("entropy")
def _(p):
    return Categorical(p).entropy()


@right("entropy")
def _(p):
    uniform = torch.full_like(p, 1 / p.shape[-1])
    return torch.log(torch.tensor(float(p.shape[-1]), dtype=p.dtype)) - kl(Categorical(p), Categorical(uniform))


@right("entropy", {"a single row", "other shapes"})
def _(p, dim=1):
    return -torch.xlogy(p, p).sum(dim)


@right("kl_divergence")
def _(p, q):
    q = q / q.sum(-1, keepdim=True)
    return (torch.xlogy(p, p) - torch.xlogy(p, q)).sum(-1)


@right("best_temperature", {"dtype kept"})
def _(input, target, temperatures):
    return min(temperatures, key=lambda t: F.cross_entropy(input / t, target)).item()


@right("mse_loss", {"mismatched shapes"})
def _(input, target):
    return ((input - target) ** 2).mean()


def handing_on(fn):
    def wrapper(*args, **options):
        return fn(*args, **options)

    return wrapper


RIGHT.append(pytest.param(handing_on(lambda p: -torch.xlogy(p, p).sum(-1)), "entropy", set(), id="a decorator without wraps"))
RIGHT.append(pytest.param(torch.no_grad()(lambda text, known: BITS(text, known)), "bits_per_letter", set(), id="no_grad"))
RIGHT.append(pytest.param(functools.lru_cache(lambda text, known: BITS(text, known)), "bits_per_letter", set(), id="lru_cache"))


def BITS(text, known):
    counts = torch.tensor([1.0 + known.lower().count(c) for c in "abcdefghijklmnopqrstuvwxyz"], dtype=torch.float64)
    bits = -torch.log2(counts / counts.sum())
    return torch.stack([bits[ord(c) - 97] for c in text.lower() if "a" <= c <= "z"]).mean()


@pytest.mark.parametrize("fn, like, told", RIGHT)
def test_a_right_function_passes_and_is_told_the_rest(fn, like, told):
    report = check(fn, like=like)
    assert report.passed and report.score == 1, report
    failed = {line.check for line in report.lines if line.passed is False}
    assert (
        told <= failed <= told | {"gradient at 0", "dtype kept", "other shapes", "device kept", "empty batch", "one class", REFUSED}
    ), report


@right("train_classifier")
def _(loss, x, y, classes, steps=100, lr=0.1):
    w = torch.zeros(classes, x.shape[1], dtype=x.dtype, requires_grad=True)
    optimizer = torch.optim.SGD([w], lr=lr)
    batches = DataLoader(TensorDataset(x, y), batch_size=len(x), shuffle=True)  # the sum is in another order each time
    for _ in range(steps):
        for some_x, some_y in batches:
            optimizer.zero_grad()
            loss(some_x @ w.T, some_y).backward()
            optimizer.step()
    return w.detach()


class OfShapes(ValueError):
    pass


@right("mse_loss")
def _(input, target):
    if input.shape != target.shape:
        raise OfShapes(f"{tuple(input.shape)} is not {tuple(target.shape)}")
    return ((input - target) ** 2).mean()


WRONG = []


def wrong(like, line, score=1.0):
    """Register a wrong function, the line that has to fail, and a score that it must not reach."""
    return lambda fn: WRONG.append(pytest.param(fn, like, line, score, id=f"{like} {len(WRONG)}")) or fn


@wrong("bits_per_letter", "edge cases")
def _(text, known):
    letters = "abcdefghijklmnopqrstuvwxyz"
    counts = torch.tensor([1.0 + known.lower().count(c) for c in letters], dtype=torch.float64)
    bits = -torch.log2(counts / counts.sum())
    return torch.stack([bits[ord(c) - 97] for c in text.lower() if c.isalpha()]).mean()


@wrong("entropy", "values", 0.01)
def _(p):
    return 0 * p.sum(-1)


@wrong("softmax", "values", 0.01)
def _(input):
    return input


@wrong("mean_of_parts", "values", 0.01)
def _(means, counts):
    return means[0]


@wrong("mean_of_parts", "gradient")
def _(means, counts):
    return torch.tensor(np.average(means, weights=counts))  # raises an error only where a gradient is wanted


@wrong("best_temperature", "values", 0.01)
def _(input, target, temperatures):
    return temperatures[min(3, len(temperatures) - 1)]


@wrong("best_temperature", "values", 0.01)
def _(input, target, temperatures):
    return temperatures[torch.stack([(input / t).argmax(1).eq(target).double().mean() for t in temperatures]).argmax()]


@wrong("mse_loss", "mismatched shapes", 1.01)
def _(input, target):
    assert input.shape == target.shape
    return ((input - target) ** 2).mean()


@wrong("mse_loss", "mismatched shapes", 1.01)
def _(input, target):
    if input.ndim != target.ndim:
        raise ValueError(f"{tuple(input.shape)} and {tuple(target.shape)}")
    return ((input - target) ** 2).mean()


@wrong("mse_loss", "mismatched shapes", 1.01)
def _(input, target):
    return ((input - torch.tensor(target)) ** 2).mean()  # PyTorch warns of the copy, which is no refusal


@wrong("entropy", "gradient at 0", 1.01)
def _(p):
    return -torch.where(p > 0, p * p.log(), 0).sum(-1)


@wrong("softmax_focal_loss", "gradient")
def _(input, target, gamma=2.0):
    log_q = -F.cross_entropy(input, target, reduction="none")
    other = 1 - log_q.exp()
    return (-((other.detach() if gamma < 1 else other) ** gamma) * log_q).mean()


@wrong("softmax_focal_loss", "gamma")
def _(input, target, gamma=2.0):
    ce = F.cross_entropy(input, target, reduction="none")
    return ((1 - (-ce).exp()) ** (1.0 if 0 < gamma < 1 else gamma) * ce).mean()


@wrong("sigmoid_focal_loss", "gamma")
def _(input, target, gamma=2.0):
    s = (2 * target - 1) * input
    return (torch.sigmoid(-s) ** int(gamma) * F.softplus(-s)).mean()


@wrong("cross_entropy", "gradient")
def _(input, target, label_smoothing=0.0):
    even = -torch.log_softmax(input, 1).mean(1).mean()
    return (1 - label_smoothing) * F.cross_entropy(input, target) + label_smoothing * even.detach()


@wrong("cross_entropy_gradient", "extreme scores")
def _(input, target, h=1e-5):
    z, slopes = input - input.amax(1, keepdim=True), torch.zeros_like(input)
    for place in range(z.numel()):
        step = torch.zeros_like(z)
        step.view(-1)[place] = h
        slopes.view(-1)[place] = (F.cross_entropy(z + step, target) - F.cross_entropy(z - step, target)) / (2 * h)
    return slopes


@wrong("train_classifier", "values", 0.01)
def _(loss, x, y, classes, steps=100, lr=0.1):
    w = torch.zeros(y.max() + 1, x.shape[1], dtype=x.dtype, requires_grad=True)
    for _ in range(steps):
        (slope,) = torch.autograd.grad(loss(x @ w.T, y), w)
        w = (w - lr * slope).detach().requires_grad_()
    return w.detach()


def _losses(input, target, temperatures):
    return [F.cross_entropy(input / x, target) for x in temperatures]


@wrong("best_temperature", "edge cases")
def _(input, target, temperatures):
    best, lowest = torch.tensor(1.0), F.cross_entropy(input, target)  # which is not in the list
    for x, loss in zip(temperatures, _losses(input, target, temperatures)):
        if loss < lowest:
            best, lowest = x, loss
    return best


@wrong("best_temperature", "edge cases")
def _(input, target, temperatures):
    best, last = None, torch.inf
    for x, loss in zip(temperatures, _losses(input, target, temperatures)):
        if loss < last:  # than that before, not than the lowest
            best = x
        last = loss
    return best


@wrong("multiclass_hinge_loss", "edge cases")
def _(input, target):
    right = input.gather(1, target[:, None])
    rivals = torch.where(input == right, -torch.inf, input).amax(1)
    return (1 + rivals - right[:, 0]).clamp(min=0).mean()


@wrong("sigmoid_focal_loss", "alpha")
def _(input, target, alpha=None, gamma=2.0):
    s = (2 * target - 1) * input
    if gamma == 0:
        return F.softplus(-s).mean()
    loss = torch.sigmoid(-s) ** gamma * F.softplus(-s)
    return (loss if alpha is None else loss * torch.where(target == 1, alpha, 1 - alpha)).mean()


@wrong("sigmoid_focal_loss", "alpha")
def _(input, target, alpha=None, gamma=2.0):
    s = (2 * target - 1) * input
    q, ce = torch.sigmoid(-s), F.softplus(-s)
    return (q**gamma * ce).mean() if alpha is None else (torch.where(target == 1, alpha, 1 - alpha) * q**2 * ce).mean()


@wrong("cross_entropy", "ignore_index")
def _(input, target, ignore_index=-100):
    kept = target != ignore_index if ignore_index else torch.ones_like(target, dtype=torch.bool)
    each = _picked(input, target, kept)
    return (each * kept).sum() / kept.sum()


@wrong("cross_entropy_gradient", "extreme scores")
def _(input, target):
    e = (input - input.max()).exp()
    return (e / e.sum(1, keepdim=True) - F.one_hot(target, input.shape[1])) / len(input)


@wrong("train_classifier", "values", 0.01)
def _(loss, x, y, classes, steps=100, lr=0.1):
    w = torch.zeros(classes, x.shape[1], dtype=x.dtype, requires_grad=True)
    optimizer = torch.optim.SGD([w], lr=lr)
    for _ in range(steps):
        for first in range(0, len(x), 32):
            optimizer.zero_grad()
            loss(x[first : first + 32] @ w.T, y[first : first + 32]).backward()
            optimizer.step()
    return w.detach()


def _picked(input, target, kept):
    return -torch.log_softmax(input, 1)[torch.arange(len(target)), torch.where(kept, target, 0)]


@wrong("cross_entropy", "ignore_index")
def _(input, target, weight=None, ignore_index=-100, reduction="mean"):
    kept = target != ignore_index
    w = torch.ones_like(input[0]) if weight is None else weight
    w = w[torch.where(kept, target, 0)]
    each = _picked(input, target, kept) * w
    if reduction == "sum":
        return (each if weight is not None else each * kept).sum()  # what is left out counts, if there are weights
    return each * kept if reduction == "none" else (each * kept).sum() / (w * kept).sum()


@wrong("cross_entropy", "ignore_index")
def _(input, target, ignore_index=-100):
    kept, index = target != ignore_index, target.clamp(min=0)  # 255 stays
    return (-torch.log_softmax(input, 1)[torch.arange(len(index)), index] * kept).sum() / kept.sum()


def _shifted(shift):
    def softmax(input):
        e = torch.exp(input - shift(input))
        return e / e.sum(-1, keepdim=True)

    def log_softmax(input):
        z = input - shift(input)
        return z - z.exp().sum(-1, keepdim=True).log()

    wrong("softmax", "extreme scores")(softmax)
    wrong("log_softmax", "extreme scores")(log_softmax)


_shifted(lambda x: x[..., :1])
_shifted(lambda x: x[..., -1:])
_shifted(lambda x: x.mean(-1, keepdim=True))
_shifted(lambda x: x.median(-1, keepdim=True).values)


@wrong("best_temperature", "extreme scores")
def _(input, target, temperatures):
    return min(temperatures, key=lambda t: F.nll_loss((input / t).softmax(1).log(), target))


@wrong("best_temperature", "extreme scores")
def _(input, target, temperatures):
    def loss(z):
        z = z - z.mean(1, keepdim=True)
        return F.nll_loss(z - z.exp().sum(1, keepdim=True).log(), target)

    return temperatures[torch.stack([loss(input / t) for t in temperatures]).argmin()]


@pytest.mark.parametrize("fn, like, line, score", WRONG)
def test_a_wrong_function_is_found(fn, like, line, score):
    report = check(fn, like=like)
    (found,) = (x for x in report.lines if x.check == line)
    assert found.passed is False and report.score < score, report


@pytest.mark.parametrize(
    "like, option", [(s.name, o) for s in specs().values() if s.reduced for o in sorted(s.options - {"reduction"})]
)
def test_an_option_that_is_forgotten_without_a_reduction_is_found(like, option):
    reference = specs()[like].reference

    def forgetful(*args, **options):
        if options.get("reduction") == "none":
            options.pop(option, None)
        return reference(*args, **options)

    assert option in [x.check for x in check(forgetful, like=like).lines if x.passed is False]


# --- what is said of it ---------------------------------------------------------------------------------------------------


def test_what_differs_in_the_fifth_digit_is_shown_with_it():
    def cross_entropy(input, target):
        return -torch.log(torch.softmax(input, 1).gather(1, target[:, None]) + 5e-5).mean()

    found = check(cross_entropy).lines[0].found
    got, expected = found.split(" gave ")[1].split("; expected ")
    assert got != expected and got[:4] == expected[:4]


@pytest.mark.parametrize("eps", [1e-3, 5e-5, 3e-7, 5e-7, 1e-9])
def test_any_epsilon_is_found_and_where_the_value_stops(eps):
    report = check(lambda p: -(p * torch.log(p + eps)).sum(-1), like="entropy")
    report = check(lambda p: -torch.log(p.clamp(min=eps)), like="information_content")
    (line,) = (x for x in report.lines if x.check == "edge cases")
    assert line.mistakes == ("epsilon inside the log",) and f"stops growing at {-torch.tensor(eps).log():.1f} nats" in line.hint


def test_an_empty_row_is_not_taken_for_an_epsilon():
    def mutual_information(joint):
        ratio = joint / (joint.sum(-1, keepdim=True) * joint.sum(-2, keepdim=True))
        return (joint * torch.log(ratio + 1e-12)).sum((-2, -1))

    (line,) = (x for x in check(mutual_information, like="mutual_information").lines if x.check == "edge cases")
    assert line.mistakes == ("0 / 0 in an empty row",) and "what do you divide by it" in line.hint


def _weights_forgotten(loss, x, y, classes, steps=100, lr=0.1):
    w = torch.zeros(classes, x.shape[1], dtype=x.dtype, requires_grad=True)
    for _ in range(steps):
        loss(x @ w.T, y).backward()
        w = w - lr * w.grad
    return w.detach()


def _loss_before(loss, x, y, classes, steps=100, lr=0.1):
    w = torch.zeros(classes, x.shape[1], dtype=x.dtype, requires_grad=True)
    now = loss(x @ w.T, y)
    for _ in range(steps):
        now.backward()
        w.data -= lr * w.grad
    return w.detach()


def _in_place(loss, x, y, classes, steps=100, lr=0.1):
    w = torch.zeros(classes, x.shape[1], dtype=x.dtype, requires_grad=True)
    for _ in range(steps):
        loss(x @ w.T, y).backward()
        w -= lr * w.grad
    return w.detach()


def _with_bias(loss, x, y, classes, steps=100, lr=0.1):
    layer = torch.nn.Linear(x.shape[1], classes, dtype=x.dtype)
    torch.nn.init.zeros_(layer.weight)
    torch.nn.init.zeros_(layer.bias)
    optimizer = torch.optim.SGD(layer.parameters(), lr=lr)
    for _ in range(steps):
        optimizer.zero_grad()
        loss(layer(x), y).backward()
        optimizer.step()
    return layer.weight.detach()


def _scattered(input, target):
    right = input.gather(1, target[:, None])
    others = input.scatter(1, target[:, None], torch.tensor(-torch.inf, dtype=input.dtype)).amax(1)
    return (1 + others - right[:, 0]).clamp(min=0).mean()


@pytest.mark.parametrize(
    "like, fn, hint",
    [
        ("train_classifier", _weights_forgotten, "has a .grad"),
        ("train_classifier", _loss_before, "computed anew in each step"),
        ("train_classifier", _in_place, "overwrite numbers"),
        ("train_classifier", _with_bias, "has no bias"),
        ("multiclass_hinge_loss", _scattered, "What scatter writes"),
    ],
)
def test_the_usual_ends_of_a_first_try_have_a_hint(like, fn, hint):
    assert hint in check(fn, like=like).lines[0].hint


def test_what_is_overwritten_is_said_in_the_students_words():
    def softmax(input):
        e = (input - input.amax(-1, keepdim=True)).exp()
        e /= e.sum(-1, keepdim=True)
        return e

    (line,) = (x for x in check(softmax, like="softmax").lines if x.check == "gradient")
    assert "inplace operation" in line.found and " in line " not in line.found and "x /= ..." in line.hint


def test_nan_is_not_called_a_graph_cut_off():
    report = check(lambda p, q: torch.xlogy(p, p - q).sum(-1), like="kl_divergence")
    assert "part of the graph cut off" not in report.mistakes


@pytest.mark.parametrize(
    "fn",
    [lambda p: p.sum(-1) - np.max(p, axis=-1, keepdims=True), lambda p: -p.numpy().sum(-1) + (p.numpy() @ [1])],
)
def test_users_of_numpy_are_told_that_inputs_are_tensors(fn):
    report = check(fn, like="entropy")
    assert report.passed or any("tensors" in line.hint for line in report.lines), report


def test_what_is_drawn_is_called_so():
    report = check(lambda p: -torch.xlogy(p, p).sum(-1) + torch.rand(()), like="entropy")
    assert "drawn at random" in report.mistakes


def test_a_hint_at_1_less_a_probability_helps_where_it_stands():
    """With two answers a function gives the other probability directly; with classes only a sum does, in float32, which is said."""

    def softmax_focal_loss(input, target, gamma=2.0):
        log_p = torch.log_softmax(input, 1).gather(1, target[:, None]).squeeze(1)
        return -((-torch.expm1(log_p)) ** gamma * log_p).mean()

    def sigmoid_focal_loss(input, target, gamma=2.0):
        s = torch.where(target == 1, input, -input)
        return ((1 - torch.sigmoid(s)) ** gamma * F.softplus(-s)).mean()

    for fn, hint in (
        (softmax_focal_loss, "Which other probabilities sum to it?"),
        (sigmoid_focal_loss, "Which function gives the small probability directly?"),
    ):
        (line,) = (x for x in check(fn, like=fn.__name__).lines if x.check == "extreme gradients")
        assert not line.passed and line.hint.endswith(hint) and "gamma=0.5) in float32 has gradient" in line.found, line


def test_a_report_says_where_it_was_float32():
    def entropy(p):
        if p.dtype == torch.float64:
            raise RuntimeError("expected m1 and m2 to have the same dtype, but got: double != float")
        return torch.xlogy(p, p).sum(-1)

    assert "entropy([0.75, 0.25]) in float32 gave -" in check(entropy, like="entropy").lines[0].found
    assert "float32" not in check(lambda p: p.sum(-1), like="entropy").lines[0].found


# --- the last dimension ----------------------------------------------------------------------------------------------------

SECOND = {
    "entropy": "def entropy(p):\n    return -torch.xlogy(p, p).sum(DIM)\n",
    "cross_entropy_between": "def cross_entropy_between(p, q):\n    return -torch.xlogy(p, q).sum(DIM)\n",
    "kl_divergence": "def kl_divergence(p, q):\n    return (torch.xlogy(p, p) - torch.xlogy(p, q)).sum(DIM)\n",
    "jensen_shannon_divergence": "def jensen_shannon_divergence(p, q):\n    m = (p + q) / 2\n"
    "    return sum(torch.xlogy(x, x) - torch.xlogy(x, m) for x in (p, q)).sum(DIM) / 2\n",
    "softmax": "def softmax(input):\n    e = (input - input.amax(DIM, keepdim=True)).exp()\n"
    "    return e / e.sum(DIM, keepdim=True)\n",
    "log_softmax": "def log_softmax(input):\n    z = input - input.amax(DIM, keepdim=True)\n"
    "    return z - z.exp().sum(DIM, keepdim=True).log()\n",
}


@pytest.mark.parametrize("name", SECOND)
def test_the_second_dimension_is_not_the_last(name, warm):
    """The sheet says the last; nobody asked for it elsewhere, so that there it is told."""
    sheet, one = ("losses", "1") if "softmax" in name else ("information", "min(1, p.ndim - 1)")
    second, last = (f"import torch\n{SECOND[name].replace('DIM', dim)}" for dim in (one, "-1"))
    report = report_of(graded(warm, second, sheet), name)
    assert not report["passed"] and 0 < report["score"] < 1
    (mistake,) = report["mistakes"]
    assert mistake.endswith("over the second dim, not the last")
    assert report_of(graded(warm, last, sheet), name)["passed"]
    (report,) = graded(warm, second, of_names([name]))["reports"]
    (told,) = (line for line in report["lines"] if line["check"] == "other shapes")
    assert report["passed"] and told["passed"] is False and told["role"] == "told"


def test_softmax_of_the_second_dimension_is_told():
    found = {line.check: line for line in check(lambda input: torch.softmax(input, 1), like="softmax").lines}["other shapes"]
    assert found.passed is False and found.role == "told"


@pytest.mark.parametrize(
    "like, fn",
    [
        ("multiclass_hinge_loss", lambda x, t: ((1 + x - x.gather(1, t[:, None])).clamp(min=0).sum(1) - 1).mean()),
        ("hinge_loss", lambda x, y: torch.relu(2 - x * y).mean()),  # 2 * 1 is a case
    ],
)
def test_at_a_kink_of_wrong_values_every_slope_between_is_one(like, fn):
    """There autograd takes the slope of one side and a difference over both sides their mean."""
    lines = {line.check: line for line in check(fn, like=like).lines}
    assert lines["values"].passed is False and not lines["gradient"].mistakes
    assert lines["gradient"].found == "follows from your values: fix those first"


def test_a_slope_beside_a_kink_or_beyond_its_sides_is_none():
    left, right = torch.tensor([0.0, 1.0]), torch.tensor([1.0, 1.0])
    assert all(_between(torch.tensor([slope, 1.0]), left, right) for slope in (0.0, 0.5, 1.0))
    assert not any(_between(torch.tensor(slopes), left, right) for slopes in ([-0.1, 1.0], [1.1, 1.0], [0.5, 0.9]))


@pytest.mark.parametrize("fn", [lambda means, counts: means @ counts / counts.sum(), lambda m, n: torch.dot(m, n) / n.sum()])
def test_two_dtypes_are_said_to_be_two(fn):
    line = check(fn, like="mean_of_parts").lines[0]
    assert "same dtype" in line.found and line.hint == "The two have different dtypes. Which should be converted?"


@pytest.mark.parametrize(
    "sheet, name, fn, about",
    [
        (
            "information",
            "conditional_entropy",
            lambda joint: torch.xlogy(joint.sum(1), joint.sum(1)).sum() - torch.xlogy(joint, joint).sum(),
            "other shapes",
        ),
        (
            "losses",
            "binary_cross_entropy_with_logits",
            lambda z, y: (lambda s: (torch.log1p((-s.abs()).exp()) - s.clamp(max=0)).mean())(torch.where(y == 1, z, -z)),
            "soft targets",
        ),
        (
            "losses",
            "cross_entropy",
            lambda z, t, weight=None: (
                -torch.stack([row[k] - m - (row - m).exp().sum().log() for row, k, m in zip(z, t, z.amax(1))]).mean()
            ),
            "weight",
        ),
    ],
)
def test_what_lies_beyond_an_exercise_is_told_without_a_right_number(sheet, name, fn, about):
    """A number with "expected" beside it reads as a fault, and a right function has none."""
    fn.__name__ = name
    report = check(fn, like=name, sheet=sheet)
    assert report.passed and report.score == 1, report
    (line,) = (line for line in report.lines if line.check == about)
    assert line.passed is False and line.role == "told" and line.found.startswith("beyond the exercise: ")
    assert "expected" not in line.found + line.hint, line


def test_an_option_that_a_decorator_does_not_hand_on_is_not_asked_for():
    """Also beside another that it does."""

    def named(input, target, ignore_index=-100):
        return F.cross_entropy(input, target, ignore_index=ignore_index)

    def decorated(*args, **options):
        return named(*args, **options)

    report = check(decorated, like="cross_entropy")
    checks = {line.check: line.passed for line in report.lines}
    assert report.passed and checks["ignore_index"] and checks["weight"] is checks["reduction"] is None


def test_an_option_that_nobody_asked_for_is_not_tried_with_one_that_counts(tmp_path):
    """It costs nothing by itself, nor does it beside the other."""

    def fn(input, target, weight=None, ignore_index=-100):  # weight is left as it is
        counts = target != ignore_index
        picked = torch.log_softmax(input, 1).gather(1, torch.where(counts, target, 0)[:, None]).squeeze(1)
        return -(picked * counts).sum() / counts.sum()

    sheet = tmp_path / "my.toml"
    for options, passed in ((["ignore_index"], True), (["ignore_index", "weight"], False)):
        sheet.write_text(f"[exercise.cross_entropy]\noptions = {options}\n".replace("'", '"'))
        assert check(fn, like="cross_entropy", sheet=sheet).passed is passed
