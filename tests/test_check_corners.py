"""What seldom happens in the checker, and has to be right when it does."""

import concurrent.futures
import importlib
import runpy
import sys
import warnings

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from grading import graded

import lossnotes as ln
from lossnotes.check import check
from lossnotes.check._child import guard, reading, session, words
from lossnotes.check._grade import process, submission
from lossnotes.check._grade.process import Broken, Ended
from lossnotes.check._grade.sheet import of_names
from lossnotes.check._judge import local
from lossnotes.check._judge.numbers import as_tensor
from lossnotes.check._judge.words import apart, number

ENTROPY = "import torch\ndef entropy(p):\n    return -torch.xlogy(p, p).sum(-1)\n"


def line(report, name):
    (found,) = (x for x in report.lines if x.check == name)
    return found


# --- a check in a notebook ------------------------------------------------------------------------------------------------


def test_threads_may_check_at_once_and_leave_everything_as_it_was(capsys):
    before = sys.stdout, sys.stderr, len(warnings.filters)
    with concurrent.futures.ThreadPoolExecutor(4) as pool:
        reports = list(pool.map(lambda _: check(ln.entropy, like="entropy"), range(6)))
    assert all(report.passed for report in reports)
    assert (sys.stdout, sys.stderr, len(warnings.filters)) == before
    print("heard")
    assert capsys.readouterr().out == "heard\n"


def test_a_function_that_checks_itself():
    def entropy(p):
        return ln.entropy(p) if check(ln.entropy, like="entropy").passed else p

    assert check(entropy, like="entropy").passed


def test_a_call_that_imports_has_more_time(monkeypatch):
    monkeypatch.setattr(local, "TIME_LIMIT", 0.4)

    def entropy(p, seen=[]):  # noqa: B006
        for i in range(30 if not seen else 0):
            sys.modules[f"made up {i}"] = sys
            torch.zeros(1)
            deadline = local.time.monotonic() + 0.03
            while local.time.monotonic() < deadline:
                pass
        seen.append(1)
        return ln.entropy(p)

    assert check(entropy, like="entropy").lines[0].passed
    for i in range(30):
        del sys.modules[f"made up {i}"]


def test_on_an_accelerator(monkeypatch):
    monkeypatch.setattr(local, "default_device", lambda: torch.device("meta"))
    assert line(check(ln.entropy, like="entropy"), "device kept").passed
    here = check(lambda p: ln.entropy(p) + torch.zeros(p.shape[:-1]), like="entropy")
    assert line(here, "device kept").passed is False
    lost = check(lambda p: torch.zeros(()) if p.device.type == "meta" else ln.entropy(p), like="entropy")
    assert "not on the device" in line(lost, "device kept").found


def test_seldom_faults_of_a_function():
    report = check(lambda p: ln.entropy(p) + 0 * torch.sqrt(p - p.detach()).sum(-1), like="entropy")
    assert "infinite slope" in line(report, "gradient").hint and "cut off" not in str(report.mistakes)
    report = check(lambda input, target: F.cross_entropy(input, target) + 0 * torch.sqrt((input - input.detach()).sum()))
    assert "The value is right" in line(report, "extreme gradients").hint

    def no_half(p):
        if p.dtype == torch.bfloat16:
            raise RuntimeError("not for me")
        return ln.entropy(p)

    assert line(check(no_half, like="entropy"), "dtype kept").passed

    def raises_late(p):
        if p.numel() == 20:
            raise IndexError("too many")
        return 2 * ln.entropy(p)

    report = check(raises_late, like="entropy")
    assert not report.passed and "inputs unchanged" not in [x.check for x in report.lines]

    def floats_in_extremes(input, target):
        value = F.cross_entropy(input, target)
        return value.detach() if input.abs().max() > 20 else value

    assert "extreme gradients" not in [x.check for x in check(floats_in_extremes).lines]
    assert "returned a ndarray" in check(lambda p: np.array([object()]), like="entropy").lines[0].found


def test_mistakes_with_weights_of_the_focal_loss():
    def softmax_focal_loss(input, target, weight=None):
        w = torch.ones_like(input[0]) if weight is None else weight
        return (ln.softmax_focal_loss(input, target, reduction="none") * w[target]).mean()

    assert "mean of weighted losses divided by N" in check(softmax_focal_loss, like="softmax_focal_loss").mistakes


def test_numbers_in_words():
    assert as_tensor(np.array([1, "x"], dtype=object)) is None and as_tensor(2**70) is None
    assert apart(torch.ones(2), torch.ones(2)) == "[1.0, 1.0]; expected [1.0, 1.0]"
    assert number(torch.zeros(5, 5)) == "<5x5 numbers>"


def test_the_module_runs(monkeypatch, capsys):
    monkeypatch.setattr(sys, "argv", ["check", "--names"])
    with pytest.raises(SystemExit) as end:
        runpy.run_module("lossnotes.check", run_name="__main__")
    assert end.value.code == 0 and "entropy" in capsys.readouterr().out
    runpy.run_module("lossnotes.check.__main__", run_name="imported")


