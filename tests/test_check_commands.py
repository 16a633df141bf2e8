"""What starts the processes: a fresh interpreter, bubblewrap, a container; and how each shuts a submission in."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from lossnotes.check import _command
from lossnotes.check._grade import process, submission, walls
from lossnotes.check._grade.sheet import of_names

ENTROPY = "import torch\ndef entropy(p):\n    return -torch.xlogy(p, p).sum(-1)\n"
REVERSED = "import torch\ndef kl_divergence(p, q):\n    return torch.xlogy(q, q / p).sum(-1)\n"
TWO = of_names(["entropy", "kl_divergence"])


def test_the_command_of_a_container_shuts_it_in(monkeypatch, tmp_path):
    ran = []
    monkeypatch.setattr(walls.shutil, "which", lambda name: "/usr/bin/podman" if name == "podman" else None)
    monkeypatch.setattr(walls.subprocess, "run", lambda command, **_: ran.append(command))
    command, inside, end = walls.container("image")(tmp_path)
    text = " ".join(command)
    for part in (
        "podman run --rm",
        "--network none",
        "--read-only",
        "--user 65534:65534",
        "--memory",
        "--pids-limit",
        ":/grader:ro",
    ):
        assert part in text
    assert f"{tmp_path}:/hw:ro" in text and "lossnotes/information.py" not in text and inside == "/hw"
    package, allowed = walls.PACKAGE, " ".join(walls.container("image", ["entropy"])(tmp_path)[0])
    assert f"--volume {package}:{package}:ro --tmpfs {package / 'check'}" in allowed
    assert str(package) + ":" not in " ".join(walls.container("image", ["logsumexp"])(tmp_path)[0])  # nothing of this package
    end()
    assert ran[0][1:3] == ["rm", "--force"] and ran[0][3] == command[command.index("--name") + 1]
    assert walls.missing("container") == ""


def test_the_command_of_the_sandbox_shuts_it_in(monkeypatch, tmp_path):
    monkeypatch.setattr(walls.shutil, "which", lambda name: "/usr/bin/bwrap")
    text = " ".join(walls.sandbox()(tmp_path)[0])
    for part in ("--unshare-all", "--die-with-parent", "--clearenv", "--cap-drop ALL", f"--bind {tmp_path} /hw"):
        assert part in text
    assert f"--ro-bind {walls.PACKAGE} " not in text and walls.missing("sandbox") == ""
    allowed = " ".join(walls.sandbox(["entropy"])(tmp_path)[0])
    assert f"--ro-bind {walls.PACKAGE} " in allowed and f"--tmpfs {walls.PACKAGE / 'check'}" in allowed
    monkeypatch.setattr(walls, "PACKAGE", Path(sys.prefix) / "lib" / "lossnotes")
    assert f"--tmpfs {Path(sys.prefix) / 'lib' / 'lossnotes'}" in " ".join(walls.sandbox()(tmp_path)[0])


def test_a_wall_that_does_not_stand_is_the_checkers_fault(tmp_path, monkeypatch):
    script = tmp_path / "engine"
    script.write_text("#!/bin/sh\necho no such image >&2\nexit 1\n")
    script.chmod(0o755)
    launcher = process.Fresh("container", lambda folder: ([str(script)], "/hw", lambda: None))
    with pytest.raises(process.Broken, match="cannot start a process with torch: no such image"):
        submission.grade([("a.py", ENTROPY.encode())], TWO, launcher, seed=1)
    monkeypatch.setattr(process.sys, "executable", "/bin/false")
    with pytest.raises(process.Broken, match="/bin/false cannot start a process with torch"):
        process.Warm().connect(tmp_path, 1)


SEES = """
import os, socket
def entropy(p):
    seen = []
    for place in (HOME, PACKAGE):
        try:
            seen += os.listdir(place)
        except OSError:
            pass
    try:
        socket.create_connection(("127.0.0.1", PORT), 1)
        seen.append("network")
    except OSError:
        pass
    try:
        open(HOME + "/written", "w")
        seen.append("written")
    except OSError:
        pass
    raise ValueError(seen)
"""


def _sandboxes():
    """Those that work here: a fresh interpreter always does."""
    yield "process", process.plain
    yield "pipes", process.plain
    try:
        works = subprocess.run(["bwrap", "--ro-bind", "/", "/", "--unshare-all", "true"], capture_output=True).returncode == 0
    except OSError:
        works = False
    if works:
        yield "sandbox", walls.sandbox()


@pytest.mark.parametrize("wall, command", list(_sandboxes()), ids=lambda x: x if isinstance(x, str) else "")
def test_a_fresh_interpreter_grades_and_a_wall_hides(wall, command, tmp_path):
    import socket

    home = Path(tmp_path, "home")
    home.mkdir()
    (home / "secret").write_text("x")
    with socket.create_server(("127.0.0.1", 0)) as server:
        values = f"HOME, PACKAGE, PORT = {str(home)!r}, {str(walls.PACKAGE)!r}, {server.getsockname()[1]}\n"
        launcher = process.Fresh("process", command, pipes=True) if wall == "pipes" else process.Fresh(wall, command)
        result = submission.grade([("a.py", (values + SEES + REVERSED).encode())], TWO, launcher, seed=1)
        launcher.close()
    assert result["wall"] == launcher.wall and "KL reversed" in result["reports"][1]["mistakes"]
    if wall == "sandbox":
        assert "raised ValueError: [] in line" in result["reports"][0]["lines"][0]["found"]


def test_python_without_fork_has_fresh_interpreters(monkeypatch):
    asked = _command.parser().parse_args(["a.py", "--fresh"])
    assert isinstance(_command._launcher(asked)(), process.Fresh)
    for argv, wall in ((["a.py", "--sandbox"], "sandbox"), (["a.py", "--container", "x"], "container")):
        assert _command._launcher(_command.parser().parse_args(argv))().wall == wall
    assert os.fork and isinstance(_command._launcher(_command.parser().parse_args(["."]))(), process.Warm)
