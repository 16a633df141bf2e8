"""Elsewhere than on a CPU: the same answers, no look at a value, and little memory. The switch `AS_ELSEWHERE` makes tensors of a CPU
follow those rules; tensors of the device "meta" tell what is moved and held."""

import math
import sys
from pathlib import Path

import pytest
import test_roads
import torch
import torch.nn.functional as F
from torch.utils._python_dispatch import TorchDispatchMode

import lossnotes as ln
from lossnotes import _tracing
from lossnotes._roads import blocks, linear, road

sys.path.insert(0, str(Path(__file__).parents[1] / "benchmarks"))
import traffic  # noqa: E402

T, inf, nan = torch.tensor, torch.inf, torch.nan
# What makes a GPU, and whoever asked, wait: reading a number, and results whose size hangs on values.
LOOKS = "_local_scalar_dense nonzero masked_select unique unique_dim unique_consecutive _unique _unique2 equal is_nonzero".split()


class NoLook(TorchDispatchMode):
    """Refuses operations that wait for values."""

    def __torch_dispatch__(self, operation, types, args=(), kwargs=None):
        name = operation.overloadpacket.__name__
        masks = [x for x in args[1] if x is not None and x.dtype == torch.bool] if name in ("index", "index_put_") else []
        assert name not in LOOKS and not masks, f"{name} waits for values"
        return operation(*args, **(kwargs or {}))


@pytest.fixture(params=["one block", "many blocks"])
def elsewhere(request, monkeypatch):
    """Calls a function by the rules of another device."""

    def call(fn, *args, **options):
        with monkeypatch.context() as patch, NoLook():
            patch.setattr(_tracing, "AS_ELSEWHERE", True)
            patch.setattr(road, "LARGE_ELSEWHERE", 1)
            patch.setattr(road, "LARGE_LAYER", 1)
            if request.param == "many blocks":
                patch.setattr(blocks, "BYTES_ELSEWHERE", 64)
                patch.setattr(blocks, "BYTES_OF_ROWS_ELSEWHERE", 64)
                patch.setattr(linear, "BLOCK_OF_SCORES", 8)
            return fn(*args, **options)

    return call


def close(found, expected, tolerance):
    for a, b in zip(found, expected, strict=True):
        assert a.dtype == b.dtype
        torch.testing.assert_close(a, b, rtol=tolerance, atol=tolerance, equal_nan=True)


@test_roads.every
def test_the_same_answer(case, elsewhere):
    close(elsewhere(test_roads.plain, case), test_roads.plain(case), 1e-12)


@test_roads.every
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16], ids=str)
def test_the_same_answer_in_fewer_digits(case, dtype, elsewhere):
    case = case.to(dtype)
    close(elsewhere(test_roads.plain, case), test_roads.plain(case), {torch.float32: 1e-5, torch.bfloat16: 1e-2}[dtype])


@pytest.mark.parametrize("fn", [ln.cross_entropy, ln.softmax_focal_loss])
def test_half_precision_is_rounded_once(fn, elsewhere):
    """Read as it is, and computed in float32: all but a few numbers are those of float32, rounded."""
    draws = torch.Generator().manual_seed(0)
    z, target = torch.randn(200, 7, generator=draws).mul(8).bfloat16(), torch.randint(7, (200,), generator=draws)

    def step(z):
        z = z.clone().requires_grad_()
        losses = fn(z, target, reduction="none")
        return losses.detach(), torch.autograd.grad(losses.float().sum(), z)[0]

    for found, exact in zip(elsewhere(step, z), step(z.float())):
        assert found.dtype == torch.bfloat16 and (found == exact.bfloat16()).float().mean() > 0.98


@pytest.mark.parametrize("fn, score, target, options, value, slope", test_roads.INFINITE)
def test_the_truth_of_an_infinite_score(fn, score, target, options, value, slope, elsewhere):
    def way(case):
        return elsewhere(test_roads.plain, case)

    test_roads.test_the_truth_of_an_infinite_score(way, fn, score, target, options, value, slope)


