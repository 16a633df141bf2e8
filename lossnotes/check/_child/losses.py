"""Losses that `train_classifier` is tried with: no answer to any exercise, since whoever is graded gets to call them."""

import torch


def _distance(scores, y):
    return scores - torch.nn.functional.one_hot(y, scores.shape[1]).to(scores)


def squared_distance(scores, y):
    return (_distance(scores, y) ** 2).mean()


def pseudo_huber(scores, y):
    return ((1 + _distance(scores, y) ** 2).sqrt() - 1).mean()


LOSSES = {fn.__name__: fn for fn in (squared_distance, pseudo_huber)}
