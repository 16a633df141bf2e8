"""What a submission can reach: Python and its own files. As root, as another user, and where the kernel gives nothing."""

import json
import os
import platform
import struct
import sys
from pathlib import Path

import pytest
from grading import ROOT, STRANGER, become_a_stranger, command, folder_of_a_stranger, graded

from lossnotes.check import _command
from lossnotes.check._child import calls, limits, room
from lossnotes.check._grade import submission, walls
from lossnotes.check._grade.sheet import of_names

ENTROPY = of_names(["entropy"])
RIGHT = "import torch\ndef entropy(p):\n    return -torch.xlogy(p, p).sum(-1)\n"

# What is seen and done is told by the message of an error, in pieces that are short enough to be told whole.
LOOKS = """
import ctypes, os, sys
libc = ctypes.CDLL(None, use_errno=True)
def tried(name, *arguments):
    return 0 if getattr(libc, name)(*arguments) == 0 else ctypes.get_errno()
def status():
    with open("/proc/self/status") as file:
        found = dict(line.split(":", 1) for line in file)
    return [int(found[key], 16) for key in ("CapInh", "CapPrm", "CapEff", "CapBnd", "CapAmb")]
def can(what):
    try:
        return bool(what())
    except OSError:
        return False
def entropy(p):
    raise ValueError(sorted(os.listdir("/tmp")), os.listdir("."), [d for d in PLACES if os.path.exists(d)], os.getuid())
def kl_divergence(p, q):
    raise ValueError(sum(status()), len([d for d in os.listdir("/proc") if d.isdigit()]))
def information_content(p):
    raise ValueError(tried("mount", b"none", b"/tmp", b"tmpfs", 0, None), tried("umount2", b"/usr", 2), tried("unshare", 0x10000000),
                     tried("setns", 0, 0), tried("pivot_root", b"/tmp", b"/tmp"), tried("syscall", CLONE, 0x10000011, 0, 0, 0, 0))
def mutual_information(joint):
    import socket
    raise ValueError(can(lambda: socket.socket()), can(lambda: open("/usr/x", "w")), can(lambda: os.statvfs(sys.prefix + "/lib").f_flag & 1), can(lambda: open("x", "w")))
"""
NAMES = ["entropy", "kl_divergence", "information_content", "mutual_information"]
CLONE = {"x86_64": 56, "aarch64": 220}.get(platform.machine(), 0)
# Where answers are, here, and the folder of the tests with the solutions in it.
HIDDEN = [str(ROOT / "lossnotes"), str(ROOT / "tests"), str(ROOT / "book"), str(Path.home() / ".bashrc"), str(Path(__file__))]
HIDDEN.append(str(Path(sys.prefix) / "grades of a course that made its folder an environment.csv"))


@pytest.fixture(scope="module", autouse=True)
def _grades():
    Path(HIDDEN[-1]).touch()
    yield
    Path(HIDDEN[-1]).unlink(missing_ok=True)


def said(report):
    return report["lines"][0]["found"].partition("ValueError: (")[2].rpartition(") in line")[0]


def looked(results):
    return [said(report) for report in results["reports"]]


def source():
    return f"CLONE = {CLONE}\nPLACES = {HIDDEN!r}\n" + LOOKS


def _is_shut_in(seen, user):
    # The own folder with the own file in it (and Python, where that lies in there), none of the places, and a user without rights.
    python = {place.split("/")[2] for place in room.needed() if place.startswith("/tmp/")}
    assert seen[0] == f"{sorted({'homework', *python})}, ['homework.py'], [], {user}"
    assert seen[1].startswith("0, ") and int(seen[1][3:]) <= 2  # no right of any kind, no process but the own
    assert seen[2] == ", ".join(["1"] * 6)  # not permitted
    assert seen[3] == "False, False, True, True"  # no network, nothing to be written but what is its own


