"""A solution of book/homework/losses.ipynb."""

import torch


def softmax(input):
    e = torch.exp(input - input.max(-1, keepdim=True).values)
    return e / e.sum(-1, keepdim=True)


def log_softmax(input):
    shifted = input - input.max(-1, keepdim=True).values
    return shifted - torch.log(torch.exp(shifted).sum(-1, keepdim=True))


def nll_loss(input, target):
    return -input.gather(1, target[:, None]).mean()


def cross_entropy(input, target):
    return nll_loss(log_softmax(input), target)


def mse_loss(input, target):
    if input.shape != target.shape:
        raise ValueError(f"input has shape {tuple(input.shape)} but target has shape {tuple(target.shape)}")
    return ((input - target) ** 2).mean()


def binary_cross_entropy_with_logits(input, target):
    # log(1 + e^z) - y z, with e to no positive power
    return (input.clamp(min=0) - target * input + torch.log1p(torch.exp(-input.abs()))).mean()


def softmax_focal_loss(input, target, gamma=2.0):
    log_p = log_softmax(input).gather(1, target[:, None]).squeeze(1)
    wrong = torch.ones_like(input).scatter(1, target[:, None], 0)
    q = (softmax(input) * wrong).sum(1)  # 1 - p, without the subtraction
    return -(q**gamma * log_p).mean()


def best_temperature(input, target, temperatures):
    losses = torch.stack([cross_entropy(input / t, target) for t in temperatures])
    return temperatures[losses.argmin()]
