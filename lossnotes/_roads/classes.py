"""Closed forms of losses of rows of scores, one for each class (see `blocks.ClosedForm.write`)."""

import torch
from torch.nn.functional import softplus

from lossnotes._numeric import class_dim, of_classes, times, wide, wide_dtype
from lossnotes._tracing import is_at_hand


def focal(z, target, share, slope, ignore_index, gamma=0):
    """q, the probability of the wrong classes together, is summed over them: 1 - p would cancel."""
    dim = class_dim(z)
    ignored, index = _of_counted(target, ignore_index, dim)
    way = _right_and_others if is_at_hand(z) else _right_and_others_unseen
    found = way(z, index, ignored, dim, slope)
    if found is None:
        return None
    losses, p, q, factor = found
    if gamma != 0:
        p, q = p(), q()
        power = q.pow(gamma)
        p_times_losses = p.mul_(losses)
        if not is_at_hand(z):
            p_times_losses.nan_to_num_(nan=0)  # an infinite loss does not grow with the power
        factor = p_times_losses.div_(q.clamp(min=torch.finfo(q.dtype).tiny)).mul_(gamma).add_(1).mul_(power).mul_(factor)
        losses = losses * power
    return _of_each(losses.squeeze(dim), share, ignored), [_of_each(factor.squeeze(dim), share, ignored)]


def _of_counted(target, ignore_index, dim):
    """Which targets do not count (None: all do), and indices to gather with, where those point to class 0."""
    if ignore_index is None:
        return None, target.unsqueeze(dim)
    ignored = target == ignore_index
    return ignored, torch.where(ignored, 0, target).unsqueeze(dim)


def _of_each(x, share, ignored):
    """A number for each row times its share, and 0 in the place of those that do not count. May write over `x`."""
    x = x if share is None else times(share, x)
    return x if ignored is None else x.masked_fill_(ignored, 0)


# Each writes to `out` what is in proportion to the slopes, and gives the losses, the probabilities of the right class and of the
# others together, as functions since few losses ask for them, and what each row of slopes has yet to be multiplied with.


def _right_and_others(z, index, ignored, dim, out):
    """On a CPU, where the scores tell what will do."""
    e = _exponentials(z, dim, out)
    right = e.gather(dim, index)
    if ignored is not None:
        right.masked_fill_(ignored.unsqueeze(dim), 1)
    others = e.scatter_(dim, index, 0).sum(dim, keepdim=True)
    losses = torch.log1p(others / right)
    if not right.min().item() > 1e-30:  # too small for a quotient, or NaN
        if out is z:
            return None
        losses = torch.where(right > 1e-30, losses, -torch.log_softmax(z, dim).gather(dim, index))
    if ignored is not None and not others.isfinite().all():  # 0 times the NaN of a row that does not count is NaN
        e.masked_fill_(ignored.unsqueeze(dim), 0)
        others.masked_fill_(ignored.unsqueeze(dim), 0)
    # Of an infinite row that does not count 0, and not -0. Where there are few rows, neg takes a quarter of that time.
    e.scatter_(dim, index, others.neg() if ignored is None else 0 - others)
    each = (right + others).reciprocal_()
    return losses, lambda: right * each, lambda: others * each, each


def _exponentials(z, dim, out):
    """Numbers in the proportions of the softmax."""
    if z.shape[dim] >= 16:
        return torch.softmax(z, dim, out=out)
    # PyTorch's own goes through rows that are shorter than a vector register number by number.
    least, most = z.aminmax()
    if -30 < least.item() and most.item() < 30:  # nothing overflows, whatever the row
        return torch.exp(z, out=out)
    return torch.sub(z, z.amax(dim, keepdim=True), out=out).exp_()


def _right_and_others_unseen(z, index, ignored, dim, out):
    """For all scores alike: tiny, huge or infinite. Four passes over memory: numbers for what is none, the largest of them,
    the softmax of the others, and later the factor. Three, as PyTorch has it, would not do: the softmax of an infinite score is
    NaN, which no factor brings back to its limit, and where the right class is next to certain, the others have to be summed
    without it. Half precision is read as it is; what is written is float32.
    """
    if z.shape[dim] == 1:
        return None
    right, limits, may_write_over = z.gather(dim, index), torch.finfo(z.dtype), out is z
    if may_write_over:
        largest, top = z.scatter_(dim, index, -torch.inf).max(dim, keepdim=True)
    # NaN is above inf, as it is for the search for the largest.
    how = {"nan": limits.max, "posinf": limits.max * (1 - limits.eps), "neginf": limits.min}
    e = torch.nan_to_num(z, **how, out=out if z.dtype == wide_dtype(z) else None).scatter_(dim, index, -torch.inf)
    if not may_write_over:
        top = e.argmax(dim, keepdim=True)
        largest = z.gather(dim, top)
    e = torch.softmax(e, dim, dtype=wide_dtype(z), out=e if z.dtype == wide_dtype(z) else out)
    # How far the others together are ahead: 1 - p is never formed. Of scores that are all -inf it is NaN.
    lead = wide(largest) - wide(right) - e.gather(dim, top).log_()
    e.scatter_(dim, index, -1)
    q = lead.sigmoid()
    return softplus(lead, threshold=50), lambda: 1 - q, lambda: q, q


def from_largest(z, largest, out=None):
    """How far each score is from the largest: not above 0, but for infinite scores, which stay infinite."""
    limits = torch.finfo(z.dtype)
    return torch.sub(z, largest.clamp(limits.min, limits.max), out=out)


