"""Closed forms of losses of rows of scores, one for each class (see `blocks.ClosedForm.write`)."""

import torch

from lossnotes._numeric import class_dim, of_classes
from lossnotes._roads.blocks import along


def _exponentials(z, dim, out):
    """Numbers in the proportions of the softmax."""
    if z.shape[dim] >= 16:
        return torch.softmax(z, dim, out=out)
    # PyTorch's own goes through rows that are shorter than a vector register number by number.
    least, most = z.aminmax()
    if -30 < least.item() and most.item() < 30:  # nothing overflows, whatever the row
        return torch.exp(z, out=out)
    return torch.sub(z, z.amax(dim, keepdim=True), out=out).exp_()


def focal(z, target, share, slope, scale, ignore_index, gamma=0):
    """q, the probability of the wrong classes together, is summed over them: 1 - p would cancel."""
    dim = class_dim(z)
    ignored, index = _of_counted(target, ignore_index, dim)
    e = _exponentials(z, dim, slope)
    right = e.gather(dim, index)
    if ignored is not None:
        right = right.masked_fill_(ignored.unsqueeze(dim), 1)
    others = e.scatter_(dim, index, 0).sum(dim, keepdim=True)
    losses = torch.log1p(others / right)
    if not right.min().item() > 1e-30:  # too small for a quotient, or NaN
        if slope is z:
            return None
        losses = torch.where(right > 1e-30, losses, -torch.log_softmax(z, dim).gather(dim, index))
    if share is not None:
        scale = share * scale
    if ignored is not None:
        scale = _without(ignored, scale, z)
    factor = along(scale, dim)
    total = right + others
    if gamma != 0:
        q = others / total
        power = q.pow(gamma)
        bend = gamma * right / total * losses / q.clamp(min=torch.finfo(q.dtype).tiny) + 1
        factor = factor * power * bend
        losses = losses * power
    if slope is not None:
        slope.scatter_(dim, index, others.neg_()).mul_(factor / total)
        _forget(slope, ignored, total, dim)
    losses = losses.squeeze(dim) if share is None else share * losses.squeeze(dim)
    return losses if ignored is None else torch.where(ignored, 0, losses)


def _of_counted(target, ignore_index, dim):
    """Which targets do not count (None: all do), and indices to gather with, where those point to class 0."""
    if ignore_index is None:
        return None, target.unsqueeze(dim)
    ignored = target == ignore_index
    return ignored, torch.where(ignored, 0, target).unsqueeze(dim)


def _without(ignored, scale, z):
    return torch.where(ignored, 0, scale if isinstance(scale, torch.Tensor) else z.new_full((), scale))


def _forget(slope, ignored, total, dim):
    """No slopes for rows that do not count; 0 times the NaN of a row of infinite scores is NaN."""
    if ignored is not None and not total.isfinite().all():
        slope.masked_fill_(ignored.unsqueeze(dim), 0)


def surprisal_of_distributions(z, y, slope, scale, weight):
    """The most probable class may be near 1, where 1 - p cancels: as above, it is summed over the others."""
    dim, y = class_dim(z), y.to(z.dtype)
    if weight is not None:
        y = y * of_classes(weight, z)
    top = z.argmax(dim, keepdim=True)
    log_p = torch.log_softmax(z, dim, out=slope)
    p = log_p.exp()
    p_top = p.gather(dim, top)
    others = p.scatter_(dim, top, 0).sum(dim, keepdim=True)
    log_p.scatter_(dim, top, -torch.log1p(others / p_top))
    losses = 0 - (y * log_p).sum(dim)
    if not losses.isfinite().all():  # there may be a 0 log 0
        return None
    if slope is not None:
        mass = y.sum(dim, keepdim=True)
        of_top = mass - y.gather(dim, top) - mass * (others / (p_top + others))
        torch.mul(p, mass, out=slope).sub_(y).scatter_(dim, top, of_top).mul_(along(scale, dim))
    return losses


def surprisal_of_smoothed(z, target, share, slope, scale, weight, ignore_index, label_smoothing):
    """Of the label, as in `focal`, and of a distribution that is even, or as the weights are."""
    dim, even = class_dim(z), label_smoothing / z.shape[class_dim(z)]
    weights = None if weight is None else of_classes(weight, z)
    ignored, index = _of_counted(target, ignore_index, dim)
    log_p = torch.log_softmax(z, dim, out=slope)
    of_even = (log_p if weights is None else log_p * weights).sum(dim).mul_(-even)
    p = log_p.exp_()
    right = p.gather(dim, index)
    others = p.scatter_(dim, index, 0).sum(dim, keepdim=True)
    if ignored is not None:
        right = right.masked_fill_(ignored.unsqueeze(dim), 1)
        of_even = of_even.masked_fill_(ignored, 0)
    if not (right.min().item() > 1e-30 and of_even.isfinite().all()):
        return None
    of_target = torch.log1p(others / right).squeeze(dim)
    share = 1 if share is None else share
    losses = (1 - label_smoothing) * share * of_target + of_even
    if ignored is not None:
        losses = torch.where(ignored, 0, losses)
        scale = _without(ignored, scale, z)
    if slope is not None:
        to_target, to_even = along((1 - label_smoothing) * share * scale, dim), along(even * scale, dim)
        sum_of_weights = z.shape[dim] if weights is None else weights.sum()
        weight_of_target = 1 if weights is None else weights.expand_as(z).gather(dim, index)
        of_right = (sum_of_weights * right - weight_of_target) * to_even - others * to_target
        slope.mul_(to_target + to_even * sum_of_weights).sub_(to_even if weights is None else to_even * weights)
        slope.scatter_(dim, index, of_right.to(slope.dtype))
        _forget(slope, ignored, others, dim)
    return losses