@pytest.mark.parametrize("loss", test_roads.RELATED.values(), ids=test_roads.RELATED)
def test_one_argument_made_from_another(loss, elsewhere):
    z = test_roads.Z.clone().requires_grad_()
    expected = torch.autograd.grad(test_roads.weigh(loss(z)), z)
    close(elsewhere(lambda: torch.autograd.grad(test_roads.weigh(loss(z)), z)), expected, 1e-10)


# From next to nothing to more than any exponential holds, on either side.
FAR = torch.tensor([0, -0.0, 1e-9, 0.3, 7, 15, 37, 90, 104, 200, 800, 1e4], dtype=torch.float64)
GAMMAS = pytest.mark.parametrize("gamma", [0, 0.5, 1, 2, 5])


def as_exact(elsewhere, fn, z, *rest):
    """Value by value: in float64 as the definition is, in float32 as float64 is. Slopes of a mean, a sum and of each."""
    for reduction in ("none", "sum", "mean"):

        def step(fn, z, *rest, reduction=reduction):
            z = z.detach().requires_grad_()
            value = fn(z, *rest, reduction=reduction)
            return value.detach(), *torch.autograd.grad(value.sum(), z)

        with torch.random.fork_rng():
            exact = step(fn, z, *rest)
        for dtype, tolerance in ((torch.float64, 1e-12), (torch.float32, 1e-5)):
            rest_of_dtype = [x.to(dtype) if x.is_floating_point() else x for x in rest]
            found = elsewhere(step, fn, z.to(dtype), *rest_of_dtype)
            tiny = torch.finfo(dtype).tiny  # below it a number has few digits
            for a, b in zip(found, exact):
                torch.testing.assert_close(a.double(), b, rtol=tolerance, atol=tiny * 1e7 if dtype == torch.float32 else tiny)


@GAMMAS
@pytest.mark.parametrize("alpha", [None, 0.25, 0, 1])
@pytest.mark.parametrize("answer", [0, 1, 0.25])
def test_answers_are_as_exact(gamma, alpha, answer, elsewhere):
    z = torch.cat([FAR, -FAR])

    def loss(z, y, **how):
        return ln.sigmoid_focal_loss(z, y, gamma=gamma, alpha=alpha, **how)

    as_exact(elsewhere, loss, z, torch.full_like(z, answer))
    if gamma == 0 and alpha is None:
        as_exact(elsewhere, ln.binary_cross_entropy_with_logits, z, torch.full_like(z, answer))


@GAMMAS
def test_classes_are_as_exact(gamma, elsewhere):
    far = torch.cat([FAR, -FAR])
    z = torch.stack([far, torch.zeros_like(far), far / 2 - 1], 1)
    as_exact(
        elsewhere, lambda z, t, **how: ln.softmax_focal_loss(z, t, gamma=gamma, **how), z, torch.zeros(len(z), dtype=torch.int64)
    )
    if gamma == 0:
        as_exact(elsewhere, ln.cross_entropy, z, torch.zeros(len(z), dtype=torch.int64))
        as_exact(elsewhere, lambda z, t, **how: ln.cross_entropy(z, t, label_smoothing=0.1, **how), z, torch.arange(len(z)) % 3)
        as_exact(elsewhere, ln.cross_entropy, z, F.one_hot(torch.zeros(len(z), dtype=torch.int64), 3).double())


