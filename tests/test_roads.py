"""One definition, two roads, one answer: every loss, on every road that PyTorch has, in every state that its scores can be in.

The answer is that of a plain call and its backward pass. What that should be is asked elsewhere (test_losses.py,
test_information.py), but for infinite scores, whose truth stands in `INFINITE` here.
"""

import dataclasses
import math

import pytest
import torch
from torch._subclasses.fake_tensor import FakeTensorMode
from torch.fx.experimental.proxy_tensor import make_fx

import lossnotes as ln
from lossnotes._roads import road

T, INF = torch.tensor, math.inf
DRAWS = torch.Generator().manual_seed(0)
Z = 2 * torch.randn(5, 4, generator=DRAWS, dtype=torch.float64)
W = torch.randn(6, 4, generator=DRAWS, dtype=torch.float64)
P, Q = Z.softmax(1), (Z.flip(0) / 2).softmax(1)
CLASSES = T([0, 3, 1, 2, 2])
SOME = T([0, -100, 1, -100, 2])
SHARES = T([0.5, 3.0, 1.0, 2.0], dtype=torch.float64)
HARD = (Z > 0.5).double()
SIGNS = 2 * HARD - 1


def with_rows(z, rows):
    """`z` with other first rows."""
    return torch.cat([T(rows, dtype=z.dtype), z[len(rows) :]])


# A class that cannot be, and one that is certain: classes 0, 3, 1, 2 are right in these rows.
MASKED = with_rows(Z, [[1, -INF, 2, 0], [-INF, -INF, 2, 0]])
NO_RIGHT = with_rows(Z, [[-INF, 1, 2, 0]])
SURE = with_rows(Z, [[INF, 1, 2, 0], [1, 0, 0, INF]])
SURE_AND_WRONG = with_rows(Z, [[1, INF, 2, 0]])
ENDS = with_rows(Z, [[INF, -INF, INF, -INF], [-INF, INF, -INF, INF]])
# Rows that do not count may hold anything.
PADDED = Z.clone()
PADDED[1], PADDED[3] = -INF, T([INF, 1, -INF, INF])


@dataclasses.dataclass
class Case:
    """A call: a function, the tensors that it is differentiated with respect to, and the rest."""

    fn: callable
    about: str
    slopes_of: dict
    rest: dict = dataclasses.field(default_factory=dict)

    def __call__(self, *tensors, **options):
        return self.fn(**dict(zip(self.slopes_of, tensors)), **self.rest | options)

    def tensors(self):
        return [x.detach().clone().requires_grad_() for x in self.slopes_of.values()]

    def to(self, dtype):
        """The same in another dtype."""

        def cast(x):
            return x.to(dtype) if torch.is_tensor(x) and x.is_floating_point() else x

        parts = ({name: cast(x) for name, x in part.items()} for part in (self.slopes_of, self.rest))
        return Case(self.fn, self.about, *parts)

    def __str__(self):
        return f"{self.fn.__name__}-{self.about}"


def of_classes(fn, **rest):
    """What can befall a loss of rows of scores."""
    yield Case(fn, "finite", {"input": Z}, {"target": CLASSES} | rest)
    yield Case(fn, "single", {"input": Z[0]}, {"target": CLASSES[0]} | rest)
    yield Case(fn, "empty", {"input": Z[:0]}, {"target": CLASSES[:0], "reduction": "sum"} | rest)
    yield Case(fn, "-inf", {"input": MASKED}, {"target": CLASSES} | rest | {"target": T([0, 3, 1, 2, 2])})
    yield Case(fn, "right is -inf", {"input": NO_RIGHT}, {"target": CLASSES} | rest)
    yield Case(fn, "right is inf", {"input": SURE}, {"target": CLASSES} | rest)
    yield Case(fn, "wrong is inf", {"input": SURE_AND_WRONG}, {"target": CLASSES} | rest)


