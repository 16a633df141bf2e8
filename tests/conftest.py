import gc
import os
import sys

import hypothesis
import pytest
import serving
import torch
from bs4 import BeautifulSoup

import lossnotes as ln

sys.path.insert(0, str(serving.ROOT / "book"))
from browser import launched  # noqa: E402

# Derandomised: the same examples on every machine and in every run, so that a red CI can be repeated at home.
hypothesis.settings.register_profile("lossnotes", derandomize=True, deadline=None, database=None, max_examples=60)
hypothesis.settings.load_profile("lossnotes")


def devices():
    """Every device that the tests can reach, as strings."""
    return list(dict.fromkeys(["cpu", str(ln.default_device())]))


def places():
    """Every (device, dtype) that has an accuracy of its own: float64 and float32, but float32 alone on mps."""
    pairs = [(device, dtype) for device in devices() for dtype in (torch.float64, torch.float32)]
    return [(device, dtype) for device, dtype in pairs if not device.startswith("mps") or dtype != torch.float64]


def pytest_generate_tests(metafunc):
    # Here and not in fixtures with params: a mutant of default_device may fail a test, but must not fail this import.
    if "device" in metafunc.fixturenames:
        metafunc.parametrize("device", devices())
    if "place" in metafunc.fixturenames:
        metafunc.parametrize("place", places(), ids=lambda place: f"{place[0]}-{place[1]}".replace("torch.", ""))


def pytest_itemcollected(item):
    # PyTorch's own forward derivatives and compiler use what it deprecates. A mark, as -W error overrides an option.
    item.add_marker(pytest.mark.filterwarnings("ignore:`torch.jit.script:DeprecationWarning"))


def pytest_collection_finish(session):
    # What there is now stays to the end: ten thousand tests and PyTorch. To look through it for garbage takes long.
    gc.collect()
    gc.freeze()


@pytest.fixture(scope="session")
def built():
    """The pages of the built book, parsed, by path."""
    paths = sorted(path for path in serving.SITE.rglob("*.html") if "_static" not in path.relative_to(serving.SITE).parts)
    assert paths, "no built book to read. Try make book, or python book/build.py"
    gc.disable()  # millions of small objects, none of which is garbage, now or later
    pages = {path: BeautifulSoup(path.read_text("utf-8"), "html.parser") for path in paths}
    gc.freeze()
    gc.enable()
    return pages


@pytest.fixture(scope="session")
def site():
    """The address of the built book, on a server of this machine."""
    assert (serving.SITE / "index.html").is_file(), "no built book to read. Try make book, or python book/build.py"
    with serving.serving() as address:
        yield address


@pytest.fixture(scope="session")
def warm():
    """What grades a submission in a process of its own; starting it takes seconds, each submission half of one."""
    from lossnotes.check._grade.process import Warm

    launcher = Warm()
    yield launcher
    launcher.close()


@pytest.fixture(scope="session")
def browser():
    """A Chromium that Playwright drives. Where none can be had a test is skipped, but never on a CI."""
    with launched() as chromium:
        if not chromium:
            (pytest.fail if os.environ.get("CI") else pytest.skip)("no Chromium, and none could be fetched. Try to install one")
        yield chromium
