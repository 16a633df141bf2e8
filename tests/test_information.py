"""The information functions: numbers against mpmath, laws, derivatives, dtypes and shapes."""

import inspect
import math
from fractions import Fraction

import hypothesis.strategies as st
import numpy as np
import pytest
import reference as ref
import scipy.spatial
import scipy.special
import scipy.stats
import torch
from hypothesis import given

import lossnotes as ln

OF_ONE = ["entropy"]
OF_TWO = ["cross_entropy_between", "kl_divergence", "jensen_shannon_divergence"]
OF_JOINT = ["conditional_entropy", "mutual_information"]

ROWS = [
    [1, 0, 0],
    [0.5, 0.5],
    [0.1, 0.2, 0.7],
    [0.25, 0, 0.75, 0],
    [1e-6, 1 - 1e-6],
    [1e-30, 1],
    [0.5, 0.25, 0.125, 0.0625, 0.015625, 0.015625, 0.015625, 0.015625],
]
# Far apart, on both sides of the border where log p - log q gives way to log1p, and with zeros on either side.
PAIRS = [
    ([0.5, 0.5], [0.25, 0.75]),
    ([0.1, 0.2, 0.7], [0.3, 0.3, 0.4]),
    ([0.1, 0.2, 0.7], [0.7, 0.2, 0.1]),
    ([0.5, 0.3, 0.2], [0.3334, 0.2, 0.4666]),
    ([1, 0], [0.5, 0.5]),
    ([0.5, 0.5, 0], [0.125, 0.875, 0]),
    ([0, 0.25, 0.75], [0.5, 0.25, 0.25]),
    ([1e-6, 1 - 1e-6], [0.5, 0.5]),
    ([0.5, 0.5], [1e-6, 1 - 1e-6]),
    ([0.5, 0.5], [1e-30, 1]),
    ([1e-30, 1], [0.5, 0.5]),
]
NOT_COVERED = ([0.5, 0.5, 0], [0.75, 0, 0.25])  # p says possible, q says never
JOINTS = [
    [[0.5, 0], [0.25, 0.25]],
    [[0.4, 0.05, 0.05], [0.01, 0.15, 0.34]],
    [[0, 0.5], [0.5, 0]],
    [[0, 0, 0], [0.125, 0.375, 0.5]],
    [[0.3, 1e-6], [0.1, 0.6 - 1e-6], [0, 0]],
]
CASES = (
    [(name, (row,)) for name in OF_ONE for row in ROWS]
    + [(name, pair) for name in OF_TWO for pair in PAIRS]
    + [(name, (joint,)) for name in OF_JOINT for joint in JOINTS]
)
# One call of each, away from the edges of [0, 1], for the tests that go through all functions.
INSIDE = {
    "information_content": ([0.1, 0.2, 0.7],),
    "entropy": ([0.1, 0.2, 0.7],),
    "cross_entropy_between": ([0.1, 0.2, 0.7], [0.3, 0.3, 0.4]),
    "kl_divergence": ([0.1, 0.2, 0.7], [0.3, 0.25, 0.45]),
    "jensen_shannon_divergence": ([0.1, 0.2, 0.7], [0.3, 0.25, 0.45]),
    "conditional_entropy": ([[0.4, 0.05, 0.05], [0.01, 0.15, 0.34]],),
    "mutual_information": ([[0.4, 0.05, 0.05], [0.01, 0.15, 0.34]],),
}
every_function = pytest.mark.parametrize("name, args", INSIDE.items(), ids=INSIDE)
every_base = pytest.mark.parametrize("base", [None, 2, 10, 3], ids=["e", "2", "10", "3"])


def in_base(base):
    return {} if base is None else {"base": base}


def tensors(args, dtype=torch.float64, **options):
    return [torch.tensor(a, dtype=dtype, **options) for a in args]


def same(actual, expected, tolerance=1e-12):
    """Equal (sequences of) tensors, up to rounding."""
    if isinstance(actual, torch.Tensor):
        expected = torch.as_tensor(expected, dtype=actual.dtype)
    torch.testing.assert_close(actual, expected, rtol=tolerance, atol=tolerance)


# --- numbers


