"""Few numbers: there PyTorch's own loss in float64 is as exact as a narrower input can use, and the fastest way. What counts is
how many operations Python asks for."""

import torch

from lossnotes._tracing import is_at_hand, is_traced

# Up to so many numbers this is faster than a closed form.
FEW = 1 << 12
# Where an answer is nearer to certain than that, its loss and its slope, which are both left of a difference there, have too few
# digits in float64, too.
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
