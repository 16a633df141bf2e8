"""What runs in the child, tried here: reading, loading, calling, the fence; and what the parent makes of nonsense."""

import asyncio
import base64
import importlib
import io
import json

import pytest
import torch

from lossnotes.check._cases import specs
from lossnotes.check._child import data, reading
from lossnotes.check._child.callables import code_of, is_stub, pretended, signature
from lossnotes.check._child.serve import serve
from lossnotes.check._child.session import Session
from lossnotes.check._child.words import clean, described
from lossnotes.check._grade.submission import BUILT_ON


def notebook(*cells, **more):
    return json.dumps({"cells": [{"cell_type": "code", "source": cell} for cell in cells], **more}).encode()


@pytest.fixture
def session(monkeypatch):
    """One whose traces are removed afterwards: in a child that is the end of the process."""
    import sys

    told, made = [], []
    # Playwright's, if a browser test ran in this process: as long as a loop runs, a cell with `await` cannot start its own.
    running = asyncio._get_running_loop()
    asyncio._set_running_loop(None)
    monkeypatch.setattr(sys, "argv", list(sys.argv))
    for name in ("lossnotes.experiments", "lossnotes.naive", "lossnotes.plots"):
        importlib.import_module(name)  # or what the session puts in its place would stay there
    for name in list(sys.modules):
        if name.startswith("lossnotes") or name in ("__main__", "homework"):
            monkeypatch.setitem(sys.modules, name, sys.modules[name])

    def load(*files, names=tuple(specs()), forbidden=(), allowed=(), library="", skip=(), given=()):
        one = Session(told.append)
        one.lifted = True
        made.append(one)
        files = [[name, base64.b64encode(raw if isinstance(raw, bytes) else raw.encode()).decode()] for name, raw in files]
        request = {"do": "load", "files": files, "names": list(names), "forbidden": list(forbidden)}
        return one, one.answer(
            request
            | {"allowed": list(allowed), "library": library, "skip": list(skip), "given": {name: BUILT_ON[name] for name in given}}
        )

    load.told = told
    yield load
    asyncio._set_running_loop(running)
    for one in reversed(made):  # as they were put up, the later within the earlier
        one.fence.lift()


# --- reading ------------------------------------------------------------------------------------------------------------

ENTROPY = "def entropy(p):\n    return p\n"
CELLS = [
    ("n = (10\n     % 4\n     )", {"n": 2}),
    ("x = (7\n % 4)", {"x": 3}),
    ("s = '''\n% of the loss\n!important\n'''", {"s": "\n% of the loss\n!important\n"}),
    ("import sys\nif 'google.colab' in sys.modules:\n    !pip install x\ny = 1", {"y": 1}),
    ("try:\n    z = 1\nexcept ImportError:\n    %pip install x", {"z": 1}),
    ("files = !ls\nt = %timeit -o 1+1\na = 2", {"a": 2}),
    ("import torch\ntorch.sum?\nb = 3", {"b": 3}),
    ("%%bash\nrm -rf x\nc = 1", {}),
    ("%%time\nd = 4", {"d": 4}),
    ("display(1)\nget_ipython().run_line_magic('matplotlib', 'inline')\ne = 5", {"e": 5}),
    ("import asyncio\nawait asyncio.sleep(0)\nf = 6", {"f": 6}),
    ("1 / 0\ng = 7", {"g": 7}),
    ("from google.colab import drive\nh = 8", {"h": 8}),
    ("i = 9\nthis is no Python\nj = (1 +\n     2)\nif j:\n    k = 3\nelse:\n    k = 4", {"i": 9, "j": 3, "k": 3}),
    ("%matplotlib inline\nl = 1", {"l": 1}),
]


@pytest.mark.parametrize("ipython", [True, False])
@pytest.mark.parametrize("cell, values", CELLS)
def test_a_cell_runs_as_in_ipython_and_a_bad_line_loses_itself_alone(cell, values, ipython, session, monkeypatch):
    if not ipython:
        monkeypatch.setattr(reading, "TransformerManager", None)
    one, answer = session(("a.ipynb", notebook(cell, ENTROPY)))
    import sys

    found = vars(sys.modules["__main__"])
    assert {name: found.get(name) for name in values} == values, answer
    assert list(answer["functions"]) == ["entropy"]


def test_what_is_imported_from_the_future_holds_for_later_cells(session):
    cells = (
        "from __future__ import annotations",
        "from dataclasses import dataclass\n@dataclass\nclass A:\n    x: Missing = 1",
        ENTROPY,
    )
    _, answer = session(("a.ipynb", notebook(*cells)))
    assert not answer["errors"] and "entropy" in answer["functions"]


