"""Processes for student code: forked from a warm one, or fresh ones; how they are asked, and how they are ended."""

import contextlib
import json
import os
import queue
import signal
import site
import socket
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path

CHILD = Path(__file__).parents[1] / "_child"
LONGEST = 8 * 2**20  # bytes of an answer
START = 120.0  # seconds that loading torch may take
IDLE = 86400.0  # seconds without a request
MEMORY = 2 * 2**30  # bytes beyond those that torch takes


class Ended(Exception):
    """A process that gives no more answers, with the reason in a sentence."""


class Broken(Exception):
    """No process can be started: that is not the submission's fault."""


class Connection:
    """A process that runs one submission. `close` ends it and all that came of it."""

    def __init__(self, sock, close):
        self.sock, self._close, self.number = sock, close, 0
        self.lines = queue.Queue(maxsize=4)  # a flood waits in the pipe
        threading.Thread(target=self._read, args=(_reader(sock),), daemon=True).start()

    def _read(self, file):
        with contextlib.suppress(OSError, ValueError), file:
            while line := file.readline(LONGEST + 1):
                self.lines.put(line)
        self.lines.put(b"")

    def ask(self, request, seconds, told=lambda message: None):
        """The answer to a request. Whatever else comes is given to `told`, which may give it more time."""
        self.number += 1
        until = time.monotonic() + seconds
        try:
            self.sock.settimeout(max(seconds, 0.01))
            self.sock.sendall(json.dumps(request | {"id": self.number}).encode() + b"\n")
        except OSError:
            raise Ended("ended the process it ran in") from None
        while True:
            message = self.next(until, seconds)
            if message.get("id") == self.number:
                return message
            until = told(message) or until

    def next(self, until, seconds):
        left = until - time.monotonic()
        try:
            if left <= 0:  # also where there is always one more line
                raise queue.Empty
            line = self.lines.get(timeout=left)
        except queue.Empty:
            raise Ended(f"did not end within {seconds:.3g} seconds") from None
        if not line:
            raise Ended("ended the process it ran in")
        if len(line) > LONGEST:
            raise Ended("gave more than the checker reads")
        try:
            message = json.loads(line)
        except (ValueError, RecursionError):
            message = None
        if not isinstance(message, dict):
            raise Ended("wrote into the checker's pipe")
        return message

    def close(self):
        self._close()
        self.sock.close()
        with contextlib.suppress(queue.Empty):  # so that the reader is not stuck in a full queue
            while self.lines.get_nowait():
                pass


def _reader(sock):
    """A file to read answers from, without the time limits for writing.

    Between two requests the judge may think for longer than a call may take, on a busy machine, and that is not an end.
    """
    if not isinstance(sock, socket.socket):
        return sock.makefile("rb")
    with sock.dup() as own:
        own.settimeout(IDLE)  # not None: whether a socket may wait is a property that it shares with its copies
        return own.makefile("rb")


_LOST = (OSError, EOFError, Ended)


class Warm:
    """A process with torch, which forks. One for each worker: it is used from one thread."""

    wall = "process"

    def __init__(self, hidden=()):
        self.process, self.alone, self.filtered, self.hidden = None, False, False, _hideable(hidden)

    def connect(self, folder, seconds, library=False):
        """A child for one submission. A submission before may have ended this process: then there is another one."""
        try:
            return self._fork(folder, seconds, library)
        except _LOST:
            self.close()
        try:
            return self._fork(folder, seconds, library)
        except _LOST as error:
            self.close()
            raise Broken(f"{sys.executable} cannot start a process with torch ({error})") from error

    def _fork(self, folder, seconds, library):
        if self.process is None:
            self._start()
        ours, theirs = socket.socketpair()
        request = {
            "do": "fork",
            "folder": str(folder),
            "seconds": seconds,
            "memory": MEMORY,
            "hidden": self.hidden,
            "library": library,
        }
        with theirs:
            try:
                socket.send_fds(self.control, [json.dumps(request).encode()], [theirs.fileno()])
                pid = json.loads(self._reply(10))["pid"]
            except _LOST:
                ours.close()
                raise
        connection = Connection(ours, lambda: self._end(pid))
        try:
            self.alone, self.filtered = _first(connection, 20)
        except Ended:
            connection.close()
            raise
        return connection

    def _start(self):
        self.control, theirs = socket.socketpair()  # one question, one answer: nothing runs into another
        command = [sys.executable, "-I", str(CHILD), "fork", str(theirs.fileno())]
        with theirs:
            self.process = subprocess.Popen(
                command, pass_fds=[theirs.fileno()], env=_environment(), start_new_session=True, **_QUIET
            )
        self._reply(START)

    def _reply(self, seconds):
        self.control.settimeout(seconds)
        reply = self.control.recv(4096)
        if not reply:
            raise EOFError("it ended")
        return reply

    def _end(self, pid):
        try:
            self.control.send(json.dumps({"do": "end", "pid": pid}).encode())
            self._reply(10)
        except (OSError, EOFError):
            self.close()

    def close(self):
        if self.process is not None:
            _kill(self.process)
            self.control.close()
            self.process = None


