"""Loss functions you can read, and trust. Each is a formula of the book Loss Notes, as code that survives real inputs."""

from lossnotes import naive
from lossnotes._checks import strict
from lossnotes.binary import binary_cross_entropy_with_logits
from lossnotes.check import check
from lossnotes.classification import cross_entropy, linear_cross_entropy, nll_loss
from lossnotes.dependence import conditional_entropy, mutual_information
from lossnotes.device import default_device
from lossnotes.distributed import distributed_mean
from lossnotes.focal import sigmoid_focal_loss, softmax_focal_loss
from lossnotes.hinge import hinge_loss, multiclass_hinge_loss
from lossnotes.information import (
    cross_entropy_between,
    entropy,
    information_content,
    jensen_shannon_divergence,
    kl_divergence,
)
from lossnotes.modules import (
    BCEWithLogitsLoss,
    CrossEntropyLoss,
    HingeLoss,
    MSELoss,
    MulticlassHingeLoss,
    NLLLoss,
    SigmoidFocalLoss,
    SoftmaxFocalLoss,
)
from lossnotes.regression import mse_loss
from lossnotes.scores import log_softmax, softmax

__all__ = [
    "BCEWithLogitsLoss",
    "CrossEntropyLoss",
    "HingeLoss",
    "MSELoss",
    "MulticlassHingeLoss",
    "NLLLoss",
    "SigmoidFocalLoss",
    "SoftmaxFocalLoss",
    "binary_cross_entropy_with_logits",
    "check",
    "conditional_entropy",
    "cross_entropy",
    "cross_entropy_between",
    "default_device",
    "distributed_mean",
    "entropy",
    "hinge_loss",
    "information_content",
    "jensen_shannon_divergence",
    "kl_divergence",
    "linear_cross_entropy",
    "log_softmax",
    "mse_loss",
    "multiclass_hinge_loss",
    "mutual_information",
    "naive",
    "nll_loss",
    "sigmoid_focal_loss",
    "softmax",
    "softmax_focal_loss",
    "strict",
]
