"""Types: every public signature has them, and a type checker that reads them says what a user should hear (typed.py)."""

import inspect
import subprocess
import sys
from pathlib import Path

import pytest

import lossnotes as ln
from lossnotes import experiments, naive, plots

ROOT = Path(__file__).parent.parent


def public(home):
    names = getattr(home, "__all__", None) or [name for name in vars(home) if not name.startswith("_")]
    found = [getattr(home, name) for name in names]
    return [x for x in found if callable(x) and x.__module__.startswith(home.__name__)]


def signatures():
    for home in (ln, naive, experiments, plots):
        for x in public(home):
            if inspect.isclass(x):
                yield from (getattr(x, name) for name in ("__init__", "forward") if name in vars(x))
            else:
                yield inspect.unwrap(x)


@pytest.mark.parametrize("function", [*signatures()], ids=lambda f: f"{f.__module__}.{f.__qualname__}")
def test_a_public_signature_is_typed(function):
    signature = inspect.signature(function)
    bare = [n for n, p in signature.parameters.items() if p.annotation is p.empty and n not in ("self", "where")]
    assert not bare and signature.return_annotation is not signature.empty


def test_no_public_signature_is_left_out():
    names = {f.__qualname__ for f in signatures()}
    assert {"cross_entropy", "entropy", "strict", "check", "MSELoss.__init__", "tune", "report"} <= names and len(names) > 45


def test_a_type_checker_agrees():
    checker = subprocess.run([sys.executable, "-m", "mypy"], cwd=ROOT, capture_output=True, text=True)
    assert checker.returncode == 0, checker.stdout + checker.stderr