class Fresh:
    """A new interpreter for each submission: behind a wall, or where there is no fork.

    `command` makes of a folder the command, what the folder is called inside, and a function that ends what the command began.
    """

    def __init__(self, wall, command, hidden=(), pipes=os.name == "nt"):
        self.wall, self.command, self.alone, self.filtered, self.hidden = wall, command, False, False, _hideable(hidden)
        self.pipes = pipes  # where a socket cannot be a program's input

    def connect(self, folder, seconds, library=False):
        command, inside, end = self.command(folder)
        request = {"folder": inside, "seconds": seconds, "memory": MEMORY, "hidden": self.hidden}
        request |= {"library": library, "walled": self.wall != "process"}
        with tempfile.TemporaryFile() as said:
            start = self._on_pipes if self.pipes else self._on_a_socket
            process, ours = start([*command, "once", json.dumps(request)], stderr=said, env=_environment(), start_new_session=True)
            # Also where a process stops reading while it is written to: its end frees the writer.
            alarm = threading.Timer(START + 2 * seconds, process.kill)
            alarm.daemon = True
            alarm.start()

            def close():
                alarm.cancel()
                _kill(process)
                end()

            connection = Connection(ours, close)
            try:
                self.alone, self.filtered = _first(connection, START)
            except Ended as error:
                connection.close()
                said.seek(0)
                words = " ".join(said.read(2000).decode(errors="replace").split()[-40:])
                raise Broken(f"{command[0]} cannot start a process with torch: {words or error}") from error
        return connection

    def _on_a_socket(self, command, **how):
        ours, theirs = socket.socketpair()
        with theirs:
            return subprocess.Popen(command, stdin=theirs, stdout=theirs, **how), ours

    def _on_pipes(self, command, **how):
        process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, **how)
        return process, _Pipes(process)

    def close(self):
        """Nothing is kept."""


class _Pipes:
    """Two pipes that are used like a socket."""

    def __init__(self, process):
        self.process = process

    def makefile(self, mode):
        return self.process.stdout

    def settimeout(self, seconds):
        """A pipe has none."""

    def sendall(self, data):
        self.process.stdin.write(data)
        self.process.stdin.flush()

    def close(self):
        with contextlib.suppress(OSError):
            self.process.stdin.close()


def _first(connection, seconds):
    """What a process says before it runs anything of a student's: whether it is alone, and whether its calls are filtered."""
    said = connection.next(time.monotonic() + seconds, seconds)
    return said.get("alone") is True, said.get("filtered") is True


def _hideable(places):
    """Those that can be covered without covering Python itself, or the folder where a submission is run."""
    needed = [Path(place).resolve() for place in (sys.prefix, sys.base_prefix, tempfile.gettempdir(), os.__file__)]
    places = [Path(place).resolve() for place in places]
    return [str(place) for place in places if place.is_dir() and not any(need.is_relative_to(place) for need in needed)]


def plain(folder):
    """The command of a fresh interpreter, without a wall."""
    return [sys.executable, "-I", str(CHILD)], str(folder), lambda: None


_QUIET = {"stdin": subprocess.DEVNULL, "stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}


def _environment():
    kept = ("PATH", "LD_LIBRARY_PATH", "SYSTEMROOT", "DOCKER_HOST", "XDG_RUNTIME_DIR", "HOME")
    user = [path for path in sys.path if path == site.getusersitepackages()]  # left out of an isolated interpreter
    own = {"OMP_NUM_THREADS": "1", "LANG": "C.UTF-8", "LOSSNOTES_SITE": os.pathsep.join(user)}
    return {k: os.environ[k] for k in kept if k in os.environ} | own


def _kill(process):
    with contextlib.suppress(ProcessLookupError, PermissionError, AttributeError):  # Windows has no groups
        os.killpg(process.pid, signal.SIGKILL)
    process.kill()
    process.wait()
