"""Closed forms of entropy and the divergences (see `blocks.ClosedForm.write`)."""

import math

import torch

from lossnotes._tracing import is_at_hand

_LOGS = {math.e: torch.log, 2: torch.log2, 10: torch.log10}


def expected_surprisal(x, slope, dim, base):
    if base not in _LOGS:
        return None
    log = _LOGS[base](x, out=slope)
    impossible = not (is_at_hand(x) and x.min().item() > 0)
    if impossible:
        log.clamp_(min=-1e4)  # 0 times anything but inf
    losses = 0 - (x * log).sum(dim)
    if slope is not None:
        slope.add_(1 / math.log(base))
        if impossible:
            slope.mul_(x.sign())
    return losses, [-1]


def expected_surprisal_under(x, y, slope_of_x, slope_of_y, dim, base):
    if base not in _LOGS or (is_at_hand(y) and not y.min().item() > 0):
        return None
    log = _LOGS[base](y, out=slope_of_x)
    never = None if is_at_hand(y) else (x <= 0) & (y <= 0)  # 0 log 0
    if never is not None:
        log.masked_fill_(never, 0)
    losses = 0 - (x * log).sum(dim)
    if slope_of_y is not None:
        torch.div(x, y, out=slope_of_y)
        if never is not None:
            slope_of_y.masked_fill_(never, 0)
    return losses, [-1, -1 / math.log(base)]


def divergence(x, y, slope_of_x, slope_of_y, dim, base):
    """Elsewhere than on a CPU the formula runs: whether its terms cancel is for values to say."""
    if base != math.e or not is_at_hand(x):
        return None
    smaller = torch.minimum(x, y)
    if not smaller.min().item() > 1e-30:
        return None
    log = _log_ratio(x, y, smaller)
    losses = (x * log).sum(dim)
    if x.dtype == torch.float32 and losses.min().item() < 1e-3:  # the terms cancel, and few digits are left
        p, q = x.double(), y.double()
        losses = (p * _log_ratio(p, q, torch.minimum(p, q))).sum(dim).float()
    losses.clamp_(min=0)
    if slope_of_x is not None:
        torch.add(log, 1, out=slope_of_x)
    if slope_of_y is not None:
        torch.div(x, y, out=slope_of_y)
    return losses, [1, -1]


def _log_ratio(x, y, smaller):
    """log(x / y), by the quotient that is above 1: nothing cancels. Written over `smaller`."""
    difference = x - y
    return torch.div(difference.abs(), smaller, out=smaller).log1p_().copysign_(difference)
