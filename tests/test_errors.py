"""What cannot be right raises before any arithmetic, and says what was passed, what was expected, what to try."""

import re
from types import SimpleNamespace

import numpy as np
import pytest
import torch

import lossnotes as ln
from lossnotes import _checks

NAN, INF = float("nan"), float("inf")
HALF = torch.tensor([0.5, 0.5])
TABLE = torch.full((2, 2), 0.25)
ON_META = torch.empty(2, device="meta")

NOT_TAKEN = "that torch.as_tensor does not take (.+); expected a tensor or a list of numbers. "
EQUAL_ROWS = "Try a list whose rows have equal length."
IN_01 = "a probability lies in [0, 1]. Try"
SUM_1 = "a distribution sums to 1. Try"

# (call, exception, the whole message); (.+) stands for PyTorch's own words.
BAD_CALLS = [
    # One number beside a list.
    *(
        (
            call,
            ValueError,
            f"kl_divergence: {name} is a single number; expected a distribution, at least one dimension. Try torch.stack([{name}, "
            f"1 - {name}]) with {name} = torch.tensor({name}), if it is the probability of one of two cases.",
        )
        for name, call in (("p", lambda: ln.kl_divergence(0.5, [0.5, 0.5])), ("q", lambda: ln.kl_divergence([0.5, 0.5], 0.5)))
    ),
    # Not numbers.
    (lambda: ln.entropy("abc"), TypeError, f"entropy: p is a str {NOT_TAKEN}Try p=[0.5, 0.5]."),
    (lambda: ln.entropy(None), TypeError, f"entropy: p is a NoneType {NOT_TAKEN}Try p=[0.5, 0.5]."),
    (lambda: ln.information_content({}), TypeError, f"information_content: p is a dict {NOT_TAKEN}Try list(p.values())."),
    (lambda: ln.entropy([[0.5, 0.5], [1.0]]), TypeError, f"entropy: p is a list {NOT_TAKEN}{EQUAL_ROWS}"),
    (lambda: ln.kl_divergence(HALF, [0.5, None]), TypeError, f"kl_divergence: q is a list {NOT_TAKEN}Try q=[0.5, 0.5]."),
    (
        lambda: ln.mutual_information((HALF, HALF)),
        TypeError,
        f"mutual_information: joint is a tuple {NOT_TAKEN}Try torch.stack(joint).",
    ),
    (
        lambda: ln.entropy(np.array([0.25, 0.75])[::-1]),
        TypeError,
        f"entropy: p is a ndarray {NOT_TAKEN}Try p.astype(float).",
    ),
    (
        lambda: ln.entropy(HALF == HALF),
        TypeError,
        "entropy: p has dtype torch.bool; expected real numbers. Try p.float().",
    ),
    (
        lambda: ln.information_content(True),
        TypeError,
        "information_content: p has dtype torch.bool; expected real numbers. Try p.float() with p = torch.tensor(p).",
    ),
    (
        lambda: ln.jensen_shannon_divergence(HALF, [0.5, 0.5j]),
        TypeError,
        f"jensen_shannon_divergence: q is a list {NOT_TAKEN}Try q=[0.5, 0.5].",
    ),
    (
        lambda: ln.jensen_shannon_divergence([0.5, 0.5j], HALF.double().numpy()),
        TypeError,
        "jensen_shannon_divergence: p has dtype torch.complex64; expected real numbers. Try p.real with p = torch.tensor(p).",
    ),
    (
        lambda: ln.conditional_entropy(TABLE * 1j),
        TypeError,
        "conditional_entropy: joint has dtype torch.complex64; expected real numbers. Try joint.real.",
    ),
    (
        lambda: ln.softmax([0.0, 1.0], 0),
        TypeError,
        "softmax: input is a list; expected a tensor. Try torch.as_tensor(input).",
    ),
    (
        lambda: ln.log_softmax(np.zeros(2), 0),
        TypeError,
        "log_softmax: input is a ndarray; expected a tensor. Try torch.as_tensor(input).",
    ),
    (
        lambda: ln.softmax(torch.tensor([0, 1]), 0),
        TypeError,
        "softmax: input has dtype torch.int64; expected floating point. Try input.float().",
    ),
    (
        lambda: ln.log_softmax(HALF == HALF, 0),
        TypeError,
        "log_softmax: input has dtype torch.bool; expected floating point. Try input.float().",
    ),
    (
        lambda: ln.softmax(HALF * 1j, 0),
        TypeError,
        "softmax: input has dtype torch.complex64; expected floating point. Try input.real.",
    ),
    # base and temperature.
    (lambda: ln.entropy(HALF, base="2"), TypeError, "entropy: base is a str; expected a number. Try base=2.0."),
    (
        lambda: ln.information_content(0.5, base=None),
        TypeError,
        "information_content: base is a NoneType; expected a number. Try base=2.0.",
    ),
    (
        lambda: ln.kl_divergence(HALF, HALF, base=True),
        TypeError,
        "kl_divergence: base is a bool; expected a number. Try base=2.0.",
    ),
    (
        lambda: ln.softmax(HALF, 0, temperature=torch.tensor(2.0)),
        TypeError,
        "softmax: temperature is a Tensor; expected a number. Try temperature=temperature.item().",
    ),
    (
        lambda: ln.entropy(HALF, base=1),
        ValueError,
        "entropy: base is 1; expected a finite number above 1. Try base=2.0.",
    ),
    (
        lambda: ln.conditional_entropy(TABLE, base=0.5),
        ValueError,
        "conditional_entropy: base is 0.5; expected a finite number above 1. Try base=2.0.",
    ),
    (
        lambda: ln.mutual_information(TABLE, base=NAN),
        ValueError,
        "mutual_information: base is nan; expected a finite number above 1. Try base=2.0.",
    ),
    (
        lambda: ln.cross_entropy_between(HALF, HALF, base=INF),
        ValueError,
        "cross_entropy_between: base is inf; expected a finite number above 1. Try base=2.0.",
    ),
    (
        lambda: ln.softmax(HALF, 0, temperature=0),
        ValueError,
        "softmax: temperature is 0; expected a finite number above 0. Try temperature=1.0.",
    ),
    (
        lambda: ln.log_softmax(HALF, 0, temperature=-2.5),
        ValueError,
        "log_softmax: temperature is -2.5; expected a finite number above 0. Try temperature=1.0.",
    ),
    # dim.
    (lambda: ln.entropy(HALF, dim=0.0), TypeError, "entropy: dim is a float; expected an integer. Try dim=-1."),
    (lambda: ln.softmax(HALF, None), TypeError, "softmax: dim is a NoneType; expected an integer. Try dim=-1."),
    (lambda: ln.log_softmax(HALF, True), TypeError, "log_softmax: dim is a bool; expected an integer. Try dim=-1."),
    (
        lambda: ln.kl_divergence(TABLE * 2, TABLE * 2, dim=(0, 1)),
        TypeError,
        "kl_divergence: dim is a tuple; expected an integer. Try dim=-1.",
    ),
    (
        lambda: ln.entropy(1.0),
        ValueError,
        "entropy: p is a single number; expected a distribution, at least one dimension. Try "
        "torch.stack([p, 1 - p]) with p = torch.tensor(p), if it is the probability of one of two cases.",
    ),
    (
        lambda: ln.kl_divergence(0.5, HALF),
        ValueError,
        "kl_divergence: p is a single number; expected a distribution, at least one dimension. Try "
        "torch.stack([p, 1 - p]) with p = torch.tensor(p), if it is the probability of one of two cases.",
    ),
    (
        lambda: ln.kl_divergence(torch.tensor(0.5), HALF),
        ValueError,
        "kl_divergence: p is a single number; expected a distribution, at least one dimension. Try "
        "torch.stack([p, 1 - p]) if it is the probability of one of two cases.",
    ),
    (
        lambda: ln.kl_divergence(HALF, torch.tensor(0.5)),
        ValueError,
        "kl_divergence: q is a single number; expected a distribution, at least one dimension. Try "
        "torch.stack([q, 1 - q]) if it is the probability of one of two cases.",
    ),
    (
        lambda: ln.kl_divergence(HALF, HALF, dim=1),
        ValueError,
        "kl_divergence: dim is 1 but p has shape (2,); expected a dim from -1 to 0. Try dim=-1.",
    ),
    (
        lambda: ln.softmax(5, 0),
        TypeError,
        "softmax: input is an int; expected a tensor. Try torch.as_tensor(input).",
    ),
    (
        lambda: ln.entropy(torch.tensor([1 + 2.4e-7, 0.0])),
        ValueError,
        "entropy: p[0] is 1+2.4e-07; a probability lies in [0, 1]. Try p.clamp(0, 1) if this is rounding.",
    ),
    (
        lambda: ln.entropy(torch.tensor([1.0, -1e-6])),
        ValueError,
        "entropy: p[1] is -1e-06; a probability lies in [0, 1]. Try p.clamp(0, 1) if this is rounding.",
    ),
    (
        lambda: ln.entropy(torch.tensor([0.5, 0.25]).to(torch.float8_e4m3fn)),
        ValueError,
        "entropy: p sums to 0.75; a distribution sums to 1. Try p.float() / p.float().sum(dim=-1, "
        "keepdim=True) if these are counts.",
    ),
    (
        lambda: ln.kl_divergence(HALF, 0.5),
        ValueError,
        "kl_divergence: q is a single number; expected a distribution, at least one dimension. Try "
        "torch.stack([q, 1 - q]) with q = torch.tensor(q), if it is the probability of one of two cases.",
    ),
    (
        lambda: ln.softmax(torch.tensor(1.0), 1),
        ValueError,
        "softmax: dim is 1 but input has shape (); expected a dim from -1 to 0. Try dim=-1.",
    ),
    (
        lambda: ln.entropy(HALF, dim=1),
        ValueError,
        "entropy: dim is 1 but p has shape (2,); expected a dim from -1 to 0. Try dim=-1.",
    ),
    (
        lambda: ln.softmax(TABLE, -3),
        ValueError,
        "softmax: dim is -3 but input has shape (2, 2); expected a dim from -2 to 1. Try dim=-1.",
    ),
    (
        lambda: ln.kl_divergence(HALF, TABLE * 2, dim=2),
        ValueError,
        "kl_divergence: dim is 2 but q has shape (2, 2); expected a dim from -2 to 1. Try dim=-1.",
    ),
    # p against q.
    (
        lambda: ln.kl_divergence(HALF, ON_META),
        ValueError,
        "kl_divergence: p is on cpu but q is on meta; expected one device. Try q.to(p.device).",
    ),
    (
        lambda: ln.kl_divergence([0.5, 0.5], [0.2, 0.3, 0.5]),
        ValueError,
        "kl_divergence: p has shape (2,) but q has shape (3,); expected as many cases in both along dim -1. "
        "Try q over the same cases, with 0 where it has none.",
    ),
    (
        lambda: ln.cross_entropy_between([0.5, 0.5], [1.0]),
        ValueError,
        "cross_entropy_between: p has shape (2,) but q has shape (1,); expected as many cases in both along dim -1. "
        "Try q over the same cases, with 0 where it has none.",
    ),
    (
        lambda: ln.jensen_shannon_divergence(HALF, TABLE * 2, dim=0),
        ValueError,
        "jensen_shannon_divergence: p has shape (2,) but q has shape (2, 2); expected as many cases in both along "
        "dim -2. Try q over the same cases, with 0 where it has none.",
    ),
    (
        lambda: ln.kl_divergence(torch.full((3, 2), 0.5), TABLE * 2),
        ValueError,
        "kl_divergence: p has shape (3, 2) but q has shape (2, 2); expected them to agree along dim -1 and to "
        "broadcast elsewhere. Try p.unsqueeze(-2) for every p against every q.",
    ),
    # Not probabilities: the first offender is named.
    (
        lambda: ln.information_content([0.5, 2.0, 3.0]),
        ValueError,
        "information_content: p[1] is 2; a probability lies in [0, 1]. Try p / p.sum(dim=-1, "
        "keepdim=True) with p = torch.tensor(p), if these are counts.",
    ),
    (
        lambda: ln.information_content(-0.25),
        ValueError,
        "information_content: p is -0.25; a probability lies in [0, 1]. Try torch.sigmoid(p) with p = "
        "torch.tensor(p), if this is a score.",
    ),
    (
        lambda: ln.information_content(11.97),
        ValueError,
        "information_content: p is 11.97; a probability lies in [0, 1]. Try p / 100 with p = "
        "torch.tensor(p), if this is a percentage.",
    ),
    (
        lambda: ln.information_content([100.5]),
        ValueError,
        "information_content: p[0] is 100.5; a probability lies in [0, 1]. Try 1 / p with p = "
        "torch.tensor(p), if it happens once in so many times.",
    ),
    (
        lambda: ln.information_content([-0.25, 0.5]),
        ValueError,
        "information_content: p[0] is -0.25; a probability lies in [0, 1]. Try torch.softmax(p, dim=-1) "
        "with p = torch.tensor(p), if these are scores.",
    ),
    (
        lambda: ln.information_content(torch.tensor(1.00005, dtype=torch.float64)),
        ValueError,
        f"information_content: p is 1+5e-05; {IN_01} p.clamp(0, 1) if this is rounding.",
    ),
    (
        lambda: ln.information_content(NAN),
        ValueError,
        "information_content: p is nan; a probability lies in [0, 1]. Try p.isnan().nonzero() with p = "
        "torch.tensor(p), to find where NaN comes in.",
    ),
    (
        lambda: ln.entropy([3.0]),
        ValueError,
        "entropy: p[0] is 3; a probability lies in [0, 1]. Try p / p.sum(dim=-1, keepdim=True) with p = "
        "torch.tensor(p), if these are counts.",
    ),
    (
        lambda: ln.entropy([[0.5, 0.5], [-1.5, 2.5]]),
        ValueError,
        "entropy: p[1, 0] is -1.5; a probability lies in [0, 1]. Try torch.softmax(p, dim=-1) with p = "
        "torch.tensor(p), if these are scores.",
    ),
    (
        lambda: ln.entropy([2.5, -1.5]),
        ValueError,
        "entropy: p[0] is 2.5; a probability lies in [0, 1]. Try torch.softmax(p, dim=-1) with p = "
        "torch.tensor(p), if these are scores.",
    ),
    (
        lambda: ln.entropy([[1, 0], [12345, 3]]),
        ValueError,
        "entropy: p[1, 0] is 1.234e+04; a probability lies in [0, 1]. Try p / p.sum(dim=-1, keepdim=True)"
        " with p = torch.tensor(p), if these are counts.",
    ),
    (
        lambda: ln.entropy([[3, 1], [1, 3]], dim=0),
        ValueError,
        "entropy: p[0, 0] is 3; a probability lies in [0, 1]. Try p / p.sum(dim=0, keepdim=True) with p ="
        " torch.tensor(p), if these are counts.",
    ),
    (
        lambda: ln.entropy([[-3.0, 1.0], [1.0, 3.0]], dim=0),
        ValueError,
        "entropy: p[0, 0] is -3; a probability lies in [0, 1]. Try torch.softmax(p, dim=0) with p = "
        "torch.tensor(p), if these are scores.",
    ),
    (
        lambda: ln.entropy([0.5, NAN]),
        ValueError,
        "entropy: p[1] is nan; a probability lies in [0, 1]. Try p.isnan().nonzero() with p = "
        "torch.tensor(p), to find where NaN comes in.",
    ),
    (
        lambda: ln.information_content([INF, 0.5]),
        ValueError,
        "information_content: p[0] is inf; a probability lies in [0, 1]. Try p.isposinf().nonzero() with p = "
        "torch.tensor(p), to find where inf comes in.",
    ),
    (
        lambda: ln.kl_divergence(HALF, [0.5, -0.5]),
        ValueError,
        "kl_divergence: q[1] is -0.5; a probability lies in [0, 1]. Try torch.softmax(q, dim=-1) with q ="
        " torch.tensor(q), if these are scores.",
    ),
    (
        lambda: ln.mutual_information([[3, 1], [1, 3]]),
        ValueError,
        "mutual_information: joint[0, 0] is 3; a probability lies in [0, 1]. Try joint / "
        "joint.sum(dim=(-2, -1), keepdim=True) with joint = torch.tensor(joint), if these are counts.",
    ),
    # Probabilities that do not sum to 1: the first such row is named.
    (
        lambda: ln.entropy([0.5, 0.6]),
        ValueError,
        "entropy: p sums to 1.1; a distribution sums to 1. Try p / p.sum(dim=-1, keepdim=True) with p = "
        "torch.tensor(p), if these are counts.",
    ),
    (
        lambda: ln.entropy([]),
        ValueError,
        "entropy: p sums to 0; a distribution sums to 1. Try p with at least one case.",
    ),
    (
        lambda: ln.entropy([[0.5, 0.5], [0.5, 0.25], [0.0, 0.0]]),
        ValueError,
        "entropy: p[1, :] sums to 0.75; a distribution sums to 1. Try p / p.sum(dim=-1, keepdim=True) "
        "with p = torch.tensor(p), if these are counts.",
    ),
    (
        lambda: ln.entropy([[0.5, 0.5], [0.5, 0.25]], dim=0),
        ValueError,
        "entropy: p[:, 1] sums to 0.75; a distribution sums to 1. Try p / p.sum(dim=0, keepdim=True) with"
        " p = torch.tensor(p), if these are counts.",
    ),
    (
        lambda: ln.entropy(torch.ones(2, 3, 4) / 3, dim=2),
        ValueError,
        f"entropy: p[0, 0, :] sums to 1.33333; {SUM_1} p / p.sum(dim=2, keepdim=True) if these are counts.",
    ),
    (
        lambda: ln.entropy(torch.ones(2, 3, 4) / 2, dim=-2),
        ValueError,
        f"entropy: p[0, :, 0] sums to 1.5; {SUM_1} p / p.sum(dim=-2, keepdim=True) if these are counts.",
    ),
    (
        lambda: ln.cross_entropy_between(HALF, [[0.5, 0.5], [0.0, 0.5]]),
        ValueError,
        "cross_entropy_between: q[1, :] sums to 0.5; a distribution sums to 1. Try q / q.sum(dim=-1, "
        "keepdim=True) with q = torch.tensor(q), if these are counts.",
    ),
    (
        lambda: ln.conditional_entropy(TABLE * 2),
        ValueError,
        f"conditional_entropy: joint sums to 2; {SUM_1} joint / joint.sum(dim=(-2, -1), keepdim=True) if these are counts.",
    ),
    (
        lambda: ln.mutual_information(torch.stack([TABLE, TABLE / 2])),
        ValueError,
        f"mutual_information: joint[1, :, :] sums to 0.5; {SUM_1} joint / joint.sum(dim=(-2, -1), keepdim=True) "
        "if these are counts.",
    ),
    # Not a table.
    (
        lambda: ln.conditional_entropy([0.5, 0.5]),
        ValueError,
        "conditional_entropy: joint has shape (2,); expected (..., X, Y), a table with a row for each x. "
        "Try joint[:, None] * conditional.",
    ),
    (
        lambda: ln.mutual_information(1.0),
        ValueError,
        "mutual_information: joint has shape (); expected (..., X, Y), a table with a row for each x. "
        "Try joint[:, None] * conditional.",
    ),
    (
        lambda: ln.entropy(HALF.to_sparse()),
        TypeError,
        "entropy: p is sparse; expected a dense tensor. Try p.to_dense().",
    ),
    # A name from a list; the functions that take one need more than PyTorch, so the checker is called itself.
    (
        lambda: _checks.is_one_of("f", "reduction", "average", ("mean", "sum")),
        ValueError,
        "f: reduction is 'average'; expected one of 'mean', 'sum'. Try reduction='mean'.",
    ),
]


