"""A module is its function with the options held: nothing more."""

import copy
import inspect
import io
import pickle

import pytest
import torch

import lossnotes as ln

W = torch.tensor([1.0, 2.0, 3.0])
G = torch.Generator().manual_seed(0)
Z = torch.randn(4, 3, generator=G)
CLASSES = torch.tensor([0, 2, 1, 2])
YES_NO = torch.tensor([[1.0, 0.0, 1.0]] * 4)
SIGNS = 2 * YES_NO - 1
LOG_P = torch.log_softmax(Z, 1)

# (module, function, input, target, options to try)
PAIRS = [
    (
        ln.NLLLoss,
        ln.nll_loss,
        LOG_P,
        CLASSES,
        [{}, {"weight": W}, {"ignore_index": 2}, {"weight": W, "ignore_index": 0, "reduction": "none"}],
    ),
    (
        ln.CrossEntropyLoss,
        ln.cross_entropy,
        Z,
        CLASSES,
        [{}, {"weight": W}, {"ignore_index": 2, "reduction": "sum"}, {"label_smoothing": 0.3, "weight": W}],
    ),
    (ln.CrossEntropyLoss, ln.cross_entropy, Z, LOG_P.exp(), [{}, {"weight": W}, {"label_smoothing": 1}]),
    (
        ln.BCEWithLogitsLoss,
        ln.binary_cross_entropy_with_logits,
        Z,
        YES_NO,
        [{}, {"weight": W}, {"pos_weight": W}, {"weight": W, "pos_weight": 2 * W, "reduction": "none"}],
    ),
    (ln.MSELoss, ln.mse_loss, Z, YES_NO, [{}, {"reduction": "sum"}, {"reduction": "none"}]),
    (ln.HingeLoss, ln.hinge_loss, Z, SIGNS, [{}, {"margin": 0}, {"margin": 2.5, "reduction": "none"}]),
    (
        ln.MulticlassHingeLoss,
        ln.multiclass_hinge_loss,
        Z,
        CLASSES,
        [{}, {"margin": 0}, {"margin": 2.5, "reduction": "none"}],
    ),
    (
        ln.SigmoidFocalLoss,
        ln.sigmoid_focal_loss,
        Z,
        YES_NO,
        [{}, {"alpha": 0.25}, {"gamma": 0}, {"alpha": 0, "gamma": 0.5, "reduction": "none"}],
    ),
    (
        ln.SoftmaxFocalLoss,
        ln.softmax_focal_loss,
        Z,
        CLASSES,
        [{}, {"weight": W}, {"gamma": 5.0}, {"weight": W, "gamma": 0.5, "ignore_index": 2, "reduction": "sum"}],
    ),
]
CASES = [(*pair[:4], options) for pair in PAIRS for options in pair[4]]
MODULES = list({pair[0]: pair for pair in PAIRS}.values())
BUFFERS = {
    ln.NLLLoss: {"weight": W},
    ln.CrossEntropyLoss: {"weight": W},
    ln.BCEWithLogitsLoss: {"weight": W, "pos_weight": 2 * W},
    ln.SoftmaxFocalLoss: {"weight": W},
}


def each(pairs):
    return pytest.mark.parametrize("module, function, input, target", [p[:4] for p in pairs], ids=lambda x: "")


@pytest.mark.parametrize("module, function, input, target, options", CASES)
def test_a_module_is_its_function(module, function, input, target, options):
    there = function(input, target, **options)
    held = module(**options)
    assert torch.equal(held(input, target), there)
    assert torch.equal(held(input=input, target=target), there)
    assert torch.equal(held(input, target), there), "the second call differs"


def test_every_module_is_here():
    here = {module for module, *_ in PAIRS}
    assert here == {getattr(ln, name) for name in ln.__all__ if name.endswith("Loss")}


