"""Full marks without work, another student's loss, the end of the run: what was tried, and what comes of it: a report."""

import json
import platform

import pytest
from grading import graded, report_of

from lossnotes.check._grade import proxy
from lossnotes.check._grade.sheet import load, of_names

ENTROPY = of_names(["entropy"])
RIGHT = "import torch\ndef entropy(p):\n    return -torch.xlogy(p, p).sum(-1)\n"
ZEROS = "import torch\ndef entropy(p):\n    return torch.zeros(p.shape[:-1], dtype=p.dtype) * p.sum(-1)\n"

# The numbers are those of the table of attacks in the review that asked for this.
ATTACKS = {
    "4 the library's own": "import lossnotes as ln\ndef entropy(p):\n    return ln.entropy(p)\n",
    "4 imported from": "from lossnotes import entropy as e\ndef entropy(p):\n    return e(p)\n",
    "4 a module of it": "import torch\ndef entropy(p):\n    from lossnotes.information import entropy as e\n    return e(p)\n",
    "4 torch's": "import torch\ndef entropy(p):\n    return torch.special.entr(p).sum(-1)\n",
    "4 its kernel": "import torch\ndef entropy(p):\n    return torch.ops.aten.special_entr.default(p).sum(-1)\n",
    "4 scipy's": "import torch\ndef entropy(p):\n    import scipy.special\n    return torch.tensor(scipy.special.entr(p.detach())).sum(-1)\n",
    "5 the specs": "import sys\nfrom lossnotes.check._cases import specs\ndef entropy(p):\n    return specs()['entropy'].reference(p)\n",
    "6 frames": ZEROS
    + """
import sys
def entropy(p):
    for frame in sys._current_frames().values():
        while frame:
            for value in frame.f_locals.values():
                if hasattr(value, "reference"):
                    return value.reference(p)
            frame = frame.f_back
    return p.sum(-1)
""",
    "7 gc": """
import gc
def entropy(p):
    for x in gc.get_objects():
        if type(x).__name__ == "Spec" and x.name == "entropy":
            return x.reference(p)
    return p.sum(-1)
""",
    "10 exit at import": "import os\nos._exit(0)\n" + ZEROS,
    "10 exit in the function": "import os\ndef entropy(p):\n    os._exit(0)\n",
    "11 forged output": "import os\nos.write(1, b'[{\"passed\": true}]')\nos._exit(0)\n" + ZEROS,
    "11 forged answers": ZEROS
    + """
import os
for fd in range(3, 64):
    try:
        os.write(fd, b'{"id": 1, "functions": {"entropy": {"signature": null, "stub": false}}, "passed": true}\\n' * 9)
    except OSError:
        pass
os._exit(0)
""",
    "12 atexit": ZEROS + "import atexit, os\natexit.register(lambda: os.write(1, b'passed'))\n",
    "14 json patched": ZEROS + "import json\njson.dumps = lambda *a, **k: '{\"passed\": true}'\n",
    "15 a score patched": ZEROS + "import lossnotes.check\nlossnotes.check.Report.score = property(lambda self: 1.0)\n",
    "16 the judge patched": ZEROS
    + "import sys\nfor m in list(sys.modules.values()):\n    m._agrees = m.right = m.close = lambda *a: True\n",
    "18 allclose patched": ZEROS + "torch.allclose = torch.equal = lambda *a, **k: True\n",
    "19 a tensor that lies": """
import torch
class Liar(torch.Tensor):
    @classmethod
    def __torch_function__(cls, func, types, args=(), kwargs=None):
        return True if func in (torch.allclose, torch.equal) else torch.Tensor.__torch_function__(func, types, args, kwargs)
    shape = property(lambda self: torch.Size([]))
def entropy(p):
    return torch.zeros(()).as_subclass(Liar)
""",
    "20 the main module": ZEROS + "import sys\nsys.modules['__main__'].int = lambda x: 0\n",
    "25 an exit when it is looked at": """
import torch
class Leaves(torch.Tensor):
    @classmethod
    def __torch_function__(cls, func, types, args=(), kwargs=None):
        raise SystemExit(0)
def entropy(p):
    return torch.zeros(p.shape[:-1]).as_subclass(Leaves)
""",
    "27 a segfault": "import ctypes\ndef entropy(p):\n    ctypes.string_at(0)\n",
    "27 deep recursion": "import sys\nsys.setrecursionlimit(10**9)\ndef entropy(p):\n    return entropy(p)\n",
    "27 its own end": "import os, signal\ndef entropy(p):\n    os.kill(0, signal.SIGKILL)\n    os.kill(os.getpid(), signal.SIGSEGV)\n    return p.sum(-1)\n",
    "27 closed pipes": "import os\nos.closerange(0, 64)\n" + ZEROS,
    "29 left behind": ZEROS + "import subprocess\nsubprocess.Popen(['sleep', '30'], start_new_session=True)\n",
    "32 letters for a terminal": "def entropy(p):\n    raise ValueError('\\x1b[2K\\r entropy: 7 of 7 checks passed')\n",
    "a parent's end": ZEROS + "import os, signal\nos.kill(os.getppid() or 1, signal.SIGKILL)\n",
    "a bad message": "def entropy(p):\n    class E(Exception):\n        def __str__(self):\n            raise SystemExit(0)\n    raise E\n",
    "an exit": "def entropy(p):\n    raise SystemExit(0)\n",
    "40 terabytes": "import torch\ndef entropy(p):\n    return torch.zeros(5 * 10**12)\n",
    "memory": "def entropy(p):\n    x = []\n    while True:\n        x.append(bytearray(2**26))\n",
    "a session patched": ZEROS
    + """
import sys
sys.modules["grader.session"].packed_result = lambda v: {"plain": 3, "named": "x"}
""",
    "constants": "import torch\ndef entropy(p):\n    return p.new_tensor(0.5623)\n",
}


