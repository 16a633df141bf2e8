"""Right functions in plain operations, for what later exercises of a sheet are built on (see `submission`).

Those that are needed go, as text, to the process in which such an exercise is judged once more, and to no other. Each stands alone: one
that called another would bring it along, and that might be the exercise itself.
"""

import torch


def information_content(p):
    return -torch.log(p)


def entropy(p, dim=-1):
    return -torch.xlogy(p, p).sum(dim)


def cross_entropy_between(p, q, dim=-1):
    return -torch.xlogy(p, q).sum(dim)


def kl_divergence(p, q, dim=-1):
    return (torch.xlogy(p, p) - torch.xlogy(p, q)).sum(dim)


def conditional_entropy(joint):
    rows = joint.sum(-1)
    return torch.xlogy(rows, rows).sum(-1) - torch.xlogy(joint, joint).sum((-2, -1))


def log_softmax(input, dim=-1):
    shifted = input - input.max(dim, keepdim=True).values
    return shifted - torch.log(torch.exp(shifted).sum(dim, keepdim=True))


def softmax(input, dim=-1):
    e = torch.exp(input - input.max(dim, keepdim=True).values)
    return e / e.sum(dim, keepdim=True)


def nll_loss(input, target):
    return -input.gather(1, target[:, None]).mean()


def cross_entropy(input, target):
    shifted = input - input.max(1, keepdim=True).values
    return (torch.log(torch.exp(shifted).sum(1)) - shifted.gather(1, target[:, None]).squeeze(1)).mean()