@each(MODULES)
def test_options_are_those_of_the_function(module, function, input, target):
    """The same names, kinds and defaults, in the same order."""
    of_function = list(inspect.signature(function).parameters.values())
    assert [p.name for p in of_function[:2]] == ["input", "target"]
    if function is ln.mse_loss:  # a weight for each number belongs to a batch; torch.nn.MSELoss has none either
        of_function = [p for p in of_function if p.name != "weight"]
    assert list(inspect.signature(module).parameters.values()) == of_function[2:]


@each(MODULES)
def test_a_module_is_a_module(module, function, input, target):
    held = module()
    assert isinstance(held, torch.nn.Module)
    assert list(held.parameters()) == [] and list(held.buffers()) == [] and list(held.children()) == []
    assert held.training and not held.eval().training
    assert torch.equal(held(input, target), function(input, target)), "evaluation changes nothing"
    assert repr(torch.nn.Sequential(held)).count(module.__name__) == 1


@pytest.mark.parametrize("name", ["NLLLoss", "CrossEntropyLoss", "BCEWithLogitsLoss", "MSELoss"])
def test_drop_in_for_torch(name):
    ours = inspect.signature(getattr(ln, name)).parameters
    theirs = inspect.signature(getattr(torch.nn, name)).parameters
    # torch deprecated these two in 2018; reduction says it all.
    assert set(ours) == set(theirs) - {"size_average", "reduce"}
    for option, parameter in ours.items():
        assert parameter.default == theirs[option].default
    positional = [p.name for p in ours.values() if p.kind is p.POSITIONAL_OR_KEYWORD]
    assert positional == list(theirs)[: len(positional)]


@pytest.mark.parametrize("module", BUFFERS)
def test_weight_may_stand_alone(module):
    assert module(W).weight is W
    with pytest.raises(TypeError, match="positional"):
        module(W, 0)


@pytest.mark.parametrize("module", [ln.MSELoss, ln.HingeLoss, ln.MulticlassHingeLoss, ln.SigmoidFocalLoss])
def test_other_options_are_named(module):
    with pytest.raises(TypeError, match="positional"):
        module("mean")


@pytest.mark.parametrize("module", [pair[0] for pair in MODULES])
def test_an_unknown_option_is_refused(module):
    with pytest.raises(TypeError, match="size_average"):
        module(size_average=True)


@pytest.mark.parametrize(
    "name, options",
    [
        ("NLLLoss", {"weight": W, "ignore_index": 1}),
        ("CrossEntropyLoss", {"weight": W, "ignore_index": 1, "label_smoothing": 0.25}),
        ("BCEWithLogitsLoss", {"weight": W, "pos_weight": 2 * W, "reduction": "sum"}),
        ("MSELoss", {"reduction": "none"}),
    ],
)
def test_values_are_those_of_torch(name, options):
    input, target = next((pair[2], pair[3]) for pair in PAIRS if pair[0] is getattr(ln, name))
    ours, theirs = getattr(ln, name)(**options), getattr(torch.nn, name)(**options)
    torch.testing.assert_close(ours(input, target), theirs(input, target))
    assert ours.state_dict().keys() == theirs.state_dict().keys()
    theirs.load_state_dict(ours.state_dict())


@pytest.mark.parametrize("name", ["weight", "pos_weight"])
def test_weights_of_answers_may_be_integers_as_for_the_function(name):
    options = {name: torch.tensor([1, 2, 3])}
    there = ln.binary_cross_entropy_with_logits(Z, YES_NO, **options)
    held = ln.BCEWithLogitsLoss(**options)
    assert torch.equal(held(Z, YES_NO), there) and torch.equal(there, ln.BCEWithLogitsLoss(**{name: W})(Z, YES_NO))
    for wrong in (torch.ones(3, dtype=torch.bool), torch.ones(3, dtype=torch.complex64), 2):
        with pytest.raises(TypeError) as of_function:
            ln.binary_cross_entropy_with_logits(Z, YES_NO, **{name: wrong})
        with pytest.raises(TypeError) as of_module:
            ln.BCEWithLogitsLoss(**{name: wrong})
        assert str(of_module.value) == str(of_function.value)