@every_base
@pytest.mark.parametrize("name, args", CASES)
def test_value_and_slopes(name, args, base, place):
    device, dtype = place
    inputs = tensors(args, dtype, device=device, requires_grad=True)
    value = getattr(ln, name)(*inputs, **in_base(base))
    assert value.dtype == dtype and value.device == inputs[0].device and value.shape == ()

    numbers = [ref.exact(x) for x in inputs]
    ref.assert_close(value, getattr(ref, name)(*numbers, base))
    expected = getattr(ref, name + "_gradient")(*numbers, base)
    # The slope of H(Y|X) is -(log p(y|x) + 1) + 1, a 1 from either logarithm: rounding is relative to that 1.
    size = 1 if name == "conditional_entropy" else 0
    for slopes, e in zip(torch.autograd.grad(value, inputs), expected if len(args) == 2 else [expected]):
        ref.assert_slopes_close(slopes, e, size)


@every_base
def test_information_content_value_and_slope(base, place):
    device, dtype = place
    p = torch.tensor([1, 0.5, 0.1, 1 - 1e-6, 1e-6, 1e-30], dtype=dtype, device=device, requires_grad=True)
    value = ln.information_content(p, **in_base(base))
    ref.assert_close(value, [ref.information_content(x, base) for x in ref.exact(p)])
    (slopes,) = torch.autograd.grad(value.sum(), p)
    ref.assert_slopes_close(slopes, [ref.information_content_gradient(x, base) for x in ref.exact(p)])


def test_information_content_of_the_impossible_is_infinite():
    assert ln.information_content([0.0, 0.5], base=2).tolist() == [math.inf, 1]


def test_entropy_slope_is_0_where_p_is_0():
    p = torch.tensor([[0.25, 0, 0.75], [0, 1, 0]], requires_grad=True)
    (slope,) = torch.autograd.grad(ln.entropy(p).sum(), p)
    assert slope[p == 0].tolist() == [0, 0, 0]


def test_slopes_where_p_is_0_obey_the_laws_of_the_values():
    p = torch.tensor([[0, 0.25], [0.125, 0.625]], dtype=torch.float64, requires_grad=True)
    q = torch.tensor([0.25, 0.125, 0.125, 0.5], dtype=torch.float64)

    def slopes(value):
        return torch.autograd.grad(value, p)[0]

    row = p.flatten()
    same(slopes(ln.kl_divergence(row, q)), slopes(ln.cross_entropy_between(row, q)) - slopes(ln.entropy(row)))
    same(slopes(ln.conditional_entropy(p)), slopes(ln.entropy(p.flatten())) - slopes(ln.entropy(p.sum(1))))


@pytest.mark.parametrize("name", ["cross_entropy_between", "kl_divergence"])
def test_infinite_where_q_is_0_below_p_and_other_rows_unharmed(name, place):
    device, dtype = place
    p = torch.tensor([NOT_COVERED[0], [0.5, 0.25, 0.25]], dtype=dtype, device=device, requires_grad=True)
    q = torch.tensor([NOT_COVERED[1], [0.25, 0.125, 0.625]], dtype=dtype, device=device, requires_grad=True)
    value = getattr(ln, name)(p, q)
    numbers = ref.exact(p)[1], ref.exact(q)[1]
    ref.assert_close(value, [ref.INF, getattr(ref, name)(*numbers)])
    for slopes, e in zip(torch.autograd.grad(value.sum(), (p, q)), getattr(ref, name + "_gradient")(*numbers)):
        ref.assert_slopes_close(slopes[1], e)
        assert not slopes.isnan().any()


def test_jensen_shannon_is_finite_where_kl_is_not():
    p, q = NOT_COVERED
    value = ln.jensen_shannon_divergence(*tensors((p, q)))
    ref.assert_close(value, ref.jensen_shannon_divergence(*map(ref.exact, tensors((p, q)))))


