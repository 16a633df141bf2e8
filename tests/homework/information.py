"""A solution of book/homework/information.ipynb."""

import torch


def information_content(p):
    return -torch.log(p)


def entropy(p):
    return -torch.xlogy(p, p).sum(-1)


def cross_entropy_between(p, q):
    return -torch.xlogy(p, q).sum(-1)


def kl_divergence(p, q):
    return cross_entropy_between(p, q) - entropy(p)


def jensen_shannon_divergence(p, q):
    m = (p + q) / 2
    return (kl_divergence(p, m) + kl_divergence(q, m)) / 2


def conditional_entropy(joint):
    return entropy(joint.flatten(-2)) - entropy(joint.sum(-1))


def mutual_information(joint):
    return entropy(joint.sum(-2)) - conditional_entropy(joint)


def bits_per_letter(text, known):
    letters = "abcdefghijklmnopqrstuvwxyz"
    counts = torch.tensor([1.0 + known.lower().count(c) for c in letters], dtype=torch.float64)
    bits = -torch.log2(counts / counts.sum())
    return torch.stack([bits[letters.index(c)] for c in text.lower() if c in letters]).mean()
