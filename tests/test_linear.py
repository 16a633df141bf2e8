"""linear_cross_entropy: the cross-entropy of a linear layer in everything, except that the scores are never held whole."""

import itertools

import pytest
import torch
import torch.nn.functional as F
from torch.profiler import ProfilerActivity, profile

import lossnotes as ln
from lossnotes._roads import linear as layers
from lossnotes._roads import road as roads

ROWS, FEATURES, CLASSES = 7, 4, 5
WEIGHT = torch.tensor([0.5, 3.0, 1.0, 2.0, 0.25], dtype=torch.float64)
INDEX = torch.tensor([3, 0, 1, 4, 2, 1, 0])
OPTIONS = [{}, {"weight": WEIGHT}, {"ignore_index": 1}, {"label_smoothing": 0.1}]
OPTIONS += [{"weight": WEIGHT, "ignore_index": 1}, {"weight": WEIGHT, "ignore_index": 1, "label_smoothing": 0.1}]
SOFT = [{}, {"weight": WEIGHT}, {"label_smoothing": 0.1}, {"weight": WEIGHT, "label_smoothing": 0.1}]
NAN = float("nan")


def drawn(*shape, seed=0, scale=1.0):
    return scale * torch.randn(*shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


PROBABILITIES = torch.softmax(drawn(ROWS, CLASSES, seed=3), 1)
# (target, options)
CALLS = [(INDEX, options) for options in OPTIONS] + [(PROBABILITIES, options) for options in SOFT]
every_call = pytest.mark.parametrize("target, options", CALLS, ids=lambda x: "-".join(x) if isinstance(x, dict) else x.dtype)
every_reduction = pytest.mark.parametrize("reduction", ["mean", "sum", "none"])


def layer(bias=True, rows=ROWS, classes=CLASSES, dtype=torch.float64, device="cpu", scale=1.0):
    """Features, weights and a bias, all to be differentiated."""
    tensors = drawn(rows, FEATURES, scale=scale), drawn(classes, FEATURES, seed=1), drawn(classes, seed=2)
    tensors = [x.to(device, dtype).requires_grad_() for x in tensors]
    return tensors if bias else [*tensors[:2], None]


def ours(x, W, b, target, **options):
    return ln.linear_cross_entropy(x, W, target, linear_bias=b, **options)


def definition(x, W, b, target, **options):
    return F.cross_entropy(F.linear(x, W, b), target, **options)


def slopes(loss, tensors, **options):
    return torch.autograd.grad(loss, [x for x in tensors if x is not None], **options)


def weighted(loss):
    """A single number that tells the losses of examples apart."""
    return (loss * torch.arange(1.0, 1 + loss.numel(), dtype=loss.dtype, device=loss.device).view_as(loss)).sum()


def same(actual, expected, tolerance=1e-12):
    torch.testing.assert_close(actual, expected, rtol=tolerance, atol=tolerance, equal_nan=True)


@pytest.fixture(params=["blocks", "whole"])
def road(request, monkeypatch):
    """The road that small inputs take, and the one of large inputs, with blocks of two rows; the last has one."""
    if request.param == "blocks":
        monkeypatch.setattr(roads, "LARGE_LAYER", 1)
        monkeypatch.setattr(layers, "BLOCK_OF_SCORES", 2 * CLASSES)
    return request.param


@pytest.fixture
def blocks(monkeypatch):
    monkeypatch.setattr(roads, "LARGE_LAYER", 1)
    monkeypatch.setattr(layers, "BLOCK_OF_SCORES", 2 * CLASSES)


# --- the same as cross_entropy of a linear layer -------------------------------------------------------------------------


@every_call
@every_reduction
@pytest.mark.parametrize("bias", [True, False])
def test_value_and_gradient(road, target, options, reduction, bias):
    tensors = layer(bias)
    options = options | {"reduction": reduction}
    loss, expected = ours(*tensors, target, **options), definition(*tensors, target, **options)
    same(loss, expected)
    same(slopes(weighted(loss), tensors), slopes(weighted(expected), tensors))


@every_call
@every_reduction
def test_value_where_no_gradient_is_asked_for(road, target, options, reduction):
    tensors = layer()
    options = options | {"reduction": reduction}
    with torch.no_grad():
        same(ours(*tensors, target, **options), definition(*tensors, target, **options))


@every_call
@every_reduction
def test_first_and_second_derivative_against_differences(road, target, options, reduction):
    def loss(*tensors):
        return ours(*tensors, target, **options, reduction=reduction)

    assert torch.autograd.gradcheck(loss, layer())
    assert torch.autograd.gradgradcheck(loss, layer())


@every_call
def test_second_derivative(road, target, options):
    tensors = layer()
    found = []
    for fn in (ours, definition):
        first = slopes(fn(*tensors, target, **options), tensors, create_graph=True)
        found.append(slopes(sum(weighted(s.square()) for s in first), tensors))
    same(*found)


@pytest.mark.parametrize("target", [INDEX[0], PROBABILITIES[0]], ids=["index", "probabilities"])
@every_reduction
def test_a_single_example(road, target, reduction):
    x, W, b = layer()
    loss, expected = (fn(x[0], W, b, target, reduction=reduction) for fn in (ours, definition))
    assert loss.shape == ()
    same(loss, expected)
    same(slopes(loss, (x, W, b)), slopes(expected, (x, W, b)))


@pytest.mark.parametrize("target", [INDEX[:0], PROBABILITIES[:0]], ids=["index", "probabilities"])
@every_reduction
def test_an_empty_batch(road, target, reduction):
    tensors = layer(rows=0)
    loss, expected = (fn(*tensors, target, reduction=reduction) for fn in (ours, definition))
    same(loss, expected)
    assert loss.isnan().all() if reduction == "mean" else (loss == 0).all()
    same(slopes(weighted(loss), tensors), slopes(weighted(expected), tensors))


def test_nothing_but_ignored_targets(road):
    tensors = layer()
    none = torch.full_like(INDEX, -100)
    loss = ours(*tensors, none)
    assert loss.isnan()
    assert ours(*tensors, none, reduction="sum") == 0
    same(slopes(loss, tensors), slopes(ln.cross_entropy(F.linear(*tensors), none), tensors))


def test_nan_flows_through(road):
    x, W, b = layer()
    x = torch.where(torch.arange(ROWS)[:, None] == 3, NAN, x.detach()).requires_grad_()
    each = ours(x, W, b, INDEX, reduction="none")
    assert each.isnan().tolist() == [row == 3 for row in range(ROWS)]
    (slope,) = torch.autograd.grad(ours(x, W, b, INDEX), x)
    assert slope.isnan().all(1).tolist() == [row == 3 for row in range(ROWS)]


@every_call
def test_scores_beyond_every_exponential(road, target, options):
    """Scores up to 1e4, where a quotient of exponentials is 0 / 0: against the definition, which tests elsewhere trust."""
    tensors = layer(scale=3e3)
    loss, expected = ours(*tensors, target, **options), ln.cross_entropy(F.linear(*tensors), target, **options)
    assert F.linear(*tensors).abs().max() > 1e4 and loss.isfinite()
    same(loss, expected)
    same(slopes(loss, tensors), slopes(expected, tensors))


@pytest.mark.parametrize("needs", [n for n in itertools.product([True, False], repeat=3) if any(n)])
@every_reduction
def test_only_the_gradients_that_are_asked_for(blocks, needs, reduction):
    tensors = [x.detach().requires_grad_(need) for x, need in zip(layer(), needs)]
    wanted = [x for x, need in zip(tensors, needs) if need]
    loss, expected = (weighted(fn(*tensors, INDEX, reduction=reduction)) for fn in (ours, definition))
    same(torch.autograd.grad(loss, wanted), torch.autograd.grad(expected, wanted))
    (ours(*tensors, INDEX)).backward()
    assert [x.grad is not None for x in tensors] == list(needs)


@every_reduction
def test_gradients_of_everything_else(road, reduction):
    """Of class probabilities, and of class weights."""
    x, W, b = layer()
    y, w = PROBABILITIES.clone().requires_grad_(), WEIGHT.clone().requires_grad_()
    for leaf, target, weight in ((y, y, None), (w, INDEX, w), (w, PROBABILITIES, w)):
        options = {"weight": weight, "reduction": reduction}
        # PyTorch's own has no gradient of class weights.
        found = ours(x, W, b, target, **options), ln.cross_entropy(F.linear(x, W, b), target, **options)
        same(*(torch.autograd.grad(weighted(loss), (leaf, x, W)) for loss in found))


def test_memory_in_another_order(road):
    x, W, b = layer()
    found = []
    for fn in (ours, definition):
        leaves = [y.detach().requires_grad_() for y in (x.mT, W.mT, b)]
        strided = torch.cat([leaves[0], leaves[0]])[::2]  # a row, a gap
        loss = fn(strided.mT[:, :2], leaves[1].mT[:, :2], leaves[2], INDEX)
        found.append(slopes(loss, leaves))
    same(*found)


def test_inputs_are_left_alone(road):
    tensors = layer()
    before = [x.detach().clone() for x in (*tensors, PROBABILITIES)]
    for target in (INDEX, PROBABILITIES):
        ours(*tensors, target, label_smoothing=0.1).backward()
    assert all(torch.equal(x.detach(), y) for x, y in zip((*tensors, PROBABILITIES), before))


@pytest.mark.skipif(not hasattr(F, "linear_cross_entropy"), reason="new in torch 2.13")
@every_call
@every_reduction
def test_pytorch_has_the_same(road, target, options, reduction):
    x, W, b = layer()
    options = options | {"reduction": reduction}
    found = [where.linear_cross_entropy(x, W, target, linear_bias=b, **options) for where in (ln, F)]
    same(*found)
    same(*(slopes(weighted(loss), (x, W, b)) for loss in found))


# --- half precision --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
@every_call
def test_half_precision(road, dtype, target, options):
    tensors = layer(dtype=dtype)
    exact = [x.detach().double().requires_grad_() for x in tensors]
    loss, expected = ours(*tensors, target, **options), definition(*exact, target, **options)
    found = slopes(loss, tensors)
    assert loss.dtype == dtype and all(s.dtype == dtype for s in found)
    same(loss.double(), expected, 2e-2)
    same([s.double() for s in found], list(slopes(expected, exact)), 2e-2)


def test_a_sum_over_many_blocks_keeps_its_digits(monkeypatch):
    """1024 blocks of a row each: a running sum in bfloat16 would stop growing at 256 times what is added."""
    monkeypatch.setattr(roads, "LARGE_LAYER", 1)
    monkeypatch.setattr(layers, "BLOCK_OF_SCORES", CLASSES)
    tensors = [torch.ones(1024, FEATURES), drawn(CLASSES, FEATURES, seed=1), drawn(CLASSES, seed=2)]
    tensors = [x.to(torch.bfloat16).requires_grad_() for x in tensors]
    exact = [x.detach().double().requires_grad_() for x in tensors]
    target = torch.zeros(1024, dtype=torch.int64)
    found = slopes(ours(*tensors, target, reduction="sum"), tensors)
    for s, expected in zip(found, slopes(definition(*exact, target, reduction="sum"), exact)):
        torch.testing.assert_close(s.double(), expected, rtol=3e-2, atol=0)


# --- autograd, torch.func, torch.compile ----------------------------------------------------------------------------------


@every_reduction
def test_a_second_backward_pass(road, reduction):
    tensors = layer()
    loss = weighted(ours(*tensors, INDEX, reduction=reduction))
    expected = slopes(weighted(definition(*tensors, INDEX, reduction=reduction)), tensors)
    # What the first pass hands out is multiplied in place; the others must not see it.
    for factor in (3, 1, 2):
        found = slopes(factor * loss, tensors, retain_graph=True)
        same(list(found), [factor * s for s in expected])


def test_a_graph_that_goes_on(road):
    """What is handed back is not 1, and the slopes of a first pass are not those of a second."""
    tensors = layer()
    same(
        slopes(ours(*tensors, INDEX).square() / 2, tensors),
        slopes(definition(*tensors, INDEX).square() / 2, tensors),
    )


@every_call
def test_transforms(road, target, options):
    x, W, b = (y.detach() for y in layer())

    def of(fn):
        return lambda x, W: fn(x, W, b, target, **options)

    same(*(torch.func.grad(of(fn), argnums=(0, 1))(x, W) for fn in (ours, definition)))
    same(*(torch.func.jacfwd(of(fn), argnums=1)(x, W) for fn in (ours, definition)))
    same(*(torch.func.hessian(of(fn), argnums=1)(x, W) for fn in (ours, definition)))
    many = torch.stack([W, 2 * W, -W])
    same(*(torch.func.vmap(torch.func.grad(of(fn), argnums=1), (None, 0))(x, many) for fn in (ours, definition)))


def test_each_example_by_vmap(road):
    x, W, b = (y.detach() for y in layer())
    each = torch.func.vmap(lambda x, t: ours(x, W, b, t))(x, INDEX)
    same(each, definition(x, W, b, INDEX, reduction="none"))


def test_many_backward_passes_at_once(road):
    tensors = layer()
    loss = ours(*tensors, INDEX, reduction="none")
    rows = slopes(loss, tensors, grad_outputs=torch.eye(ROWS, dtype=torch.float64), is_grads_batched=True)
    wanted = slopes(
        definition(*tensors, INDEX, reduction="none"),
        tensors,
        grad_outputs=torch.eye(ROWS, dtype=torch.float64),
        is_grads_batched=True,
    )
    same(rows, wanted)


def test_forward_derivative(road):
    x, W, b = (y.detach() for y in layer())
    found = [torch.func.jvp(lambda W, fn=fn: fn(x, W, b, INDEX), (W,), (torch.ones_like(W),)) for fn in (ours, definition)]
    same(*found)
    with torch.autograd.forward_ad.dual_level():
        dual = torch.autograd.forward_ad.make_dual(W, torch.ones_like(W))
        same(torch.autograd.forward_ad.unpack_dual(ours(x, dual, b, INDEX)).tangent, found[1][1])


@every_call
def test_compiles_without_a_graph_break(road, target, options):
    def step(x, W, b, target):
        return ours(x, W, b, target, **options)

    torch._dynamo.reset()
    compiled = torch.compile(step, fullgraph=True, backend="aot_eager")
    tensors = layer()
    loss = compiled(*tensors, target)
    expected = definition(*tensors, target, **options)
    same(loss, expected)
    same(slopes(loss, tensors), slopes(expected, tensors))


# --- memory ---------------------------------------------------------------------------------------------------------------


def peak(step):
    """Most bytes that `step` held at once on the CPU, beside what was there before."""
    with profile(activities=[ProfilerActivity.CPU], profile_memory=True, acc_events=True) as seen:
        step()
    changes = [e for e in seen.profiler.kineto_results.events() if e.name() == "[memory]"]
    return max(itertools.accumulate(e.nbytes() for e in sorted(changes, key=lambda e: e.start_ns())))


# What a step may hold, in blocks of scores (there are 64), beside gradients and numbers for each row: with a closed form the block
# that becomes its own slope; where autograd goes through a block, some copies of it.
MEMORY = [
    ({}, {"mean": 2.5, "none": 4}),
    ({"ignore_index": 0, "weight": torch.ones(1000)}, {"mean": 2.5, "none": 4}),
    ({"label_smoothing": 0.1}, {"mean": 12, "none": 12}),
    ({"probabilities": True}, {"mean": 12, "none": 12}),
]


@pytest.mark.parametrize("options, most", MEMORY, ids=["plain", "weighted", "smoothed", "probabilities"])
@pytest.mark.parametrize("reduction", ["mean", "none"])
@pytest.mark.parametrize("learn", [True, False])
def test_the_scores_are_never_held_whole(monkeypatch, options, most, reduction, learn):
    rows, classes, block = 512, 1000, 8 * 1000
    monkeypatch.setattr(layers, "BLOCK_OF_SCORES", block)
    tensors = [x.requires_grad_(learn) for x in layer(rows=rows, classes=classes, dtype=torch.float32)]
    target = torch.arange(rows) % classes
    options = options | {"reduction": reduction}
    if options.pop("probabilities", False):
        target = F.one_hot(target, classes).float()

    def step(fn):
        loss = fn(*tensors, target, **options)
        if learn:
            slopes(weighted(loss), tensors)

    gradients = sum(x.numel() for x in tensors) if learn else 0
    assert peak(lambda: step(definition)) >= 2 * 4 * rows * classes  # it does see them
    used = peak(lambda: step(ours)) - 4 * gradients
    assert used < (most[reduction] if learn else 6) * 4 * block, used / 4 / block


def test_nothing_of_the_size_of_the_scores_is_kept_for_the_backward_pass():
    rows, classes = 512, 1000
    kept = []
    with torch.autograd.graph.saved_tensors_hooks(lambda x: kept.append(x.nbytes) or x, lambda x: x):
        ours(*layer(rows=rows, classes=classes, dtype=torch.float32), torch.arange(rows) % classes)
    assert sum(kept) < 4 * rows * classes / 10


# --- what it refuses --------------------------------------------------------------------------------------------------------

X, W, B, T3 = torch.zeros(3, 4), torch.zeros(5, 4), torch.zeros(5), torch.tensor([0, 1, 2])
BAD_CALLS = [
    (
        lambda: ln.linear_cross_entropy([1.0], W, T3),
        TypeError,
        "linear_cross_entropy: input is a list; expected a tensor. Try torch.as_tensor(input).",
    ),
    (
        lambda: ln.linear_cross_entropy(X.long(), W, T3),
        TypeError,
        "linear_cross_entropy: input has dtype torch.int64; expected floating point. Try input.float().",
    ),
    (
        lambda: ln.linear_cross_entropy(X, W.int(), T3),
        TypeError,
        "linear_cross_entropy: linear_weight has dtype torch.int32; expected floating point. Try linear_weight.float().",
    ),
    (
        lambda: ln.linear_cross_entropy(X, None, T3),
        TypeError,
        "linear_cross_entropy: linear_weight is a NoneType; expected a tensor. Try torch.as_tensor(linear_weight).",
    ),
    (
        lambda: ln.linear_cross_entropy(X, W.double(), T3),
        TypeError,
        "linear_cross_entropy: input has dtype torch.float32 but linear_weight has torch.float64; expected one "
        "dtype. Try linear_weight.to(input.dtype).",
    ),
    (
        lambda: ln.linear_cross_entropy(X, W, T3, linear_bias=B.bfloat16()),
        TypeError,
        "linear_cross_entropy: input has dtype torch.float32 but linear_bias has torch.bfloat16; expected one "
        "dtype. Try linear_bias.to(input.dtype).",
    ),
    (
        lambda: ln.linear_cross_entropy(X, W, T3, linear_bias=1.0),
        TypeError,
        "linear_cross_entropy: linear_bias is a float; expected a tensor. Try torch.as_tensor(linear_bias).",
    ),
    (
        lambda: ln.linear_cross_entropy(X, W.to("meta"), T3),
        ValueError,
        "linear_cross_entropy: input is on cpu but linear_weight is on meta; expected one device. Try "
        "linear_weight.to(input.device).",
    ),
    (
        lambda: ln.linear_cross_entropy(X, W, T3, linear_bias=B.to("meta")),
        ValueError,
        "linear_cross_entropy: input is on cpu but linear_bias is on meta; expected one device. Try linear_bias.to(input.device).",
    ),
    (
        lambda: ln.linear_cross_entropy(X[0, 0], W, T3),
        ValueError,
        "linear_cross_entropy: input has shape (); expected (H,) or (N, H). Try input[None].",
    ),
    (
        lambda: ln.linear_cross_entropy(X[None], W, T3),
        ValueError,
        "linear_cross_entropy: input has shape (1, 3, 4); expected (H,) or (N, H). Try input.flatten(0, -2) and target.flatten().",
    ),
    (
        lambda: ln.linear_cross_entropy(X, W.T, T3),
        ValueError,
        "linear_cross_entropy: input has shape (3, 4) but linear_weight has shape (4, 5); expected (C, 4), a row "
        "for each class. Try linear_weight.mT.",
    ),
    (
        lambda: ln.linear_cross_entropy(X, W[:, :3], T3),
        ValueError,
        "linear_cross_entropy: input has shape (3, 4) but linear_weight has shape (5, 3); expected (C, 4), a row "
        "for each class. Try linear_weight of shape (classes, 4).",
    ),
    (
        lambda: ln.linear_cross_entropy(X, B, T3),
        ValueError,
        "linear_cross_entropy: input has shape (3, 4) but linear_weight has shape (5,); expected (C, 4), a row for"
        " each class. Try linear_weight of shape (classes, 4).",
    ),
    (
        lambda: ln.linear_cross_entropy(X, W, T3, linear_bias=B[:4]),
        ValueError,
        "linear_cross_entropy: linear_bias has shape (4,) but linear_weight has 5 classes; expected shape"
        " (5,). Try linear_bias=torch.zeros(5), with your biases for the zeros.",
    ),
    (
        lambda: ln.linear_cross_entropy(X, W, T3, linear_bias=B[None]),
        ValueError,
        "linear_cross_entropy: linear_bias has shape (1, 5) but linear_weight has 5 classes; expected shape (5,). "
        "Try linear_bias.reshape(5).",
    ),
    (
        lambda: ln.linear_cross_entropy(X, W, T3[:2]),
        ValueError,
        "linear_cross_entropy: input @ linear_weight.T has shape (3, 5) but target has shape (2,); expected class "
        "indices of shape (3,). Try target of shape (3,).",
    ),
    (
        lambda: ln.linear_cross_entropy(X, W, T3.float()),
        TypeError,
        "linear_cross_entropy: target has dtype torch.float32; expected class indices, torch.int64. Try target.long().",
    ),
    (
        lambda: ln.linear_cross_entropy(X, W, torch.ones(3, 5) * 2),
        ValueError,
        "linear_cross_entropy: target[0, 0] is 2; a probability lies in [0, 1]. Try target / target.sum(dim=1, "
        "keepdim=True) if these are counts.",
    ),
    (
        lambda: ln.linear_cross_entropy(X, W, T3, weight=B[:4]),
        ValueError,
        "linear_cross_entropy: weight has shape (4,) but input @ linear_weight.T has 5 classes; expected shape "
        "(5,), one weight a class. Try weight=torch.ones(5), with your weights for the ones.",
    ),
    (
        lambda: ln.linear_cross_entropy(X, W, T3, reduction="avg"),
        ValueError,
        "linear_cross_entropy: reduction is 'avg'; expected one of 'mean', 'sum', 'none'. Try reduction='mean'.",
    ),
    (
        lambda: ln.linear_cross_entropy(X, W, T3, label_smoothing=2),
        ValueError,
        "linear_cross_entropy: label_smoothing is 2; expected a number from 0 to 1. Try label_smoothing=0.1.",
    ),
    (
        lambda: ln.linear_cross_entropy(X, W, T3, ignore_index=1.5),
        TypeError,
        "linear_cross_entropy: ignore_index is a float; expected an integer. Try ignore_index=-100.",
    ),
    (
        lambda: ln.linear_cross_entropy(X, W, [0, 1, 2]),
        TypeError,
        "linear_cross_entropy: target is a list; expected a tensor. Try torch.as_tensor(target).",
    ),
]


@pytest.mark.parametrize("call, error, message", BAD_CALLS)
def test_what_is_refused(call, error, message):
    with pytest.raises(error) as raised:
        call()
    assert str(raised.value) == message