def of_counted(fn, **rest):
    yield from of_classes(fn, **rest)
    yield Case(fn, "weight", {"input": MASKED}, {"target": CLASSES, "weight": SHARES} | rest)
    yield Case(fn, "ignored", {"input": Z}, {"target": SOME} | rest)
    yield Case(fn, "ignored, infinite", {"input": PADDED}, {"target": SOME} | rest)
    yield Case(fn, "ignored, infinite, weight", {"input": PADDED}, {"target": SOME, "weight": SHARES} | rest)
    yield Case(fn, "one class", {"input": Z[:, :1]}, {"target": torch.zeros(5, dtype=torch.int64)} | rest)


def of_answers(fn, hard, soft=None, **rest):
    yield Case(fn, "finite", {"input": Z}, {"target": hard} | rest)
    yield Case(fn, "empty", {"input": Z[:0]}, {"target": hard[:0], "reduction": "sum"} | rest)
    yield Case(fn, "inf", {"input": ENDS}, {"target": hard} | rest)
    if soft is not None:
        yield Case(fn, "soft", {"input": Z, "target": soft}, rest)
        yield Case(fn, "soft, inf", {"input": ENDS}, {"target": soft} | rest)


def of_distributions(fn):
    zeros = with_rows(P, [[0.5, 0.5, 0, 0]])
    yield Case(fn, "finite", {"p": P, "q": Q})
    yield Case(fn, "equal", {"p": P, "q": P})
    yield Case(fn, "zero", {"p": zeros, "q": with_rows(Q, [[0.25, 0.25, 0.5, 0]])})
    yield Case(fn, "impossible", {"p": P}, {"q": zeros})
    yield Case(fn, "empty", {"p": P[:0], "q": Q[:0]})
    yield Case(fn, "one case", {"p": torch.ones_like(P[:, :1]), "q": torch.ones_like(P[:, :1])})


def of_tables(fn):
    yield Case(fn, "finite", {"joint": P / 5})
    yield Case(fn, "zero", {"joint": with_rows(P, [[0.5, 0.5, 0, 0]]) / 5})
    yield Case(fn, "one case", {"joint": torch.ones(1, 1, dtype=P.dtype)})


def of_scores(fn):
    yield Case(fn, "finite", {"input": Z}, {"dim": 1, "temperature": 2.0})
    yield Case(fn, "-inf", {"input": MASKED}, {"dim": 1})
    yield Case(fn, "empty", {"input": Z[:0]}, {"dim": 1})
    yield Case(fn, "one class", {"input": Z[:, :1]}, {"dim": 1})


def of_layer(fn):
    layer = {"input": Z, "linear_weight": W}
    bias = T([0.0, 1, 2, -1, 0, 0.5], dtype=Z.dtype)
    yield Case(fn, "finite", layer | {"linear_bias": bias}, {"target": CLASSES})
    yield Case(fn, "soft", layer, {"target": W.mT.softmax(1)[[0, 1, 2, 3, 0]], "label_smoothing": 0.1})
    yield Case(fn, "ignored", layer, {"target": SOME, "weight": torch.arange(1.0, 7, dtype=Z.dtype)})
    yield Case(fn, "a class that cannot be", layer, {"target": CLASSES, "linear_bias": bias.where(bias != 2, -INF)})
    yield Case(fn, "empty", {"input": Z[:0], "linear_weight": W}, {"target": CLASSES[:0], "reduction": "sum"})


