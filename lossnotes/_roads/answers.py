"""Closed forms of losses of single answers: a score, and what it should have been (see `blocks.ClosedForm.write`)."""

import torch
from torch.nn.functional import softplus

from lossnotes._numeric import times
from lossnotes._tracing import is_at_hand


def squared_error(x, y, slope):
    difference = torch.sub(x, y, out=slope)
    return difference.square(), [2]


def hinge(z, y, slope, margin):
    y = y.to(z.dtype)  # the square of 255 as a uint8 is 1
    if is_at_hand(y):
        least, most = y.square().aminmax()
        if not (least.item() == 1 and most.item() == 1):
            return None
    losses = torch.addcmul(z.new_full((), margin), y, z, value=-1).clamp_(min=0)
    if slope is not None:
        torch.gt(losses, 0, out=slope).mul_(y)
    return losses, [-1]


def focal(z, y, slope, alpha=None, gamma=0):
    if not is_at_hand(y):
        return _focal_of_soft_answers(z, y, slope, alpha, gamma)
    if not _are_hard(y):
        return _focal_of_soft_answers(z, y, slope, alpha, gamma) if _are_probabilities(y) else None
    # With d the score of the wrong answer, the loss is s(d)^gamma softplus(d), where s is the sigmoid.
    sign = torch.rsub(y, 1, alpha=2)
    d = torch.mul(z, sign, out=slope)
    losses = softplus(d, threshold=50)
    q = d.sigmoid_()
    if gamma != 0:
        power = q.square() if gamma == 2 else q.pow(gamma)
        q.addcmul_(losses, 1 - q, value=gamma).mul_(power)
        losses.mul_(power)
    if alpha is not None:
        signed_share = torch.rsub(y, 1 - alpha)
        losses.mul_(signed_share).mul_(sign)
        sign = signed_share
    q.mul_(sign)
    return losses, [1]


def _focal_of_soft_answers(z, y, slope, alpha, gamma):
    """Of answers from no to yes, and of scores that may be infinite. What is no longer needed is written over."""
    losses, q, step, against = _surprisal(z, y, slope)
    # The sigmoid of z is q where z is negative, and 1 - q elsewhere.
    bend = torch.addcmul(q, q, step, value=-2, out=slope).sub_(against)
    if gamma != 0:
        one, room = z.new_ones(()), torch.empty_like(z)
        wrong = torch.addcmul(q, against.abs_(), torch.sub(one, q, alpha=2, out=room), out=against)
        power = wrong.square() if gamma == 2 else wrong.pow(gamma)
        limits = torch.finfo(z.dtype)
        of_log_wrong = torch.sub(one, y, alpha=2, out=room).mul_(q.addcmul_(q, q, value=-1)).div_(wrong.clamp_(min=limits.tiny))
        # Beside an infinite score the power is at rest, and 0 times inf would be NaN.
        finite = losses if is_at_hand(z) else losses.clamp(max=limits.max)
        bend.addcmul_(of_log_wrong, finite, value=gamma).mul_(power)
        losses.mul_(power)
    if alpha is not None:
        share = torch.add(z.new_full((), 1 - alpha), y, alpha=2 * alpha - 1, out=against)
        losses = losses.mul_(share) if 0 < alpha < 1 else _weigh(share, losses)
        bend.mul_(share)
    return losses, [1]


def _surprisal(z, y, room):
    """The losses; the sigmoid of -|z|; 1 where z is positive, in `room` if there is any; and y less that: how far the score is
    from the answer, which is the probability of the answer that it is against, with a sign."""
    step = torch.gt(z, 0, out=torch.empty_like(z) if room is None else room)
    against = y - step
    if not is_at_hand(z):
        size = torch.copysign(z, -1)
        q, bent = size.sigmoid(), _bend(size)
        # 0 times an infinite score is NaN, and the loss is no less than `bent`. If that is NaN, so is the score.
        return torch.fmax(torch.addcmul(bent, z, against, value=-1, out=size), bent, out=bent), q, step, against
    # On a CPU these take less time than one sigmoid.
    e = z.abs().neg_().exp_()
    losses = e.log1p().addcmul_(z, against, value=-1)
    return losses, e.div_(e + 1), step, against


def weighted_surprisal(z, y, weight, pos_weight, slope):
    if is_at_hand(y) and not _are_probabilities(y):
        return None
    yes, no = y if pos_weight is None else y * pos_weight, 1 - y
    straight = torch.mul(no, z.clamp(min=0)).addcmul_(yes, z.clamp(max=0), value=-1)
    if not is_at_hand(z):
        straight.nan_to_num_(nan=0, posinf=torch.inf, neginf=-torch.inf)  # 0 times inf; NaN itself is in the bend
    losses = _bend(torch.copysign(z, -1)).mul_(yes + no).add_(straight)
    p_no = torch.sigmoid(-z)
    bend = torch.mul(no, z.sigmoid(), out=slope).addcmul_(yes, p_no, value=-1)
    if weight is not None:
        losses = _weigh(weight, losses)
        bend.mul_(weight)
    return losses, [1]


def _bend(x):
    """log(1 + e^x), where x is not above 0: where softplus bends. PyTorch's own is one operation, and takes a CPU longer than two."""
    return x.exp().log1p_() if is_at_hand(x) else softplus(x, threshold=50)


def _weigh(share, losses):
    """A share of 0 takes nothing, not even of what is infinite. On a CPU the formula takes over then."""
    return share * losses if is_at_hand(losses) else times(share, losses)


def _are_hard(y):
    """Whether every answer is 0 or 1. Of many, most that are not show it in the first few."""
    y = y.reshape(-1)
    for part in (y[:64], y) if y.numel() > 1 << 14 else (y,):
        off = torch.addcmul(part, part, part, value=-1)
        if not torch.dot(off, off).item() == 0:
            return False
    off.ne_(0)  # the square of a tiny one underflows
    return torch.dot(off, off).item() == 0


def _are_probabilities(y):
    least, most = y.aminmax()
    return least.item() >= 0 and most.item() <= 1


def focal_for_a_compiler(z, y, alpha=None, gamma=0):
    """The formula with one exponential and one logarithm. A compiler makes a single loop of it, and those take the time."""
    # Not torch.where(z > 0, z, -z): a comparison before the exponential makes the loop on a CPU much slower ("sigmoid focal 16M,
    # compiled" in benchmarks/). And abs has no slope at 0.
    sign = torch.copysign(torch.ones_like(z), z).detach()
    size = z * sign
    against = torch.where(sign > 0, 1 - y, y)  # the probability of the answer that the score is against
    e = torch.exp(-size)
    share = 1.0
    if gamma != 0:
        wrong = (against + (1 - against) * e) / (1 + e)
        share = wrong.clamp(min=torch.finfo(z.dtype).tiny) ** gamma
    if alpha is not None:
        share = share * (alpha * y + (1 - alpha) * (1 - y))
    return times(share * against, size) + share * torch.log1p(e)