# Near p = q the divergences are of order (p - q)**2, but the rounded terms that they are summed from are of order p - q
# (kl) or 1 (the others): what rounding leaves is that many eps, however small the value itself.
@pytest.mark.parametrize("distance", [1e-1, 1e-2, 1e-4, 1e-6, 1e-8, 1e-10])
def test_accuracy_where_p_and_q_nearly_agree(distance, place):
    device, dtype = place
    eps = torch.finfo(dtype).eps
    for shift in ([1, -1, 0], [-0.5, -0.5, 1], [0.3, -0.1, -0.2]):
        p = torch.tensor([0.1, 0.2, 0.7], dtype=dtype, device=device)
        q = p * (1 + distance * torch.tensor(shift, dtype=dtype, device=device) / p / 10)
        for name, allowed in (
            ("kl_divergence", eps * (p - q).abs().sum().item()),
            ("jensen_shannon_divergence", eps),
        ):
            expected = getattr(ref, name)(ref.exact(p), ref.exact(q))
            error = abs(ref.exact(getattr(ln, name)(p, q)) - max(expected, 0))
            assert error <= allowed, f"{name}: off by {float(error / eps)} eps"
        joint = torch.stack([p, q]) / 2
        error = abs(ref.exact(ln.mutual_information(joint)) - max(ref.mutual_information(ref.exact(joint)), 0))
        assert error <= eps, f"mutual_information: off by {float(error / eps)} eps"


@pytest.mark.parametrize("dtype", [torch.float64, torch.float32])
def test_powers_of_the_base_are_exact(dtype):
    assert ln.information_content(1 / 8, base=2).item() == 3
    for base in (2, 10):
        powers = torch.tensor([float(base) ** -k for k in range(31)], dtype=dtype)
        assert ln.information_content(powers, base=base).tolist() == list(range(31))
    assert ln.entropy(torch.tensor(ROWS[-1], dtype=dtype), base=2).item() == 2
    assert ln.jensen_shannon_divergence(*tensors(([1, 0], [0, 1]), dtype), base=2).item() == 1
    assert ln.mutual_information(torch.eye(4, dtype=dtype) / 4, base=2).item() == 2
    assert ln.conditional_entropy(torch.full((2, 4), 1 / 8, dtype=dtype), base=2).item() == 2


@every_base
def test_nothing_is_0_and_not_minus_0(base):
    certain = torch.tensor([0.0, 1.0, 0.0])
    zeros = [
        ln.information_content(1, **in_base(base)),
        ln.entropy(certain, **in_base(base)),
        ln.cross_entropy_between(certain, certain, **in_base(base)),
        ln.kl_divergence(certain, certain, **in_base(base)),
        ln.jensen_shannon_divergence(certain, certain, **in_base(base)),
        ln.conditional_entropy(torch.eye(3) / 3, **in_base(base)),
        ln.mutual_information(torch.full((2, 2), 0.25), **in_base(base)),
    ]
    assert [str(z.item()) for z in zeros] == ["0.0"] * 7


# --- laws


weights = st.just(0.0) | st.floats(1e-9, 1) | st.sampled_from([1e-30, 1e-9, 0.5, 1.0])


@st.composite
def distributions(draw, count, size=st.integers(1, 6)):
    """`count` distributions over the same cases, zeros among them."""
    size = draw(size)
    rows = st.lists(weights, min_size=size, max_size=size).filter(any)
    rows = torch.tensor([draw(rows) for _ in range(count)], dtype=torch.float64)
    return list(rows / rows.sum(-1, keepdim=True))


@st.composite
def joints(draw):
    x, y = draw(st.integers(1, 4)), draw(st.integers(1, 4))
    (p,) = draw(distributions(1, st.just(x * y)))
    return p.reshape(x, y)


@given(distributions(1))
def test_entropy_lies_between_0_and_log_of_the_cases(ps):
    (p,) = ps
    assert 0 <= ln.entropy(p) <= math.log(len(p)) + 1e-12


@pytest.mark.parametrize("cases", [1, 2, 3, 7, 1000])
def test_entropy_of_the_uniform_distribution_is_log_of_the_cases(cases):
    same(ln.entropy(torch.full((cases,), 1 / cases, dtype=torch.float64)), math.log(cases))


@given(distributions(2), st.floats(0, 1))
def test_entropy_is_concave(ps, t):
    p, q = ps
    assert ln.entropy(t * p + (1 - t) * q) >= t * ln.entropy(p) + (1 - t) * ln.entropy(q) - 1e-12


