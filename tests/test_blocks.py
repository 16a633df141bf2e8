"""The second road: what blocks give is what the definition gives, and nobody else notices them."""

import functools

import pytest
import torch

import lossnotes as ln
from lossnotes import focal
from lossnotes._roads import answers as closed_forms
from lossnotes._roads import blocks, few, linear, road

TOLERANCE = {torch.float64: 1e-12, torch.float32: 2e-5, torch.bfloat16: 1e-2}
DRAWS = functools.partial(torch.Generator().manual_seed, 0)


@pytest.fixture
def small_blocks(monkeypatch):
    """Blocks of a few numbers, so that a small input has many."""
    for home, name, value in (
        (road, "LARGE", 1),
        (road, "LARGE_LAYER", 1),
        (blocks, "BLOCK", 8),
        (blocks, "BLOCK_OF_ROWS", 8),
        (linear, "BLOCK_OF_SCORES", 8),
    ):
        monkeypatch.setattr(home, name, value)
    monkeypatch.setattr(few, "FEW", 0)
    monkeypatch.setattr(torch, "get_num_threads", lambda: 1)


@pytest.fixture
def definition(monkeypatch):
    """Calls a function on the definition's road."""

    def call(fn, *args):
        with monkeypatch.context() as patch:
            patch.setattr(road, "_is_looked_at", lambda *_: True)
            return fn(*args)

    return call


def scores(shape, dtype, *, masked=False):
    z = (20 * torch.randn(shape, generator=DRAWS(), dtype=torch.float64)).to(dtype)
    if masked:
        z[..., 0] = -torch.inf
    return z.requires_grad_()


def answers(shape, dtype, kind):
    y = torch.rand(shape, generator=DRAWS(), dtype=torch.float64)
    return (y if kind == "soft" else (y < 0.3)).to(dtype)


def classes(shape, *, ignored=False):
    target = torch.randint(shape[1], shape[:1] + shape[2:], generator=DRAWS())
    if ignored:
        target.view(-1)[1::3] = -100
    return target


ELEMENTWISE = {
    "mse": (ln.mse_loss, "soft", {}),
    "bce": (ln.binary_cross_entropy_with_logits, "hard", {}),
    "bce-soft": (ln.binary_cross_entropy_with_logits, "soft", {}),
    "bce-weights": (ln.binary_cross_entropy_with_logits, "hard", {"weight": 2.0, "pos_weight": 3.0}),
    **{
        f"focal-{kind}-{alpha}-{gamma}": (ln.sigmoid_focal_loss, kind, {"alpha": alpha, "gamma": gamma})
        for kind in ("hard", "soft")
        for alpha in (None, 0.25)
        for gamma in (0, 0.5, 1, 2, 5)
    },
    "hinge": (lambda z, y, **how: ln.hinge_loss(z, 2 * y - 1, **how), "hard", {"margin": 0.5}),
}
OF_CLASSES = {
    "ce": (ln.cross_entropy, {}),
    "ce-smooth": (ln.cross_entropy, {"label_smoothing": 0.1}),
    **{f"focal-{gamma}": (ln.softmax_focal_loss, {"gamma": gamma}) for gamma in (0, 0.5, 1, 2, 5)},
}
INFORMATION = {
    "entropy": lambda p, q, **how: ln.entropy(p, **how),
    "cross_entropy_between": ln.cross_entropy_between,
    "kl": ln.kl_divergence,
    "js": ln.jensen_shannon_divergence,
}


def derivatives(fn, *inputs):
    """The value, the first derivatives and a second one, in the direction of ones."""
    inputs = [x.detach().clone().requires_grad_() for x in inputs]
    value = fn(*inputs)
    weights = torch.linspace(0.5, 1.5, value.numel(), dtype=value.dtype).view(value.shape)
    first = torch.autograd.grad((weights * value).sum(), inputs, retain_graph=True)
    again = torch.autograd.grad((weights * value).sum(), inputs, create_graph=True)
    second = torch.autograd.grad(sum(slope.sum() for slope in again), inputs, allow_unused=True)
    return value, *first, *(x for x in second if x is not None)


