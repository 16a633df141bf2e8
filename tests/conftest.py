import os

import hypothesis
import pytest
import torch

import lossnotes as ln

# Derandomised: the same examples on every machine and in every run, so that a red CI can be repeated at home.
hypothesis.settings.register_profile("lossnotes", derandomize=True, deadline=None, database=None, max_examples=60)
hypothesis.settings.load_profile("lossnotes")

if "PYTEST_XDIST_WORKER" in os.environ:
    torch.set_num_threads(1)  # the workers already use every core

DEVICES = ["cpu"] + [name for name in [str(ln.default_device())] if name != "cpu"]
PLACES = [(device, dtype) for device in DEVICES for dtype in (torch.float64, torch.float32)]
PLACES = [(device, dtype) for device, dtype in PLACES if not device.startswith("mps") or dtype != torch.float64]


@pytest.fixture(params=DEVICES, scope="session")
def device(request):
    """Every device that the tests can reach, as a string."""
    return request.param


@pytest.fixture(params=PLACES, ids=lambda place: f"{place[0]}-{place[1]}".replace("torch.", ""), scope="session")
def place(request):
    """Every (device, dtype) that has an accuracy of its own: float64 and float32, but float32 alone on mps."""
    return request.param


def pytest_itemcollected(item):
    # PyTorch's own forward derivatives and compiler use what it deprecates. A mark, as -W error overrides an option.
    item.add_marker(pytest.mark.filterwarnings("ignore:`torch.jit.script:DeprecationWarning"))
