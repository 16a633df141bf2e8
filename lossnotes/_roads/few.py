"""Few numbers: what counts is how many operations Python asks for. PyTorch's own take fewest."""

import torch

from lossnotes._tracing import is_at_hand, is_traced

# Up to so many numbers this is faster than a closed form.
FEW = 1 << 12
# Where a class is nearer to certain than that, PyTorch's cross-entropy has too few digits in float64, too: its loss and its slope
# are both what is left of a difference.
LEAST = 1e-9


def are_few(input):
    """Whether `input` is small, is narrower than float64, and nobody looks at the operations themselves."""
    return (
        not is_traced(input)
        and is_at_hand(input)
        and torch.autograd.forward_ad._current_level < 0
        and input.dtype != torch.float64
        and 0 < input.numel() <= FEW
    )