# --- buffers


@pytest.mark.parametrize("module, options", BUFFERS.items())
def test_buffers_move(module, options):
    for name, buffer in module(**options).named_buffers():
        assert buffer is options[name]
    for move, dtype, place in [
        (lambda m: m.to(torch.float64), torch.float64, "cpu"),
        (lambda m: m.half(), torch.float16, "cpu"),
        (lambda m: m.to("meta"), torch.float32, "meta"),
    ]:
        moved = move(module(**options))
        assert {name for name, _ in moved.named_buffers()} == set(options)
        assert all(b.dtype == dtype and b.device.type == place for b in moved.buffers())
        input, target = next((p[2], p[3]) for p in PAIRS if p[0] is module)
        result = moved(input.to(place, dtype), target.to(place, dtype if target.is_floating_point() else None))
        assert result.dtype == dtype and result.device.type == place


def test_buffers_move_to_the_device(device):
    loss = ln.CrossEntropyLoss(W).to(device)
    assert loss.weight.device.type == torch.device(device).type
    there = loss(Z.to(device), CLASSES.to(device))
    torch.testing.assert_close(there.cpu(), ln.cross_entropy(Z, CLASSES, W))


@pytest.mark.parametrize("module, options", BUFFERS.items())
def test_state_dict_round_trip(module, options):
    saved = io.BytesIO()
    torch.save(module(**options).state_dict(), saved)
    saved.seek(0)
    state = torch.load(saved)
    assert set(state) == set(options)
    fresh = module(**{name: torch.ones(3) for name in options})
    assert str(fresh.load_state_dict(state)) == "<All keys matched successfully>"
    for name, w in options.items():
        assert torch.equal(getattr(fresh, name), w)


@pytest.mark.parametrize("module", BUFFERS)
def test_an_absent_weight_is_an_empty_buffer(module):
    held = module()
    assert held.state_dict() == {} and held.weight is None
    assert held.to(torch.float64).weight is None
    held.weight = W
    input, target = next((p[2], p[3]) for p in PAIRS if p[0] is module)
    assert torch.equal(held(input, target), module(W)(input, target))
    assert list(held.state_dict()) == ["weight"]


def test_a_parameter_as_weight_learns_nothing():
    assert list(ln.NLLLoss(W.clone()).parameters()) == []


@pytest.mark.parametrize(
    "module, options",
    [
        (ln.NLLLoss, {"ignore_index": 2, "reduction": "sum"}),
        (ln.HingeLoss, {"margin": 2.0}),
        (ln.SoftmaxFocalLoss, {"gamma": 0.5}),
        (ln.SigmoidFocalLoss, {"gamma": 0.5, "alpha": 0.25}),
    ],
)
def test_an_option_may_be_set_later(module, options):
    input, target = next((p[2], p[3]) for p in PAIRS if p[0] is module)
    held = module()
    for name, option in options.items():
        setattr(held, name, option)
    assert torch.equal(held(input, target), module(**options)(input, target))


# --- copies, repr, errors


@pytest.mark.parametrize("module, function, input, target, options", CASES)
def test_copies(module, function, input, target, options):
    held = module(**options)
    for twin in (copy.deepcopy(held), copy.copy(held), pickle.loads(pickle.dumps(held))):
        assert type(twin) is module and repr(twin) == repr(held)
        assert torch.equal(twin(input, target), held(input, target))
    for name, buffer in copy.deepcopy(held).named_buffers():
        assert buffer is not getattr(held, name)


