"""The losses: one suite of laws for all of them, with numbers against mpmath and PyTorch."""

import dataclasses
import functools
import itertools
import math
import random

import hypothesis.strategies as st
import pytest
import reference as ref
import torch
import torch.nn.functional as F
from hypothesis import given

import lossnotes as ln
from lossnotes import _checks, _numeric, _tracing

# Where naive formulas break: 1 + e^-37 is 1 in float64, e^88 and e^-104 are the ends of float32, e^1e4 is beyond all.
LOGITS = [0] + [sign * size for size in (1, 20, 37, 88, 104, 1e4) for sign in (1, -1)]
RANDOM = random.Random(0)
ROWS_OF = {1: [[z] for z in LOGITS], 2: list(itertools.product(LOGITS, repeat=2))}
ROWS_OF |= {classes: [RANDOM.choices(LOGITS, k=classes) for _ in range(40)] for classes in (3, 5)}
WEIGHT = [0.5, 3.0, 1.0, 2.0, 0.25]
GAMMAS = [0, 0.5, 1, 2, 5]
INF, NAN = math.inf, math.nan


@dataclasses.dataclass(frozen=True)
class Case:
    """A loss, the kind of its targets, and its options; lists among them become tensors like the input."""

    fn: callable
    kind: str
    options: dict = dataclasses.field(default_factory=dict)

    def __call__(self, z, target, reduction="none"):
        return self.fn(z, target, reduction=reduction, **{k: self._option(k, v, z) for k, v in self.options.items()})

    def _option(self, name, value, z):
        if isinstance(value, list):
            return torch.tensor(value[: z.shape[-1]]).to(z)
        return torch.tensor(value).to(z) if "weight" in name else value

    def reference(self, z, target, suffix=""):
        """Values (or slopes) of all rows, with the very numbers that the tensors hold."""
        fn, options = getattr(ref, self.fn.__name__ + suffix), dict(self.options)
        if isinstance(options.get("weight"), list):
            options["weight"] = [ref.mpf(w) for w in options["weight"][: z.shape[-1]]]
        targets = target.tolist() if self.kind == "index" else ref.exact(target)
        return [fn(row, t, **options) for row, t in zip(ref.exact(z), targets)]

    def __str__(self):
        options = (k if isinstance(v, list) else f"{k}={v}" for k, v in self.options.items())
        return "-".join([self.fn.__name__, self.kind, *options])


W, SKIP = {"weight": WEIGHT}, {"ignore_index": 1}
CASES = [
    *(Case(ln.nll_loss, "index", options) for options in ({}, W, W | SKIP)),
    *(Case(ln.cross_entropy, "index", options) for options in ({}, W, W | SKIP)),
    *(Case(ln.cross_entropy, "index", options | {"label_smoothing": 0.1}) for options in ({}, W, W | SKIP)),
    Case(ln.cross_entropy, "one_hot"),
    *(Case(ln.cross_entropy, "shares", options) for options in ({}, W | {"label_smoothing": 0.1})),
    *(
        Case(ln.binary_cross_entropy_with_logits, kind, options)
        for kind in ("yes_no", "probability")
        for options in ({}, {"weight": 0.5, "pos_weight": 3.0})
    ),
    Case(ln.mse_loss, "real"),
    *(Case(ln.hinge_loss, "sign", options) for options in ({}, {"margin": 2.5})),
    *(Case(ln.multiclass_hinge_loss, "index", options) for options in ({}, {"margin": 2.5})),
    *(
        Case(ln.sigmoid_focal_loss, kind, options | {"gamma": gamma})
        for kind in ("yes_no", "probability")
        for options in ({}, {"alpha": 0.25})
        for gamma in GAMMAS
    ),
    *(Case(ln.softmax_focal_loss, "index", {"gamma": gamma}) for gamma in GAMMAS),
    *(Case(ln.softmax_focal_loss, "index", W | SKIP | {"gamma": gamma}) for gamma in GAMMAS),
]
OF_CLASSES = ("index", "one_hot", "shares")
TARGETS = {"yes_no": [0, 1], "probability": [0.3, 0.5, 0.9, 1e-8], "real": LOGITS, "sign": [-1, 1]}

every_case = pytest.mark.parametrize("case", CASES, ids=str)


def extremes(case, place):
    """Batches of the logits at which formulas break, with every kind of target."""
    device, dtype = place
    if case.kind not in OF_CLASSES:
        pairs = torch.tensor(list(itertools.product(LOGITS, TARGETS[case.kind])), dtype=dtype, device=device)
        yield pairs[:, 0].clone().requires_grad_(), pairs[:, 1]
        return
    for classes, rows in ROWS_OF.items():
        z = torch.tensor(rows, dtype=dtype, device=device)
        z = z.double().log_softmax(1).to(dtype) if case.fn is ln.nll_loss else z
        yield z.requires_grad_(), some_target(case, z, classes)


def some_target(case, z, classes):
    if case.kind in TARGETS:
        return torch.tensor(TARGETS[case.kind], dtype=z.dtype, device=z.device)[torch.arange(z.numel()) % 2].view_as(z)
    index = torch.arange(len(z), device=z.device) % classes
    if case.kind == "index":
        return index
    y = F.one_hot(index, classes).to(z)
    return y if case.kind == "one_hot" else (y + 1) / (classes + 1)


