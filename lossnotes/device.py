"""Where the computation runs."""

import os

import torch


def default_device() -> torch.device:
    """The best device at hand: cuda, then mps, then cpu.

    The environment variable ``LOSSNOTES_DEVICE`` overrides the choice.

    Returns
    -------
    torch.device

    Raises
    ------
    ValueError
        ``LOSSNOTES_DEVICE`` names a device that PyTorch does not know or that this machine lacks.

    Examples
    --------
    >>> import torch, lossnotes as ln
    >>> torch.ones(2, device=ln.default_device()).sum().item()
    2.0
    """
    name = os.environ.get("LOSSNOTES_DEVICE")
    if name:
        try:
            return torch.empty((), device=name).device
        except (RuntimeError, AssertionError, ImportError) as error:
            raise ValueError(
                f"default_device: LOSSNOTES_DEVICE is {name!r}, which cannot be used here "
                f"({str(error).splitlines()[0]}); expected a device of this machine. Try LOSSNOTES_DEVICE=cpu."
            ) from None
    if torch.cuda.is_available():
        return torch.device("cuda")
    return torch.device("mps" if torch.backends.mps.is_available() else "cpu")