@pytest.mark.parametrize(
    "module, text",
    [
        (ln.NLLLoss(), "NLLLoss(ignore_index=-100, reduction=mean)"),
        (ln.NLLLoss(W, reduction="none"), "NLLLoss(weight=shape (3,), ignore_index=-100, reduction=none)"),
        (
            ln.CrossEntropyLoss(W, ignore_index=0, label_smoothing=0.1),
            "CrossEntropyLoss(weight=shape (3,), ignore_index=0, reduction=mean, label_smoothing=0.1)",
        ),
        (ln.CrossEntropyLoss(), "CrossEntropyLoss(ignore_index=-100, reduction=mean, label_smoothing=0.0)"),
        (ln.BCEWithLogitsLoss(), "BCEWithLogitsLoss(reduction=mean)"),
        (
            ln.BCEWithLogitsLoss(W[None], pos_weight=W[0]),
            "BCEWithLogitsLoss(weight=shape (1, 3), pos_weight=shape (), reduction=mean)",
        ),
        (ln.MSELoss(reduction="sum"), "MSELoss(reduction=sum)"),
        (ln.HingeLoss(margin=2), "HingeLoss(margin=2, reduction=mean)"),
        (ln.MulticlassHingeLoss(), "MulticlassHingeLoss(margin=1.0, reduction=mean)"),
        (ln.SigmoidFocalLoss(), "SigmoidFocalLoss(gamma=2.0, reduction=mean)"),
        (ln.SigmoidFocalLoss(alpha=0, gamma=0), "SigmoidFocalLoss(alpha=0, gamma=0, reduction=mean)"),
        (
            ln.SoftmaxFocalLoss(W, gamma=1.0, ignore_index=3),
            "SoftmaxFocalLoss(weight=shape (3,), gamma=1.0, ignore_index=3, reduction=mean)",
        ),
    ],
)
def test_repr(module, text):
    assert repr(module) == text


@pytest.mark.parametrize(
    "module, function, options",
    [
        (ln.NLLLoss, ln.nll_loss, {"reduction": "average"}),
        (ln.NLLLoss, ln.nll_loss, {"weight": [1.0, 2.0, 3.0]}),
        (ln.CrossEntropyLoss, ln.cross_entropy, {"label_smoothing": 2.0}),
        (ln.BCEWithLogitsLoss, ln.binary_cross_entropy_with_logits, {"pos_weight": 2.0}),
        (ln.MSELoss, ln.mse_loss, {"reduction": None}),
        (ln.HingeLoss, ln.hinge_loss, {"margin": -1.0}),
        (ln.HingeLoss, ln.hinge_loss, {"margin": None}),
        (ln.MulticlassHingeLoss, ln.multiclass_hinge_loss, {"margin": "1"}),
        (ln.SigmoidFocalLoss, ln.sigmoid_focal_loss, {"alpha": torch.tensor(0.25)}),
        (ln.SigmoidFocalLoss, ln.sigmoid_focal_loss, {"gamma": float("nan")}),
        (ln.SoftmaxFocalLoss, ln.softmax_focal_loss, {"gamma": -1}),
    ],
)
def test_options_are_checked_when_the_module_is_made(module, function, options):
    """In the words of the function, and before the first batch."""
    input, target = next((p[2], p[3]) for p in PAIRS if p[0] is module)
    with pytest.raises((TypeError, ValueError)) as there:
        function(input, target, **options)
    with pytest.raises((TypeError, ValueError)) as here:
        module(**options)
    assert (type(here.value), str(here.value)) == (type(there.value), str(there.value))


def test_a_shape_is_checked_against_the_batch():
    with pytest.raises(ValueError, match="cross_entropy: weight has shape"):
        ln.CrossEntropyLoss(weight=W[:2])(Z, CLASSES)


def test_gradients_reach_the_model():
    model = torch.nn.Linear(3, 3)
    ln.CrossEntropyLoss(W)(model(Z), CLASSES).backward()
    assert all(p.grad.isfinite().all() for p in model.parameters())


def test_hooks_run():
    seen = []
    loss = ln.MSELoss()
    loss.register_forward_hook(lambda module, args, result: seen.append(result))
    assert loss(Z, YES_NO) is seen[0]