def batch(case, rows=4, classes=3, dtype=torch.float64, device="cpu"):
    """Scores and targets, some of each, away from every kink."""
    shape = (rows, classes) if case.kind in OF_CLASSES else (rows,)
    z = 2 * torch.randn(shape, generator=torch.Generator().manual_seed(0), dtype=torch.float64) - 0.3
    z = (z.log_softmax(1) if case.fn is ln.nll_loss else z).to(device, dtype)
    return z, some_target(case, z, classes)


def same(actual, expected, tolerance=1e-12):
    torch.testing.assert_close(actual, expected, rtol=tolerance, atol=tolerance, equal_nan=True)


def value_and_slopes(fn, z, *rest):
    z = z.detach().clone().requires_grad_()
    value = fn(z, *rest)
    return value.detach(), *torch.autograd.grad(value.sum(), z)


# --- numbers


@every_case
def test_value_and_slopes(case, place):
    for z, target in extremes(case, place):
        value = case(z, target)
        ref.assert_close(value, case.reference(z, target))
        (slopes,) = torch.autograd.grad(value.sum(), z)
        # A soft target pulls both ways, and the sum of the two may cancel.
        size = 1 if case.kind in ("shares", "probability") or "label_smoothing" in case.options else 0
        ref.assert_slopes_close(slopes, case.reference(z, target, "_gradient"), size)


@every_case
@pytest.mark.parametrize("half", [torch.float16, torch.bfloat16])
def test_half_precision_is_computed_in_float32(case, half, device):
    z, target = batch(case, 300, dtype=half, device=device)
    z, target = 100 * z, target.to(half) if case.kind == "probability" else target
    if case.fn is ln.mse_loss:
        z = z / 10
    if case.fn is ln.nll_loss:
        z = z.log_softmax(1)
    wide_target = target.float() if target.is_floating_point() else target
    for reduction in ("none", "sum", "mean"):
        value, slopes = value_and_slopes(case, z, target, reduction)
        expected, expected_slopes = value_and_slopes(case, z.float(), wide_target, reduction)
        assert value.dtype == slopes.dtype == half
        assert torch.equal(value, expected.to(half)) and torch.equal(slopes, expected_slopes.to(half))


@pytest.mark.parametrize("dtype", [torch.float32, torch.float16])
def test_many_weights_of_half_precision_are_summed_in_float32(dtype):
    x = torch.ones(70_000, dtype=dtype, requires_grad=True)
    loss = ln.mse_loss(x, torch.zeros_like(x), weight=torch.ones(70_000, dtype=torch.float16))
    loss.backward()
    assert loss == 1 and x.grad.gt(0).all()


EIGHT_BITS = torch.float8_e4m3fn, torch.float8_e5m2


@pytest.mark.parametrize("dtypes", list(itertools.product((torch.float32, *EIGHT_BITS), repeat=2)), ids=str)
@pytest.mark.parametrize("reduction", ["none", "sum", "mean"])
@pytest.mark.parametrize("seen", [True, False])
def test_eight_bits_are_computed_in_float32(dtypes, reduction, seen, monkeypatch):
    monkeypatch.setattr(_tracing, "AS_ELSEWHERE", not seen)
    z, y = torch.tensor([[1.0, 0.0], [-2.0, 0.5]]), torch.tensor([[1.0, 0.0], [0.0, 1.0]])
    for loss in (
        lambda z, y: ln.cross_entropy(z, torch.tensor([0, 1]), y[1], reduction=reduction),
        lambda z, y: ln.cross_entropy(z, y, label_smoothing=0.5, reduction=reduction),
        lambda z, y: ln.binary_cross_entropy_with_logits(z, y, reduction=reduction),
        lambda z, y: ln.mse_loss(z, y, weight=y, reduction=reduction),
    ):
        x, expected = z.to(dtypes[0]).requires_grad_(), loss(z, y)
        value = loss(x, y.to(dtypes[1]))
        value.float().sum().backward()
        assert torch.equal(value.float(), expected.to(dtypes[0]).float()) and x.grad.dtype == dtypes[0]


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("loss", [ln.binary_cross_entropy_with_logits, functools.partial(ln.sigmoid_focal_loss, gamma=0)])
def test_a_tiny_probability_is_not_taken_for_0(loss, dtype):
    for n in (1, 10_000):
        for z, y, expected in ((-INF, 1e-30, INF), (-1e30, 1e-23, 1e7), (-INF, 0.0, 0.0)):
            value = loss(torch.full((n,), z, dtype=dtype), torch.full((n,), y, dtype=dtype))
            assert value.item() == pytest.approx(expected)


def test_labels_are_smoothed_in_the_wider_dtype():
    z, y = torch.linspace(-1, 1, 20, dtype=torch.float64).view(4, 5), torch.linspace(0, 1, 20).view(4, 5)
    loss = functools.partial(ln.cross_entropy, z, label_smoothing=0.1)
    assert loss(y).item() == pytest.approx(loss(y.double()).item(), rel=1e-15, abs=0)


@every_case
def test_inputs_are_never_changed(case, place):
    device, dtype = place
    z, target = batch(case, dtype=dtype, device=device)
    before = [x.clone() for x in (z, target)]
    value_and_slopes(case, z, target)
    assert torch.equal(z, before[0]) and torch.equal(target, before[1])


# --- as in PyTorch

NAMES = ["nll_loss", "cross_entropy", "mse_loss", "binary_cross_entropy_with_logits", "softmax", "log_softmax"]


@functools.cache
def pytorch_operators():
    from torch.testing._internal.common_methods_invocations import op_db  # takes seconds: not at collection

    by_name = {op.name.removeprefix("nn.functional."): op for op in op_db if not op.variant_test_name}
    return {name: by_name[name] for name in NAMES}