@pytest.mark.parametrize(
    "name, raw, said",
    [
        ("a.ipynb", b"", "the file is empty"),
        ("a.ipynb", b"<html></html>", "the file is a web page"),
        ("a.ipynb", b"{", "the file is not a notebook"),
        ("a.ipynb", b"[" * 100_000, "the file is not a notebook"),
        ("a.ipynb", b"{}", "the file has no cells"),
        ("a.ipynb", b"3", "the file has no cells"),
    ],
)
def test_a_file_that_cannot_be_read_is_a_sentence(name, raw, said, session):
    _, answer = session((name, raw))
    assert answer["errors"][0].startswith(f"{name}: {said}") and not answer["functions"]


OLD = json.dumps({"worksheets": [{"cells": [{"cell_type": "code", "input": ENTROPY}, {"cell_type": "markdown"}]}]}).encode()


@pytest.mark.parametrize(
    "name, raw",
    [
        ("a.ipynb", OLD),
        ("a.ipynb", b"\xef\xbb\xbf" + notebook(ENTROPY)),
        ("a.py", b"\xef\xbb\xbf" + ENTROPY.encode()),
        ("a.py", "# -*- coding: latin-1 -*-\nx = 'é'\n".encode("latin-1") + ENTROPY.encode()),
        ("a.py", "x = 'é'\n".encode("latin-1") + ENTROPY.encode()),
        ("a.py", ENTROPY.encode("utf-16")),
        ("a.py", ENTROPY.replace("\n", "\r\n").encode()),
        ("a.py", b"# -*- coding: nonsense -*-\n" + ENTROPY.encode()),
    ],
)
def test_every_usual_encoding_is_read(name, raw, session):
    _, answer = session((name, raw))
    assert list(answer["functions"]) == ["entropy"], answer


# --- loading ------------------------------------------------------------------------------------------------------------

FORMS = """
import functools, torch
from torch.nn.functional import softmax
@torch.no_grad()
def entropy(p):
    return p
@functools.lru_cache
def kl_divergence(p, q):
    return p
def _two(p, q, r=0):
    return p
jensen_shannon_divergence = functools.partial(_two, r=1)
class Loss(torch.nn.Module):
    def forward(self, input, target):
        return input
cross_entropy = Loss()
nll_loss = torch.compile(_two)
mse_loss = torch.vmap(_two)
log_softmax = torch.nn.Softmax
hinge_loss = 3
Information_Content = lambda p: p
def main():
    def mutual_information(joint):
        return joint
"""


def test_any_callable_under_a_known_name_is_graded_or_named(session):
    _, answer = session(("a.py", FORMS))
    assert not answer["errors"]
    assert set(answer["functions"]) == {
        "entropy", "kl_divergence", "jensen_shannon_divergence", "cross_entropy", "nll_loss", "mse_loss"
    }  # fmt: skip
    notes = " | ".join(answer["notes"])
    assert "softmax is imported from torch.nn.functional, and not yours" in notes
    assert "log_softmax is a class; expected a function" in notes and "hinge_loss is a int; expected a function" in notes
    assert "there is no information_content, but Information_Content: is that its name?" in notes
    assert "mutual_information is defined inside of something else" in notes
    assert answer["functions"]["cross_entropy"]["signature"]["placed"] == [["input", True], ["target", True]]


def test_statements_that_ended_the_process_are_left_out(session):
    _, answer = session(("a.py", "x = 1\nraise SystemExit\n" + ENTROPY), skip=[2])
    assert not answer["errors"] and "entropy" in answer["functions"]
    assert [message["where"] for message in session.told] == ["a.py: line 1", "a.py: line 3"]
    _, answer = session(("a.py", "import helper\n"))
    assert "ModuleNotFoundError" in answer["errors"][0]


def test_calls_are_answered_with_data(session):
    source = """
import torch
def entropy(p, base=2):
    return -torch.xlogy(p, p).sum(-1)
def kl_divergence(p, q):
    p *= 2
    return p
def softmax(input):
    raise KeyError("x")
def nll_loss(input, target):
    return input.resize_(0)
"""
    one, _ = session(("a.py", source), forbidden=["nothing"])
    p = data.pack(torch.tensor([0.5, 0.5]))
    call = {"do": "call", "name": "entropy", "args": [p], "options": {}, "grad": [0]}
    answer = one.answer(call)
    assert data.unpack(answer["value"]).item() == pytest.approx(0.6931, abs=1e-4) and answer["slope"] and not answer["changed"]
    (slope,) = one.answer({"do": "pull", "slope": data.pack(torch.tensor(1.0))})["slopes"]
    assert data.unpack(slope).shape == (2,)
    assert "error" in one.answer({"do": "pull", "slope": data.pack(torch.ones(3))})
    answer = one.answer(call | {"name": "kl_divergence", "args": [p, p], "grad": []})
    assert answer["changed"] == [0] and not answer["slope"]
    answer = one.answer(call | {"name": "softmax", "grad": []})
    assert answer["kind"] == "KeyError" and "line 9" in answer["error"]
    assert one.answer(call | {"name": "nll_loss", "args": [p, p], "grad": []})["changed"] == [0]
    assert one.answer({"do": "device", "name": "entropy", "args": [p]}) == {"device": "kept"}