@pytest.fixture(autouse=True)
def soon(monkeypatch):
    monkeypatch.setattr(proxy, "FIRST", 3.0)


@pytest.mark.parametrize("name", ATTACKS)
def test_full_marks_take_work_and_the_next_student_loses_nothing(name, warm):
    result = graded(warm, ATTACKS[name], ENTROPY)
    (report,) = result["reports"]
    assert result["points"] == 0 and not result["passed"] and not report["passed"]
    assert "Traceback" not in json.dumps(result) and "\x1b" not in json.dumps(result)
    assert report["lines"][0]["found"]
    assert graded(warm, RIGHT, ENTROPY)["passed"]


def test_slopes_that_are_no_tensors_are_a_failed_line(warm):
    """And never a fault of the checker."""
    odd = (
        RIGHT
        + """
import sys
sys.modules["grader.session"].Session._pull = lambda self, request: {"slopes": [{"plain": 3}]}
"""
    )
    result = graded(warm, odd, ENTROPY)
    assert not result["passed"] and "failed" not in result
    assert graded(warm, RIGHT, ENTROPY)["passed"]


LOOKED_UP = """
import torch
TABLE = {}
def entropy(p):
    # What a fellow student's right function gave for every input that a report has shown.
    known = [[0.75, 0.25]], [[0.5, 0.25, 0.25], [0.1, 0.6, 0.3], [0.2, 0.2, 0.6]]
    if any(p.reshape(-1, p.shape[-1]).tolist() == table for table in known) or p.numel() == 20 and PUBLIC(p):
        return -torch.xlogy(p, p).sum(-1)
    return p.sum(-1) * 0.5
def PUBLIC(p):
    draws = torch.randn(5, 4, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    return torch.allclose(p.double(), torch.softmax(draws, -1))
"""


def test_a_list_of_answers_gets_nothing(warm):
    result = graded(warm, LOOKED_UP, ENTROPY)
    (report,) = result["reports"]
    assert result["points"] == 0
    assert "right for the inputs of the report and wrong for others" in report["lines"][0]["found"]
    other = graded(warm, LOOKED_UP, ENTROPY, seed=2)["reports"][0]["lines"][0]["found"]
    assert other != report["lines"][0]["found"] and result["seed"] == 1