def at_least_float32(x):
    return x.float() if torch.is_tensor(x) and x.dtype in (torch.float16, torch.bfloat16) else x


@pytest.mark.parametrize("dtype", [torch.float64, torch.float32, torch.float16, torch.bfloat16], ids=str)
@pytest.mark.parametrize("name", NAMES)
def test_the_samples_that_pytorch_tests_itself_with(name, dtype, device):
    torch.manual_seed(0)
    ours, theirs = getattr(ln, name), getattr(F, name)
    tolerance = {torch.float64: 1e-12, torch.float32: 1e-5, torch.float16: 1e-3, torch.bfloat16: 1e-2}[dtype]
    samples = list(pytorch_operators()[name].sample_inputs(device, dtype, requires_grad=True))
    assert len(samples) > 4
    for sample in samples:
        if name == "nll_loss":  # theirs takes any numbers, ours log-probabilities
            dim = 0 if sample.input.ndim == 1 else 1
            sample.input = sample.input.detach().log_softmax(dim).requires_grad_()
        inputs = [sample.input, *sample.args, *sample.kwargs.values()]
        inputs = [x for x in inputs if torch.is_tensor(x) and x.requires_grad]
        # Theirs in half precision cancels, so that it is no measure for ours.
        args = [at_least_float32(x) for x in (sample.input, *sample.args)]
        kwargs = {name: at_least_float32(x) for name, x in sample.kwargs.items()}
        results = ours(sample.input, *sample.args, **sample.kwargs), theirs(*args, **kwargs).to(dtype)
        same(*results, tolerance)
        grads = [torch.autograd.grad(value.sum(), inputs) for value in results]
        same(*grads, tolerance)


SHAPES = [(3,), (4, 3), (4, 3, 2), (2, 3, 2, 2), (0, 3), (0, 3, 2), (1, 1)]
CLASS_OPTIONS = [{}, W, SKIP, W | SKIP]
SMOOTH_OPTIONS = [options | {"label_smoothing": e} for options in CLASS_OPTIONS for e in (0.3, 1.0)]


def agrees_with_pytorch(name, z, target, options):
    options = dict(options)
    if "weight" in options:
        options["weight"] = torch.tensor(WEIGHT[: z.shape[min(z.ndim - 1, 1)]]).to(z)
    for reduction in ("none", "sum", "mean"):
        ours, theirs = (
            value_and_slopes(functools.partial(getattr(m, name), reduction=reduction, **options), z, target) for m in (ln, F)
        )
        same(ours, theirs, 1e-12 if z.dtype == torch.float64 else 1e-5)


@pytest.mark.parametrize("shape", SHAPES, ids=str)
def test_shapes_and_options_as_in_pytorch(shape, place):
    device, dtype = place
    z = torch.randn(shape, generator=torch.Generator().manual_seed(0)).to(device, dtype)
    dim = min(len(shape) - 1, 1)
    classes = shape[dim]
    target = (z.argmax(dim) + 1) % classes
    for options in CLASS_OPTIONS:
        agrees_with_pytorch("nll_loss", z.log_softmax(dim), target, options)
    for options in CLASS_OPTIONS + SMOOTH_OPTIONS:
        agrees_with_pytorch("cross_entropy", z, target, options)
        if "ignore_index" not in options:
            agrees_with_pytorch("cross_entropy", z, torch.rand_like(z), options)
    agrees_with_pytorch("mse_loss", z, z.flip(0), {})
    agrees_with_pytorch("binary_cross_entropy_with_logits", z, torch.rand_like(z), {})


@pytest.mark.parametrize("options", [{}, W, {"label_smoothing": 0.3}], ids=str)
@pytest.mark.parametrize("shape", [(2, 3), (2, 3, 2), (3,)], ids=str)
def test_a_batch_with_nothing_to_count_as_in_pytorch(shape, options, device):
    z = torch.randn(shape, generator=torch.Generator().manual_seed(0)).to(device)
    target = torch.full_like(z.argmax(min(len(shape) - 1, 1)), -100)
    agrees_with_pytorch("cross_entropy", z, target, options)
    if "label_smoothing" not in options:
        agrees_with_pytorch("nll_loss", -z.abs(), target, options)
    for fn in (ln.nll_loss, functools.partial(ln.cross_entropy, label_smoothing=0.3), ln.softmax_focal_loss):
        value, slopes = value_and_slopes(fn, -z.abs(), target, z.new_ones(3))
        assert value.isnan() and (slopes == 0).all()


def test_a_masked_class_as_in_pytorch(place):
    device, dtype = place
    z = torch.tensor([[-INF, 0.5, 1, 2], [1, -INF, 0, -INF], [0.5, -INF, -INF, -INF]], dtype=dtype, device=device)
    target = torch.tensor([1, 0, 0], device=device)
    for options in CLASS_OPTIONS[:2]:
        agrees_with_pytorch("cross_entropy", z, target, options)
    agrees_with_pytorch("nll_loss", z.log_softmax(1), target, {})
    for gamma, row, t in itertools.product(GAMMAS, z, (1, 2)):
        fn, kept = functools.partial(ln.softmax_focal_loss, gamma=gamma), row > -INF
        right = kept.nonzero()[t % kept.sum()][0]
        value, slopes = value_and_slopes(fn, row, right)
        same((value, slopes[kept]), value_and_slopes(fn, row[kept], kept[:right].sum()), 1e-6)
        assert (slopes[~kept] == 0).all()