def agree(definition, fn, *inputs):
    expected = definition(derivatives, fn, *inputs)
    found = derivatives(fn, *inputs)
    assert len(found) == len(expected)
    for a, b in zip(found, expected):
        tolerance = TOLERANCE[a.dtype]
        torch.testing.assert_close(a, b, rtol=tolerance, atol=tolerance * 5e-3, equal_nan=True)


DTYPES = pytest.mark.parametrize("dtype", TOLERANCE, ids=str)
REDUCTIONS = pytest.mark.parametrize("reduction", ["mean", "sum", "none"])


@DTYPES
@REDUCTIONS
@pytest.mark.parametrize("name", ELEMENTWISE)
def test_elementwise_losses(name, reduction, dtype, small_blocks, definition):
    fn, kind, options = ELEMENTWISE[name]
    options = {k: torch.tensor(v, dtype=dtype) if "weight" in k else v for k, v in options.items()}
    for z in (scores((21,), dtype), scores((5, 7), dtype), scores((3, 2, 4), dtype), scores((7, 5), dtype).T):
        y = answers(z.shape, dtype, kind)
        agree(definition, lambda z: fn(z, y, reduction=reduction, **options), z)


@pytest.mark.parametrize("where", [0, 63, 64, 199])
@pytest.mark.parametrize("gamma", [0, 2])
def test_one_soft_answer_among_hard_ones(gamma, where, small_blocks, monkeypatch, definition):
    """Wherever it stands in its block."""
    monkeypatch.setattr(blocks, "BLOCK", 1000)
    y = answers((200,), torch.float64, "hard").index_fill(0, torch.tensor(where), 0.4)
    agree(definition, lambda z: ln.sigmoid_focal_loss(z, y, gamma=gamma), scores((200,), torch.float64))


@DTYPES
@REDUCTIONS
@pytest.mark.parametrize("weighted", [False, True], ids=["even", "weighted"])
@pytest.mark.parametrize("name", OF_CLASSES)
def test_losses_of_classes(name, weighted, reduction, dtype, small_blocks, definition):
    fn, options = OF_CLASSES[name]
    for shape in ((13, 5), (3, 4, 6), (2, 3, 2, 5), (4, 1)):
        weight = torch.linspace(0.5, 2, shape[1], dtype=dtype) if weighted else None
        for ignored in (False, True):
            target = classes(shape, ignored=ignored)
            agree(definition, lambda z: fn(z, target, weight, reduction=reduction, **options), scores(shape, dtype))


@REDUCTIONS
def test_class_probabilities_and_margins(reduction, small_blocks, definition):
    z = scores((13, 5), torch.float64)
    y = answers((13, 5), torch.float64, "soft")
    agree(definition, lambda z: ln.cross_entropy(z, y, reduction=reduction, label_smoothing=0.1), z)
    agree(definition, lambda z, y: ln.cross_entropy(z, y.sigmoid(), reduction=reduction), z, y)
    weight = torch.linspace(0.5, 2, 5, dtype=z.dtype)
    agree(definition, lambda z: ln.cross_entropy(z, y, weight, reduction=reduction), z)
    one_hot = torch.nn.functional.one_hot(z.detach().argmax(1), 5).double()  # a confident score that is right
    agree(definition, lambda z: ln.cross_entropy(z, one_hot, weight, reduction=reduction), z)
    two = torch.tensor([[0, 3, 3, 1, -9], [5, 5, 5, 5, 5], [0, 0, 1, 40, 40]], dtype=torch.float64)  # and none is the largest
    agree(definition, lambda z: ln.cross_entropy(z, y[:3], reduction=reduction), two)
    masked = scores((13, 5), torch.float64, masked=True)
    y[:, 0] = 0
    agree(definition, lambda z: ln.cross_entropy(z, y, reduction=reduction), masked)
    agree(definition, lambda z: ln.multiclass_hinge_loss(z, classes((13, 5)), reduction=reduction), z)