def test_a_submission_sees_python_and_itself(warm):
    result = graded(warm, source(), of_names(NAMES))
    other = graded(warm, source(), of_names(NAMES))
    user = looked(result)[0].rpartition(" ")[2]
    _is_shut_in(looked(result), user)
    assert result["alone"] and result["filtered"]
    if os.geteuid() == 0:
        assert user not in ("0", looked(other)[0].rpartition(" ")[2])  # a user of its own for each


def test_so_it_is_where_the_grader_has_no_rights_itself():
    with folder_of_a_stranger() as folder:
        (folder / "homework.py").write_text(source())
        status, out, _ = command("homework.py", "--expect", ",".join(NAMES), "--json", "-", cwd=folder)
    (result,) = json.loads(out)
    assert status == 1 and result["alone"] and result["filtered"]
    _is_shut_in(looked(result), STRANGER if os.geteuid() == 0 else os.geteuid())


NEIGHBOUR = """
import glob, os, time
def entropy(p):
    seen, until = set(), time.monotonic() + 1.5
    while time.monotonic() < until:
        seen.update(glob.glob("/tmp/*/*.py"), glob.glob("/tmp/lossnotes-*"), glob.glob(CLASS + "/*"))
    raise ValueError(sorted(seen))
"""


def test_submissions_of_one_moment_do_not_see_each_other():
    with folder_of_a_stranger() as folder:
        for name in ("ada", "eve"):
            path = folder / "class" / f"{name}.py"
            path.parent.mkdir(exist_ok=True)
            path.write_text(f"CLASS = {str(path.parent)!r}\n" + NEIGHBOUR)
        _, out, _ = command("class", "--expect", "entropy", "-j", "2", "--json", "-", cwd=folder)
    for result in json.loads(out):
        assert f"ValueError: ['/tmp/homework/{result['student']}.py'] in line" in result["reports"][0]["lines"][0]["found"]


def _nothing_of_namespaces():
    become_a_stranger()
    own = calls._NUMBERS[platform.machine()]["unshare"]
    calls.refused = lambda: {"unshare": own}
    assert limits.filtered()


def test_where_the_kernel_gives_no_namespaces_it_is_said(monkeypatch):
    monkeypatch.setattr("grading.become_a_stranger", _nothing_of_namespaces)
    with folder_of_a_stranger() as folder:
        (folder / "class").mkdir()
        (folder / "class" / "ada.py").write_text(RIGHT)
        (folder / "class" / "eve.py").write_text("import socket\ndef entropy(p):\n    socket.socket()\n")
        (folder / "mine").write_text("x")
        reach = f"import os\ndef entropy(p):\n    os.kill(os.getppid(), 0)\n    os.remove({str(folder / 'mine')!r})\n"
        (folder / "class" / "joe.py").write_text(reach)
        status, out, error = command("class", "--expect", "entropy", cwd=folder)
        assert not (folder / "mine").exists()
        _, found, _ = command("class", "--expect", "entropy", "--json", "-", cwd=folder)
    assert status == 1 and "it could read, change and delete what its user may, and end its user's processes." in out, error
    ada, eve, _ = sorted(json.loads(found), key=lambda result: result["student"])
    assert ada["passed"] and not ada["alone"] and ada["filtered"]
    assert "PermissionError" in eve["reports"][0]["lines"][0]["found"]  # no socket, also without a namespace for it


def test_without_a_wall_nothing_runs_where_it_is_required(monkeypatch):
    """The teacher is told what is missing while nothing has run yet, and can have the command stop there."""
    monkeypatch.setattr("grading.become_a_stranger", _nothing_of_namespaces)
    with folder_of_a_stranger() as folder:
        trace = folder / "trace"
        (folder / "class").mkdir()
        (folder / "class" / "ada.py").write_text(f"open({str(trace)!r}, 'w')\n" + RIGHT)
        (folder / "class" / "eve.py").write_text(RIGHT)
        lacks = "This system gives it no namespaces"
        status, out, error = command("--wall", cwd=folder)
        assert status == 4 and lacks in out and "Nothing was run" in error
        status, out, error = command("class", "--expect", "entropy", "--require-wall", "--csv", "g.csv", cwd=folder)
        assert status == 4 and lacks in error and "Nothing was run" in error and "Try --sandbox or --container" in error
        assert not out and not trace.exists() and not (folder / "g.csv").exists()
        status, out, error = command("class", "--expect", "entropy", cwd=folder)
        assert status == 0 and trace.exists()
        assert error.index(lacks) < error.index("1/2") and lacks in out  # before the first submission, and at the end