@pytest.mark.parametrize("call, exception, message", BAD_CALLS, ids=range(len(BAD_CALLS)))
def test_message(call, exception, message):
    with pytest.raises(exception) as caught:
        call()
    assert type(caught.value) is exception
    pattern = re.escape(message).replace(re.escape("(.+)"), r"\(.+\)")
    assert re.fullmatch(pattern, str(caught.value)), f"{caught.value}\nis not\n{message}"
    assert caught.value.__suppress_context__ or caught.value.__context__ is None, "two tracebacks where one will do"


def test_a_call_of_the_checker_is_answered_with_a_call():
    with pytest.raises(ValueError, match='there is no sheet foo; expected one of .* Try sheet="information"[.]$'):
        ln.check(torch.nn.functional.cross_entropy, sheet="foo")


def test_a_listed_name_passes():
    _checks.is_one_of("f", "reduction", "sum", ("mean", "sum"))


def test_a_number_just_above_1_is_not_called_1():
    with pytest.raises(ValueError) as caught:
        ln.entropy([1 + 2e-7, 0.0])
    assert "p[0] is 1;" not in str(caught.value)


# What a message says to try, done: the call goes through.
@pytest.mark.parametrize(
    "fn, inputs, options",
    [
        (ln.entropy, {"p": torch.tensor([True, False])}, {}),
        (ln.entropy, {"p": torch.tensor([0.5, 0.5 + 0j])}, {}),
        (ln.entropy, {"p": torch.tensor(1.0)}, {}),
        (ln.entropy, {"p": np.array([0.25, 0.75])[::-1]}, {}),
        (ln.entropy, {"p": np.array([0.25, 0.75], dtype=">f8")}, {}),
        (ln.entropy, {"p": [torch.tensor([0.25, 0.75])] * 2}, {}),
        (ln.entropy, {"p": torch.tensor([3.0, 1.0])}, {}),
        (ln.entropy, {"p": torch.tensor([[3.0, 1.0], [2.0, 1.0]])}, {"dim": 0}),
        (ln.entropy, {"p": torch.tensor([[-3.0, 1.0], [2.0, 1.0]])}, {"dim": 0}),
        (ln.entropy, {"p": torch.tensor([[0.5, 0.5], [0.25, 0.25]])}, {"dim": 0}),
        (ln.kl_divergence, {"p": HALF, "q": torch.tensor([-1.0, 2.0])}, {}),
        (ln.kl_divergence, {"p": torch.full((3, 2), 0.5), "q": torch.full((2, 2), 0.5)}, {}),
        (ln.mutual_information, {"joint": torch.tensor([[3.0, 1.0], [2.0, 1.0]])}, {}),
        (ln.mutual_information, {"joint": torch.tensor([[-3.0, 1.0], [2.0, 1.0]])}, {}),
        (ln.mutual_information, {"joint": torch.full((2, 2), 0.5)}, {}),
        (ln.softmax, {"input": [0.5, 1.5]}, {"dim": 0}),
        (ln.softmax, {"input": torch.tensor([1, 2])}, {"dim": 0}),
        (ln.softmax, {"input": torch.tensor([1, 2j])}, {"dim": 0}),
    ],
)
def test_the_fix_works(fn, inputs, options):
    with pytest.raises((TypeError, ValueError)) as caught:
        fn(**inputs, **options)
    fix = re.search(r"Try (.+?)(?: (?:if|for) .+)?\.$", str(caught.value))[1]
    name = next(name for name in inputs if re.search(rf"\b{name}\b", fix))
    fn(**inputs | {name: eval(fix, {"torch": torch, **inputs})}, **options)