@given(distributions(2), st.randoms())
def test_the_order_of_the_cases_does_not_matter(ps, random):
    p, q = ps
    order = random.sample(range(len(p)), len(p))
    same(ln.entropy(p[order]), ln.entropy(p))
    for name in OF_TWO:
        same(getattr(ln, name)(p[order], q[order]), getattr(ln, name)(p, q))


@given(distributions(2))
def test_cross_entropy_is_entropy_plus_divergence(ps):
    p, q = ps
    same(ln.cross_entropy_between(p, q), ln.entropy(p) + ln.kl_divergence(p, q))
    same(ln.cross_entropy_between(p, p), ln.entropy(p))


@given(distributions(2))
def test_divergence_is_never_negative_and_0_for_equals(ps):
    p, q = ps
    assert ln.kl_divergence(p, q) >= 0
    assert ln.kl_divergence(p, p) == 0


@given(distributions(2))
def test_divergence_bounds_the_distance(ps):
    p, q = ps
    assert ln.kl_divergence(p, q) >= (p - q).abs().sum() ** 2 / 2 - 1e-12  # Pinsker's inequality


@given(distributions(2))
def test_jensen_shannon_is_symmetric_and_at_most_log_2(ps):
    p, q = ps
    value = ln.jensen_shannon_divergence(p, q)
    assert value == ln.jensen_shannon_divergence(q, p)
    assert 0 <= value <= math.log(2) + 1e-12
    assert ln.jensen_shannon_divergence(p, p) == 0


@given(distributions(2))
def test_jensen_shannon_is_what_the_halfway_entropy_has_above_the_mean(ps):
    p, q = ps
    same(ln.jensen_shannon_divergence(p, q), ln.entropy((p + q) / 2) - (ln.entropy(p) + ln.entropy(q)) / 2)


@given(joints())
def test_chain_rule(joint):
    same(ln.entropy(joint.flatten()), ln.entropy(joint.sum(1).clamp(max=1)) + ln.conditional_entropy(joint))
    assert ln.conditional_entropy(joint) >= 0


@given(joints())
def test_mutual_information_is_the_entropy_that_x_takes_from_y(joint):
    value = ln.mutual_information(joint)
    same(value, ln.entropy(joint.sum(0).clamp(max=1)) - ln.conditional_entropy(joint))
    same(value, ln.mutual_information(joint.mT))
    assert value >= 0


@given(distributions(1), distributions(1))
def test_independent_variables_tell_nothing_of_each_other(px, py):
    joint = px[0][:, None] * py[0]
    same(ln.mutual_information(joint), 0)
    same(ln.conditional_entropy(joint), ln.entropy(py[0]))


@given(distributions(2), st.sampled_from([2, 3, 10, 1.5]))
def test_another_base_is_another_unit(ps, base):
    p, q = ps
    for name in ["information_content", *OF_ONE]:
        same(getattr(ln, name)(p, base=base), getattr(ln, name)(p) / math.log(base))
    for name in OF_TWO:
        same(getattr(ln, name)(p, q, base=base), getattr(ln, name)(p, q) / math.log(base))
    joint = torch.stack([p, q]) / 2
    for name in OF_JOINT:
        same(getattr(ln, name)(joint, base=base), getattr(ln, name)(joint) / math.log(base))


@given(distributions(2))
def test_agrees_with_scipy(ps):
    p, q = (x.numpy() for x in ps)
    same(ln.entropy(p), scipy.special.entr(p).sum())
    same(ln.kl_divergence(p, q), max(scipy.special.rel_entr(p, q).sum(), 0))
    same(ln.kl_divergence(p, q, base=2), max(scipy.stats.entropy(p, q, base=2), 0))
    same(ln.jensen_shannon_divergence(p, q), scipy.spatial.distance.jensenshannon(p, q) ** 2)


def test_agrees_with_torch():
    p, q = tensors(INSIDE["kl_divergence"])
    same(ln.kl_divergence(p, q), torch.nn.functional.kl_div(q.log(), p, reduction="sum"))
    same(ln.cross_entropy_between(p, q), torch.nn.functional.cross_entropy(q.log(), p))
    same(ln.entropy(p), torch.distributions.Categorical(p).entropy())