@DTYPES
@pytest.mark.parametrize("name", INFORMATION)
def test_information(name, dtype, small_blocks, definition):
    fn = INFORMATION[name]
    for shape, dim in (((9, 4), -1), ((4, 9), 0), ((2, 3, 5), 1), ((5,), 0)):
        p, q = (torch.softmax(torch.randn(shape, generator=DRAWS()) + shift, dim).to(dtype) for shift in (0, torch.rand(shape)))
        agree(definition, lambda p, q: fn(p, q, dim=dim) + 0 * q.sum(), p, q)


# Not with smoothing: a smoothed label asks for every class, and the loss is infinite.
@pytest.mark.parametrize("name", sorted(OF_CLASSES.keys() - {"ce-smooth"}))
def test_a_masked_class_and_nan(name, small_blocks, definition):
    fn, options = OF_CLASSES[name]
    z, target = scores((13, 5), torch.float64, masked=True), classes((13, 5)).clamp(min=1)
    agree(definition, lambda z: fn(z, target, **options), z)
    z = scores((13, 5), torch.float64).detach()
    z[3, 2] = torch.nan
    losses = fn(z, target, reduction="none", **options)
    assert losses[3].isnan() and losses.isnan().sum() == 1


def test_a_loss_too_small_or_too_large_for_a_quotient(small_blocks, definition):
    z = torch.tensor([[0.0, 200.0], [200.0, 0.0], [0.0, 1e4], [0.0, 90.0]])
    agree(definition, lambda z: ln.cross_entropy(z, torch.tensor([0, 0, 0, 0]), reduction="none"), z)


@pytest.mark.parametrize("gamma", [0, 1, 1.5, 2, 5])
@pytest.mark.parametrize("alpha", [None, 0.25])
@pytest.mark.parametrize("kind", ["hard", "soft"])
def test_the_form_for_a_compiler(kind, alpha, gamma):
    """Also at 0, where a slope of |z| is missing, and far out, where a power of 0 has no slope."""
    edges = torch.tensor([0.0, 1e-9, -1e-9, 40, -40, 90, -90, 800, -800, 1e4, -1e4], dtype=torch.float64)
    for dtype in (torch.float64, torch.float32):
        z = torch.cat([edges, edges, scores((60,), torch.float64).detach()]).to(dtype)
        y = torch.cat([torch.zeros(11), torch.ones(11), answers((60,), dtype, kind)]).to(dtype)
        found, expected = (
            derivatives(lambda z: formula(z, y, alpha=alpha, gamma=gamma), z)
            for formula in (closed_forms.focal_for_a_compiler, focal.focal_of_answers)
        )
        assert all(x.isfinite().all() for x in found)
        *found, second = found
        *expected, expected_second = expected
        for a, b in zip(found, expected):
            least = torch.finfo(dtype).tiny if kind == "hard" else torch.finfo(dtype).eps  # the slope of a soft one has a zero
            torch.testing.assert_close(a, b, rtol=TOLERANCE[dtype], atol=least)
        # The definition's own second derivative has but absolute accuracy.
        torch.testing.assert_close(second, expected_second, rtol=1e-5, atol=1e3 * torch.finfo(dtype).eps)


def test_a_compiler_gets_its_form(monkeypatch):
    seen = []
    monkeypatch.setattr(closed_forms, "focal_for_a_compiler", lambda z, y, alpha, gamma: seen.append(gamma) or z * y)
    z, y = scores((9,), torch.float32), torch.ones(9)
    for gamma in (2, 0.5):
        torch.compile(ln.sigmoid_focal_loss, backend="eager", fullgraph=True)(z, y, gamma=gamma)
    ln.sigmoid_focal_loss(z, y)
    assert seen == [2]


# --- few scores: PyTorch's own cross-entropy in float64 -----------------------------------------------------------------------


NARROW = pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16], ids=str)


def as_in_double(loss, z, tolerance, tiny=1e-30):
    """The value, its slopes and a second derivative: as the definition has them in float64."""
    found, exact = derivatives(loss, z), derivatives(loss, z.detach().double())
    assert all(x.dtype == z.dtype for x in found)
    # The second derivative of the definition itself is 0 where the lead is large.
    for a, b, least in zip(found, exact, (0, tiny, 1e-12)):
        torch.testing.assert_close(a.double(), b, rtol=tolerance, atol=least)