@pytest.mark.parametrize("wrong", [11.97, 100.0, 101.0, -3.0])
def test_no_fix_makes_a_lone_event_certain(wrong):
    p = torch.tensor(wrong, dtype=torch.float64)
    with pytest.raises(ValueError) as caught:
        ln.information_content(p)
    right = eval(re.search(r"Try (.+?) if .+\.$", str(caught.value))[1], {"torch": torch, "p": p})
    assert 0 <= right <= 1 and (wrong == 100 or ln.information_content(right) > 0)


@pytest.mark.parametrize(
    "dtype, honest, wrong",
    [
        (torch.float64, 0.9e-5, 1.1e-5),
        (torch.float32, 0.9e-4, 1.1e-4),
        (torch.float16, 0.9e-2, 1.2e-2),
        (torch.bfloat16, 1.6e-2, 2.4e-2),
    ],
)
def test_a_sum_may_be_off_by_rounding(dtype, honest, wrong):
    for off in (honest, -honest):
        ln.entropy(torch.tensor([0.5, 0.5 + off], dtype=dtype))
    for off in (wrong, -wrong):
        with pytest.raises(ValueError, match="sums to"):
            ln.entropy(torch.tensor([0.5, 0.5 + off], dtype=dtype))


def test_softmax_of_any_precision_is_a_distribution():
    z = torch.randn(20, 5000, generator=torch.Generator().manual_seed(0))
    for dtype in (torch.float64, torch.float32, torch.float16, torch.bfloat16):
        p = ln.softmax(z.to(dtype), 1)
        assert ln.entropy(p).isfinite().all()
    assert ln.entropy(ln.softmax(z, 1).double()).isfinite().all()


