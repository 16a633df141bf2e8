"""The data that chapters run on."""

import re
from pathlib import Path

import pytest
import torch

import lossnotes as ln
from lossnotes import experiments

BOOK = Path(__file__).parents[1] / "book"


@pytest.mark.parametrize(("language", "size", "most_frequent"), [("en", 26, "e"), ("zh", 9135, "的")])
def test_symbol_frequencies(language, size, most_frequent, device):
    symbols, p = experiments.symbol_frequencies(language, device=device)
    assert len(symbols) == len(set(symbols)) == p.numel() == size and symbols[0] == most_frequent
    assert p.dtype == torch.float32 and p.device.type == torch.device(device).type
    assert (p[:-1] >= p[1:]).all() and (p > 0).all()
    torch.testing.assert_close(p.sum(), torch.ones((), device=device))


def test_symbol_frequencies_of_an_unknown_language():
    with pytest.raises(ValueError) as error:
        experiments.symbol_frequencies("fr")
    assert str(error.value) == ("symbol_frequencies: language is 'fr'; expected one of 'en', 'zh'. Try language='en'.")


def test_letter_pairs(device):
    letters, joint = experiments.letter_pairs(device=device)
    assert "".join(letters) == "abcdefghijklmnopqrstuvwxyz" and joint.shape == (26, 26)
    torch.testing.assert_close(joint.sum(), torch.ones((), device=device))
    t, h = letters.index("t"), letters.index("h")
    assert joint[t, h] > 10 * joint[h, t]  # rows come first


def test_letter_pairs_agree_with_letters():
    # A letter is the second of a pair as often as it occurs, but for the beginnings of words.
    _, joint = experiments.letter_pairs(device="cpu")
    symbols, p = experiments.symbol_frequencies("en", device="cpu")
    second = joint.sum(0)[[ord(c) - ord("a") for c in symbols]]
    assert torch.corrcoef(torch.stack([second, p]))[0, 1] > 0.9


def test_data_goes_to_the_default_device(monkeypatch):
    monkeypatch.setenv("LOSSNOTES_DEVICE", "meta")
    assert experiments.letter_pairs()[1].device.type == "meta"
    assert experiments.symbol_frequencies("en")[1].device.type == "meta"


DATA_SETS = {
    "digits": (experiments.digits, (1437, 64), (1437,), 360),
    "diabetes": (experiments.diabetes, (353, 10), (353,), 89),
    "canvases": (experiments.canvases, (150, 1, 39, 39), (150, 1, 32, 32), 60),
}


@pytest.mark.parametrize(("draw", "x", "y", "held_out"), DATA_SETS.values(), ids=DATA_SETS)
def test_a_data_set_has_its_shapes_and_goes_where_it_should(draw, x, y, held_out, device):
    data = draw(seed=3, device=device)
    assert data.x.shape == x and data.y.shape == y
    assert data.x_test.shape == (held_out, *x[1:]) and data.y_test.shape == (held_out, *y[1:])
    assert all(t.device.type == torch.device(device).type and t.isfinite().all() for t in data)
    assert data.x.dtype == (torch.float32 if device.startswith("mps") else torch.float64)


@pytest.mark.parametrize("draw", [d[0] for d in DATA_SETS.values()], ids=DATA_SETS)
def test_a_seed_sets_what_is_held_out(draw):
    one, again, other = (draw(seed=seed, device="cpu") for seed in (1, 1, 2))
    assert all(torch.equal(a, b) for a, b in zip(one, again))
    assert not torch.equal(one.x_test, other.x_test)


def test_floats_are_float32_where_there_is_no_float64():
    assert experiments.digits(device="meta").x.dtype == torch.float64
    assert experiments.data._to_device(torch.zeros(1, dtype=torch.float64), "cpu").dtype == torch.float64
    assert experiments.data._to_device(torch.zeros(1, dtype=torch.int64), "cpu").dtype == torch.int64


def test_no_example_is_in_both_parts():
    data = experiments.digits(device="cpu")
    both = torch.cat([data.x, data.x_test])
    assert len(both) == 1797 == len(both.unique(dim=0))  # no digit is there twice
    assert data.x.min() == 0 and data.x.max() == 1 and data.y.unique().tolist() == list(range(10))


def test_diabetes_is_standardised():
    data = experiments.diabetes(device="cpu")
    x = torch.cat([data.x, data.x_test])
    torch.testing.assert_close(x.mean(0), torch.zeros(10, dtype=x.dtype))
    torch.testing.assert_close(x.std(0), torch.ones(10, dtype=x.dtype))
    assert data.y.min() >= 25 and data.y.max() <= 346


