"""The choice of a device."""

import re

import pytest
import torch

import lossnotes as ln


@pytest.fixture
def machine(monkeypatch):
    """Pretends to be a machine with these accelerators."""
    monkeypatch.delenv("LOSSNOTES_DEVICE", raising=False)

    def have(cuda, mps):
        monkeypatch.setattr(torch.cuda, "is_available", lambda: cuda)
        monkeypatch.setattr(torch.backends.mps, "is_available", lambda: mps)

    return have


@pytest.mark.parametrize(
    "cuda, mps, expected", [(True, True, "cuda"), (True, False, "cuda"), (False, True, "mps"), (False, False, "cpu")]
)
def test_cuda_then_mps_then_cpu(machine, cuda, mps, expected):
    machine(cuda, mps)
    assert ln.default_device() == torch.device(expected)


@pytest.mark.parametrize("name", ["cpu", "meta"])
def test_the_environment_overrides(machine, monkeypatch, name):
    machine(cuda=True, mps=True)
    monkeypatch.setenv("LOSSNOTES_DEVICE", name)
    assert ln.default_device() == torch.device(name)


def test_an_empty_variable_is_as_good_as_none(machine, monkeypatch):
    machine(cuda=False, mps=True)
    monkeypatch.setenv("LOSSNOTES_DEVICE", "")
    assert ln.default_device() == torch.device("mps")


# Unknown, misspelt, known to PyTorch but built into none of its releases, in need of a module that is not there.
@pytest.mark.parametrize("name", ["gpu", "cuda:x", " cpu", "fpga", "hpu"])
def test_an_unusable_device_is_named_with_its_variable(monkeypatch, name):
    monkeypatch.setenv("LOSSNOTES_DEVICE", name)
    with pytest.raises(ValueError) as caught:
        ln.default_device()
    assert type(caught.value) is ValueError and caught.value.__suppress_context__
    assert re.fullmatch(
        rf"default_device: LOSSNOTES_DEVICE is '{name}', which cannot be used here \(.+\); expected a device of this "
        r"machine\. Try LOSSNOTES_DEVICE=cpu\.",
        str(caught.value),
    )


def test_a_device_that_this_build_lacks_is_refused(monkeypatch):
    def empty(*size, device):
        raise AssertionError(f"Torch not compiled with {device.upper()} enabled\nand a second line")

    monkeypatch.setenv("LOSSNOTES_DEVICE", "xpu")
    monkeypatch.setattr(torch, "empty", empty)
    with pytest.raises(ValueError) as caught:
        ln.default_device()
    assert str(caught.value) == (
        "default_device: LOSSNOTES_DEVICE is 'xpu', which cannot be used here (Torch not compiled with XPU enabled); "
        "expected a device of this machine. Try LOSSNOTES_DEVICE=cpu."
    )
