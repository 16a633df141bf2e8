"""Closed forms of entropy and the divergences (see `blocks.ClosedForm.write`)."""

import math

import torch

from lossnotes._roads.blocks import along

_LOGS = {math.e: torch.log, 2: torch.log2, 10: torch.log10}


def expected_surprisal(x, slope, scale, dim, base):
    if base not in _LOGS:
        return None
    log = _LOGS[base](x, out=slope)
    impossible = not x.min().item() > 0
    if impossible:
        log.clamp_(min=-1e4)  # 0 times anything but inf
    losses = 0 - (x * log).sum(dim)
    if slope is not None:
        slope.add_(1 / math.log(base)).mul_(along(-scale, dim))
        if impossible:
            slope.mul_(x.sign())
    return losses


def expected_surprisal_under(x, y, slope_of_x, slope_of_y, scale, dim, base):
    if base not in _LOGS or not y.min().item() > 0:
        return None
    log = _LOGS[base](y, out=slope_of_x)
    losses = 0 - (x * log).sum(dim)
    if slope_of_x is not None:
        slope_of_x.mul_(along(-scale, dim))
    if slope_of_y is not None:
        torch.div(x, y, out=slope_of_y).mul_(along(-scale / math.log(base), dim))
    return losses


def divergence(x, y, slope_of_x, slope_of_y, scale, dim, base):
    smaller = torch.minimum(x, y)
    if base != math.e or not smaller.min().item() > 1e-30:
        return None
    log = _log_ratio(x, y, smaller)
    losses = (x * log).sum(dim)
    if x.dtype == torch.float32 and losses.min().item() < 1e-3:  # the terms cancel, and few digits are left
        p, q = x.double(), y.double()
        losses = (p * _log_ratio(p, q, torch.minimum(p, q))).sum(dim).float()
    losses.clamp_(min=0)
    if slope_of_x is not None:
        torch.add(log, 1, out=slope_of_x).mul_(along(scale, dim))
    if slope_of_y is not None:
        torch.div(x, y, out=slope_of_y).mul_(along(-scale, dim))
    return losses


def _log_ratio(x, y, smaller):
    """log(x / y), by the quotient that is above 1: nothing cancels. Written over `smaller`."""
    difference = x - y
    return torch.div(difference.abs(), smaller, out=smaller).log1p_().copysign_(difference)
