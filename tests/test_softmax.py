"""softmax and log_softmax: numbers against mpmath, laws, derivatives, dtypes and shapes."""

import inspect
import itertools
import math
import random
from fractions import Fraction

import hypothesis.strategies as st
import numpy as np
import pytest
import reference as ref
import scipy.special
import torch
from hypothesis import given

import lossnotes as ln

both = pytest.mark.parametrize("name", ["softmax", "log_softmax"])
every_temperature = pytest.mark.parametrize("temperature", [0.5, 1, 2])

# Where naive formulas break: 1 + e^-37 is 1 in float64, e^88 and e^-104 are the ends of float32, e^1e4 is beyond all.
LOGITS = [0] + [sign * size for size in (1, 20, 37, 88, 104, 1e4) for sign in (1, -1)]
RANDOM = random.Random(0)
ROWS_OF = {
    1: [[z] for z in LOGITS],
    2: list(itertools.product(LOGITS, repeat=2)),
    4: [RANDOM.choices(LOGITS, k=4) for _ in range(40)],
}
Z = [[1.0, -2.0, 0.5, 0.5], [0.3, 0.2, -0.1, 3.0]]
INF, NAN = math.inf, math.nan

logits = st.lists(st.floats(-50, 50) | st.sampled_from(LOGITS), min_size=1, max_size=6).map(
    lambda row: torch.tensor(row, dtype=torch.float64)
)


def same(actual, expected, tolerance=1e-12):
    expected = torch.as_tensor(expected, dtype=actual.dtype)
    torch.testing.assert_close(actual, expected, rtol=tolerance, atol=tolerance, equal_nan=True)


# --- numbers


@every_temperature
@pytest.mark.parametrize("size", ROWS_OF)
@both
def test_value_and_slopes(name, size, temperature, place):
    device, dtype = place
    z = torch.tensor(ROWS_OF[size], dtype=dtype, device=device, requires_grad=True)
    value = getattr(ln, name)(z, 1, temperature=temperature)
    rows = ref.exact(z)
    ref.assert_close(value, [getattr(ref, name)(row, temperature) for row in rows])
    jacobians = [getattr(ref, name + "_gradient")(row, temperature) for row in rows]
    for i in range(size):
        (slopes,) = torch.autograd.grad(value[:, i].sum(), z, retain_graph=True)
        ref.assert_slopes_close(slopes, [jacobian[i] for jacobian in jacobians])


@both
def test_a_temperature_too_small_for_the_dtype_is_the_limit(name, place):
    device, dtype = place
    z = torch.tensor([1.0, 3.0, 2.0], dtype=dtype, device=device, requires_grad=True)
    largest = getattr(ln, name)(z, 0, temperature=1e-50)[1]
    assert largest == {"softmax": 1, "log_softmax": 0}[name]
    (slopes,) = torch.autograd.grad(largest, z)
    assert slopes.tolist() == [0, 0, 0]


@both
def test_one_class_is_certain(name):
    value = getattr(ln, name)(torch.tensor([5.0]), 0)
    assert str(value.item()) == {"softmax": "1.0", "log_softmax": "0.0"}[name]  # 0 and not -0


def test_certainty_is_0_and_not_minus_0():
    assert [str(v) for v in ln.log_softmax(torch.tensor([0.0, 1000.0]), dim=0).tolist()] == ["-1000.0", "0.0"]


# --- laws


@given(logits, st.sampled_from([0.5, 1, 2, 3.7]))
def test_probabilities_sum_to_1(z, temperature):
    p = ln.softmax(z, 0, temperature=temperature)
    assert ((p >= 0) & (p <= 1)).all()
    same(p.sum(), 1, 1e-14)


@given(st.lists(st.integers(-1000, 1000), min_size=1, max_size=6), st.integers(-(10**6), 10**6))
def test_shift_invariance(z, shift):
    # Whole numbers, so that the shift itself rounds nothing and the results are equal to the last bit.
    z = torch.tensor(z, dtype=torch.float64)
    assert torch.equal(ln.softmax(z + shift, 0), ln.softmax(z, 0))
    assert torch.equal(ln.log_softmax(z + shift, 0, temperature=3), ln.log_softmax(z, 0, temperature=3))


