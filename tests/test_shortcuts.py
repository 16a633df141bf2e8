"""Shorter ways to the same result. No value tells whether they are taken, so these tests ask the ways themselves: each is taken
wherever it may be, up to its bound, and not beyond."""

import functools
import math

import pytest
import torch
from torch.utils._python_dispatch import TorchDispatchMode

import lossnotes as ln
from lossnotes import _checks
from lossnotes._checks import values
from lossnotes._roads import few, road

T = torch.tensor


class Operations(TorchDispatchMode):
    """The names of the operations that PyTorch runs inside."""

    def __init__(self):
        super().__init__()
        self.names = []

    def __torch_dispatch__(self, operation, types, args=(), kwargs=None):
        self.names.append(operation.overloadpacket.__name__)
        return operation(*args, **(kwargs or {}))


def operations(call):
    with Operations() as seen:
        call()
    return seen.names


def test_every_target_is_seen_to_be_a_class():
    z = torch.zeros(4, 3)
    for target, ignore_index in ((T([0, 1, 2, 0]), -100), (T([0, 2, 2, 2]), 3), (T([1, 1, 1, 1]), None)):
        assert _checks.are_classes("cross_entropy", z, target, ignore_index) is True
    for target, ignore_index in ((T([0, 1, -100, 0]), -100), (T([0, 1, 2, 0]), 0), (T([0, 1, 2, 0]), 2)):
        assert _checks.are_classes("cross_entropy", z, target, ignore_index) is False


SMOOTHED = functools.partial(ln.cross_entropy, label_smoothing=0.1)


@pytest.mark.parametrize(
    "fn", [ln.nll_loss, ln.cross_entropy, SMOOTHED, ln.softmax_focal_loss], ids=["nll", "ce", "smoothed", "focal"]
)
def test_classes_that_all_count_need_no_mask(fn, monkeypatch):
    monkeypatch.setattr(road, "_is_looked_at", lambda *_: True)
    monkeypatch.setattr(few, "FEW", 0)
    log_p = torch.eye(3).log_softmax(1)
    masks = [operations(lambda t=t: fn(log_p, T(t))).count("where") for t in ([0, 1, 2], [0, -100, 2])]
    assert masks[0] + 2 <= masks[1]


def test_answers_within_bounds_need_no_mask():
    for y in (T([0.0, 1.0]), T([0.5, 0.25])):
        assert "bitwise_not" not in operations(lambda y=y: _checks.are_answers("mse_loss", y))
    with pytest.raises(ValueError):
        _checks.are_answers("mse_loss", T([0.0, 1.5]))


def test_values_lie_within_bounds():
    assert values.lie_within(torch.empty(0), 0, 1)
    assert values.lie_within(T([0, 2]), 0, 2) and not values.lie_within(T([0, 3]), 0, 2) and not values.lie_within(T([-1, 0]), 0, 2)
    assert not values.lie_within(T([math.nan, 0.5]), 0, 1)
    assert not values.lie_within(T([2**24 + 1]), 0, 2**24), "as a float32 it is 2**24"
    assert values.lie_within(T([0.5, 1.0]).to(torch.float8_e4m3fn), 0, 1)


def spread(over, n=4, dtype=torch.float32):
    return torch.linspace(0, over, n, dtype=dtype).expand(1, n)


def test_when_numbers_are_few():
    are_few, most = few.are_few, few.FEW
    assert are_few(spread(15.5)) and are_few(torch.zeros(1, 1)) and not are_few(torch.zeros(1, 0))
    assert are_few(spread(1.0, most)) and not are_few(spread(1.0, most + 1))
    assert not are_few(spread(1.0, dtype=torch.float64)) and are_few(spread(1.0, dtype=torch.bfloat16))
    assert not are_few(torch.zeros(1, 4, device="meta"))
    with torch.autograd.forward_ad.dual_level():
        assert not are_few(spread(1.0))
    assert not torch.func.vmap(lambda z: torch.ones(()) * are_few(z))(spread(1.0)[None])


def test_a_closed_form_of_weighted_answers_leaves_wrong_ones_to_the_check():
    with pytest.raises(ValueError, match=r"target\[1\] is 1.5"):
        ln.binary_cross_entropy_with_logits(torch.zeros(2), T([0.5, 1.5]), pos_weight=T(2.0))