CASES = [
    *(Case(ln.information_content, about, {"p": p}) for about, p in (("finite", P), ("zero", T([0.0, 1, 0.5])))),
    Case(ln.entropy, "finite", {"p": P}, {"base": 2}),
    Case(ln.entropy, "zero", {"p": with_rows(P, [[0.5, 0.5, 0, 0]])}),
    *(case for fn in (ln.cross_entropy_between, ln.kl_divergence, ln.jensen_shannon_divergence) for case in of_distributions(fn)),
    *(case for fn in (ln.conditional_entropy, ln.mutual_information) for case in of_tables(fn)),
    *(case for fn in (ln.softmax, ln.log_softmax) for case in of_scores(fn)),
    Case(ln.nll_loss, "finite", {"input": Z.log_softmax(1)}, {"target": CLASSES}),
    Case(ln.nll_loss, "-inf, weight", {"input": MASKED.log_softmax(1)}, {"target": CLASSES, "weight": SHARES}),
    Case(ln.nll_loss, "right is -inf", {"input": NO_RIGHT.log_softmax(1)}, {"target": CLASSES}),
    Case(ln.nll_loss, "ignored", {"input": PADDED.log_softmax(1)}, {"target": SOME}),
    Case(ln.nll_loss, "empty", {"input": Z[:0]}, {"target": CLASSES[:0], "reduction": "sum"}),
    *of_counted(ln.cross_entropy),
    *(dataclasses.replace(case, about=f"{case.about}, smooth") for case in of_counted(ln.cross_entropy, label_smoothing=0.1)),
    Case(ln.cross_entropy, "shares", {"input": Z, "target": P}, {"weight": SHARES}),
    Case(ln.cross_entropy, "shares, -inf", {"input": MASKED}, {"target": MASKED.softmax(1)}),
    Case(ln.cross_entropy, "shares, right is -inf", {"input": NO_RIGHT}, {"target": P}),
    Case(ln.cross_entropy, "shares, inf", {"input": SURE_AND_WRONG}, {"target": P}),
    *of_layer(ln.linear_cross_entropy),
    *of_answers(ln.binary_cross_entropy_with_logits, HARD, P),
    *(
        dataclasses.replace(case, about=f"{case.about}, weights")
        for case in of_answers(ln.binary_cross_entropy_with_logits, HARD, P, weight=T(2.0), pos_weight=SHARES)
    ),
    *of_answers(ln.mse_loss, HARD, P),
    Case(ln.mse_loss, "weight", {"input": Z, "target": HARD}, {"weight": P}),
    *of_answers(ln.hinge_loss, SIGNS),
    *of_classes(ln.multiclass_hinge_loss),
    *(
        dataclasses.replace(case, about=f"{case.about}, gamma {gamma}, alpha {alpha}")
        for gamma, alpha in ((2, 0.25), (0.5, None), (0, 0.75))
        for case in of_answers(ln.sigmoid_focal_loss, HARD, P, gamma=gamma, alpha=alpha)
    ),
    *(
        dataclasses.replace(case, about=f"{case.about}, gamma {gamma}")
        for gamma in (2, 0.5, 0)
        for case in of_counted(ln.softmax_focal_loss, gamma=gamma)
    ),
    Case(ln.distributed_mean, "finite", {"total": T(3.0, dtype=torch.float64)}, {"count": 7}),
]
every = pytest.mark.parametrize("case", CASES, ids=str)
# A few of each function, where a road is slow.
FEW = [c for c in CASES if c.about.split(",")[0] in ("finite", "zero", "shares") or c.about.startswith("ignored, infinite, weight")]
few = pytest.mark.parametrize("case", FEW, ids=str)


def test_no_loss_is_left_out():
    functions = {n for n in ln.__all__ if callable(getattr(ln, n)) and not n.endswith("Loss")}
    assert functions - {"check", "default_device", "strict"} == {case.fn.__name__ for case in CASES}


# --- the roads


def weigh(value):
    """The value as one number, to which each of its parts gives another share. Those that are infinite give none."""
    return (value * torch.linspace(0.5, 1.5, value.numel(), dtype=value.dtype).view(value.shape)).sum()


def plain(case, **how):
    tensors = case.tensors()
    value = case(*tensors)
    return value.detach(), *torch.autograd.grad(weigh(value), tensors, **how)


def create_graph(case):
    return [x.detach() for x in plain(case, create_graph=True)]


def functional(case):
    """``torch.autograd.functional``, which makes a graph of its own."""
    value, vjp = torch.autograd.functional.vjp(lambda *x: weigh(case(*x)), tuple(case.tensors()), create_graph=True)
    return case(*case.tensors()).detach(), *(x.detach() for x in vjp)