# --- where values are not read


def test_values_are_not_read_under_torch_func():
    counts = torch.tensor([[3.0, 1.0], [2.0, 2.0]])
    assert torch.func.vmap(ln.entropy)(counts).shape == (2,)
    assert torch.func.grad(ln.entropy)(counts[0]).shape == (2,)
    with ln.strict():
        assert torch.func.hessian(ln.entropy)(counts[0]).shape == (2, 2)
    with pytest.raises(ValueError, match="dim is 1 but p has shape"):
        torch.func.vmap(lambda p: ln.entropy(p, dim=1))(counts)


def test_values_are_not_read_under_torch_compile():
    torch._dynamo.reset()
    compiled = torch.compile(ln.entropy, fullgraph=True, backend="eager")
    counts = torch.tensor([3.0, 1.0])
    assert torch.equal(compiled(counts), -(counts * counts.log()).sum())


def test_values_are_not_read_on_the_meta_device():
    p = torch.full((4, 3), 7.0, device="meta")
    joint = torch.empty(2, 3, 4, device="meta")
    with ln.strict():  # meta has no values that could be read
        assert ln.entropy(p).shape == (4,)
    assert ln.information_content(p).shape == (4, 3)
    assert ln.kl_divergence(p, p[0]).device.type == "meta"
    assert ln.mutual_information(joint).shape == (2,)
    assert ln.log_softmax(p, 1).shape == (4, 3)
    assert ln.kl_divergence(p, [0.2, 0.3, 0.5]).device.type == "meta"  # a list goes where the tensor is
    for call in (
        lambda: ln.entropy(p, dim=2),
        lambda: ln.kl_divergence(p, p[:, :2]),
        lambda: ln.mutual_information(p[0]),
    ):
        with pytest.raises(ValueError, match="expected"):
            call()