# --- derivatives


@pytest.mark.parametrize("base", [math.e, 2])
@every_function
def test_first_and_second_derivatives(name, args, base):
    def fn(*inputs):
        return getattr(ln, name)(*inputs, base=base)

    inputs = tensors(args, requires_grad=True)
    assert torch.autograd.gradcheck(fn, inputs)
    assert torch.autograd.gradgradcheck(fn, inputs)


@every_function
def test_torch_func(name, args):
    def fn(*inputs):
        return getattr(ln, name)(*inputs).sum()

    inputs = tensors(args)
    everywhere = tuple(range(len(inputs)))
    gradients = torch.func.grad(fn, everywhere)(*inputs)
    leaves = tensors(args, requires_grad=True)
    same(gradients, torch.autograd.grad(fn(*leaves), leaves))
    plain = torch.autograd.functional.hessian(fn, tuple(inputs))
    for rows, expected in zip(torch.func.hessian(fn, everywhere)(*inputs), plain):
        same(rows, expected)
    batch = [torch.stack([x, x.flip(-1)]) for x in inputs]
    same(torch.func.vmap(getattr(ln, name))(*batch), getattr(ln, name)(*batch))
    same(torch.func.vmap(torch.func.grad(fn, everywhere))(*batch)[0][0], gradients[0])


def test_hessian_of_entropy():
    (p,) = tensors(INSIDE["entropy"])
    same(torch.func.hessian(ln.entropy)(p), torch.diag(-1 / p))


def test_slopes_where_p_is_q():
    p, q = tensors(([0.1, 0.2, 0.7],) * 2, requires_grad=True)
    for fn, expected in ((ln.kl_divergence, (1, -1)), (ln.jensen_shannon_divergence, (0, 0))):
        slopes = torch.autograd.grad(fn(p, q), (p, q))
        same(torch.stack(slopes), torch.tensor(expected)[:, None].expand(2, 3))


def test_slopes_where_rounding_leaves_less_than_0():
    # The sum comes out below 0 and is shown as 0; its slope must not be lost with it.
    p, q = tensors(([0.5, 0.5], [0.5, 0.5 + 1e-9]), requires_grad=True)
    value = ln.kl_divergence(p, q)
    assert value.item() == 0 and ref.kl_divergence(ref.exact(p), ref.exact(q)) < 0
    slopes = torch.autograd.grad(value, (p, q))
    for actual, expected in zip(slopes, ref.kl_divergence_gradient(ref.exact(p), ref.exact(q))):
        ref.assert_slopes_close(actual, expected)


@pytest.mark.parametrize("dtype", [torch.float64, torch.float32])
def test_slopes_below_the_smallest_normal_number(dtype):
    # What softmax makes of two confident networks that nearly agree. The slope of a quotient, p / q / q, overflows.
    t = torch.finfo(dtype).tiny / 100
    p, q = tensors(([1.25 * t, 1], [t, 1]), dtype, requires_grad=True)
    expected = ref.kl_divergence_gradient(ref.exact(p), ref.exact(q))
    for slopes, e in zip(torch.autograd.grad(ln.kl_divergence(p, q), (p, q)), expected):
        ref.assert_slopes_close(slopes, e)
    for name in OF_TWO:
        for slopes in torch.autograd.grad(getattr(ln, name)(p, q), (p, q)):
            assert slopes.isfinite().all()
    for table in ([[1.25 * t, 0.5], [t, 0.5]], [[1.25 * t, t], [0.5, 0.5]]):
        for name in OF_JOINT:
            (joint,) = tensors([table], dtype, requires_grad=True)
            (slopes,) = torch.autograd.grad(getattr(ln, name)(joint), joint)
            assert slopes.isfinite().all()


@every_function
def test_compiles_into_one_graph(name, args):
    def value_and_slopes(fn):
        inputs = tensors(args, requires_grad=True)
        value = fn(*inputs)
        return value, *torch.autograd.grad(value.sum(), inputs)

    torch._dynamo.reset()
    same(
        value_and_slopes(torch.compile(getattr(ln, name), fullgraph=True, backend="aot_eager")),
        value_and_slopes(getattr(ln, name)),
    )


