"""Running code that may do anything: raise, print, ask for input, never end, change what it was given."""

import builtins
import contextlib
import contextvars
import ctypes
import dataclasses
import inspect
import io
import itertools
import linecache
import threading
import traceback
import warnings
from typing import Any
from unittest import mock

import torch

TIME_LIMIT = 5.0  # seconds for one call; a call here takes milliseconds


class Stopped(BaseException):
    """Raised inside the code that ran out of time: not an `Exception`, so that `except Exception` does not stop it."""


@dataclasses.dataclass
class Outcome:
    """What came of one call: a value, or `error`, in words, with the line of the code that was called."""

    value: Any = None
    error: str = ""
    kind: type = type(None)
    warned: bool = False
    ended: bool = True

    def __bool__(self):
        return not self.error


def call(fn, *args, seconds=None, mode=contextlib.nullcontext, source=None, **options):
    """`fn(*args, **options)` in a thread of its own, silent, for at most `seconds`.

    A thread, since a signal would need the main thread of a Unix process and a process would need a function that can be
    pickled; a homework cell has neither. `mode` makes a context manager to call in (they count for one thread only); `source` is the file of the student's code,
    if it is not that of `fn`.
    """
    seconds = TIME_LIMIT if seconds is None else seconds
    outcome = Outcome()

    def work():
        try:
            with mode():
                outcome.value = fn(*args, **options)
        except BaseException as error:  # also SystemExit and Stopped: nothing in here may end the check
            outcome.error, outcome.kind = describe(error, source or _file_of(fn)), type(error)

    thread = threading.Thread(target=contextvars.copy_context().run, args=(work,), daemon=True)
    with _silence() as caught:
        thread.start()
        thread.join(seconds)
        if thread.is_alive():
            _stop(thread)
            limit = f"{seconds:g} second{'s' if seconds != 1 else ''}"
            outcome = Outcome(error=f"did not end within {limit}", kind=Stopped, ended=False)
    outcome.warned = bool(caught)
    return outcome


def _stop(thread):
    # Again and again, since a bare `except:` in a loop swallows one. A call that hangs inside C is left to itself.
    for _ in range(20):
        ctypes.pythonapi.PyThreadState_SetAsyncExc(ctypes.c_ulong(thread.ident), ctypes.py_object(Stopped))
        thread.join(0.05)
        if not thread.is_alive():
            return


@contextlib.contextmanager
def _silence():
    def no_input(*_):
        raise EOFError("input() has nothing to read during a check")

    dtype = torch.get_default_dtype()
    quiet = contextlib.redirect_stdout(io.StringIO()), contextlib.redirect_stderr(io.StringIO())
    with quiet[0], quiet[1], _other_draws(), mock.patch.object(builtins, "input", no_input):
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            try:
                yield caught
            finally:
                torch.set_default_dtype(dtype)


@contextlib.contextmanager
def _other_draws(calls=itertools.count()):
    """Another seed for each call, so that what is random shows, and the caller's random numbers as they were."""
    with torch.random.fork_rng():
        torch.manual_seed(next(calls))
        yield


def _file_of(fn):
    try:
        return inspect.getsourcefile(code_of(fn))
    except TypeError:  # written in C
        return None


def describe(error, source):
    """The error in a sentence, with the last line of the file `source` that led to it."""
    said = " ".join(str(error).split())
    said = said if len(said) <= 200 else said[:197] + "..."
    text = type(error).__name__ + (f": {said}" if said else "")
    frames = [frame for frame in traceback.extract_tb(error.__traceback__) if frame.filename == source]
    if frames:
        line = linecache.getline(frames[-1].filename, frames[-1].lineno).strip()
        text += f" in line {frames[-1].lineno}" + (f", {line}" if line else "")
    return text


def code_of(fn):
    """The function with the source: a module's `forward`, a partial's function, what a decorator wraps."""
    fn = inspect.unwrap(fn)
    if isinstance(fn, torch.nn.Module):
        return type(fn).forward
    if hasattr(fn, "func"):
        return code_of(fn.func)
    if not inspect.isroutine(fn) and hasattr(type(fn), "__call__"):
        return type(fn).__call__
    return fn