@given(logits)
def test_softmax_is_exp_of_log_softmax(z):
    same(ln.log_softmax(z, 0).exp(), ln.softmax(z, 0))
    assert (ln.log_softmax(z, 0) <= 0).all()


@given(logits, st.floats(0.01, 100))
def test_temperature_scales_the_logits(z, temperature):
    same(ln.softmax(z, 0, temperature=temperature), ln.softmax(z / temperature, 0))
    same(ln.log_softmax(z, 0, temperature=temperature), ln.log_softmax(z / temperature, 0))


@given(logits)
def test_agrees_with_scipy_and_torch(z):
    same(ln.softmax(z, 0), scipy.special.softmax(z.numpy()))
    same(ln.log_softmax(z, 0), scipy.special.log_softmax(z.numpy()))
    same(ln.softmax(z, dim=0), torch.nn.functional.softmax(z, dim=0))
    same(ln.log_softmax(z, dim=0), torch.nn.functional.log_softmax(z, dim=0))


@pytest.mark.parametrize("row", [[NAN, 0], [0, NAN, 1], [-INF, -INF], [INF, 0], [INF, INF], [-INF, 0, 1], [NAN, -INF]])
@both
def test_nan_and_infinite_logits_go_as_in_torch(name, row):
    z = torch.tensor([row, [1.0] * len(row)], dtype=torch.float64)
    value, expected = getattr(ln, name)(z, 1), getattr(torch, name)(z, 1)
    same(value, expected)
    assert value[0].isnan().any() == (row != [-INF, 0, 1])


@both
def test_a_masked_logit_leaves_the_slopes_of_the_others_alone(name):
    z = torch.tensor([-INF, 0.0, 1.0, 3.0], dtype=torch.float64, requires_grad=True)
    (slopes,) = torch.autograd.grad(getattr(ln, name)(z, 0)[1], z)
    (expected,) = torch.autograd.grad(getattr(torch, name)(z, 0)[1], z)
    same(slopes, expected)
    assert slopes[0] == 0


# --- derivatives


