"""Closed forms of entropy and the divergences (see `blocks.ClosedForm.write`)."""

import math

import torch

from lossnotes._numeric import widest_dtype
from lossnotes._tracing import is_at_hand

_LOGS = {math.e: torch.log, 2: torch.log2, 10: torch.log10}


def expected_surprisal(x, slope, dim, base):
    if base not in _LOGS:
        return None
    log, of_log = _LOGS[base](x, out=slope), 1 / math.log(base)
    if not (is_at_hand(x) and x.min().item() > 0):
        log.masked_fill_(x <= 0, -of_log)  # 0 times anything but inf; and a slope of 0
    losses = 0 - (x * log).sum(dim)
    if slope is not None:
        torch.sub(x.new_full((), -of_log), log, out=slope)  # and not -0, where there is nothing
    return losses, [1]


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
    smaller = torch.minimum(x, y) if is_at_hand(x) and base == math.e else None
    if smaller is None or not smaller.min().item() > 1e-30:
        return _divergence_in_float64(x, y, slope_of_x, slope_of_y, dim, base)
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


def _divergence_in_float64(x, y, slope_of_x, slope_of_y, dim, base):
    """For any values: there may be zeros, and where the terms cancel, digits are left."""
    if base not in _LOGS or x.dtype == widest_dtype(x.device):
        return None
    nothing = x <= 0
    never = nothing & (y <= 0)  # 0 log 0
    ratio = x.to(widest_dtype(x.device)).add_(nothing).div_(y)  # as in the formula 1 stands for 0
    log = _LOGS[base](ratio, out=ratio).masked_fill_(never, 0)
    losses = (x * log).sum(dim).clamp_(min=0)
    if slope_of_x is not None:
        torch.add(log, nothing.logical_not_(), alpha=1 / math.log(base), out=slope_of_x)
    if slope_of_y is not None:
        torch.div(x, y, out=slope_of_y).masked_fill_(never, 0)
    return losses.to(x.dtype), [1, -1 / math.log(base)]


def divergence_from_the_middle(x, y, slope_of_x, slope_of_y, dim, base):
    """In float64, as above. With x = m (1 + u) and y = m (1 - u) the terms are x log(1 + u) + y log(1 - u), which has all digits for a
    small u, and the slopes log(x / m), which has them for a small x."""
    wide = widest_dtype(x.device)
    if base not in _LOGS or x.dtype == wide:
        return None
    both = x.to(wide).add_(y)
    never = both <= 0
    u = x.to(wide).sub_(y).div_(both).masked_fill_(never, 0)
    u.clamp_(-1 + torch.finfo(wide).eps, 1 - torch.finfo(wide).eps)  # 0 times anything but inf
    terms = u.log1p().mul_(x).addcmul_(u.neg_().log1p_(), y.to(wide))
    losses = terms.sum(dim).mul_(0.5 / math.log(base))
    for own, slope in ((x, slope_of_x), (y, slope_of_y)):
        if slope is not None:
            nothing = own <= 0
            share = own.to(wide).add_(nothing).div_(both)  # as in the formula 1 stands for 0
            log = _LOGS[base](share.mul_(2), out=share)
            torch.add(log, nothing, alpha=-1 / math.log(base), out=slope).masked_fill_(never, 0)
    return losses.to(x.dtype), [0.5, 0.5]


def _log_ratio(x, y, smaller):
    """log(x / y), by the quotient that is above 1: nothing cancels. Written over `smaller`."""
    difference = x - y
    return torch.div(difference.abs(), smaller, out=smaller).log1p_().copysign_(difference)