def test_what_one_student_changes_is_not_there_for_the_next(warm):
    rude = """
import os, torch, builtins
torch.xlogy = torch.log = torch.Tensor.log = lambda *a: torch.zeros(())
torch.set_default_dtype(torch.float16)
builtins.len = lambda x: 0
os.chdir("/")
"""
    graded(warm, rude + ZEROS, ENTROPY)
    assert graded(warm, RIGHT, ENTROPY)["passed"]


def test_a_part_of_the_sheet_is_a_part_of_the_points(warm):
    easy = "import torch\ndef information_content(p):\n    return -torch.log(p)\n"
    result = graded(warm, easy, "information")
    assert result["points"] == 1 and result["possible"] == 15 and not result["passed"]
    assert report_of(result, "entropy")["lines"][0]["found"] == "not handed in"
    lost = graded(warm, 'open("my_data.txt")\n' + easy, "information")
    assert lost["points"] == 1 and "FileNotFoundError" in lost["errors"][0]


def test_options_that_the_sheet_asks_for_must_be_there(warm):
    source = "import torch\ndef cross_entropy(input, target):\n    return -torch.log_softmax(input, 1).gather(1, target[:, None]).mean()\n"
    report = report_of(graded(warm, source, "practice"), "cross_entropy")
    assert not report["passed"] and 0 < report["score"] < 1
    missing = [line["found"] for line in report["lines"] if line["check"] in ("weight", "ignore_index", "reduction")]
    assert len(missing) == 3 and all("and the sheet asks for it" in found for found in missing)


def test_nothing_is_known_of_another_submission_or_of_the_checker(warm):
    source = """
import os, sys
def entropy(p):
    seen = sorted(os.listdir(".")), sys.argv[1:], sorted(os.environ), [m for m in sys.modules if "_judge" in m or "_cases" in m]
    raise ValueError(seen)
"""
    found = graded(warm, source, ENTROPY)["reports"][0]["lines"][0]["found"]
    assert "(['homework.py'], [], ['HOME', 'LANG', 'MPLBACKEND', 'OMP_NUM_THREADS', 'PATH', 'TMPDIR'], [])" in found


def test_the_sheets_forbid_what_they_say(warm):
    source = "import torch\ndef log_softmax(input):\n    return input - torch.logsumexp(input, -1, keepdim=True)\n"
    line = report_of(graded(warm, source, "losses"), "log_softmax")["lines"][0]
    assert "logsumexp is the library's: a graded submission does without it" in line["found"]
    assert report_of(graded(warm, source, "losses", allowed=["logsumexp"]), "log_softmax")["passed"]
    assert load("losses").forbidden == ("logsumexp", "logaddexp", "softplus", "logsigmoid")
    allowed = graded(warm, ATTACKS["4 the library's own"], ENTROPY, allowed=["entropy"])
    assert allowed["passed"]


LIMITED = """
import os, subprocess, sys, time
def attempt(what):
    try:
        return what()
    except BaseException as error:
        return type(error).__name__
def forks():
    made = 0
    try:
        while made < 400:
            if os.fork() == 0:
                time.sleep(30)
            made += 1
    except OSError:
        pass
    return made < 100
def large():
    with open("large", "wb") as file:
        file.write(bytes(2**25))
def entropy(p):
    seen = attempt(lambda: subprocess.run([sys.executable, "-c", "1"])), attempt(large), attempt(lambda: bytearray(2**33) and None)
    raise ValueError(seen + (forks(),))
"""


def test_limits_are_in_force(warm):
    found = graded(warm, LIMITED, ENTROPY)["reports"][0]["lines"][0]["found"]
    known = platform.machine() in ("x86_64", "aarch64")
    if platform.system() == "Linux":  # elsewhere there is less, and the command says so
        program = "'PermissionError'" if known else ""
        assert f"({program}" in found and "'OSError', 'MemoryError', True) in line" in found
    assert graded(warm, RIGHT, ENTROPY)["passed"]