def test_class_probabilities_leave_a_masked_class_out():
    z = torch.tensor([[-INF, 0.5, 1.0]], dtype=torch.float64)
    value, slopes = value_and_slopes(ln.cross_entropy, z, torch.tensor([[0.0, 0.25, 0.75]], dtype=torch.float64))
    expected = value_and_slopes(ln.cross_entropy, z[:, 1:], torch.tensor([[0.25, 0.75]], dtype=torch.float64))
    same((value, slopes[:, 1:]), expected)
    assert slopes[0, 0] == 0


@pytest.mark.parametrize("row", [[NAN, 0, 1], [0, NAN, 1]])
@every_case
def test_nan_flows_through(case, row):
    z, target = batch(case, rows=3)
    z[0] = torch.tensor(row, dtype=z.dtype) if z.ndim > 1 else NAN
    if case.fn is ln.nll_loss:
        assert case(z, target)[0].isnan() == (row[0] != row[0])  # looks at the right class alone
    else:
        assert case(z, target).isnan().tolist() == [True, False, False]


# --- derivatives


@every_case
def test_first_and_second_derivatives(case):
    z, target = batch(case)
    mean = lambda z: case(z, target, "mean")  # noqa: E731
    assert torch.autograd.gradcheck(mean, z.requires_grad_())
    assert torch.autograd.gradgradcheck(mean, z)


# PyTorch's own logsigmoid, batched twice.
@pytest.mark.filterwarnings("ignore:An output with one or more elements was resized")
@every_case
def test_torch_func(case):
    z, target = batch(case)
    total = lambda z: case(z, target, "sum")  # noqa: E731
    value, slopes = value_and_slopes(case, z, target)
    same(torch.func.grad(total)(z), slopes)
    same(torch.func.vmap(case)(z, target), value)
    same(torch.func.vmap(torch.func.grad(case))(z, target), slopes)
    hessian = torch.autograd.functional.hessian(total, z)
    same(torch.func.hessian(total)(z), hessian)
    rows = torch.func.vmap(torch.func.hessian(case))(z, target)
    for i, row in enumerate(rows):
        same(row, hessian[i, :, i] if z.ndim > 1 else hessian[i, i])


# One case of each kind of code: another gamma or weight makes no other graph.
COMPILED = {(case.fn, case.kind, *sorted(set(case.options) - {"gamma", "margin"})): case for case in CASES}


@pytest.mark.parametrize("case", COMPILED.values(), ids=str)
def test_compiles_into_one_graph(case):
    torch._dynamo.reset()
    z, target = batch(case)
    compiled = torch.compile(case.fn, fullgraph=True, backend="aot_eager")
    again = value_and_slopes(dataclasses.replace(case, fn=compiled), z, target, "mean")
    same(again, value_and_slopes(case, z, target, "mean"))


def test_compiles_to_machine_code():
    torch._dynamo.reset()
    z, target = torch.randn(4, 3, generator=torch.Generator().manual_seed(0)), torch.tensor([0, 1, 2, -100])
    compiled = torch.compile(ln.cross_entropy, fullgraph=True)
    same(value_and_slopes(compiled, z, target), value_and_slopes(ln.cross_entropy, z, target), 1e-6)


# --- laws


def doubles(values):
    return torch.tensor(values, dtype=torch.float64)


finite = st.floats(-50, 50) | st.sampled_from(LOGITS)
gammas = st.sampled_from(GAMMAS)


@st.composite
def batches(draw, logits=finite, classes=st.integers(1, 5)):
    """Scores of some examples, and the right class of each."""
    size, rows = draw(classes), draw(st.integers(1, 5))
    z = draw(st.lists(st.lists(logits, min_size=size, max_size=size), min_size=rows, max_size=rows))
    target = draw(st.lists(st.integers(0, size - 1), min_size=rows, max_size=rows))
    return doubles(z), torch.tensor(target)


@st.composite
def answers(draw, target=st.floats(0, 1) | st.sampled_from([0, 1])):
    """Scores, and the probability of yes of each."""
    pairs = draw(st.lists(st.tuples(finite, target), min_size=1, max_size=6))
    return doubles(pairs).unbind(1)


@given(batches(), st.sampled_from(["none", "sum", "mean"]), st.integers(-1, 4))
def test_cross_entropy_is_nll_of_log_softmax(batch, reduction, ignored):
    z, target = batch
    options = {"reduction": reduction, "ignore_index": ignored, "weight": doubles(WEIGHT[: z.shape[1]])}
    same(ln.cross_entropy(z, target, **options), ln.nll_loss(ln.log_softmax(z, 1), target, **options))


@given(batches(classes=st.just(2)), gammas)
def test_two_classes_are_yes_and_no(batch, gamma):
    z, target = batch
    lead, yes = z[:, 1] - z[:, 0], target.double()
    same(ln.cross_entropy(z, target), ln.binary_cross_entropy_with_logits(lead, yes))
    same(ln.softmax_focal_loss(z, target, gamma=gamma), ln.sigmoid_focal_loss(lead, yes, gamma=gamma))
    same(ln.multiclass_hinge_loss(z, target), ln.hinge_loss(lead, 2 * yes - 1))


@given(batches(), st.sampled_from(["none", "sum", "mean"]), st.integers(-1, 4))
def test_gamma_0_is_cross_entropy(batch, reduction, ignored):
    z, target = batch
    options = {"reduction": reduction, "ignore_index": ignored, "weight": doubles(WEIGHT[: z.shape[1]])}
    same(
        value_and_slopes(functools.partial(ln.softmax_focal_loss, gamma=0, **options), z, target),
        value_and_slopes(functools.partial(ln.cross_entropy, **options), z, target),
    )