def func(case):
    tensors = tuple(x.detach() for x in case.tensors())
    slopes = torch.func.grad(lambda *x: weigh(case(*x)), argnums=tuple(range(len(tensors))))(*tensors)
    return case(*tensors), *slopes


def vmap(case):
    """Two calls at once, of which the first is looked at."""
    tensors = [torch.stack([x.detach(), x.detach()]) for x in case.tensors()]
    slopes = torch.func.grad(lambda *x: weigh(case(*x)), argnums=tuple(range(len(tensors))))
    return torch.func.vmap(case)(*tensors)[0], *(x[0] for x in torch.func.vmap(slopes)(*tensors))


def forward(case):
    """The slope of one number at a time, forwards."""
    tensors = [x.detach() for x in case.tensors()]
    slopes = []
    for i, x in enumerate(tensors):
        found = torch.zeros_like(x)
        for place in range(x.numel()):
            direction = torch.zeros_like(x).view(-1).index_fill(0, T(place), 1).view(x.shape)

            def along(x, i=i):
                return weigh(case(*tensors[:i], x, *tensors[i + 1 :]))

            _, slope = torch.func.jvp(along, (x,), (direction,))
            found.view(-1)[place] = slope
        slopes.append(found)
    return case(*tensors), *slopes


def traced(case):
    tensors = [x.detach() for x in case.tensors()]
    return make_fx(case)(*tensors)(*tensors), *plain(case)[1:]


def compiled(case, backend="eager"):
    torch._dynamo.reset()
    program = torch.compile(lambda *x: case(*x), backend=backend, fullgraph=True)
    tensors = case.tensors()
    value = program(*tensors)
    return value.detach(), *torch.autograd.grad(weigh(value), tensors)


def agree(found, expected, tolerance=1e-12):
    assert len(found) == len(expected)
    for a, b in zip(found, expected):
        assert a.dtype == b.dtype
        torch.testing.assert_close(a, b, rtol=tolerance, atol=tolerance, equal_nan=True)


@pytest.fixture(params=["as it is", "in blocks"])
def size(request, monkeypatch):
    """Small inputs as they are, and as the large ones that are taken in blocks."""
    if request.param == "in blocks":
        monkeypatch.setattr(road, "LARGE", 1)
        monkeypatch.setattr(road, "LARGE_LAYER", 1)


@every
@pytest.mark.parametrize("way", [create_graph, functional, func, vmap, forward], ids=lambda way: way.__name__)
def test_one_answer(case, way):
    expected = plain(case)
    # A slope that is infinite itself has no value along a direction that is 0 there.
    if way is not forward or all(x.isfinite().all() for x in expected[1:]):
        agree(way(case), expected)


@every
def test_one_answer_in_blocks(case, monkeypatch):
    expected = plain(case)
    monkeypatch.setattr(road, "LARGE", 1)
    monkeypatch.setattr(road, "LARGE_LAYER", 1)
    agree(plain(case), expected)
    agree(create_graph(case), expected)


@every
def test_what_is_finite_has_a_finite_slope(case):
    """A finite loss of any score, and every infinite one of a score, has a slope."""
    value, *slopes = plain(case)
    if case.fn not in (ln.information_content, ln.cross_entropy_between, ln.kl_divergence, ln.mse_loss, ln.nll_loss):
        assert all(x.isfinite().all() for x in slopes)
    assert not value.isnan().any()


@few
def test_one_answer_when_recorded(case):
    agree(traced(case), plain(case))


@few
def test_one_answer_when_compiled(case):
    agree(compiled(case), plain(case))


@pytest.mark.parametrize("case", [c for c in FEW if c.fn in (ln.cross_entropy, ln.kl_divergence) and "," not in c.about], ids=str)
def test_one_answer_by_inductor(case):
    agree(compiled(case, "inductor"), plain(case))


SECOND = [case for case in CASES if "inf" not in case.about and "zero" not in case.about and "impossible" not in case.about]