@pytest.mark.parametrize("fn", [ln.kl_divergence, ln.jensen_shannon_divergence])
@pytest.mark.parametrize("base", [math.e, 2, 10, 3])
@pytest.mark.parametrize("apart", [1, 1e-2, 1e-4, 1e-6])
def test_divergences_are_as_exact(fn, base, apart, elsewhere):
    """Of float32, as the formula has them in float64: also of nearly equal distributions, and beside zeros."""
    draws = torch.Generator().manual_seed(0)
    z = torch.randn(40, 30, generator=draws) * 3
    z[::2, ::5] = -200  # probabilities of 0
    near = torch.cat([z + apart * torch.randn(40, 30, generator=draws), torch.full((40, 1), -20.0)], 1)
    p, q = torch.cat([z, torch.full((40, 1), -90.0)], 1).softmax(1), near.softmax(1)

    def step(p, q):
        p, q = p.clone().requires_grad_(), q.clone().requires_grad_()
        value = fn(p, q, base=base)
        return value.detach(), *torch.autograd.grad(value.sum(), [p, q])

    expected = step(p.double(), q.double())
    for found in (elsewhere(step, p, q), step(p, q)):
        # The slope of KL by p is a logarithm and 1, which may cancel; what cancels in those of JS does so in float64.
        for a, b, least in zip(found, expected, (1e-12, 1e-6, 1e-6) if fn is ln.kl_divergence else (0, 1e-12, 1e-12)):
            torch.testing.assert_close(a.double(), b, rtol=1e-6, atol=least, equal_nan=False)


def test_a_row_without_a_softmax(elsewhere):
    """Two certain classes, none that can be, NaN: as the definition has it."""
    for row in ([inf, inf, 1], [-inf, -inf, -inf], [nan, 1, 2], [1, nan, 2], [2, -inf, -inf], [1, nan, inf], [inf, nan, 1]):
        z = torch.tensor([row, [1.0, 2, 3]], dtype=torch.float64)
        for target in (torch.tensor([0, 1]), torch.tensor([2, 1])):
            for options in ({}, {"label_smoothing": 0.1}):
                case = test_roads.Case(ln.cross_entropy, "", {"input": z}, {"target": target} | options)
                close(elsewhere(test_roads.plain, case), test_roads.plain(case), 1e-12)


def test_scores_as_far_apart_as_they_can_be(elsewhere):
    """The smallest number is what many put for a class that cannot be: it is one like others, also where all scores are it."""
    least = torch.finfo(torch.float64).min
    for row in ([least, least, least], [1, least, least], [1e300, 0, 1e300], [-1e300, least, 0]):
        case = test_roads.Case(
            ln.cross_entropy, "", {"input": torch.tensor([row, [1.0, 2, 3]], dtype=torch.float64)}, {"target": T([0, 1])}
        )
        close(elsewhere(test_roads.plain, case), test_roads.plain(case), 1e-12)


def test_a_row_that_does_not_count_may_hold_anything(elsewhere):
    z = torch.tensor([[nan, 1, 2], [1, nan, inf], [-inf, inf, nan], [1, 2, 3]]).double().requires_grad_()
    for fn in (ln.cross_entropy, ln.softmax_focal_loss):

        def step(fn=fn):
            value = fn(z, T([-100, -100, -100, 1]))
            return value.detach(), torch.autograd.grad(value, z)[0]

        value, slopes = elsewhere(step)
        assert value.isfinite() and (slopes[:3] == 0).all() and slopes[3].isfinite().all()


def test_a_second_backward_pass_and_one_of_a_multiple(elsewhere):
    z, target = test_roads.Z.clone().requires_grad_(), test_roads.CLASSES
    (expected,) = torch.autograd.grad(ln.cross_entropy(z, target), z)

    def twice():
        loss = 3 * ln.cross_entropy(z, target)
        return [torch.autograd.grad(loss, z, retain_graph=True)[0] for _ in range(2)]

    close(elsewhere(twice), [3 * expected, 3 * expected], 1e-12)


def test_values_alone(elsewhere):
    z, target = test_roads.Z, test_roads.CLASSES
    for dtype, tolerance in ((torch.float64, 1e-12), (torch.bfloat16, 1e-2)):
        z = z.to(dtype)
        close([elsewhere(ln.cross_entropy, z, target)], [ln.cross_entropy(z, target)], tolerance)


