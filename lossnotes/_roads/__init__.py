"""Two roads to one answer: the definition, which is a formula written for tensors, and the same result faster.

road.py
    which of the two runs
blocks.py
    the second road: one block after the other, with its gradient, while it is in the cache
linear.py
    the same for the scores of a linear layer, which are never held whole
few.py
    few numbers, for which PyTorch's own will do
answers.py, classes.py, distributions.py
    closed forms, by what the losses are about
"""

from lossnotes._roads.road import evaluate, evaluate_linear

__all__ = ["evaluate", "evaluate_linear"]