@pytest.mark.parametrize("case", [c for c in SECOND if "empty" not in c.about], ids=str)
def test_one_second_derivative(case):
    """Of the sum over all, in all pairs of directions."""
    tensors = tuple(x.detach() for x in case.tensors())

    def number(*x):
        return weigh(case(*x))

    theirs = torch.autograd.functional.hessian(number, tensors)
    ours = torch.func.hessian(number, argnums=tuple(range(len(tensors))))(*tensors)
    for a, b in zip(theirs, ours):
        for x, y in zip(a, b):
            torch.testing.assert_close(x, y, rtol=1e-10, atol=1e-10)


# --- one argument made from another


def sharpen(p):
    return p**2 / (p**2).sum(-1, keepdim=True)


RELATED = {
    "mse_loss": lambda z: ln.mse_loss(z, 2 * z),
    "mse_loss, weight": lambda z: ln.mse_loss(z, 2 * z, weight=z.exp()),
    "entropy minimisation of answers": lambda z: ln.binary_cross_entropy_with_logits(z, z.sigmoid()),
    "entropy minimisation of classes": lambda z: ln.cross_entropy(z, z.softmax(1)),
    "a weight that is focal": lambda z: ln.binary_cross_entropy_with_logits(z, HARD, weight=z.sigmoid()),
    "pos_weight from the scores": lambda z: ln.binary_cross_entropy_with_logits(z, HARD, pos_weight=z.exp()),
    "sigmoid_focal_loss": lambda z: ln.sigmoid_focal_loss(z, z.sigmoid()),
    "weights of classes": lambda z: ln.cross_entropy(z, CLASSES, weight=z.exp().mean(0)),
    "weights of classes, smooth": lambda z: ln.cross_entropy(z, CLASSES, weight=z.exp().mean(0), label_smoothing=0.1),
    "softmax_focal_loss": lambda z: ln.softmax_focal_loss(z, CLASSES, weight=z.exp().mean(0)),
    "hinge_loss": lambda z: ln.hinge_loss(z, z.sign()),
    "kl_divergence": lambda z: ln.kl_divergence(sharpen(z.softmax(1)), z.softmax(1)),
    "cross_entropy_between": lambda z: ln.cross_entropy_between(z.softmax(1), sharpen(z.softmax(1))),
    "jensen_shannon_divergence": lambda z: ln.jensen_shannon_divergence(z.softmax(1), sharpen(z.softmax(1))),
    "tied embeddings": lambda z: ln.linear_cross_entropy(z.mean(1, keepdim=True) * z, z, CLASSES),
    "a bias from the weights": lambda z: ln.linear_cross_entropy(Z, z, CLASSES, linear_bias=z.sum(1)),
    "a gradient penalty": lambda z: torch.autograd.grad(ln.sigmoid_focal_loss(z, z.sigmoid()), z, create_graph=True)[0],
}


@pytest.mark.parametrize("loss", RELATED.values(), ids=RELATED)
def test_one_argument_made_from_another(loss, size):
    """Also with `create_graph`, where the way between the two was once walked twice."""
    z = Z.clone().requires_grad_()
    expected = torch.func.grad(lambda z: weigh(loss(z)))(Z) if loss is not RELATED["a gradient penalty"] else None
    (simple,) = torch.autograd.grad(weigh(loss(z)), z, retain_graph=True)
    (again,) = torch.autograd.grad(weigh(loss(z)), z, create_graph=True)
    found = [simple, again, torch.autograd.functional.jacobian(lambda z: weigh(loss(z)), Z)]
    if expected is not None:
        found.append(torch.autograd.functional.jacobian(lambda z: weigh(loss(z)), Z, vectorize=True))
        found.append(expected)
        basis = torch.autograd.grad(loss(z).sum()[None], z, torch.ones(1, 1, dtype=z.dtype), is_grads_batched=True)
        torch.testing.assert_close(basis[0][0], torch.autograd.grad(loss(z).sum(), z)[0])
    for x in found[1:]:
        torch.testing.assert_close(x, simple, rtol=1e-10, atol=1e-10)
    if expected is not None:
        hessian = torch.autograd.functional.hessian(lambda z: weigh(loss(z)), Z)
        torch.testing.assert_close(hessian, torch.func.hessian(lambda z: weigh(loss(z)))(Z), rtol=1e-8, atol=1e-8)