def test_nothing_to_count(elsewhere):
    z = test_roads.PADDED.clone().requires_grad_()
    for fn in (ln.cross_entropy, ln.softmax_focal_loss):

        def step(fn=fn):
            value = fn(z, torch.full((5,), -100))
            return value.detach(), torch.autograd.grad(value, z)[0]

        value, slopes = elsewhere(step)
        assert value.isnan() and (slopes == 0).all()


def test_strict_looks_everywhere(monkeypatch):
    monkeypatch.setattr(_tracing, "AS_ELSEWHERE", True)
    z, y = torch.zeros(2), torch.tensor([0.5, 1.5])
    for fn in (ln.binary_cross_entropy_with_logits, ln.sigmoid_focal_loss):
        fn(z, y)
        with ln.strict(), pytest.raises(ValueError, match=r"target\[1\] is 1.5"):
            fn(z, y)


def test_a_look_would_be_seen():
    """On a CPU the closed forms do look."""
    with pytest.raises(AssertionError, match="_local_scalar_dense waits for values"), NoLook():
        ln.cross_entropy(test_roads.Z, test_roads.CLASSES)
    with pytest.raises(AssertionError, match="index waits for values"), NoLook():
        test_roads.Z[test_roads.Z > 0]


# --- bytes ---------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("case", traffic.CASES, ids=lambda case: f"{case.name} {case.peer}")
def test_what_is_moved_and_held(case):
    ours, peer = traffic.weigh(case, case.ours), traffic.weigh(case, case.theirs)
    assert ours.peak <= case.peak
    assert case.bytes is None or ours.moved <= case.bytes * peer.moved + 0.01  # numbers of no size
    # Many small blocks move no more bytes, and their time goes into starting operations.
    assert ours.bytes_each >= traffic.WORTH_STARTING


def test_a_layer_holds_one_block():
    """Beside the gradients, and numbers for each row."""
    (case,) = (c for c in traffic.CASES if c.name.startswith("linear_cross_entropy"))
    rows, features, classes = case.shape
    gradients = (rows + classes) * features / (rows * classes)
    assert traffic.weigh(case, case.ours).peak - gradients <= 1.05 * linear.BLOCK_OF_SCORES / (rows * classes)


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16], ids=str)
def test_half_precision_holds_little_more_than_the_gradient(dtype):
    z, y = torch.empty(1 << 27, dtype=dtype, device="meta", requires_grad=True), torch.empty(1 << 27, dtype=dtype, device="meta")
    with traffic.Traffic() as seen:
        ln.binary_cross_entropy_with_logits(z, y).backward()
    assert seen.peak <= 1.6 * z.nbytes


def test_bytes_are_counted():
    x, index = torch.empty(100, 8, device="meta"), torch.empty(100, 1, dtype=torch.int64, device="meta")

    def moved(fn):
        with traffic.Traffic() as seen:
            kept = fn()
        return seen.moved, seen.peak, kept

    n, out = x.nbytes, torch.empty_like(x)
    assert moved(lambda: x + x)[:2] == (2 * n, n)  # the same tensor is read once
    assert moved(lambda: x + out)[0] == 3 * n
    assert moved(lambda: torch.add(x, out, out=out))[:2] == (3 * n, 0)
    assert moved(lambda: torch.exp(x, out=out))[0] == moved(lambda: out.copy_(x))[0] == moved(lambda: out.mul_(2))[0] == 2 * n
    assert moved(lambda: x.view(-1)[:7])[:2] == (0, 0)
    assert moved(lambda: torch.zeros_like(x))[:2] == (n, n) and moved(lambda: torch.empty_like(x))[:2] == (0, n)
    assert moved(lambda: x.gather(1, index))[0] == 400 + 800 + 400
    assert moved(lambda: out.scatter_(1, index, 0))[0] == 800 + 400
    assert moved(lambda: x * x[:1].expand(100, 8)[:, :1])[0] == 2 * n + 4
    assert moved(lambda: [x.exp().sum() for _ in range(3)])[1] == n + 4 * 3  # what is let go is not held
