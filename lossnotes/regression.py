"""Squared error."""

from lossnotes import _checks
from lossnotes._blocks import evaluate


def mse_loss(input, target, *, reduction="mean"):
    r"""Mean squared error.

    .. math:: \ell = (x - y)^2

    Parameters
    ----------
    input : tensor, any shape
        Predictions.
    target : tensor of floats, shape of `input`
        What they should have been. Shapes are never broadcast.
    reduction : str
        ``"mean"``, ``"sum"`` or ``"none"``.

    Returns
    -------
    tensor, shape () or that of `input`
        In the square of the unit of `target`, in the dtype of `input`.

    Raises
    ------
    TypeError
        `input` or `target` is not a floating-point tensor.
    ValueError
        Shapes or devices do not agree, or `reduction` is unknown.

    Examples
    --------
    >>> import torch, lossnotes as ln
    >>> ln.mse_loss(torch.tensor([1.0, 2.0]), torch.tensor([1.0, 4.0]))
    tensor(2.)

    References
    ----------
    Bishop, C. M., "Pattern Recognition and Machine Learning", 2006, section 3.1.1. Derived in :doc:`/book/losses/mse`.
    """
    fn = "mse_loss"
    _checks.is_reduction(fn, reduction)
    _checks.is_floating_pair(fn, input, target)
    return evaluate(squared_error, input, target, reduction=reduction)


def squared_error(x, y):
    return (x - y) ** 2