def test_the_whole_wall_is_named_without_grading(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(_command, "hide", lambda: None)
    assert _command.main(["--wall"]) == 0
    said = capsys.readouterr()
    assert said.out == walls.sentence("process", True, True) + "\n" and not said.err
    (tmp_path / "ada.py").write_text(RIGHT)
    assert _command.main([str(tmp_path / "ada.py"), "--expect", "entropy", "--require-wall"]) == 0
    said = capsys.readouterr()
    assert not said.err and walls.sentence("process", True, True) in said.out


@pytest.mark.parametrize("wall", ["sandbox", "container"])
def test_bubblewrap_and_a_container_are_whole_walls(wall):
    assert walls.whole(wall, True, False) and walls.sentence(wall, True, False) == walls.sentence(wall, True, True)
    assert not walls.whole("process", True, False) and not walls.whole("process", False, True)


def test_a_wall_that_cannot_be_built_stops_the_command(tmp_path, monkeypatch, capsys):
    """An image without torch, for example: said once, before the class, and not for every student."""
    monkeypatch.setattr(_command, "hide", lambda: None)
    monkeypatch.setattr(walls.shutil, "which", lambda name: "/bin/false")
    (tmp_path / "ada.py").write_text(RIGHT)
    assert _command.main([str(tmp_path / "ada.py"), "--container", "image", "--csv", str(tmp_path / "g.csv")]) == 3
    assert "Nothing was run: /bin/false cannot start a process with torch" in capsys.readouterr().err
    assert not (tmp_path / "g.csv").exists()


def test_a_machine_whose_calls_are_not_known_has_no_filter(monkeypatch):
    monkeypatch.setattr(calls.platform, "machine", lambda: "riscv64")
    assert calls.refused() == {} and not limits.filtered()
    assert "not filtered on this machine" in walls.sentence("process", True, False)
    assert "no namespaces and no filter" in walls.sentence("process", False, False)


@pytest.mark.parametrize("machine", ["x86_64", "aarch64"])
def test_the_filter_refuses_the_same_on_both_machines(machine, monkeypatch):
    monkeypatch.setattr(calls.platform, "machine", lambda: machine)
    names = set(calls.refused())
    assert {"mount", "umount2", "unshare", "setns", "pivot_root", "execve", "socket", "ptrace"} <= names
    assert calls._NUMBERS["x86_64"].keys() == calls._NUMBERS["aarch64"].keys()
    own = calls._NUMBERS[machine]
    refuse, missing, allow = 0x00050001, 0x00050026, 0x7FFF0000
    for number in calls.refused().values():
        assert _answer(calls.program(), own["machine"], number) == refuse
    assert _answer(calls.program(), own["machine"], own["clone"], 0x10000011) == refuse  # a namespace of users
    assert _answer(calls.program(), own["machine"], own["clone"], 0x003D0F00) == allow  # a thread
    assert _answer(calls.program(), own["machine"], 435) == missing
    assert _answer(calls.program(), 1, own["clone"]) == refuse and _answer(calls.program(), own["machine"], 0x40000001) == refuse


def _answer(code, machine, number, flags=0):
    """What the kernel would do: the few words of its language that the filter has."""
    values, at, word = {0: number, 4: machine, 16: flags}, 0, 0
    while True:
        what, so, otherwise, k = struct.unpack_from("HBBI", code, 8 * at)
        at += 1
        if what == 0x06:
            return k
        if what == 0x20:
            word = values[k]
        else:
            at += so if {0x15: word == k, 0x35: word >= k, 0x45: bool(word & k)}[what] else otherwise


def test_a_checkout_is_no_folder_of_packages(tmp_path, monkeypatch):
    """It is on the path where the package was installed to be changed, and holds the solutions."""
    (tmp_path / "src" / "lossnotes").mkdir(parents=True)
    (tmp_path / "site-packages" / "lossnotes").mkdir(parents=True)
    (tmp_path / "else").mkdir()
    monkeypatch.setattr(sys, "path", [str(tmp_path / name) for name in ("src", "site-packages", "else", "gone")])
    found = room.needed()
    assert str(tmp_path / "site-packages") in found and str(tmp_path / "else") in found and str(tmp_path / "src") not in found
    assert walls.CHECKOUT == ROOT


def test_what_is_allowed_can_be_read_and_the_checker_cannot(warm):
    listing = f"""
import os
def kl_divergence(p, q):
    raise ValueError(os.listdir({str(walls.PACKAGE / "check")!r}))
"""
    source = "import lossnotes as ln\ndef entropy(p):\n    return ln.entropy(p)\n" + listing
    result = graded(warm, source, of_names(["entropy", "kl_divergence"]), allowed=["entropy"])
    assert result["reports"][0]["passed"] and "ValueError: []" in result["reports"][1]["lines"][0]["found"]


def test_what_is_allowed_of_others_shows_nothing_of_this_package(warm):
    source = f"""
import os
def entropy(p):
    raise ValueError(os.path.exists({str(walls.PACKAGE / "information.py")!r}))
"""
    for name, seen in (("logsumexp", "False"), ("kl_divergence", "True")):
        result = graded(warm, source, ENTROPY, allowed=[name])
        assert f"ValueError: {seen}" in result["reports"][0]["lines"][0]["found"]


def test_what_is_written_is_little_and_gone_afterwards(warm):
    fills = """
import os
def entropy(p):
    written = 0
    try:
        for i in range(20):
            with open(str(i), "wb") as file:
                written += file.write(bytes(2**23))
    except OSError as error:
        raise ValueError(written <= 2**26, error.errno == 28)
"""
    assert said(graded(warm, fills, ENTROPY)["reports"][0]) == "True, True"
    assert graded(warm, RIGHT, ENTROPY)["passed"]


def test_large_files_have_their_place(warm):
    """What was handed in does not count as written: notebooks with pictures in them are large."""
    large = json.dumps({"cells": [{"cell_type": "markdown", "source": "x" * (18 * 2**20)}]}).encode()
    files = [*((f"{i}.ipynb", large) for i in range(4)), ("homework.py", RIGHT.encode())]
    assert submission.grade(files, ENTROPY, warm, seed=1)["passed"]


def test_a_student_has_a_name(warm):
    source = "import getpass, os\ndef entropy(p):\n    raise ValueError(getpass.getuser(), os.path.expanduser('~'))\n"
    assert said(graded(warm, source, ENTROPY)["reports"][0]) == "'student', '/tmp/homework'"


@pytest.mark.parametrize("launcher", ["warm", "fresh"])
def test_a_helper_is_found_wherever_its_name_stands(launcher, tmp_path):
    """Also in a folder whose class is hidden, and behind the file that imports it."""
    uses = "from zhelper import plogp\nfrom ahelper import total\ndef entropy(p):\n    return -total(plogp(p))\n"
    files = {"homework.py": uses, "zhelper.py": "import torch\ndef plogp(p):\n    return torch.xlogy(p, p)\n"}
    files["ahelper.py"] = "def total(x):\n    return x.sum(-1)\n"
    (tmp_path / "stu").mkdir()
    for name, text in files.items():
        (tmp_path / "stu" / name).write_text(text)
    options = ["--fresh"] if launcher == "fresh" else []
    asked = _command.parser().parse_args([str(tmp_path), "--expect", "entropy", *options])
    made = _command._launcher(asked, ENTROPY)()
    try:
        submissions, _ = _command.collect([tmp_path])
        result = _command.run(submissions, ENTROPY, lambda: made, _command.Store(None), seed=1, allowed=set(), seconds=60, jobs=1)
        (found,) = result
    finally:
        made.close()
    assert found["passed"] and not found["errors"], found