def test_compiles_to_machine_code():
    p, q = tensors(([[0, 0.25, 0.75], [0.1, 0.2, 0.7]], [0.3, 0.25, 0.45]))
    same(torch.compile(ln.kl_divergence, fullgraph=True)(p, q, base=2), ln.kl_divergence(p, q, base=2))


# --- dtypes, shapes, kinds of input


@pytest.mark.parametrize("half", [torch.float16, torch.bfloat16])
@every_function
def test_half_precision_is_computed_in_float32(name, args, half):
    # Multiples of 1/256 that sum to 1 in every dtype.
    generator = torch.Generator().manual_seed(0)
    counts = [1 + torch.randint(40, (216,), generator=generator).bincount(minlength=40) for _ in args]
    inputs = [(c / 256).to(half).reshape((5, 8) if name in OF_JOINT else 40).requires_grad_() for c in counts]
    floats = [x.detach().float().requires_grad_() for x in inputs]
    value, expected = getattr(ln, name)(*inputs), getattr(ln, name)(*floats)
    assert value.dtype == half
    assert torch.equal(value, expected.to(half))
    for slope, e in zip(torch.autograd.grad(value.sum(), inputs), torch.autograd.grad(expected.sum(), floats)):
        assert slope.dtype == half
        assert torch.equal(slope, e.to(half))


@pytest.mark.parametrize("name", OF_TWO)
def test_mixed_dtypes_promote(name):
    fn, (p, q) = getattr(ln, name), INSIDE[name]
    (p32,), (q64,) = tensors([p], torch.float32), tensors([q], torch.float64)
    assert torch.equal(fn(p32, q64), fn(p32.double(), q64))
    assert torch.equal(fn(q64, p32), fn(q64, p32.double()))
    p16, q16 = torch.tensor([0.25, 0.75]).half(), torch.tensor([0.625, 0.375]).bfloat16()
    assert torch.equal(fn(p16, q16), fn(p16.float(), q16.float()))


@every_function
def test_lists_and_arrays(name, args):
    fn = getattr(ln, name)
    single, double = fn(*tensors(args, torch.float32)), fn(*tensors(args, torch.float64))
    assert torch.equal(fn(*args), single)
    assert torch.equal(fn(*(np.array(a) for a in args)), double)
    assert torch.equal(fn(*(np.array(a, dtype=np.float32) for a in args)), single)


@pytest.mark.parametrize("name", OF_TWO)
def test_a_list_takes_the_dtype_of_the_tensor_beside_it(name):
    fn, (p, q) = getattr(ln, name), INSIDE[name]
    p64, q64 = tensors((p, q))
    assert torch.equal(fn(p, q64), fn(p64, q64))
    assert torch.equal(fn(p64, q), fn(p64, q64))
    assert torch.equal(fn(p64, np.array(q)), fn(p64, q64))
    assert torch.equal(fn(p64.float(), np.array(q)), fn(p64.float(), q64))  # an array brings a dtype of its own
    assert torch.equal(fn([1, 0, 0], q64), fn(torch.tensor([1.0, 0, 0], dtype=torch.float64), q64))
    assert torch.equal(fn(torch.tensor([1, 0, 0]), q64), fn(torch.tensor([1.0, 0, 0], dtype=torch.float64), q64))
    assert fn(p64.half(), q).dtype == torch.float16


def test_integers():
    for one in (1, [1], np.array(1), torch.tensor([1])):
        value = ln.information_content(one)
        assert value.dtype == torch.float32 and value.item() == 0
    assert ln.entropy([1, 0]).item() == 0
    assert ln.mutual_information(np.array([[1, 0], [0, 0]])).item() == 0


def test_any_real_number_is_a_base_and_any_integer_a_dim():
    (p,) = tensors([[[0.25, 0.75]]])
    for base in (2.0, Fraction(2), np.float64(2), np.int64(2)):
        assert torch.equal(ln.entropy(p, base=base), ln.entropy(p, base=2))
        assert ln.entropy(p.float(), base=base).dtype == torch.float32
    assert torch.equal(ln.entropy(p, dim=np.int64(1)), ln.entropy(p, dim=1))


