"""What the grader makes of what comes through the pipe: data, or nonsense, and in each case a report."""

import io
import json
import socket
import threading
import time

import pytest
import torch

from lossnotes.check import check
from lossnotes.check._cases import specs
from lossnotes.check._child import data
from lossnotes.check._grade.process import Connection, Ended
from lossnotes.check._grade.proxy import Clock, Remote, _value
from lossnotes.check._judge.outcome import Foreign, Student

ODD = [torch.tensor(1.5), torch.zeros(0, 3), torch.tensor([True]), torch.tensor([1, 2]), torch.ones(2, dtype=torch.bfloat16)]


@pytest.mark.parametrize("x", [*ODD, None, 3, 2.5, "ab", float("inf")])
def test_what_is_packed_is_unpacked(x):
    back = data.unpack(json.loads(json.dumps(data.pack(x))))
    assert back.dtype == x.dtype and torch.equal(back, x) if isinstance(x, torch.Tensor) else back == x


class Array:
    def __array__(self, *_, **__):
        raise SystemExit


@pytest.mark.parametrize(
    "value, said",
    [
        (torch.zeros(2).to_sparse(), "Tensor of torch.sparse_coo"),
        (torch.zeros(2, device="meta"), "Tensor of torch.strided, torch.float32, on meta"),
        (torch.zeros(2, dtype=torch.complex64), "complex64"),
        (torch.zeros(2**21), "Tensor of shape (2097152,)"),
        (True, "bool"),
        (10**30, "int"),
        ("x", "str"),
        (Array(), "value that cannot be read"),
    ],
)
def test_a_value_that_is_no_data_is_named(value, said):
    found = _value(json.loads(json.dumps(data.packed_result(value))))
    assert isinstance(found, Foreign) and said in found.named and found.tensor is None


def test_arrays_come_as_numbers_with_their_name():
    import numpy as np

    found = _value(data.packed_result(np.array([1.0, 2.0])))
    assert found.named == "ndarray" and found.tensor.tolist() == [1.0, 2.0]
    assert "cannot be read" in _value(data.packed_result(np.ones(3)[::-1])).named
    assert data.packed_result(None) == {"plain": None} and data.packed_result(0.5) == {"plain": 0.5} and _value(None) is None


@pytest.mark.parametrize(
    "sent",
    [
        3,
        {"dtype": "float64", "shape": [2], "bytes": "AA=="},
        {"dtype": "float64", "shape": [2], "bytes": "?"},
        {"dtype": "float64", "shape": [-1], "bytes": ""},
        {"dtype": "float64", "shape": [0, *[4194304] * 8], "bytes": ""},
        {"dtype": "float64", "shape": None},
        {"dtype": [], "shape": [1]},
        {"loss": "no such"},
        {"loss": []},
        {"loss": "pseudo_huber"},
        {"plain": []},
        {"plain": "text"},
    ],
)
def test_nonsense_is_a_thing_that_cannot_be_read(sent):
    assert isinstance(_value(sent), Foreign)


class Pipe:
    """The other end of a connection, which says what it is told to."""

    def __init__(self, *lines):
        self.lines = io.BytesIO(b"".join(lines))

    def makefile(self, _):
        return self.lines

    def settimeout(self, *_):
        pass

    sendall = close = settimeout


@pytest.mark.parametrize(
    "line, said",
    [
        (b"", "ended the process it ran in"),
        (b"nonsense\n", "wrote into the checker's pipe"),
        (b"[" * 10**5 + b"\n", "wrote into the checker's pipe"),
        (b"[]\n", "wrote into the checker's pipe"),
        (b"x" * (9 * 2**20), "gave more than the checker reads"),
    ],
)
def test_a_pipe_that_breaks_is_a_sentence(line, said):
    connection = Connection(Pipe(line), lambda: None)
    with pytest.raises(Ended, match=said):
        connection.ask({"do": "call"}, 5)
    connection.close()


class Chatter:
    """A pipe in which there is always one more line."""

    def readline(self, _):
        return b'{"id": "another"}\n'

    def __enter__(self):
        return self

    def __exit__(self, *_):
        pass


def test_a_pipe_that_never_falls_silent_is_over_in_time():
    pipe = Pipe()
    pipe.makefile = lambda _: Chatter()
    connection = Connection(pipe, lambda: None)
    told = []
    with pytest.raises(Ended, match="did not end within 0.3 seconds"):
        connection.ask({"do": "call"}, 0.3, told=lambda message: told.append(message) if len(told) < 10**6 else 1 / 0)
    assert told
    connection.close()


def test_a_judge_that_thinks_for_long_has_lost_nobody():
    """On a busy machine the parent may take longer between two requests than the student's call may: that is not the student's end."""
    ours, theirs = socket.socketpair()
    connection = Connection(ours, lambda: theirs.shutdown(socket.SHUT_RDWR))

    def answer():
        with theirs, theirs.makefile("rb") as file:
            for line in file:
                theirs.sendall(json.dumps({"id": json.loads(line)["id"], "value": 1}).encode() + b"\n")

    threading.Thread(target=answer, daemon=True).start()
    for _ in range(2):
        assert connection.ask({"do": "call"}, 0.5)["value"] == 1
        time.sleep(1)
    assert connection.ask({"do": "call"}, 5)["value"] == 1
    connection.close()


def test_an_answer_that_is_late_is_said_to_be_late():
    ours, theirs = socket.socketpair()
    connection = Connection(ours, theirs.close)
    with pytest.raises(Ended, match="did not end within 0.2 seconds"):
        connection.ask({"do": "call"}, 0.2)
    connection.close()


def test_a_pipe_that_takes_nothing_is_a_sentence():
    connection = Connection(Pipe(b""), lambda: None)
    connection.sock.sendall = lambda _: (_ for _ in ()).throw(BrokenPipeError())
    with pytest.raises(Ended, match="ended the process it ran in"):
        connection.ask({"do": "call"}, 5)


@pytest.mark.parametrize(
    "answer",
    [
        {},
        {"value": None},
        {"value": {"plain": 1.0}, "changed": "all", "slope": True},
        {"error": 3},
        {"error": "", "kind": []},
        {"value": {"other": "x\x1b"}},
        {"slopes": 3, "value": data.pack(torch.tensor(1.0)), "slope": True},
        {"slopes": [{"other": "x"}], "value": data.pack(torch.tensor(1.0)), "slope": True, "device": 7},
    ],
)
def test_whatever_is_answered_is_a_report(answer):
    class Asked:
        def ask(self, request, seconds):
            return answer

    remote = Remote(specs()["entropy"], None, Asked(), Clock(60))
    report = check(remote, like="entropy")
    assert not report.passed and report.score == 0 and str(report)


def test_time_for_the_whole_submission_is_over():
    class Asked:
        def ask(self, request, seconds):
            raise AssertionError("not asked any more")

    remote = Remote(specs()["entropy"], None, Asked(), Clock(-1))
    found = check(remote, like="entropy").lines[0].found
    assert "came after the -1 seconds for the whole submission" in found and remote.device([]) is None


def test_a_student_is_called_somehow():
    student = Student(specs()["entropy"], None)
    for ask in (lambda: student.call([], {}, ()), lambda: student.device([])):
        with pytest.raises(NotImplementedError):
            ask()