@given(answers(), st.floats(0, 1))
def test_gamma_0_is_binary_cross_entropy(batch, alpha):
    z, y = batch
    same(ln.sigmoid_focal_loss(z, y, gamma=0), ln.binary_cross_entropy_with_logits(z, y))
    hard = y.round()
    weight = torch.where(hard == 1, doubles(alpha), doubles(1 - alpha))
    same(ln.sigmoid_focal_loss(z, hard, gamma=0, alpha=alpha), ln.binary_cross_entropy_with_logits(z, hard, weight))


@given(answers(), gammas)
def test_focal_loss_is_the_product_in_its_formula(batch, gamma):
    z, y = batch
    wrong = y * torch.sigmoid(-z) + (1 - y) * torch.sigmoid(z)
    expected = wrong**gamma * ln.binary_cross_entropy_with_logits(z, y, reduction="none")
    same(ln.sigmoid_focal_loss(z, y, gamma=gamma, reduction="none"), expected)


@given(st.lists(finite, min_size=1, max_size=6), gammas)
def test_a_soft_label_goes_over_into_a_hard_one(z, gamma):
    z = doubles(z)
    for hard, soft in ((0.0, 1e-300), (1.0, 1 - 2**-53)):
        hard, soft = (ln.sigmoid_focal_loss(z, torch.full_like(z, y), gamma=gamma) for y in (hard, soft))
        same(hard, soft, 1e-7)  # the root of 2**-53, for gamma 0.5


@given(batches(logits=st.floats(-50, 50)))
def test_cross_entropy_is_entropy_and_divergence(batch):
    z, _ = batch
    p = ln.softmax(z.flip(1) / 10, 1)
    same(
        ln.cross_entropy(z, p, reduction="none"),
        ln.entropy(p) + ln.kl_divergence(p, ln.softmax(z, 1)),
        1e-10,
    )


@given(batches(st.integers(-1000, 1000)), st.integers(-(10**6), 10**6), gammas)
def test_shift_invariance(batch, shift, gamma):
    # Whole numbers, so that the shift itself rounds nothing and the results are equal to the last bit.
    z, target = batch
    for fn in (ln.cross_entropy, ln.multiclass_hinge_loss, functools.partial(ln.softmax_focal_loss, gamma=gamma)):
        assert torch.equal(fn(z + shift, target), fn(z, target))
    y = F.one_hot(target, z.shape[1]).double()
    assert torch.equal(ln.cross_entropy(z + shift, y), ln.cross_entropy(z, y))


@given(batches(), gammas)
def test_weights_multiply(batch, gamma):
    z, target = batch
    weight = doubles(WEIGHT[: z.shape[1]])
    for fn in (ln.cross_entropy, functools.partial(ln.softmax_focal_loss, gamma=gamma)):
        same(fn(z, target, weight, reduction="none"), weight[target] * fn(z, target, reduction="none"))
        same(fn(z, target, 2 * weight, reduction="sum"), 2 * fn(z, target, weight, reduction="sum"))
        same(fn(z, target, 2 * weight), fn(z, target, weight))
        expected = fn(z, target, weight, reduction="sum") / weight[target].sum()
        same(fn(z, target, weight), expected)


@given(answers(), st.floats(0, 10), st.floats(0, 10))
def test_weights_of_answers_multiply(batch, weight, pos_weight):
    z, y = batch
    fn = functools.partial(ln.binary_cross_entropy_with_logits, reduction="none")
    no, yes = (fn(z, torch.full_like(z, answer)) for answer in (0.0, 1.0))
    expected = weight * (pos_weight * y * yes + (1 - y) * no)
    same(fn(z, y, doubles(weight), pos_weight=doubles([pos_weight])), expected)


@given(batches(), st.randoms(use_true_random=False), gammas)
def test_the_order_of_the_classes_is_nothing(batch, rng, gamma):
    z, target = batch
    order = torch.tensor(rng.sample(range(z.shape[1]), z.shape[1]))
    weight = doubles(WEIGHT[: z.shape[1]])
    moved = order.argsort()[target]
    for fn in (
        functools.partial(ln.softmax_focal_loss, gamma=gamma),
        ln.cross_entropy,
        functools.partial(ln.cross_entropy, label_smoothing=0.1),
    ):
        same(fn(z, target, weight), fn(z[:, order], moved, weight[order]))
    same(ln.multiclass_hinge_loss(z, target), ln.multiclass_hinge_loss(z[:, order], moved))


@given(batches(), gammas)
def test_ignored_rows_are_left_out(batch, gamma):
    z, target = batch
    kept = torch.arange(len(z)) % 2 == 0
    with_ignored = torch.where(kept, target, -7)
    weight = doubles(WEIGHT[: z.shape[1]])
    for fn in (
        functools.partial(ln.softmax_focal_loss, gamma=gamma),
        functools.partial(ln.cross_entropy, label_smoothing=0.1),
        ln.cross_entropy,
        lambda z, *args, **options: ln.nll_loss(ln.log_softmax(z, 1), *args, **options),
    ):
        value, slopes = value_and_slopes(functools.partial(fn, weight=weight, ignore_index=-7), z, with_ignored)
        same((value, slopes[kept]), value_and_slopes(functools.partial(fn, weight=weight), z[kept], target[kept]))
        assert (slopes[~kept] == 0).all()