@NARROW
@REDUCTIONS
@pytest.mark.parametrize("others", ["alike", "even"])
@pytest.mark.parametrize("lead", [0, 3, 20.5, 21, 37, 60])
def test_few_scores(lead, others, reduction, dtype):
    """The loss of an answer that leads by 20.5 is 1e-9, and has all its digits. So have slopes beside answers that lead less."""
    for shape in ((8, 5), (5,), (3, 5, 2), (4, 1)):
        z = torch.linspace(0, 1, torch.Size(shape).numel()).reshape(shape)
        target = torch.zeros(shape[:1] + shape[2:] if len(shape) > 1 else (), dtype=torch.int64)
        z.select(0 if len(shape) == 1 else 1, 0).fill_(0).add_(lead)
        if others == "even" and len(shape) > 1:
            z[::2, 0] = 0
        z = z.to(dtype).requires_grad_()
        tolerance = {torch.float32: 2e-6, torch.bfloat16: 2e-2}[dtype]
        as_in_double(lambda z: ln.cross_entropy(z, target, reduction=reduction), z, tolerance)


def test_few_scores_of_rows_that_do_not_count(definition):
    """They may hold anything. Other rows may have classes that cannot be, also the right one."""
    z = torch.linspace(0, 30, 35).view(7, 5)
    for row in ([torch.inf] * 5, [torch.nan, 1, 2, 3, 4], [0, -torch.inf, -torch.inf, 2, 0], [-torch.inf] * 5, [0, 1, 2, 60, 0]):
        z[1] = torch.tensor(row)
        for masked in (False, True):
            z[2, 0] = -torch.inf if masked else 1
            for right in (3, 0):
                target = torch.tensor([0, -100, right, 3, 4, -100, 4])
                for reduction in ("mean", "sum", "none"):

                    def slopes(target=target, reduction=reduction):
                        x = z.clone().requires_grad_()
                        loss = ln.cross_entropy(x, target, reduction=reduction)
                        return loss.detach(), *torch.autograd.grad(loss.sum(), x)

                    for a, b in zip(slopes(), definition(slopes)):
                        torch.testing.assert_close(a, b, rtol=1e-5, atol=1e-30)


def test_few_scores_take_the_short_way_and_leave_it():
    z, target = torch.linspace(0, 1, 20).view(4, 5).requires_grad_(), torch.tensor([0, 1, 2, 3])

    def is_short(z, **how):
        return type(ln.cross_entropy(z, target, **how).grad_fn).__name__ != "BlocksBackward"

    assert is_short(z)
    assert not is_short(z.detach().double().requires_grad_())
    far, farther = ((by * z.detach()).requires_grad_() for by in (300, 600))
    assert is_short(far) and is_short(far, reduction="none") and is_short(farther) and not is_short(farther, reduction="none")
    assert not is_short((30 * torch.eye(5)[:4]).requires_grad_())  # all are right, and the mean is next to nothing
    assert is_short(torch.where(z.detach() > 0, z.detach(), -torch.inf).requires_grad_())
    assert not is_short(torch.where(z.detach() > 0, z.detach(), torch.inf).requires_grad_())
    with pytest.raises(ValueError, match=r"cross_entropy: target\[3\] is 5; expected a class from 0 to 4"):
        ln.cross_entropy(z, torch.tensor([0, 1, 2, 5]))
    some = torch.tensor([0, -100, 2, -100])
    torch.testing.assert_close(ln.cross_entropy(z, some), ln.cross_entropy(z[::2], some[::2]))
    assert ln.cross_entropy(z, torch.full((4,), -100)).isnan()
    assert ln.cross_entropy(z[:0], target[:0]).isnan()