def at_most_one(x):
    """e^x, and 1 where x is above 0, in the memory of `x`: the derivative of `elu`, which is one operation."""
    return torch.ops.aten.elu_backward.grad_input(x.new_ones(()).expand_as(x), 1, 1, 1, False, x, grad_input=x)


def surprisal_of_distributions(z, y, slope, weight):
    """Where one class is next to certain, 1 - p would cancel: as above, it is summed over the others."""
    dim, y, at_hand = class_dim(z), y.to(z.dtype), is_at_hand(z)
    if weight is not None:
        y = y * of_classes(weight, z)
    if at_hand:
        distance = z - z.amax(dim, keepdim=True)
    else:
        largest, top = z.max(dim, keepdim=True)
        distance = (z - largest).scatter_(dim, top, 0)  # inf - inf would be NaN
    terms = torch.mul(y, distance, out=slope)
    if not at_hand:
        terms.nan_to_num_(nan=0, posinf=torch.inf, neginf=-torch.inf)  # 0 log 0; NaN itself is in the sum of exponentials
    losses, mass = terms.sum(dim).neg_(), y.sum(dim, keepdim=True)
    e = distance.exp_()
    if at_hand:
        total = e.sum(dim, keepdim=True)
        if total.min().item() > 1.5:  # no class has more than two thirds, and nothing cancels
            losses += (mass * total.log()).squeeze(dim)
            if slope is not None:
                torch.addcmul(y, e, mass / total, value=-1, out=slope)
            return losses, [-1]
        top = _place_of_one(e, dim, slope)
    own = e.gather(dim, top)
    others = e.scatter_(dim, top, 0).sum(dim, keepdim=True)
    losses += (mass * torch.log1p(others + (own - 1))).squeeze(dim)
    if slope is not None:
        each, y_top = mass / (own + others), y.gather(dim, top)
        of_top = torch.where(own == 1, each * others - (mass - y_top), y_top - each * own)
        torch.addcmul(y, e, each, value=-1, out=slope).scatter_(dim, top, of_top)
    return losses, [-1]


def _place_of_one(e, dim, room):
    """The place of the 1 in each row, none of which has more; some other place, if there are two. PyTorch's own search takes a CPU
    long. This is one operation, 0 up to the threshold and its first argument above."""
    classes = e.shape[dim]
    places = torch.arange(classes, dtype=e.dtype, device=e.device).view([-1 if d == dim else 1 for d in range(e.ndim)])
    room = torch.empty_like(e) if room is None else room
    below = 1 - torch.finfo(e.dtype).eps
    torch.ops.aten.threshold_backward.grad_input(places.expand_as(e), e, below, grad_input=room)
    return room.sum(dim, keepdim=True).clamp_(max=classes - 1).long()


def surprisal_of_smoothed(z, target, share, slope, weight, ignore_index, label_smoothing):
    """Of the label, as in `focal`, and of a distribution that is even, or as the weights are."""
    dim, even = class_dim(z), label_smoothing / z.shape[class_dim(z)]
    weights = None if weight is None else of_classes(weight, z)
    ignored, index = _of_counted(target, ignore_index, dim)
    largest, classes = z.amax(dim, keepdim=True), z.shape[dim]
    ahead = largest - z.gather(dim, index)
    distance = from_largest(z, largest, slope)
    of_even = (distance if weights is None else distance * weights).sum(dim).mul_(-even)
    sum_of_weights = classes if weights is None else weights.sum()
    # On a CPU the formula takes infinite scores that count.
    e = distance.exp_() if is_at_hand(z) and ignored is None else at_most_one(distance)
    right = e.gather(dim, index)
    others = e.scatter_(dim, index, 0).sum(dim, keepdim=True)
    total = right + others
    if ignored is not None or not is_at_hand(z):
        total = torch.where(total == 0, 1, total)  # of a row that does not count
    of_target = torch.where(ahead > 0, softplus(ahead + others.log(), threshold=50), torch.log1p(others)).squeeze(dim)
    of_even += even * sum_of_weights * total.log().squeeze(dim)
    if not is_at_hand(z):
        share = torch.ones_like(of_even) if share is None else share
        # Beside an infinite score every other one is improbable. Beside two, and if all are -inf, there is no softmax.
        certain = largest == torch.inf
        of_even = torch.where(certain.squeeze(dim), torch.inf if classes > 1 else 0, of_even)
        unknown = (largest == -torch.inf) | largest.isnan() | (certain & (total > 1))
        share = torch.where(unknown.squeeze(dim), torch.nan, share)
    losses = of_target * (1 - label_smoothing) if share is None else times(share, of_target) * (1 - label_smoothing)
    losses = _of_each(losses + of_even, None, ignored)
    if slope is not None:
        share = torch.ones_like(losses) if share is None else share
        to_target = _of_each((1 - label_smoothing) * share, None, ignored).unsqueeze(dim)
        to_even = _of_each(torch.full_like(losses, even), None, ignored).unsqueeze(dim)
        weight_of_target = 1 if weights is None else weights.expand_as(z).gather(dim, index)
        of_right = (sum_of_weights * right / total - weight_of_target) * to_even - others / total * to_target
        slope.mul_((to_target + to_even * sum_of_weights) / total).sub_(to_even if weights is None else to_even * weights)
        slope.scatter_(dim, index, of_right.to(slope.dtype))
    return losses, [1]