# --- infinite scores: the truth, with the slope

ROW = [1.0, 2.0, 0.0]
Q_OF_OTHERS = T([1.0, 2.0], dtype=torch.float64).softmax(0).tolist()
INFINITE = [
    (ln.binary_cross_entropy_with_logits, INF, 1.0, {}, 0, 0),
    (ln.binary_cross_entropy_with_logits, INF, 0.0, {}, INF, 1),
    (ln.binary_cross_entropy_with_logits, -INF, 1.0, {}, INF, -1),
    (ln.binary_cross_entropy_with_logits, -INF, 0.0, {}, 0, 0),
    (ln.binary_cross_entropy_with_logits, -INF, 0.9, {}, INF, -0.9),
    (ln.binary_cross_entropy_with_logits, INF, 1.0, {"pos_weight": T([1.0])}, 0, 0),
    (ln.binary_cross_entropy_with_logits, -INF, 1.0, {"pos_weight": T([3.0])}, INF, -3),
    (ln.binary_cross_entropy_with_logits, -INF, 1.0, {"weight": T([0.0])}, 0, 0),
    (ln.sigmoid_focal_loss, INF, 0.0, {}, INF, 1),
    (ln.sigmoid_focal_loss, -INF, 1.0, {"gamma": 0.5, "alpha": 0.25}, INF, -0.25),
    (ln.sigmoid_focal_loss, INF, 1.0, {"gamma": 0.5}, 0, 0),
    (ln.sigmoid_focal_loss, INF, 0.9, {"gamma": 2}, INF, 0.001),
    (ln.hinge_loss, INF, 1.0, {}, 0, 0),
    (ln.hinge_loss, INF, -1.0, {}, INF, 1),
    (ln.cross_entropy, [1, -INF, 2], 1, {}, INF, [Q_OF_OTHERS[0], -1, Q_OF_OTHERS[1]]),
    (ln.cross_entropy, [-INF, -INF, 2], 1, {}, INF, [0, -1, 1]),
    (ln.cross_entropy, [1, -INF, 2], 0, {}, math.log1p(math.e), [Q_OF_OTHERS[0] - 1, 0, Q_OF_OTHERS[1]]),
    (ln.cross_entropy, [1, INF, 2], 1, {}, 0, [0, 0, 0]),
    (ln.cross_entropy, [1, INF, 2], 0, {}, INF, [-1, 1, 0]),
    (ln.cross_entropy, [-INF, -INF, 2], [0.0, 0.0, 1.0], {}, 0, [0, 0, 0]),
    (ln.cross_entropy, [1, INF, 2], [0.0, 1.0, 0.0], {}, 0, [0, 0, 0]),
    (ln.cross_entropy, [1, INF, 2], [0.5, 0.5, 0.0], {}, INF, [-0.5, 0.5, 0]),
    (ln.cross_entropy, [-INF, -INF, -INF], -100, {"reduction": "sum"}, 0, [0, 0, 0]),
    (ln.cross_entropy, [INF, INF, 1], -100, {"reduction": "sum", "label_smoothing": 0.1}, 0, [0, 0, 0]),
    (ln.softmax_focal_loss, [1, -INF, 2], 1, {"gamma": 2}, INF, [Q_OF_OTHERS[0], -1, Q_OF_OTHERS[1]]),
    (ln.softmax_focal_loss, [1, INF, 2], 1, {"gamma": 0.5}, 0, [0, 0, 0]),
    (ln.softmax_focal_loss, [INF, -INF, 2], -100, {"reduction": "sum"}, 0, [0, 0, 0]),
    (ln.multiclass_hinge_loss, [1, -INF, 2], 1, {}, INF, [0, -1, 1]),
    (ln.multiclass_hinge_loss, [1, INF, 2], 1, {}, 0, [0, 0, 0]),
]


