"""The textbook twins: right on ordinary inputs, and broken where their docstrings say."""

import inspect

import pytest
import torch

import lossnotes as ln
from lossnotes import naive

T = torch.tensor
G = torch.Generator().manual_seed(0)
Z = torch.randn(6, 4, generator=G, dtype=torch.float64)
P, Q = torch.softmax(Z, 1), torch.softmax(Z.flip(0), 1)
JOINT = torch.softmax(Z.reshape(2, 12), 1).reshape(2, 3, 4)
CLASSES = T([0, 1, 2, 3, 0, 1])
YES_NO = (Z.flip(0) > 0).double()
SOFT = torch.sigmoid(Z.flip(0))
SIGNS = 2 * YES_NO - 1
LAYER = torch.randn(4, 4, generator=G, dtype=torch.float64)

# (name, arguments, options)
ORDINARY = [
    ("information_content", (P,), {}),
    ("information_content", (P,), {"base": 2}),
    *((name, (P,), options) for name in ["entropy"] for options in [{}, {"base": 2}]),
    ("entropy", (P.T,), {"dim": 0}),
    *(
        (name, args, options)
        for name in ["cross_entropy_between", "kl_divergence", "jensen_shannon_divergence"]
        for args, options in [((P, Q), {}), ((P, Q), {"base": 10}), ((P.T, Q.T), {"dim": 0})]
    ),
    *((name, (JOINT,), o) for name in ["conditional_entropy", "mutual_information"] for o in [{}, {"base": 2}]),
    *(
        (name, (Z, dim), options)
        for name in ["softmax", "log_softmax"]
        for dim, options in [(1, {}), (0, {}), (-1, {"temperature": 3})]
    ),
    ("nll_loss", (P.log(), CLASSES), {}),
    ("cross_entropy", (Z, CLASSES), {}),
    ("cross_entropy", (Z[0], CLASSES[0]), {}),
    ("linear_cross_entropy", (Z, LAYER, CLASSES), {}),
    ("linear_cross_entropy", (Z, LAYER, CLASSES), {"linear_bias": Z[1]}),
    ("linear_cross_entropy", (Z[0], LAYER, CLASSES[0]), {}),
    ("distributed_mean", (Z.square().sum(), 24), {}),
    ("binary_cross_entropy_with_logits", (Z, YES_NO), {}),
    ("binary_cross_entropy_with_logits", (Z, SOFT), {}),
    ("mse_loss", (Z, SOFT), {}),
    ("hinge_loss", (Z, SIGNS), {}),
    ("hinge_loss", (Z, SIGNS), {"margin": 0.5}),
    ("multiclass_hinge_loss", (Z, CLASSES), {}),
    ("multiclass_hinge_loss", (Z, CLASSES), {"margin": 0}),
    *(
        ("sigmoid_focal_loss", (Z, YES_NO), options)
        for options in [{}, {"gamma": 0}, {"gamma": 0.5}, {"alpha": 0.25}, {"alpha": 0, "gamma": 5}]
    ),
    *(("softmax_focal_loss", (Z, CLASSES), options) for options in [{}, {"gamma": 0}, {"gamma": 5.0}]),
]


@pytest.mark.parametrize("name, args, options", ORDINARY)
def test_twins_agree_on_ordinary_inputs(name, args, options):
    textbook, ours = (getattr(module, name)(*args, **options) for module in (naive, ln))
    assert textbook.isfinite().all()
    torch.testing.assert_close(textbook, ours, rtol=1e-6, atol=1e-12)


def twins(module):
    return {name for name, x in vars(module).items() if inspect.isfunction(x) and not name.startswith("_")}


def test_every_function_has_a_twin():
    public = {name for name in ln.__all__ if inspect.isfunction(getattr(ln, name))}
    assert twins(naive) == public - {"default_device", "strict", "check"}
    assert twins(naive) == {name for name, *_ in ORDINARY}, "a twin that no test here looks at"


@pytest.mark.parametrize("name", sorted(twins(naive)))
def test_a_twin_is_called_alike(name):
    """Every option of a twin is one of ours, with the same default; losses leave out what a textbook leaves out."""
    textbook, ours = (inspect.signature(getattr(module, name)).parameters for module in (naive, ln))
    for option, parameter in textbook.items():
        assert (parameter.name, parameter.kind, parameter.default) == (ours[option].name, ours[option].kind, ours[option].default)
    assert set(ours) - set(textbook) <= {"weight", "pos_weight", "ignore_index", "reduction", "label_smoothing", "group"}
    assert getattr(naive, name).__doc__


HALF, SURE, NEVER = T([0.5, 0.5]), T([0.0, 1.0]), T([1.0, 0.0])
DIAGONAL = T([[0.5, 0.0], [0.0, 0.5]])
LOG2 = T(2.0).log().item()
NAN, INF = float("nan"), float("inf")