@given(batches(), gammas)
def test_focal_loss_is_never_above_cross_entropy(batch, gamma):
    z, target = batch
    focal, plain = (fn(z, target, reduction="none") for fn in (ln.softmax_focal_loss, ln.cross_entropy))
    assert ((focal >= 0) & (focal <= plain)).all()


@every_case
def test_reductions(case, place):
    device, dtype = place
    z, target = batch(case, dtype=dtype, device=device)
    each, total, mean = (case(z, target, reduction) for reduction in ("none", "sum", "mean"))
    assert each.shape == z.shape[:1] and total.shape == mean.shape == ()
    same(each.sum(), total, 1e-6)
    counted = torch.ones_like(each)
    if case.kind == "index" and "weight" in case.options:
        counted = torch.tensor(WEIGHT).to(z)[target] * (target != case.options.get("ignore_index"))
    same(mean * counted.sum(), total, 1e-6)


@given(batches(logits=st.floats(-30, 30)))
def test_no_slope_at_the_best_scores(batch):
    z, target = batch
    p = ln.softmax(z, 1)
    _, slopes = value_and_slopes(ln.cross_entropy, p.log(), p)
    same(slopes, torch.zeros_like(z), 1e-15)
    _, slopes = value_and_slopes(ln.binary_cross_entropy_with_logits, z, torch.sigmoid(z))
    same(slopes, torch.zeros_like(z), 1e-15)
    assert (value_and_slopes(ln.mse_loss, z, z)[1] == 0).all()
    sign = torch.where(z > 0, 1, -1)
    value, slopes = value_and_slopes(ln.hinge_loss, z + 1.5 * sign, sign)
    assert value == 0 and (slopes == 0).all()
    lead = 62 * F.one_hot(target, z.shape[1])
    value, slopes = value_and_slopes(ln.multiclass_hinge_loss, z + lead, target)
    assert value == 0 and (slopes == 0).all()


# --- shapes


@pytest.mark.parametrize("case", {case.fn: case for case in CASES}.values(), ids=str)
def test_a_column_is_never_broadcast_against_a_row(case, device):
    z, target = batch(case, device=device)
    for wrong in (target.unsqueeze(-1), target.unsqueeze(0)):
        with pytest.raises(ValueError, match=r"shape .+ Try "):
            case(z, wrong)
    with pytest.raises(ValueError, match=r"shape .+ Try "):
        case(z.unsqueeze(-1), target)


@pytest.mark.parametrize("case", [case for case in CASES if case.kind == "index"], ids=str)
def test_any_number_of_dimensions(case):
    z = -torch.rand(2, 3, 4, 3, generator=torch.Generator().manual_seed(0), dtype=torch.float64) - 1
    z = z.log_softmax(1)
    target = torch.arange(24).reshape(2, 4, 3) % 3
    value = case(z, target)
    assert value.shape == target.shape
    rows = z.movedim(1, -1).reshape(-1, 3)
    same(value.flatten(), case(rows, target.flatten()))
    same(value[0, 1, 2], case(rows[5], target[0, 1, 2]))


# --- what public bug reports brought to light, each as the kind that it is ----------------------------------------------------------


def test_weights_are_summed_in_the_dtype_of_the_scores():
    """float32 weights beside float64 scores: their sum has all digits, too."""
    z = torch.randn(50, 3, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    target, weight = torch.arange(50) % 3, torch.tensor([0.1, 0.7, 1 / 3])
    exact = weight.double()
    for loss in (ln.cross_entropy, ln.softmax_focal_loss):
        same(loss(z, target, weight), loss(z, target, exact), 1e-15)
    log_p = z.log_softmax(1)
    same(ln.nll_loss(log_p, target, weight), ln.nll_loss(log_p, target, exact), 1e-15)
    w = torch.eye(3, dtype=torch.float64)
    same(ln.linear_cross_entropy(z, w, target, weight=weight), ln.cross_entropy(z, target, exact), 1e-12)


@pytest.mark.parametrize("dtype", [torch.uint8, torch.uint16, torch.uint32, torch.uint64, torch.int16], ids=str)
def test_classes_of_any_integer_type(dtype):
    z, target = 2 * torch.eye(3), torch.tensor([0, 2, 1])
    log_p = z.log_softmax(1)
    losses = (ln.cross_entropy, z), (ln.softmax_focal_loss, z), (ln.multiclass_hinge_loss, z), (ln.nll_loss, log_p)
    for loss, scores in losses:
        assert torch.equal(loss(scores, target.to(dtype)), loss(scores, target))


def test_an_index_beyond_int64_is_named_as_it_is():
    target = torch.tensor([0, -5]).view(torch.uint64)
    with pytest.raises(ValueError, match=r"target\[1\] is 18446744073709551611; .* Try target.view\(torch.int64\)"):
        ln.cross_entropy(torch.zeros(2, 3), target)


@pytest.mark.parametrize("name", ["cross_entropy", "nll_loss"])
def test_no_rows_and_no_classes(name):
    z, target = torch.zeros(0, 0), torch.zeros(0, dtype=torch.int64)
    for reduction in ("mean", "sum", "none"):
        same(getattr(ln, name)(z, target, reduction=reduction), getattr(F, name)(z, target, reduction=reduction))


def test_a_layer_without_rows_and_classes():
    nothing = torch.zeros(0, dtype=torch.int64)
    assert ln.linear_cross_entropy(torch.zeros(0, 4), torch.zeros(0, 4), nothing).isnan()


def test_a_mean_over_no_weight_is_nan_with_smoothing_too():
    z, target, weight = torch.tensor([[1.0, 2.0]]), torch.tensor([0]), torch.tensor([0.0, 1.0])
    assert ln.cross_entropy(z, target, weight, label_smoothing=0.1).isnan()
    assert F.cross_entropy(z, target, weight, label_smoothing=0.1).isnan()


def test_many_correctly_rounded_probabilities_are_a_distribution():
    assert ln.entropy(torch.softmax(torch.zeros(10**6), 0).half()) > 13.5


def under_vmap(fn, *tensors, **options):
    """What the definition says: under torch.func nothing else runs."""
    return torch.func.vmap(lambda *rows: fn(*rows, **options))(*(x[None] for x in tensors))[0]


def directly(fn, *tensors, **options):
    return fn(*tensors, **options)


BOTH_ROADS = pytest.mark.parametrize("road", [directly, under_vmap])


@BOTH_ROADS
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64], ids=str)
def test_near_distributions_have_a_divergence_of_full_accuracy(dtype, road):
    """Of second order in how far they are apart, where the terms are of first order."""
    for far in (1e-2, 1e-3, 1e-5 if dtype == torch.float32 else 1e-7):
        p = torch.tensor([0.25, 0.35, 0.4], dtype=dtype)
        q = p + torch.tensor([far, -far, 0], dtype=dtype)
        for fn, tolerance in ((ln.jensen_shannon_divergence, 1e-5), (ln.kl_divergence, 1e-5 if dtype == torch.float32 else 1e-7)):
            (expected,) = ([getattr(ref, fn.__name__)(ref.exact(p), ref.exact(q))],)
            assert road(fn, p, q).item() == pytest.approx(float(expected[0]), rel=tolerance, abs=0)