@pytest.mark.parametrize("fn, score, target, options, value, slope", INFINITE)
@pytest.mark.parametrize("way", [plain, create_graph, func, vmap, forward, compiled], ids=lambda way: way.__name__)
def test_the_truth_of_an_infinite_score(way, fn, score, target, options, value, slope):
    rows = isinstance(score, list)
    z = T([score], dtype=torch.float64)
    y = T([target]) if isinstance(target, int) else T([target], dtype=torch.float64)
    case = Case(fn, "", {"input": z}, {"target": y} | options)
    found, slopes = way(case)
    assert found.item() == pytest.approx(value)
    share = 0.5 if found.ndim and found.numel() == 1 else 0.5 if not found.ndim else 1
    torch.testing.assert_close(slopes, share * T([slope] if rows else [slope], dtype=torch.float64))


# --- what surrounds a call


@every
@pytest.mark.parametrize("dtype", [torch.float64, torch.bfloat16], ids=str)
@pytest.mark.parametrize("of", [torch.float32, torch.float16], ids=str)
def test_the_default_dtype_changes_nothing(case, dtype, of):
    case = case.to(of)
    expected = *plain(case), *create_graph(case)
    torch.set_default_dtype(dtype)
    try:
        found = *plain(case), *create_graph(case)
    finally:
        torch.set_default_dtype(torch.float32)
    for x, e in zip(found, expected):
        assert x.dtype == e.dtype == of
        assert torch.equal(x.nan_to_num(nan=9), e.nan_to_num(nan=9))


@every
@pytest.mark.parametrize("of", [torch.float64, torch.float16], ids=str)
def test_the_default_device_changes_nothing(case, of):
    case = case.to(of)
    expected = plain(case)
    tensors = case.tensors()
    with torch.device("meta"):
        value = case(*tensors)
    assert value.device.type == "cpu"
    share = torch.linspace(0.5, 1.5, value.numel(), dtype=value.dtype).view(value.shape)
    with torch.device("meta"):
        slopes = torch.autograd.grad((value * share).sum(), tensors)
    for x, e in zip((value.detach(), *slopes), expected):
        assert torch.equal(x.nan_to_num(nan=9), e.nan_to_num(nan=9))


@every
def test_tensors_without_values(case):
    """Fake tensors and meta tensors have a shape, a dtype and a device; the result has those of a real one."""
    value, *slopes = plain(case)
    with FakeTensorMode() as mode:
        fake = {name: mode.from_tensor(x) for name, x in case.slopes_of.items()}
        rest = {name: mode.from_tensor(x) if torch.is_tensor(x) else x for name, x in case.rest.items()}
        inputs = [x.requires_grad_() for x in fake.values()]
        found = case.fn(**fake, **rest)
        assert (found.shape, found.dtype, found.device) == (value.shape, value.dtype, value.device)
        for a, b in zip(torch.autograd.grad(found.sum(), inputs), slopes):
            assert a.shape == b.shape and a.dtype == b.dtype
    meta = {name: x.to("meta") if torch.is_tensor(x) else x for name, x in (case.slopes_of | case.rest).items()}
    if case.fn is not ln.distributed_mean:
        assert case.fn(**meta).shape == value.shape


@every
@pytest.mark.parametrize("of", [torch.float32, torch.bfloat16], ids=str)
def test_autocast_does_not_ask_how_large_an_input_is(case, of, monkeypatch):
    case = case.to(of)
    with torch.autocast("cpu", torch.bfloat16):
        small = plain(case)
        monkeypatch.setattr(road, "LARGE", 1)
        monkeypatch.setattr(road, "LARGE_LAYER", 1)
        large = plain(case)
    loose = 2e-2 if case.fn is ln.linear_cross_entropy or of is torch.bfloat16 else 1e-5
    agree(large, small, loose)
    assert small[0].dtype == (torch.float32 if case.fn is ln.linear_cross_entropy else of)
    if case.fn is not ln.linear_cross_entropy:
        agree(small, plain(case), loose)