def test_a_canvas_has_its_digit_where_the_target_says():
    data = experiments.canvases(device="cpu")
    pool = experiments.digits(device="cpu").x
    assert (data.y.flatten(1).sum(1) == 1).all()
    for x, y in zip(data.x[:20, 0], data.y[:20, 0]):
        ((top, left),) = y.nonzero().tolist()
        window = x[top : top + 8, left : left + 8].flatten()
        # Up to the noise, and up to ink of the clutter, which only adds: no digit pixel is lighter than it was.
        assert (window + 0.5 > pool).all(1).any()
    assert not any((data.x == t).all() for t in data.x_test)


def test_prose_is_letters_and_spaces():
    texts = experiments.prose()
    assert len(texts) == 14 and sum(map(len, texts.values())) > 30_000
    assert set("".join(texts.values())) == set(" abcdefghijklmnopqrstuvwxyz")
    assert "  " not in "".join(t.strip() + " " for t in texts.values())


def linear():
    return torch.nn.Linear(64, 10)


def test_training_is_repeatable_and_leaves_the_random_state_alone():
    torch.manual_seed(5)
    state = torch.get_rng_state()
    settings = dict(seeds=(1, 4), steps=40, measure=experiments.accuracy)
    one, again = (experiments.train(linear, ln.cross_entropy, experiments.digits, **settings) for _ in range(2))
    assert torch.equal(torch.get_rng_state(), state)
    assert one.step.tolist() == [0, 20, 40] and one.curves["accuracy"].shape == (2, 3) and len(one.models) == 2
    assert torch.equal(one.curves["accuracy"], again.curves["accuracy"])
    assert not torch.equal(one.models[0].weight, one.models[1].weight)
    assert torch.equal(one.models[0].weight, again.models[0].weight)


def test_a_run_does_not_depend_on_the_others():
    alone = experiments.train(linear, ln.cross_entropy, experiments.digits, seeds=(4,), steps=20)
    among = experiments.train(linear, ln.cross_entropy, experiments.digits, seeds=(1, 4), steps=20)
    assert torch.equal(alone.models[0].weight, among.models[1].weight)
    assert alone.curves == {} and alone.step.numel() == 0


def test_training_lowers_the_loss_with_any_optimizer():
    def measure(model, data):
        return {"loss": ln.cross_entropy(model(data.x), data.y), "one": 1}

    for optimizer, lr in ((torch.optim.SGD, 0.3), (torch.optim.Adam, 0.01)):
        settings = dict(seeds=(0,), optimizer=optimizer, lr=lr, steps=60, batch=100, measure=measure, every=30)
        curves = experiments.train(linear, ln.cross_entropy, experiments.digits, **settings).curves
        start, middle, end = curves["loss"][0].tolist()
        assert end < middle < start and curves["one"].tolist() == [[1.0, 1.0, 1.0]]
        assert curves["loss"].dtype == torch.float64


def test_batches_are_of_the_size_asked_for():
    seen = []

    def loss(scores, target):
        seen.append(len(target))
        return ln.cross_entropy(scores, target)

    experiments.train(linear, loss, experiments.digits, seeds=(0,), steps=3, batch=17)
    assert seen == [17, 17, 17]


def tune(**settings):
    settings = dict(rates=(1e-9, 0.3, torch.inf), seeds=(1, 2), steps=40, every=20) | settings
    return experiments.tune(linear, ln.cross_entropy, experiments.digits, **settings)


def held_out_loss(model, data):
    return {"loss": ln.cross_entropy(model(data.x_test), data.y_test)}


def test_tuning_chooses_the_best_rate_and_step_of_the_validation_part():
    found = tune()
    assert found.lr == 0.3 and not found.at_edge and found.validation.shape == (3, 3)
    assert found.validation[1].max() == found.validation.max() and found.steps == 20 * int(found.validation[1].argmax())
    assert found.test["accuracy"].shape == (2,) and len(found.models) == 2
    assert tune(rates=(1e-9, 0.3)).at_edge and not tune(rates=(0.3,)).at_edge