@BOTH_ROADS
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64], ids=str)
def test_jensen_shannon_of_the_smallest_number(dtype, road):
    least = torch.finfo(dtype).tiny * torch.finfo(dtype).eps
    p = torch.tensor([1.0, least], dtype=dtype, requires_grad=True)
    q = torch.tensor([1.0, 0.0], dtype=dtype)
    for pair in ((p, q), (q, p)):
        value = road(ln.jensen_shannon_divergence, *pair)
        (slopes,) = torch.autograd.grad(value, p)
        assert value == 0 and slopes.isfinite().all()


@BOTH_ROADS
def test_a_target_of_higher_precision_does_not_change_the_dtype(road):
    z, y, p = torch.tensor([1.0, -2.0]), torch.tensor([1.0, 0.0], dtype=torch.float64), torch.tensor([0.25, 0.75])
    for fn in (ln.binary_cross_entropy_with_logits, ln.mse_loss, ln.sigmoid_focal_loss):
        assert road(fn, z, y).dtype == torch.float32
    assert road(ln.hinge_loss, z, 2 * y - 1).dtype == torch.float32
    for fn in (ln.kl_divergence, ln.jensen_shannon_divergence):
        assert road(fn, p, p.flip(0)).dtype == torch.float32
    z, t, w = torch.tensor([[1.0, -2.0]]), torch.tensor([0]), torch.tensor([1.0, 2.0], dtype=torch.float64)
    for fn in (ln.cross_entropy, ln.softmax_focal_loss):
        assert road(lambda z, t, w, fn=fn: fn(z, t, weight=w), z, t, w).dtype == torch.float32
    assert road(ln.cross_entropy, z, torch.tensor([[0.25, 0.75]], dtype=torch.float64)).dtype == torch.float32


@BOTH_ROADS
def test_a_focal_loss_of_hard_labels_does_not_underflow(road):
    z, y = torch.tensor([200.0, -200.0, 200.0, -200.0], requires_grad=True), torch.tensor([1.0, 0.0, 0.0, 1.0])
    loss = road(ln.sigmoid_focal_loss, z, y, gamma=0.5, alpha=None, reduction="none")
    (slopes,) = torch.autograd.grad(loss.sum(), z)
    expected = torch.tensor([200, 200, 200, 200]).double()
    torch.testing.assert_close(loss[2:], expected[2:].float())
    # (1 - q_t)**0.5 (-log q_t) where 1 - q_t = exp(-200), which float32 does not hold but its root does
    torch.testing.assert_close(loss[:2].double(), torch.exp(-300 * torch.ones(2, dtype=torch.float64)), atol=1e-45, rtol=0)
    assert slopes.isfinite().all() and (slopes[2:] == torch.tensor([1.0, -1.0])).all()


@BOTH_ROADS
def test_weights_multiply_squares(road):
    z, y, w = torch.tensor([1.0, -2.0]), torch.tensor([0.5, 3.0]), torch.tensor([2.0, 0.5])
    assert road(lambda z, y, w: ln.mse_loss(z, y, weight=w, reduction="sum"), z, y, w) == 2 * 0.25 + 0.5 * 25


def test_few_scores_of_double_precision_keep_all_digits():
    """For few narrower scores PyTorch's own loss serves; of float64 it would lose the digits behind the leading 1."""
    z = torch.tensor([[12.0, 0.0, 0.0]], dtype=torch.float64)
    expected = math.log1p(2 * math.exp(-12))
    assert ln.cross_entropy(z, torch.tensor([0])).item() == pytest.approx(expected, rel=1e-15, abs=0)


@BOTH_ROADS
@pytest.mark.parametrize("lead", [15.0, 17.0, 40.0])
def test_a_small_loss_keeps_its_digits(lead, road):
    z = torch.tensor([[lead, 0.0]])
    assert road(ln.cross_entropy, z, torch.tensor([0])).item() == pytest.approx(math.log1p(math.exp(-lead)), rel=1e-6, abs=0)