def a_tensor_on(device):
    return SimpleNamespace(is_cpu=device == "cpu", is_meta=device == "meta")


def reads(device):
    return _checks.values_can_be_read(a_tensor_on(device))


@pytest.fixture
def any_class_of_tensor(monkeypatch):
    monkeypatch.setattr(_checks.values, "has_values", lambda _: True)


def test_strict_reads_values_on_an_accelerator(any_class_of_tensor):
    assert reads("cpu") and not reads("cuda")
    with ln.strict():
        assert reads("cpu") and reads("cuda") and reads("mps") and not reads("meta")
        with ln.strict():
            assert reads("cuda")
        assert reads("cuda")
    assert not reads("cuda")


def test_strict_ends_with_an_exception(any_class_of_tensor):
    with pytest.raises(KeyError), ln.strict():
        raise KeyError
    assert not reads("cuda")


def test_one_tensor_away_from_the_cpu_is_enough(any_class_of_tensor):
    assert not _checks.values_can_be_read(a_tensor_on("cpu"), a_tensor_on("cuda"))


def test_values_are_read_on_the_cpu_and_under_strict_elsewhere(device):
    counts = torch.tensor([3.0, 1.0], device=device)
    if device != "cpu":
        assert ln.entropy(counts).shape == ()
    with ln.strict(), pytest.raises(ValueError, match="is 3"):
        ln.entropy(counts)
