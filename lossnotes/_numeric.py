"""What every formula here needs of its numbers."""

import torch


def wide(x):
    """`x` in float32 at least: half precision is computed there, and rounded once at the end."""
    return x if x.dtype in (torch.float32, torch.float64) else x.float()
