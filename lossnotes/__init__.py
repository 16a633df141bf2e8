"""Loss functions you can read, and trust. Each is a formula of the book Loss Notes, as code that survives real inputs."""

from lossnotes._checks import strict
from lossnotes.device import default_device
from lossnotes.information import (
    conditional_entropy,
    cross_entropy_between,
    entropy,
    information_content,
    jensen_shannon_divergence,
    kl_divergence,
    mutual_information,
)
from lossnotes.softmax import log_softmax, softmax

__all__ = [
    "conditional_entropy",
    "cross_entropy_between",
    "default_device",
    "entropy",
    "information_content",
    "jensen_shannon_divergence",
    "kl_divergence",
    "log_softmax",
    "mutual_information",
    "softmax",
    "strict",
]