def test_autocast_takes_a_layer_as_pytorch_does():
    """Features of a layer before are bfloat16 then, and the weights float32."""
    for features in (Z.float(), Z.bfloat16()):
        w = W.float().requires_grad_()
        with torch.autocast("cpu", torch.bfloat16):
            ours = ln.linear_cross_entropy(features, w, CLASSES)
            theirs = torch.nn.functional.cross_entropy(torch.nn.functional.linear(features, w), CLASSES)
        assert ours.dtype == theirs.dtype == torch.float32
        torch.testing.assert_close(ours, theirs, rtol=1e-5, atol=1e-5)
        slopes = (torch.autograd.grad(loss, w)[0] for loss in (ours, theirs))
        torch.testing.assert_close(*slopes, rtol=2e-2, atol=1e-2)


class Program(torch.nn.Module):
    """A case as a module, for torch.export: of what has a batch, and of the layer."""

    def __init__(self, case):
        super().__init__()
        batched = {name: x for name, x in case.rest.items() if torch.is_tensor(x) and x.ndim and len(x) == 5}
        self.fn, self.names = case.fn, [*case.slopes_of, *batched]
        self.fixed = {name: x for name, x in case.rest.items() if name not in batched}

    def forward(self, *tensors):
        return self.fn(**dict(zip(self.names, tensors)), **self.fixed)


LAYER = ("linear_weight", "linear_bias")


OF_A_BATCH = [
    case
    for case in CASES
    if case.about.split(",")[0] in ("finite", "shares") or case.about == "ignored"
    if all(x.ndim == 2 and len(x) == 5 for n, x in case.slopes_of.items() if n not in LAYER)
    and case.fn not in (ln.conditional_entropy, ln.mutual_information)
]


@pytest.mark.parametrize("case", OF_A_BATCH, ids=str)
@pytest.mark.parametrize("strict", [False, True], ids=["lax", "strict"])
def test_a_program_for_any_batch(case, strict):
    program = Program(case)
    tensors = tuple((case.slopes_of | case.rest)[name].clone() for name in program.names)
    batch = torch.export.Dim("batch")
    shapes = tuple({} if name in LAYER else {0: batch} for name in program.names)
    exported = torch.export.export(program, tensors, dynamic_shapes=(shapes,), strict=strict).module()
    for rows in (5, 3, 1001):
        part = tuple(x if not s else x.repeat(201, *[1] * (x.ndim - 1))[:rows] for x, s in zip(tensors, shapes))
        torch.testing.assert_close(exported(*part), program(*part), rtol=1e-12, atol=1e-12, equal_nan=True)


@pytest.mark.parametrize("case", OF_A_BATCH, ids=str)
def test_a_boolean_mask_inside_one_graph(case):
    """How many rows a mask leaves is not known when the graph is made."""
    program = Program(case)
    tensors = [(case.slopes_of | case.rest)[name].clone() for name in program.names]

    def masked(mask, *tensors):
        return program(*(x if name in LAYER else x[mask] for name, x in zip(program.names, tensors)))

    torch._dynamo.reset()
    mask = T([True, False, True, True, False])
    with torch._dynamo.config.patch(capture_dynamic_output_shape_ops=True):
        graph = torch.compile(masked, backend="eager", fullgraph=True)
        torch.testing.assert_close(graph(mask, *tensors), masked(mask, *tensors), rtol=1e-12, atol=1e-12)


@every
def test_symbolic_trace_records_the_call(case):
    graph = torch.fx.symbolic_trace(lambda x: case(x, *list(case.slopes_of.values())[1:]))
    first = next(iter(case.slopes_of.values()))
    torch.testing.assert_close(graph(first), case(*case.slopes_of.values()), equal_nan=True)
    assert [node.target for node in graph.graph.nodes if node.op == "call_function"] == [case.fn]