@BOTH_ROADS
def test_an_infinite_row_leaves_the_others_alone(road):
    z = torch.tensor([[1.0, INF, 2.0], [1.0, 2.0, 0.0], [INF, INF, 0.0]], requires_grad=True)
    loss = road(ln.cross_entropy, z, torch.tensor([0, 0, 2]), reduction="none")
    (slopes,) = torch.autograd.grad(loss.sum(), z)
    finite = z.detach()[1].softmax(0)
    assert loss[0] == INF == loss[2] and loss[1].item() == pytest.approx(-math.log(finite[0]))
    expected = torch.stack([torch.tensor([-1.0, 1, 0]), finite - torch.tensor([1.0, 0, 0]), torch.tensor([0.5, 0.5, -1])])
    torch.testing.assert_close(slopes, expected)


@BOTH_ROADS
def test_a_row_that_says_nothing_has_no_loss(road):
    assert road(ln.cross_entropy, torch.full((1, 3), -INF), torch.tensor([1])).isnan()


def test_scores_are_not_taken_for_log_probabilities_where_they_cannot_be_read():
    z, target = torch.tensor([[1.0, 2.0, 0.0]]), torch.tensor([1])
    assert torch.func.vmap(lambda x: ln.nll_loss(x, target))(z[None]) == -2
    assert torch.func.vmap(lambda t: ln.nll_loss(z, t))(target[None]) == -2


def test_a_count_goes_where_the_sum_is():
    for count in (2.0, torch.tensor(2)):
        assert _checks.as_count("mean", count, torch.device("meta")).device.type == "meta"


def test_the_widest_numbers_of_a_device():
    for device, widest in (("mps", torch.float32), ("cpu", torch.float64), ("cuda", torch.float64)):
        assert _numeric.widest_dtype(torch.device(device)) == widest
    assert _numeric.widest(torch.ones(2)).dtype == torch.float64


@pytest.mark.parametrize("fn", [ln.cross_entropy, ln.nll_loss, ln.softmax_focal_loss], ids=lambda fn: fn.__name__)
def test_one_argument_under_torch_func_is_enough(fn):
    z = torch.tensor([[1.0, 2.0, 0.0], [0.5, 0.0, 3.0]]).log_softmax(1)
    target = torch.tensor([1, 2])
    expected = fn(z, target)
    torch.testing.assert_close(torch.func.vmap(lambda x: fn(x, target))(z[None])[0], expected)
    torch.testing.assert_close(torch.func.vmap(lambda t: fn(z, t))(target[None])[0], expected)


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float32], ids=str)
def test_a_mean_of_a_step_is_rounded_once(dtype):
    for total, count in ((30000.0, 2**25), (60000.0, 3 * 10**6), (1e-5, 1e-39), (30000.0, 10**6)):
        total = torch.tensor(total, dtype=dtype)
        assert ln.distributed_mean(total, count) == (total.double() / count).to(dtype)


@BOTH_ROADS
def test_shares_and_weights_in_half_precision_meet_in_the_dtype_of_the_scores(road):
    z = torch.randn(4, 3, generator=torch.Generator().manual_seed(0))
    y, weight = z.flip(0).softmax(1).bfloat16(), torch.tensor([0.1, 0.7, 1 / 3]).bfloat16()
    expected = ln.cross_entropy(z.double(), y.double(), weight.double(), reduction="none").float()
    same(road(functools.partial(ln.cross_entropy, reduction="none"), z, y, weight), expected, 1e-6)
    target = torch.tensor([0, 2, 1, 1])
    for smoothing in (0.0, 0.1):
        fn = functools.partial(ln.cross_entropy, label_smoothing=smoothing)
        same(road(fn, z, target, weight), fn(z.double(), target, weight.double()).float(), 1e-6)


@BOTH_ROADS
def test_weights_of_answers_may_be_integers(road):
    z, y = torch.tensor([0.5, -2.0]), torch.tensor([1.0, 0.0])
    whole, floats = torch.tensor([2, 3]), torch.tensor([2.0, 3.0])
    for name in ("weight", "pos_weight"):
        loss = [road(functools.partial(ln.binary_cross_entropy_with_logits, **{name: w}), z, y) for w in (whole, floats)]
        assert loss[0].dtype == torch.float32 and loss[0] == loss[1]


def test_a_count_of_targets_keeps_its_digits_whatever_the_default_dtype():
    z, target = torch.zeros(1003, 4), torch.arange(1003) % 4
    target[:2] = -100  # 1001 are counted: 1000 in bfloat16
    try:
        torch.set_default_dtype(torch.bfloat16)
        loss, slope = ln.cross_entropy(z, target), torch.func.grad(ln.cross_entropy)(z, target)
    finally:
        torch.set_default_dtype(torch.float32)
    assert loss.item() == pytest.approx(math.log(4), rel=1e-6)
    assert slope[2, 2].item() == pytest.approx(-0.75 / 1001, rel=1e-6, abs=0)


@pytest.mark.parametrize("loss", [ln.cross_entropy, ln.softmax_focal_loss])
@pytest.mark.parametrize("ignored", [[-INF] * 3, [INF, 0.0, 0.0]])
def test_the_slope_of_an_infinite_row_that_does_not_count_is_0_and_not_minus_0(loss, ignored):
    scores = torch.tensor([[2.0, 0.0, 1.0], ignored], requires_grad=True)
    loss(scores, torch.tensor([0, -100])).backward()
    assert (scores.grad[1] == 0).all() and not scores.grad[1].signbit().any()