# (name, arguments, options, the twin's result, the true one), in float32
BREAKS = [
    ("entropy", (SURE,), {}, NAN, 0.0),
    ("cross_entropy_between", (SURE, SURE), {}, NAN, 0.0),
    ("kl_divergence", (SURE, HALF), {}, NAN, LOG2),
    ("kl_divergence", (SURE, SURE), {}, NAN, 0.0),
    ("jensen_shannon_divergence", (SURE, HALF), {}, NAN, 0.2157615),
    ("jensen_shannon_divergence", (HALF, SURE), {}, NAN, 0.2157615),
    ("jensen_shannon_divergence", (SURE, NEVER), {}, NAN, LOG2),
    ("conditional_entropy", (DIAGONAL,), {}, NAN, 0.0),
    ("mutual_information", (DIAGONAL,), {}, NAN, LOG2),
    ("softmax", (T([89.0, 0.0]), 0), {}, [NAN, 0.0], [1.0, 0.0]),
    ("softmax", (T([44.5, 0.0]), 0), {"temperature": 0.5}, [NAN, 0.0], [1.0, 0.0]),
    ("log_softmax", (T([0.0, -200.0]), 0), {}, [0.0, -INF], [0.0, -200.0]),
    ("log_softmax", (T([89.0, 0.0]), 0), {}, [NAN, -INF], [0.0, -89.0]),
    ("cross_entropy", (T([[89.0, 0.0]]), T([0])), {}, NAN, 0.0),
    ("cross_entropy", (T([[89.0, 0.0]]), T([1])), {}, INF, 89.0),
    ("cross_entropy", (T([[0.0, -200.0]]), T([1])), {}, INF, 200.0),
    ("linear_cross_entropy", (T([[1.0]]), T([[89.0], [0.0]]), T([0])), {}, NAN, 0.0),
    ("linear_cross_entropy", (T([[1.0]]), T([[0.0], [0.0]]), T([1])), {"linear_bias": T([0.0, -200.0])}, INF, 200.0),
    ("binary_cross_entropy_with_logits", (T([17.0]), T([1.0])), {}, NAN, 4.1399377e-08),
    ("binary_cross_entropy_with_logits", (T([17.0]), T([0.0])), {}, INF, 17.0),
    ("binary_cross_entropy_with_logits", (T([-110.0]), T([0.0])), {}, NAN, 0.0),
    ("binary_cross_entropy_with_logits", (T([-110.0]), T([1.0])), {}, INF, 110.0),
    ("sigmoid_focal_loss", (T([17.0]), T([1.0])), {}, NAN, 7.0954e-23),
    ("softmax_focal_loss", (T([[17.0, 0.0]]), T([0])), {}, 0.0, 7.0954e-23),
    ("softmax_focal_loss", (T([[100.0, 0.0]]), T([0])), {}, NAN, 0.0),
]


@pytest.mark.parametrize("name, args, options, broken, true", BREAKS)
def test_twins_break_where_they_say(name, args, options, broken, true):
    textbook, ours = (getattr(module, name)(*args, **options) for module in (naive, ln))
    torch.testing.assert_close(textbook, torch.tensor(broken), rtol=0, atol=0, equal_nan=True)
    torch.testing.assert_close(ours, torch.tensor(true), rtol=1e-4, atol=1e-37)


@pytest.mark.parametrize(
    "name, args",
    [
        ("cross_entropy_between", (SURE, HALF)),  # 0 log q alone is 0: only p = q = 0 breaks
        ("kl_divergence", (HALF, T([0.25, 0.75]))),
        ("softmax", (T([88.0, 0.0]), 0)),
        ("log_softmax", (T([0.0, -80.0]), 0)),
        ("cross_entropy", (T([[88.0, 5.0]]), T([1]))),
        ("binary_cross_entropy_with_logits", (T([16.0]), T([1.0]))),
        ("binary_cross_entropy_with_logits", (T([-80.0]), T([1.0]))),
        ("multiclass_hinge_loss", (T([[1e4, -1e4]]), T([1]))),
        ("hinge_loss", (T([1e4, -1e4]), T([1.0, 1.0]))),
    ],
)
def test_and_not_before(name, args):
    textbook, ours = (getattr(module, name)(*args) for module in (naive, ln))
    assert textbook.isfinite().all() and ours.isfinite().all()


def test_information_has_no_trap():
    p = T([0.0, 0.5, 1.0])
    assert torch.equal(naive.information_content(p), ln.information_content(p))


def test_rounding_makes_a_divergence_negative():
    p = torch.softmax(torch.randn(200, 5, generator=torch.Generator().manual_seed(0)), 1)
    q = torch.softmax(p.log() + 1e-4 * torch.randn(200, 5, generator=torch.Generator().manual_seed(1)), 1)
    assert naive.kl_divergence(p, q).min() < 0
    assert ln.kl_divergence(p, q).min() >= 0


def test_a_textbook_broadcasts():
    x, y = torch.zeros(3), T([[1.0], [2.0], [4.0]])
    assert naive.mse_loss(T([1.0, 2.0, 4.0]), y) > 0  # every answer is right
    with pytest.raises(ValueError, match="would broadcast"):
        ln.mse_loss(x, y)


def test_a_focal_loss_cancels():
    """In float32 at a logit of 15 the textbook is off by more than 5 %."""
    for name, args in [
        ("sigmoid_focal_loss", (T([15.0]), T([1.0]))),
        ("softmax_focal_loss", (T([[15.0, 0.0]]), T([0]))),
    ]:
        true = getattr(ln, name)(*(x.double() if x.is_floating_point() else x for x in args))
        assert getattr(ln, name)(*args).item() == pytest.approx(true.item(), rel=1e-5)
        assert abs(getattr(naive, name)(*args).item() / true.item() - 1) > 0.05


def test_gradients_break_too():
    for name, args in [
        ("entropy", (SURE,)),
        ("cross_entropy", (T([[89.0, 0.0]]), T([0]))),
        ("binary_cross_entropy_with_logits", (T([17.0]), T([1.0]))),
    ]:
        for module, right in ((naive, False), (ln, True)):
            x = args[0].clone().requires_grad_()
            getattr(module, name)(x, *args[1:]).backward()
            assert bool(x.grad.isfinite().all()) == right or name == "entropy"
            assert not x.grad.isnan().any() or not right
