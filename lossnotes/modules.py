"""The losses as modules. Each holds the options of its function and calls it."""

import torch
from torch import Tensor

from lossnotes import _checks, binary, classification, focal, hinge, regression
from lossnotes._types import Reduction


class _Loss(torch.nn.Module):
    """Options as attributes; tensors as buffers, so that ``.to(device)`` moves them.

    They are checked here, in the words of the function: an option that is wrong is wrong before the first batch.
    """

    def __init__(self, function, *, factors=None, **options):
        """`factors` are weights of answers: unlike those of classes, they may be integers."""
        super().__init__()
        factors = factors or {}
        for name, factor in factors.items():
            _checks.is_factor(function.__name__, name, factor)
        _checks.are_options(function.__name__, **options)
        options = factors | options
        self._function = function
        self._names = tuple(options)
        for name, option in options.items():
            if isinstance(option, torch.Tensor) or (option is None and name.endswith("weight")):
                self.register_buffer(name, option)
            else:
                setattr(self, name, option)

    def _options(self):
        return {name: getattr(self, name) for name in self._names}

    def forward(self, input: Tensor, target: Tensor) -> Tensor:
        return self._function(input, target, **self._options())

    def extra_repr(self):
        """The options that are set, a tensor by its shape."""
        shown = {n: f"shape {tuple(o.shape)}" if isinstance(o, torch.Tensor) else o for n, o in self._options().items()}
        return ", ".join(f"{name}={option}" for name, option in shown.items() if option is not None)


class NLLLoss(_Loss):
    """`nll_loss` as a module.

    Parameters
    ----------
    weight, ignore_index, reduction
        As for `nll_loss`; ``forward`` takes its `input` and `target`.

    Examples
    --------
    >>> import lossnotes as ln
    >>> ln.NLLLoss(ignore_index=0)
    NLLLoss(ignore_index=0, reduction=mean)
    """

    def __init__(self, weight: Tensor | None = None, *, ignore_index: int = -100, reduction: Reduction = "mean") -> None:
        super().__init__(classification.nll_loss, weight=weight, ignore_index=ignore_index, reduction=reduction)


class CrossEntropyLoss(_Loss):
    """`cross_entropy` as a module.

    Parameters
    ----------
    weight, ignore_index, reduction, label_smoothing
        As for `cross_entropy`; ``forward`` takes its `input` and `target`.

    Examples
    --------
    >>> import torch, lossnotes as ln
    >>> ln.CrossEntropyLoss()(torch.zeros(2, 4), torch.tensor([0, 3]))
    tensor(1.3863)
    """

    def __init__(
        self,
        weight: Tensor | None = None,
        *,
        ignore_index: int = -100,
        reduction: Reduction = "mean",
        label_smoothing: float = 0.0,
    ) -> None:
        super().__init__(
            classification.cross_entropy,
            weight=weight,
            ignore_index=ignore_index,
            reduction=reduction,
            label_smoothing=label_smoothing,
        )


class BCEWithLogitsLoss(_Loss):
    """`binary_cross_entropy_with_logits` as a module.

    Parameters
    ----------
    weight, pos_weight, reduction
        As for `binary_cross_entropy_with_logits`; ``forward`` takes its `input` and `target`.

    Examples
    --------
    >>> import torch, lossnotes as ln
    >>> ln.BCEWithLogitsLoss()(torch.zeros(3), torch.ones(3))
    tensor(0.6931)
    """

    def __init__(
        self,
        weight: Tensor | None = None,
        *,
        pos_weight: Tensor | None = None,
        reduction: Reduction = "mean",
    ) -> None:
        factors = {"weight": weight, "pos_weight": pos_weight}
        super().__init__(binary.binary_cross_entropy_with_logits, factors=factors, reduction=reduction)


class MSELoss(_Loss):
    """`mse_loss` as a module.

    Parameters
    ----------
    reduction
        As for `mse_loss`; ``forward`` takes its `input` and `target`. There is no `weight`, nor in PyTorch: it belongs to a batch.

    Examples
    --------
    >>> import torch, lossnotes as ln
    >>> ln.MSELoss()(torch.zeros(3), torch.ones(3))
    tensor(1.)
    """

    def __init__(self, *, reduction: Reduction = "mean") -> None:
        super().__init__(regression.mse_loss, reduction=reduction)


class HingeLoss(_Loss):
    """`hinge_loss` as a module.

    Parameters
    ----------
    margin, reduction
        As for `hinge_loss`; ``forward`` takes its `input` and `target`.

    Examples
    --------
    >>> import torch, lossnotes as ln
    >>> ln.HingeLoss(margin=2.0)(torch.zeros(3), torch.ones(3))
    tensor(2.)
    """

    def __init__(self, *, margin: float = 1.0, reduction: Reduction = "mean") -> None:
        super().__init__(hinge.hinge_loss, margin=margin, reduction=reduction)


class MulticlassHingeLoss(_Loss):
    """`multiclass_hinge_loss` as a module.

    Parameters
    ----------
    margin, reduction
        As for `multiclass_hinge_loss`; ``forward`` takes its `input` and `target`.

    Examples
    --------
    >>> import torch, lossnotes as ln
    >>> ln.MulticlassHingeLoss()(torch.zeros(2, 4), torch.tensor([0, 3]))
    tensor(1.)
    """

    def __init__(self, *, margin: float = 1.0, reduction: Reduction = "mean") -> None:
        super().__init__(hinge.multiclass_hinge_loss, margin=margin, reduction=reduction)


class SigmoidFocalLoss(_Loss):
    """`sigmoid_focal_loss` as a module.

    Parameters
    ----------
    alpha, gamma, reduction
        As for `sigmoid_focal_loss`; ``forward`` takes its `input` and `target`.

    Examples
    --------
    >>> import torch, lossnotes as ln
    >>> ln.SigmoidFocalLoss(alpha=0.25)(torch.zeros(3), torch.ones(3))
    tensor(0.0433)
    """

    def __init__(self, *, alpha: float | None = None, gamma: float = 2.0, reduction: Reduction = "mean") -> None:
        super().__init__(focal.sigmoid_focal_loss, alpha=alpha, gamma=gamma, reduction=reduction)


class SoftmaxFocalLoss(_Loss):
    """`softmax_focal_loss` as a module.

    Parameters
    ----------
    weight, gamma, ignore_index, reduction
        As for `softmax_focal_loss`; ``forward`` takes its `input` and `target`.

    Examples
    --------
    >>> import torch, lossnotes as ln
    >>> ln.SoftmaxFocalLoss(gamma=0.0)(torch.zeros(2, 4), torch.tensor([0, 3]))
    tensor(1.3863)
    """

    def __init__(
        self,
        weight: Tensor | None = None,
        *,
        gamma: float = 2.0,
        ignore_index: int = -100,
        reduction: Reduction = "mean",
    ) -> None:
        super().__init__(focal.softmax_focal_loss, weight=weight, gamma=gamma, ignore_index=ignore_index, reduction=reduction)
