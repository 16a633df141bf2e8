"""Functions that return, raise or hang in odd ways: whatever they do, it is a report."""

import json

import pytest
import torch
from grading import graded
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from lossnotes.check import Report, check, names
from lossnotes.check._cases import specs
from lossnotes.check._grade import proxy
from lossnotes.check._grade.sheet import of_names
from lossnotes.check._judge import local

DTYPES = [torch.float64, torch.float32, torch.float16, torch.bfloat16, torch.int64, torch.bool, torch.complex64]


@st.composite
def tensors(draw):
    shape = draw(st.lists(st.integers(0, 3), max_size=3))
    x = (
        torch.full(shape, draw(st.sampled_from([0.0, 1.0, -1.0, float("nan"), float("inf"), 1e30])))
        .nan_to_num()
        .to(draw(st.sampled_from(DTYPES)))
    )
    return draw(st.sampled_from([lambda: x, lambda: x.to_sparse(), lambda: x.to("meta"), lambda: x[None].expand(2, *x.shape)]))()


VALUES = st.one_of(
    tensors(),
    st.none(),
    st.booleans(),
    st.integers(),
    st.floats(),
    st.text(),
    st.lists(st.floats(), max_size=3),
    st.sampled_from([object(), type, print, ..., b"x", {1: 2}, iter([1]), ValueError(), torch.float32]),
)
ERRORS = st.sampled_from(
    [ValueError, SystemExit, KeyboardInterrupt, StopIteration, GeneratorExit, RecursionError, MemoryError, BaseException]
)


@settings(max_examples=25, suppress_health_check=list(HealthCheck))
@given(
    st.sampled_from(names()),
    st.lists(st.one_of(VALUES, ERRORS.map(lambda e: ("raise", e)), st.just(("first", 0))), min_size=1, max_size=4),
)
def test_whatever_a_function_gives_here_is_a_report(like, script):
    calls = iter(range(10**9))

    def student(*args, **options):
        what = script[next(calls) % len(script)]
        if isinstance(what, tuple) and what[0] == "raise":
            raise what[1]("odd")
        return args[0] if isinstance(what, tuple) else what

    report = check(student, like=like)
    assert isinstance(report, Report) and 0 <= report.score <= 1 and str(report) and report._repr_html_()
    assert json.loads(json.dumps(report.to_dict()))["name"] == like


BODIES = [
    "return None",
    "return args",
    "return args[0]",
    "return args[0] * 0",
    "return args[0].sum() * float('nan')",
    "return args[0].to_sparse()",
    "return args[0].numpy()[..., ::-1]",
    "return np.array([object()])",
    "return np.longdouble(0.5)",
    "return np.datetime64('2020-01-01')",
    "return 10 ** 30",
    "return 10 ** 5000",
    "return -True",
    "return torch.zeros(3, dtype=torch.complex64)",
    "return torch.quantize_per_tensor(torch.zeros(3), 0.1, 0, torch.qint8)",
    "return torch.nested.nested_tensor([torch.zeros(1), torch.zeros(2)])",
    "return (yield 3)",
    "raise ExceptionGroup('x' * 10**6, [ValueError('y')])",
    "raise type('\\x1b[2J', (Exception,), {})('\\ud800')",
    "raise StopIteration",
    "args[0].resize_(0); return args[0]",
    "args[0].data = torch.zeros(7); return args[0]",
    "return torch.full(args[0].shape, 1e300, requires_grad=True)",
    "return Odd.apply(args[0])",
    "return args[0].as_subclass(Sub)",
    "del sys.modules['torch']; return args[0]",
    "sys.stdout.write('x' * 10**6); print(1); os.write(1, b'x' * 10**6); return 1.0",
    "threading.Thread(target=time.sleep, args=(60,)).start(); return args[0]",
    "os.fork(); return args[0]",
    "os.kill(os.getpid(), signal.SIGSTOP); return args[0]",
    "signal.alarm(1); time.sleep(9)",
    "gc.disable(); torch.set_default_dtype(torch.float16); torch.set_grad_enabled(False); return args[0]",
    "sys.settrace(lambda *a: 1 / 0); return args[0]",
    "builtins.isinstance = None; return args[0]",
    "return Array()",
]
HEAD = """
import builtins, gc, os, signal, sys, threading, time
import numpy as np, torch
class Odd(torch.autograd.Function):
    @staticmethod
    def forward(ctx, x):
        return x.sum(-1)
    @staticmethod
    def backward(ctx, g):
        os._exit(3)
class Sub(torch.Tensor):
    pass
class Array:
    def __array__(self, *a, **k):
        raise KeyboardInterrupt
    def __getattr__(self, name):
        raise SystemExit
"""


@pytest.mark.parametrize("start", range(0, len(BODIES), 7))
def test_whatever_a_function_does_in_a_child_is_a_report(start, warm, monkeypatch):
    monkeypatch.setattr(proxy, "FIRST", 2.0)
    monkeypatch.setattr(proxy, "CALL", 2.0)
    bodies = BODIES[start : start + 7]
    expected = [name for name in specs() if name != "train_classifier"][: len(bodies)]
    source = HEAD + "".join(f"def {name}(*args, **options):\n    {body}\n" for name, body in zip(expected, bodies))
    result = graded(warm, source, of_names(expected))
    assert [report["name"] for report in result["reports"]] == expected
    assert all(error.split(" ")[0] in expected for error in result["errors"]), result["errors"]
    assert result["points"] == 0 and all(report["lines"][0]["found"] for report in result["reports"]), result
    json.dumps(result).encode()


@settings(max_examples=25, suppress_health_check=list(HealthCheck))
@given(st.one_of(st.text(max_size=200), st.binary(max_size=200), st.lists(st.sampled_from(["def entropy(p):", "  return p", "(", "'''", "%x", "else:", "@", "\\", "\0", "é", "1/0"]), max_size=12).map("\n".join)))  # fmt: skip
def test_whatever_is_handed_in_is_a_result(warm, source):
    for name in ("a.py", "a.ipynb"):
        result = graded(
            warm, source if isinstance(source, bytes) else source.encode("utf-8", "surrogatepass"), of_names(["entropy"]), name
        )
        assert result["points"] == 0 and len(result["reports"]) == 1


def test_hanging_here_is_a_report(monkeypatch):
    monkeypatch.setattr(local, "TIME_LIMIT", 0.2)

    def hangs(p):
        while True:
            pass

    assert "did not end within 0.2 seconds" in check(hangs, like="entropy").lines[0].found