@NARROW
@REDUCTIONS
@pytest.mark.parametrize("lead", [0, 3, 20.5, 21, 60])
def test_few_answers(lead, reduction, dtype):
    z = torch.tensor([lead, -lead, lead / 2, -lead / 3, 0.1]).to(dtype).requires_grad_()
    tolerance = {torch.float32: 2e-6, torch.bfloat16: 2e-2}[dtype]
    for y in ([1, 0, 1, 0, 1], [0, 1, 0, 1, 1], [0.25, 0.5, 0.75, 0.5, 0.3]):
        found, exact = (
            derivatives(lambda z: ln.binary_cross_entropy_with_logits(z, torch.tensor(y).to(z.dtype), reduction=reduction), x)  # noqa: B023
            for x in (z, z.detach().to(dtype).double())
        )
        # Of an answer that is next to certain, and wrong, the second derivative has but absolute accuracy.
        for a, b, least in zip(found, exact, (0, 1e-30 if y[0] in (0, 1) else 1e-6, 1e-7)):
            torch.testing.assert_close(a.double(), b, rtol=tolerance, atol=least)


def test_few_numbers_take_pytorchs_own():
    def way(fn, z, y, **how):
        return type(fn(z.requires_grad_(), y, **how).grad_fn).__name__

    z, y = torch.linspace(-20, 20, 4), torch.ones(4)
    bce = ln.binary_cross_entropy_with_logits
    assert way(bce, z, y) != "BlocksBackward" != way(bce, z.detach(), 1 - y)
    for x, t in ((z, y / 2), (z.double(), y), (z, y.clone().requires_grad_())):
        assert way(bce, x.detach(), t) == "BlocksBackward"
    assert way(bce, z, y, pos_weight=torch.tensor(2.0)) == "BlocksBackward"
    assert way(bce, z.detach().expand(few.FEW // 4 + 1, 4).clone(), y.expand(few.FEW // 4 + 1, 4)) == "BlocksBackward"
    ends = torch.tensor([torch.inf, -torch.inf, torch.inf, torch.nan], requires_grad=True)
    losses = bce(ends, torch.tensor([1.0, 0, 0, 1]), reduction="none")
    assert losses.tolist()[:3] == [0, 0, torch.inf] and losses[3].isnan()
    assert torch.autograd.grad(losses[:3].sum(), ends)[0].tolist()[:3] == [0, 0, 1]
    with pytest.raises(ValueError, match=r"target\[0\] is 2"):
        bce(z, 2 * y)
    assert way(ln.mse_loss, z, y) == "MseLossBackward0"
    for x, t in ((z.half(), y.half()), (z, y.double()), (torch.zeros(few.FEW + 1), torch.zeros(few.FEW + 1))):
        assert way(ln.mse_loss, x.detach(), t) == "BlocksBackward"


# --- autograd -----------------------------------------------------------------------------------------------------------


def loss_of(z):
    return ln.cross_entropy(z, torch.arange(len(z)) % z.shape[1])


def test_the_road_is_taken_and_left(small_blocks, monkeypatch):
    """Only where somebody looks at the operations themselves does the definition run."""
    z = scores((9, 4), torch.float64)
    assert type(loss_of(z).grad_fn).__name__ == "BlocksBackward"
    ways = {
        "torch.func.grad": lambda: torch.func.grad(loss_of)(z.detach()),
        "torch.func.vmap": lambda: torch.func.vmap(loss_of)(z.detach()[None]),
        "forward derivatives": lambda: torch.func.jvp(loss_of, (z.detach(),), (torch.ones_like(z),)),
        "compile": lambda: torch.compile(loss_of, backend="eager", fullgraph=True)(z.detach()),
    }
    expected = torch.autograd.grad(loss_of(z), z)[0]
    monkeypatch.setattr(blocks.Blocks, "apply", lambda *_: pytest.fail("not the definition"))
    torch.testing.assert_close(ways["torch.func.grad"](), expected)
    for way in ways.values():
        way()
    with torch.autograd.forward_ad.dual_level():
        dual = torch.autograd.forward_ad.make_dual(z.detach(), torch.ones_like(z))
        slope = torch.autograd.forward_ad.unpack_dual(loss_of(dual)).tangent
    torch.testing.assert_close(slope, expected.sum())

    class Marked(torch.Tensor):
        pass

    assert isinstance(loss_of(z.detach().as_subclass(Marked)), Marked)


def test_a_second_backward_pass_gives_the_same(small_blocks):
    z = scores((9, 4), torch.float64)
    loss = 3 * loss_of(z)
    (first,) = torch.autograd.grad(loss, z, retain_graph=True)
    kept = first.clone()
    (second,) = torch.autograd.grad(loss, z)
    assert torch.equal(first, kept) and torch.equal(first, second) and first.data_ptr() != second.data_ptr()


def test_gradients_accumulate(small_blocks):
    z = scores((9, 4), torch.float64)
    loss_of(z).backward()
    once = z.grad.clone()
    loss_of(z).backward()
    torch.testing.assert_close(z.grad, 2 * once)


def test_many_gradients_at_once(small_blocks):
    z = scores((9, 4), torch.float64)
    each = ln.cross_entropy(z, torch.arange(9) % 4, reduction="none")
    (rows,) = torch.autograd.grad(each, z, torch.eye(9, dtype=z.dtype), is_grads_batched=True)
    torch.testing.assert_close(rows.sum(0), torch.autograd.grad(9 * loss_of(z), z)[0])


def test_scores_may_change_between_the_loss_and_its_gradient(small_blocks):
    """As for PyTorch's own cross-entropy, which keeps no scores either. What is computed from them again says so."""
    z = scores((9, 4), torch.float64)
    shifted = z + 1
    loss = loss_of(shifted)
    (expected,) = torch.autograd.grad(loss_of(z + 1), z)
    shifted.detach()[:, 0] = -torch.inf
    shifted.data.mul_(2)
    shifted.zero_()
    (found,) = torch.autograd.grad(loss, z, retain_graph=True)
    torch.testing.assert_close(found, expected)
    with pytest.raises(RuntimeError, match="modified by an inplace operation"):
        loss.backward()


def test_without_a_gradient_nothing_is_kept(small_blocks):
    z = scores((9, 4), torch.float64)
    with torch.no_grad():
        assert loss_of(z).grad_fn is None
    torch.testing.assert_close(loss_of(z.detach()), loss_of(z).detach())


def test_parts_cover_everything_once():
    for shape, along in (((7,), None), ((5, 9), 1), ((3, 4, 50), 1), ((2, 3, 4, 5), 0), ((1, 1), None)):
        seen = torch.zeros(shape)
        for part in blocks.parts(shape, along, 8):
            block = seen[part]
            assert along is None or block.shape[along] == shape[along]
            assert block.numel() <= 8 * (1 if along is None else shape[along])
            block += 1
        assert (seen == 1).all()


# --- memory -------------------------------------------------------------------------------------------------------------


def peak(fn):
    """The most memory that `fn` holds at once, in bytes, above what was there."""
    with torch.profiler.profile(activities=[torch.profiler.ProfilerActivity.CPU], profile_memory=True, acc_events=True) as profile:
        fn()
    held = most = 0
    for event in profile.profiler.kineto_results.events():
        if event.name() == "[memory]":
            held += event.nbytes()
            most = max(most, held)
    return most


@pytest.mark.parametrize("name", ["mse", "bce", "focal", "hinge", "ce", "softmax focal"])
def test_little_more_than_the_gradient_is_held(name):
    z = torch.randn(2**22 // 512, 512, requires_grad=True)
    y, target = (z.detach() > 0).float(), classes(z.shape)
    fn = {
        "mse": lambda: ln.mse_loss(z, y),
        "bce": lambda: ln.binary_cross_entropy_with_logits(z, y),
        "focal": lambda: ln.sigmoid_focal_loss(z, y, alpha=0.25),
        "hinge": lambda: ln.hinge_loss(z, 2 * y - 1),
        "ce": lambda: ln.cross_entropy(z, target),
        "softmax focal": lambda: ln.softmax_focal_loss(z, target),
    }[name]
    fn().backward()
    z.grad = None
    signs = z.nbytes if name == "hinge" else 0  # 2 y - 1
    assert peak(lambda: fn().backward()) <= 1.25 * z.nbytes + 2 * signs