# --- the child ------------------------------------------------------------------------------------------------------------


def test_reading_without_ipython(monkeypatch):
    monkeypatch.setitem(sys.modules, "IPython.core.inputtransformer2", None)
    importlib.reload(reading)
    assert reading.TransformerManager is None and reading._passed("!ls") == "pass"
    monkeypatch.undo()
    importlib.reload(reading)

    class Broken:
        def transform_cell(self, source):
            raise SyntaxError

    monkeypatch.setattr(reading, "TransformerManager", Broken)
    assert reading._without_magics("%x\ny = 1") == "pass\ny = 1"


def test_words_of_an_error_whose_lines_cannot_be_read(monkeypatch):
    monkeypatch.setattr(words.traceback, "extract_tb", lambda _: 1 / 0)
    assert words.described(ValueError("x"), "a.py") == "ValueError: x"


def test_a_tensor_that_has_become_something_else():
    class Liar(torch.Tensor):
        @classmethod
        def __torch_function__(cls, *_, **__):
            raise SystemExit

    assert not session._same(torch.zeros(2), torch.zeros(2).as_subclass(Liar))


def test_a_module_that_is_not_there(monkeypatch):
    fence = guard.Fence({"entropy"}, lifted=True)
    try:
        monkeypatch.setattr(guard.importlib.util, "find_spec", lambda name: None)
        assert fence.finder.find_spec("scipy.special") is None
    finally:
        fence.lift()
    monkeypatch.delitem(sys.modules, "torch._refs.special", raising=False)
    guard.Fence({"entropy"}, lifted=True).lift()


def test_what_is_allowed_is_the_real_one(monkeypatch):
    for name in [name for name in sys.modules if name.startswith("lossnotes")]:
        monkeypatch.setitem(sys.modules, name, sys.modules[name])
    session.stand_in.install({"entropy", "no_such"}, str(submission.LIBRARY))
    library = sys.modules["lossnotes"]
    assert library.entropy is ln.entropy
    for name in ("kl_divergence", "no_such"):
        with pytest.raises(RuntimeError, match="is the library's"):
            getattr(library, name)()
    with pytest.raises(AttributeError):
        library.information  # noqa: B018 - it is imported as a module


# --- processes --------------------------------------------------------------------------------------------------------------


class Gone:
    """A launcher whose processes end before they run a line."""

    wall, alone, filtered = "process", False, False

    def connect(self, folder, seconds, library=False):
        return self

    def ask(self, request, seconds, told=None):
        told({"running": "?", "where": 3})
        raise Ended("ended the process it ran in")

    def close(self):
        pass


def test_a_submission_whose_process_is_gone():
    result = graded(Gone(), ENTROPY, of_names(["entropy", "kl_divergence"]))
    assert result["errors"] == ["the submission ended the process it ran in"] and result["points"] == 0
    assert result["reports"][0]["lines"][0]["found"] == "the submission ended the process it ran in"


class Twice:
    """A launcher whose second process finds another file in its folder: what the first one wrote there is gone with it."""

    wall, alone, filtered = "process", True, True

    def __init__(self, launcher):
        self.launcher, self.number = launcher, 0

    def connect(self, folder, *about):
        self.number += 1
        if self.number > 1:
            (folder / "seen").touch()
        return self.launcher.connect(folder, *about)


def test_a_function_that_is_there_only_once(warm):
    source = """
import os, torch
1 / 0
def information_content(p):
    open("seen", "w")
    os._exit(0)
if not os.path.exists("seen"):
    def entropy(p):
        return -torch.xlogy(p, p).sum(-1)
"""
    expected = of_names(["information_content", "entropy"])
    assert graded(warm, source, expected)["reports"][1]["passed"]  # what it wrote itself is not there
    result = graded(Twice(warm), source, expected)
    assert "not when the file was run again" in result["reports"][1]["lines"][0]["found"]
    assert len(result["errors"]) == 2  # also those are said once that come again; the other is that it ended


def test_the_warm_process_is_started_again(tmp_path):
    launcher = process.Warm()
    launcher.close()  # there is none yet
    connection = launcher.connect(tmp_path, 60)
    launcher.process.kill()
    launcher.process.wait()
    connection.sock.close()
    with pytest.raises(Ended):
        connection.ask({"do": "load"}, 1)
    connection.close()
    launcher.close()
    assert graded(launcher, ENTROPY, of_names(["entropy"]))["passed"]
    launcher.process.kill()
    assert graded(launcher, ENTROPY, of_names(["entropy"]))["passed"]
    launcher.close()
    with pytest.raises(Broken), pytest.MonkeyPatch.context() as patch:
        patch.setattr(process, "_first", lambda *_: (_ for _ in ()).throw(Ended("ended")))
        launcher.connect(tmp_path, 60)
