"""A function called where it is: in a notebook, at once, for learning. It may raise, print, ask for input or never end."""

import _thread
import builtins
import contextlib
import contextvars
import inspect
import io
import itertools
import sys
import threading
import time
import warnings
from unittest import mock

import torch

from lossnotes.check._child.callables import code_of, pretended, signature
from lossnotes.check._child.words import described, kind
from lossnotes.check._judge.home import TORCH
from lossnotes.check._judge.outcome import Outcome, Student, cast
from lossnotes.device import default_device

TIME_LIMIT = 5.0  # seconds for one call; a call here takes milliseconds
IMPORT_LIMIT = 30.0  # as long as it goes on importing: the first optimizer of a process loads a compiler

_checking = contextvars.ContextVar("checking", default=False)
_one_at_a_time = threading.RLock()  # what is swapped below belongs to the whole process


class Stopped(BaseException):
    """Raised inside the code that ran out of time: not an `Exception`, so that `except Exception` does not stop it."""


class Local(Student):
    """A function of this process."""

    def __init__(self, fn, spec, rule=None):
        super().__init__(spec, signature(fn))
        self.fn, self.rule = fn, rule

    def call(self, args, options, grad):
        args = [x.detach().clone().requires_grad_(i in grad) if isinstance(x, torch.Tensor) else x for i, x in enumerate(args)]
        before = [x.detach().clone() if isinstance(x, torch.Tensor) else x for x in args]
        got = _called(self.fn, args, options, self.rule)
        got.changed = tuple(i for i, x in enumerate(before) if isinstance(x, torch.Tensor) and not _same(x, args[i]))
        if isinstance(got.value, torch.Tensor) and got.value.requires_grad and grad:
            leaves = [args[i] for i in grad]
            got.pull = lambda slope: call(torch.autograd.grad, got.value, leaves, slope, allow_unused=True)
        return got

    def device(self, args):
        extra = [-1] if self.has_dim else []
        there = default_device()
        if there.type == "cpu":
            got = call(pretended, self.fn, [*args, *extra])
            return got.value if got else None
        args = cast(args, torch.float32 if there.type == "mps" else torch.float64)
        got = call(self.fn, *[x.to(there) if isinstance(x, torch.Tensor) else x for x in args], *extra)
        if not got:
            return "mixed"
        return "kept" if isinstance(got.value, torch.Tensor) and got.value.device.type == there.type else "lost"


def _same(before, after):
    return before.shape == after.shape and torch.equal(before, after.detach())


def call(fn, *args, **options):
    """`fn(*args, **options)` in a thread of its own, silent, for some seconds.

    A thread, since a signal would need the main thread of a Unix process and a process would need a function that can be
    pickled; a homework cell has neither. It stops itself: an exception thrown into a thread from outside can hit code in C++
    that does not survive it.
    """
    return _called(fn, args, options)


def _called(fn, args, options, rule=None):
    """The same, with an eye on what grading refuses, if there is a `rule` (see `home`)."""
    outcome, done = Outcome(), threading.Event()
    source, over = _file_of(fn), threading.Event()
    stopper = _stopper(source, over, rule)

    def work():  # pragma: no cover - coverage cannot look into a thread that has another trace function
        _checking.set(True)  # in a copy of the caller's context
        sys.settrace(stopper)
        try:
            with rule or contextlib.nullcontext():
                outcome.value = fn(*args, **options)
        except BaseException as error:  # also SystemExit and Stopped: nothing in here may end the check
            sys.settrace(None)
            outcome.error, outcome.kind = described(error, source), kind(error)
        finally:
            sys.settrace(None)
            done.set()

    with _silence():
        # Not a `threading.Thread`: a debugger, or coverage, would set its trace function in there, and two do not go together.
        _thread.start_new_thread(contextvars.copy_context().run, (work,))
        _wait(done)
        over.set()
        done.wait(0.5)  # a moment for it to stop itself
    if not done.is_set() or outcome.kind == "Stopped":
        return Outcome(
            error=f"did not end within {TIME_LIMIT:g} second{'s' if TIME_LIMIT != 1 else ''}", kind="Stopped", ended=False
        )
    return outcome


def _wait(done):
    """Wait; longer while the call imports modules, which is not its fault."""
    last = time.monotonic() + IMPORT_LIMIT
    modules = len(sys.modules)
    while not done.wait(TIME_LIMIT) and len(sys.modules) > modules + 10 and time.monotonic() < last:
        modules = len(sys.modules)


def _stopper(source, over, rule):
    """A trace function that ends the student's own lines when their time is over: where an endless loop is."""

    def line(frame, event, arg):  # pragma: no cover - see above
        if over.is_set():
            raise Stopped
        return line

    def begun(frame, event, arg):  # pragma: no cover
        if rule is not None:
            rule.entered(frame)
        return line if frame.f_code.co_filename == source else None

    return begun


@contextlib.contextmanager
def _silence():
    if _checking.get():  # pragma: no cover - a function that is checked calls check itself, in its thread
        yield
        return

    def no_input(*_):  # pragma: no cover - called in the thread
        raise EOFError("input() has nothing to read during a check")

    with _one_at_a_time:
        dtype = torch.get_default_dtype()
        quiet = contextlib.redirect_stdout(io.StringIO()), contextlib.redirect_stderr(io.StringIO())
        with quiet[0], quiet[1], _other_draws(), mock.patch.object(builtins, "input", no_input):
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                try:
                    yield
                finally:
                    torch.set_default_dtype(dtype)


@contextlib.contextmanager
def _other_draws(calls=itertools.count()):
    """Another seed for each call, so that what is random shows, and the caller's random numbers as they were."""
    with torch.random.fork_rng():
        seed = next(calls)
        # torch.manual_seed would write down a stack for each kind of device that is not there, and take half of a check's time.
        torch.default_generator.manual_seed(seed)
        if torch.cuda.is_available():  # pragma: no cover - no test of ours has had one
            torch.cuda.manual_seed_all(seed)
        yield


def _file_of(fn):
    try:
        file = inspect.getsourcefile(code_of(fn))
    except Exception:  # written in C, or without a source
        return None
    return None if file and file.startswith(TORCH) else file  # whose lines say nothing to a student
