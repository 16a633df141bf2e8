"""Names for the types in public signatures."""

from collections.abc import Sequence
from typing import Any, Literal, Protocol, TypeAlias

import torch


class Array(Protocol):
    """What NumPy, and those who follow it, can make an array of."""

    def __array__(self) -> Any: ...


Reduction: TypeAlias = Literal["mean", "sum", "none"]

#: What ``torch.as_tensor`` takes, a list of probabilities included.
ArrayLike: TypeAlias = torch.Tensor | Array | Sequence[Any] | float