@every_function
def test_inputs_are_never_changed(name, args):
    for dtype in (torch.float64, torch.float16):
        inputs = tensors(args, dtype)
        before = [x.clone() for x in inputs]
        getattr(ln, name)(*inputs, base=2)
        assert all(torch.equal(x, b) for x, b in zip(inputs, before))


@pytest.mark.parametrize("dim", [0, 1, 2, -1, -2, -3])
@pytest.mark.parametrize("name", OF_ONE + OF_TWO)
def test_any_dimension_may_hold_the_cases(name, dim):
    fn = getattr(ln, name)
    noise = torch.rand(2, 2, 3, 4, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    inputs = torch.softmax(noise, dim % 3 + 1)[: len(INSIDE[name])]
    value = fn(*inputs, dim=dim)
    assert value.shape == inputs[0].sum(dim).shape
    same(value, fn(*(x.movedim(dim, -1) for x in inputs)))


@pytest.mark.parametrize("name", OF_TWO)
def test_one_distribution_against_many(name):
    fn = getattr(ln, name)
    many = torch.softmax(torch.rand(4, 3, dtype=torch.float64, generator=torch.Generator().manual_seed(0)), -1)
    (one,) = tensors([[0.1, 0.2, 0.7]])
    same(fn(many, one), torch.stack([fn(row, one) for row in many]))
    same(fn(one, many), torch.stack([fn(one, row) for row in many]))
    same(fn(many, one, dim=1), fn(many, one))
    same(fn(one, many, dim=1), fn(one, many))
    same(fn(many.T, one[:, None], dim=0), fn(many, one))
    same(fn(many[:, None], many), torch.stack([fn(row, many) for row in many]))


@pytest.mark.parametrize("name", OF_JOINT)
def test_many_tables_at_once(name):
    fn = getattr(ln, name)
    tables = torch.rand(2, 3, 4, 5, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    tables = tables / tables.sum((-2, -1), keepdim=True)
    assert fn(tables).shape == (2, 3)
    same(fn(tables)[1, 2], fn(tables[1, 2]))


@every_function
def test_nothing_in_nothing_out(name, args):
    inputs = [x.new_empty(0, *x.shape).requires_grad_() for x in tensors(args, torch.float32)]
    value = getattr(ln, name)(*inputs)
    assert value.shape == (inputs[0].shape if name == "information_content" else (0,))
    assert all(slope.shape == x.shape for slope, x in zip(torch.autograd.grad(value.sum(), inputs), inputs))


@every_function
def test_is_exported_and_takes_its_options_by_keyword(name, args):
    assert name in ln.__all__
    parameters = inspect.signature(getattr(ln, name)).parameters.values()
    keywords = {p.name: p.default for p in parameters if p.kind == p.KEYWORD_ONLY}
    assert keywords == ({"base": math.e} if name in ["information_content", *OF_JOINT] else {"dim": -1, "base": math.e})


def test_eight_bits_of_precision_are_enough_to_be_accepted():
    p = torch.tensor([0.5, 0.25, 0.25]).to(torch.float8_e4m3fn)
    assert ln.entropy(p).dtype == p.dtype
    assert ln.entropy(p).float() == torch.tensor(1.5 * math.log(2)).to(p.dtype).float()


@pytest.mark.parametrize("divergence", [ln.kl_divergence, ln.jensen_shannon_divergence, ln.cross_entropy_between])
def test_eight_bits_beside_another_dtype_count_as_float32(divergence):
    p, q = torch.tensor([0.5, 0.5]), torch.tensor([0.25, 0.75])
    low, lower = p.to(torch.float8_e4m3fn), q.to(torch.float8_e5m2)
    for x, y in ((low, q), (p, lower), (low, lower)):
        assert divergence(x, y).dtype == torch.float32 and divergence(x, y) == divergence(p, q)


def test_integers_take_the_dtype_of_the_tensor_beside_them():
    certain = torch.tensor([1.0, 0.0], dtype=torch.float16)
    assert ln.cross_entropy_between(certain, torch.tensor([1, 0])).dtype == torch.float16
