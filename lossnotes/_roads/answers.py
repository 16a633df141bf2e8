"""Closed forms of losses of single answers: a score, and what it should have been (see `blocks.ClosedForm.write`)."""

import torch
from torch.nn.functional import softplus

from lossnotes._numeric import times


def squared_error(x, y, slope, scale):
    difference = torch.sub(x, y, out=slope)
    losses = difference.square()
    difference.mul_(2 * scale)
    return losses


def hinge(z, y, slope, scale, margin):
    y = y.to(z.dtype)  # the square of 255 as a uint8 is 1
    least, most = y.square().aminmax()
    if not (least.item() == 1 and most.item() == 1):
        return None
    losses = torch.addcmul(z.new_full((), margin), y, z, value=-1).clamp_(min=0)
    if slope is not None:
        torch.gt(losses, 0, out=slope).mul_(y).mul_(-scale)
    return losses


def focal(z, y, slope, scale, alpha=None, gamma=0):
    soft = torch.addcmul(y, y, y, value=-1).reshape(-1)
    if not torch.dot(soft, soft).item() == 0:
        return _focal_of_soft_answers(z, y, slope, scale, alpha, gamma)
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
    q.mul_(sign).mul_(scale)
    return losses


def _focal_of_soft_answers(z, y, slope, scale, alpha, gamma):
    if not _are_probabilities(y):
        return None
    n = 1 - y
    losses, bend, p_yes, p_no = _surprisal_and_slope(z, y, n)
    if gamma != 0:
        wrong = torch.addcmul(y * p_no, n, p_yes)
        power = wrong.square() if gamma == 2 else wrong.pow(gamma)
        of_power = power.div(wrong.clamp_(min=torch.finfo(z.dtype).tiny)).mul_(p_yes).mul_(p_no).mul_(n.sub(y))
        bend.mul_(power).addcmul_(of_power, losses, value=gamma)
        losses.mul_(power)
    if alpha is not None:
        share = n.mul_(1 - alpha).add_(y, alpha=alpha)
        losses.mul_(share)
        bend.mul_(share)
    if slope is not None:
        torch.mul(bend, scale, out=slope)
    return losses


def weighted_surprisal(z, y, weight, pos_weight, slope, scale):
    if not _are_probabilities(y):
        return None
    losses, bend, _, _ = _surprisal_and_slope(z, y if pos_weight is None else y * pos_weight, 1 - y)
    if weight is not None:
        losses.mul_(weight)
        bend.mul_(weight)
    if slope is not None:
        torch.mul(bend, scale, out=slope)
    return losses


def _are_probabilities(y):
    least, most = y.aminmax()
    return least.item() >= 0 and most.item() <= 1


def _surprisal_and_slope(z, yes, no):
    """yes softplus(-z) + no softplus(z), its slope, and the sigmoids of z and -z."""
    size = z.abs()
    losses = softplus(size.neg(), threshold=50).mul_(yes + no)
    losses.addcmul_(no, size.add_(z), value=0.5).addcmul_(yes, size.sub_(z, alpha=2), value=0.5)
    p_yes, p_no = z.sigmoid(), size.copy_(z).neg_().sigmoid_()
    return losses, torch.addcmul(no * p_yes, yes, p_no, value=-1), p_yes, p_no


def focal_for_a_compiler(z, y, alpha=None, gamma=0):
    """The formula with one exponential and one logarithm. A compiler makes a single loop of it, and those take the time."""
    size = torch.where(z > 0, z, -z)  # abs has no slope at 0
    against = torch.where(z > 0, 1 - y, y)  # the probability of the answer that the score is against
    e = torch.exp(-size)
    loss = times(against, size) + torch.log1p(e)
    if gamma != 0:
        wrong = (against + (1 - against) * e) / (1 + e)
        loss = times(wrong.clamp(min=torch.finfo(z.dtype).tiny) ** gamma, loss)
    return loss if alpha is None else times(alpha * y + (1 - alpha) * (1 - y), loss)