def test_what_is_random_shows(session):
    """Each call has another seed, and the same one in every run, whatever the function sets before."""
    source = "import torch\ndef entropy(p):\n    value = torch.rand(())\n    torch.manual_seed(0)\n    return value\n"
    runs = []
    for _ in range(2):
        one, _ = session(("a.py", source), forbidden=["nothing"])
        call = {"do": "call", "name": "entropy", "args": [data.pack(torch.tensor([1.0]))], "options": {}, "grad": []}
        runs.append([data.unpack(one.answer(call)["value"]).item() for _ in range(3)])
    assert runs[0] == runs[1] and len(set(runs[0])) == 3


def test_the_pipe_is_a_line_each_way(session):
    read = io.BytesIO(json.dumps({"id": 7, "do": "load", "files": [], "names": [], "forbidden": [], "allowed": [], "library": "", "skip": [], "given": {}}).encode() + b"\n")  # fmt: skip
    write = io.BytesIO()
    made = []
    original = Session.__init__
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Session, "__init__", lambda self, tell: made.append(self) or original(self, tell))
        patch.setattr(Session, "lifted", True)
        serve(read, write, {"alone": True, "filtered": False})
    made[0].fence.lift()
    first, second = map(json.loads, write.getvalue().splitlines())
    assert first == {"alone": True, "filtered": False} and second["id"] == 7 and second["functions"] == {}


# --- the fence ------------------------------------------------------------------------------------------------------------


def test_what_does_the_exercise_raises_wherever_it_is_called_from(session):
    import torch.nn.functional as F

    logits, target = torch.randn(3, 4), torch.tensor([0, 1, 2])
    one, _ = session(("a.py", ""), forbidden=["softmax", "log_softmax", "nll_loss", "cross_entropy", "entropy"])
    ways = [
        lambda: torch.softmax(logits, 1),
        lambda: logits.softmax(1),
        lambda: F.log_softmax(logits, 1),
        lambda: torch.nn.Softmax(1)(logits),
        lambda: torch.ops.aten._softmax.default(logits, 1, False),
        lambda: torch.nn.CrossEntropyLoss()(logits, target),
        lambda: torch.ops.aten.cross_entropy_loss(logits, target),
        lambda: torch._C._nn.cross_entropy_loss(logits, target),
        lambda: torch.special.entr(logits),
        lambda: torch.distributions.Categorical(logits=logits).entropy(),
        lambda: __import__("scipy.special").special.entr(0.5),
    ]
    for way in ways:
        with pytest.raises(RuntimeError, match="is the library's: a graded submission does without it"):
            way()
    one.fence.lift()
    one.fence.lift = lambda: None  # once is enough
    assert torch.softmax(logits, 1).shape == logits.shape and F.cross_entropy(logits, target).ndim == 0


def test_the_library_waits_and_refuses(session):
    source = """
import lossnotes as ln
from lossnotes import experiments, naive
report = ln.check(None, like="entropy")
assert not report.passed and repr(report) == "graded later" and report.to_dict() == {}
def entropy(p):
    return ln.entropy(p)
def softmax(input):
    return experiments.digits()
"""
    one, answer = session(("a.py", source))
    assert not answer["errors"]
    for name, full in (("entropy", "lossnotes.entropy"), ("softmax", "lossnotes.experiments.digits")):
        found = one.answer({"do": "call", "name": name, "args": [{"plain": 1}], "options": {}, "grad": []})
        assert found["error"].startswith(f"RuntimeError: {full} is the library's")


# --- words, callables -------------------------------------------------------------------------------------------------------


class Silent(Exception):
    def __str__(self):
        raise SystemExit


def test_words_survive_what_is_raised():
    assert described(Silent(), None) == "Silent"
    assert clean("a\x1b[2K\r b\u202e\n" + "x" * 500, 20) == "a [2K b xxxxxxxxx..."


def test_callables_of_all_kinds():
    looped = lambda: 0  # noqa: E731
    looped.__wrapped__ = looped
    assert code_of(looped) is looped and signature(torch.softmax) is None
    assert not is_stub(3) and not is_stub(lambda: 0)
    assert pretended(lambda x: x.tolist(), [torch.zeros(2)]) is None
    assert pretended(lambda x: 3, [torch.zeros(2)]) == "lost"
    assert pretended(lambda x: torch.zeros(2), [torch.zeros(2)]) == "lost"