def test_tuning_can_choose_the_lowest_and_a_divergence_is_worst():
    found = tune(measure=held_out_loss, best="lowest", rates=(0.3, torch.inf))
    assert found.lr == 0.3 and not found.validation[1, 1:].isfinite().any()
    assert found.validation[0].min() == found.validation[0, found.steps // 20]


def test_tuning_chooses_by_the_measurement_that_is_named():
    def measure(model, data):
        return experiments.accuracy(model, data) | held_out_loss(model, data)

    found = tune(measure=measure, by="loss", best="highest")  # the worst, that is
    assert found.steps == 0 and set(found.test) == {"accuracy", "loss"}


def test_tuning_says_what_can_be_best():
    with pytest.raises(ValueError) as error:
        tune(best="max")
    assert str(error.value) == "tune: best is 'max'; expected one of 'highest', 'lowest'. Try best='highest'."


@pytest.mark.parametrize(
    ("call", "options", "message"),
    [
        ("train", {"seeds": []}, "train: seeds is empty; expected at least one. Try seeds=range(5)."),
        ("train", {"every": 15}, "train: every is 15 but steps is 40; expected a positive number that divides it. Try steps=45."),
        ("train", {"every": 0}, "train: every is 0 but steps is 40; expected a positive number that divides it. Try every=40."),
        ("tune", {"seeds": ()}, "tune: seeds is empty; expected at least one. Try seeds=range(5)."),
        ("tune", {"rates": []}, "tune: rates is empty; expected at least one. Try rates=[0.01, 0.1, 1.0]."),
        ("tune", {"every": 50}, "tune: every is 50 but steps is 40; expected a positive number that divides it. Try steps=50."),
        ("tune", {"by": "loss"}, "tune: by is 'loss'; expected one of 'accuracy'. Try by='accuracy'."),
    ],
)
def test_settings_that_cannot_be_right_are_refused(call, options, message):
    settings = dict(seeds=(1,), steps=40, every=20, measure=experiments.accuracy) | ({"rates": [0.1]} if call == "tune" else {})
    with pytest.raises(ValueError) as error:
        getattr(experiments, call)(linear, ln.cross_entropy, experiments.digits, **settings | options)
    assert str(error.value) == message


def test_the_test_part_is_measured_once_and_no_run_trains_on_it_or_on_the_validation_part():
    seen, drawn = [], []

    def data(*, seed):
        drawn.append(experiments.digits(seed=seed, device="cpu"))
        return drawn[-1]

    def measure(model, data):
        seen.append(data)
        return experiments.accuracy(model, data)

    experiments.tune(linear, ln.cross_entropy, data, rates=(0.1, 0.2), measure=measure, seeds=(4,), steps=40, every=20)
    (full,) = drawn
    *on_validation, last = seen
    assert len(on_validation) == 2 * 3 and all(torch.equal(at.x_test, seen[0].x_test) for at in on_validation)
    assert torch.equal(last.x_test, full.x_test) and torch.equal(last.y_test, full.y_test)
    assert all(torch.equal(at.x, seen[0].x) for at in seen)
    assert len(torch.cat([seen[0].x, seen[0].x_test, full.x_test]).unique(dim=0)) == 1797  # no digit is in two parts


def test_gap_is_paired():
    difference = experiments.gap([0.9, 0.8, 0.7], torch.tensor([0.89, 0.77, 0.68]))
    assert difference.mean == pytest.approx(0.02) and difference.error == pytest.approx(0.01 / 3**0.5)
    assert difference.pairs == 3 and not difference.is_tie and str(difference) == "+0.0200 ± 0.0058 (3 pairs)"
    assert experiments.gap([0.9, 0.8], [0.8, 0.9]).is_tie and experiments.gap([1.0, 2.0], [1.0, 2.0]).is_tie


@pytest.mark.parametrize(("a", "b"), [([1.0], [1.0]), ([1.0, 2.0], [1.0]), ([[1.0, 2.0]], [[1.0, 2.0]])])
def test_gap_needs_pairs(a, b):
    with pytest.raises(ValueError, match="gap: a has shape .* Try the test values"):
        experiments.gap(a, b)


def test_what_is_stored_comes_back(tmp_path, monkeypatch):
    monkeypatch.setattr(experiments.results, "STORED", tmp_path / "stored")
    results = {"a": torch.tensor([1 / 3, 2.0], dtype=torch.float64), "b": {"n": 3, 7: [[1, 2]]}, "c": 1 / 3, "d": "x"}
    experiments.store("mine", recipe={"lr": 0.1}, seeds=range(2), results=results)
    kept = experiments.stored("mine")
    assert kept["recipe"] == {"lr": 0.1} and kept["seeds"] == [0, 1]
    assert kept["results"]["a"].tolist() == [0.333333, 2.0] and kept["results"]["c"] == 0.333333
    assert kept["results"]["b"]["n"] == 3 and kept["results"]["b"]["7"].tolist() == [[1, 2]] and kept["results"]["d"] == "x"
    with pytest.raises(ValueError, match="under 'yours'; expected one of .'mine'.. Try python book/experiments/yours.py"):
        experiments.stored("yours")


@pytest.mark.parametrize("path", [*BOOK.glob("experiments/*.py"), *BOOK.glob("*/*.ipynb")], ids=lambda path: path.stem)
def test_scripts_and_chapters_use_what_is_public(path):
    assert not re.search(r"\b(experiments|plots|ln|lossnotes)\._[a-z]", path.read_text("utf-8"))