@every_temperature
@both
def test_first_and_second_derivatives(name, temperature):
    def fn(z):
        return getattr(ln, name)(z, 1, temperature=temperature)

    # Without equals, at which the numeric derivative would step from one largest score to another.
    z = torch.tensor([[1.0, -2.0, 0.5], [0.3, 4.0, -0.1], [20, 0, -20]], dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradcheck(fn, z)
    assert torch.autograd.gradgradcheck(fn, z)


@both
def test_torch_func(name):
    ours, theirs = getattr(ln, name), getattr(torch, name)
    z = torch.tensor(Z, dtype=torch.float64)
    for i in range(4):
        same(torch.func.grad(lambda row: ours(row, 0)[i])(z[0]), torch.func.grad(lambda row: theirs(row, 0)[i])(z[0]))
    same(torch.func.hessian(lambda row: ours(row, 0))(z[0]), torch.func.hessian(lambda row: theirs(row, 0))(z[0]))
    same(torch.func.vmap(lambda row: ours(row, -1))(z), theirs(z, 1))
    same(
        torch.func.vmap(torch.func.jacrev(lambda row: ours(row, -1)))(z),
        torch.func.vmap(torch.func.jacrev(lambda row: theirs(row, -1)))(z),
    )


@both
def test_compiles_into_one_graph(name):
    def value_and_slopes(fn):
        z = torch.tensor(Z, dtype=torch.float64, requires_grad=True)
        value = fn(z, 1, temperature=2.0)
        return torch.cat([value, *torch.autograd.grad(value[:, 0].sum(), z)])

    torch._dynamo.reset()
    compiled = torch.compile(getattr(ln, name), fullgraph=True, backend="aot_eager")
    same(value_and_slopes(compiled), value_and_slopes(getattr(ln, name)))


def test_compiled_for_one_temperature_and_dim_runs_at_another():
    torch._dynamo.reset()
    compiled = torch.compile(ln.softmax, fullgraph=True, backend="eager")
    z = torch.tensor(Z)
    for dim, temperature in itertools.product([0, 1, -1], [1.0, 2.0, 3.5, 4]):
        assert torch.equal(compiled(z, dim, temperature=temperature), ln.softmax(z, dim, temperature=temperature))


def test_compiles_to_machine_code():
    z = torch.tensor(Z, dtype=torch.float64)
    same(torch.compile(ln.log_softmax, fullgraph=True)(z, 1), torch.log_softmax(z, 1))


# --- dtypes, shapes, kinds of input


@pytest.mark.parametrize("half", [torch.float16, torch.bfloat16])
@both
def test_half_precision_is_computed_in_float32(name, half):
    z = (10 * torch.randn(3, 200, generator=torch.Generator().manual_seed(0))).to(half).requires_grad_()
    wide = z.detach().float().requires_grad_()
    value, expected = getattr(ln, name)(z, 1, temperature=3), getattr(ln, name)(wide, 1, temperature=3)
    assert value.dtype == half and torch.equal(value, expected.to(half))
    (slopes,), (e,) = torch.autograd.grad(value[:, 0].sum(), z), torch.autograd.grad(expected[:, 0].sum(), wide)
    assert slopes.dtype == half and torch.equal(slopes, e.to(half))


@pytest.mark.parametrize("dim", [0, 1, 2, -1, -2, -3])
@both
def test_any_dimension_may_hold_the_scores(name, dim):
    z = torch.randn(2, 3, 4, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    same(getattr(ln, name)(z, dim), getattr(torch, name)(z, dim))


@pytest.mark.parametrize("shape", [(0, 3), (2, 0), (0,)])
@pytest.mark.parametrize("dtype", [torch.float32, torch.float16])
@both
def test_nothing_in_nothing_out(name, dtype, shape):
    z = torch.empty(shape, dtype=dtype, requires_grad=True)
    value = getattr(ln, name)(z, -1)
    assert value.shape == shape and value.dtype == dtype
    (slopes,) = torch.autograd.grad(value.sum(), z)
    assert slopes.shape == shape


@both
def test_any_real_number_is_a_temperature_and_any_integer_a_dim(name):
    fn, z = getattr(ln, name), torch.tensor(Z)
    for temperature in (Fraction(3, 2), np.float32(1.5), np.float64(1.5)):
        assert torch.equal(fn(z, 1, temperature=temperature), fn(z, 1, temperature=1.5))
    assert torch.equal(fn(z, np.int64(1)), fn(z, 1))


@pytest.mark.parametrize("dtype", [torch.float32, torch.float16])
@both
def test_inputs_are_never_changed(name, dtype):
    z = torch.tensor(Z, dtype=dtype)
    before = z.clone()
    getattr(ln, name)(z, 1, temperature=2)
    assert torch.equal(z, before)


@both
def test_is_exported_and_takes_its_temperature_by_keyword(name):
    assert name in ln.__all__
    parameters = inspect.signature(getattr(ln, name)).parameters
    assert list(parameters) == ["input", "dim", "temperature", "dtype"]
    assert parameters["temperature"].kind is inspect.Parameter.KEYWORD_ONLY
    assert parameters["temperature"].default == 1


@pytest.mark.parametrize("dim", [0, -1])
def test_a_single_score_is_certain_as_in_pytorch(dim):
    score = torch.tensor(3.0)
    assert ln.softmax(score, dim) == torch.softmax(score, dim) == 1
    assert ln.log_softmax(score, dim) == torch.log_softmax(score, dim) == 0


@both
def test_dtype_is_that_of_the_computation(name):
    """As in PyTorch: what comes in is brought to it first."""
    z = torch.tensor([[20.0, 0.0, -3.0]], dtype=torch.bfloat16, requires_grad=True)
    for dtype in (torch.float32, torch.float64):
        value, expected = getattr(ln, name)(z, 1, dtype=dtype), getattr(torch, name)(z, 1, dtype=dtype)
        assert value.dtype == dtype
        same(value, expected, 1e-6)
    assert torch.autograd.grad(value.sum(), z)[0].dtype == torch.bfloat16
    for wrong, message in (("float32", r"dtype is a str; .* Try dtype=torch.float32"), (torch.int64, "floating-point type")):
        with pytest.raises(TypeError, match=message):
            getattr(ln, name)(z, 1, dtype=wrong)
