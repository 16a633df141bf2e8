"""One checker per fact. Each raises before any arithmetic, and says what was passed, what was expected, what to try.

TypeError for a type or a dtype, ValueError for the rest. What follows "Try" is a move that makes the call run and mean what
was meant. The files are named by what is checked.
"""

from lossnotes._checks.answers import (
    are_answers,
    are_signs,
    as_factor_of,
    as_weight_of_each,
    is_factor,
    is_floating_pair,
    is_floating_tensor,
    is_signed_pair,
)
from lossnotes._checks.classes import (
    are_class_probabilities,
    are_classes,
    are_log_probabilities,
    as_classes,
    is_classification,
)
from lossnotes._checks.distributions import agree, are_probabilities, as_floating, has_cases, is_distribution, is_joint
from lossnotes._checks.layer import as_layer
from lossnotes._checks.options import (
    are_options,
    as_count,
    is_dim,
    is_floating_dtype,
    is_number_above,
    is_one_of,
)
from lossnotes._checks.values import strict, values_can_be_read

__all__ = [
    "agree",
    "are_answers",
    "are_class_probabilities",
    "are_classes",
    "are_log_probabilities",
    "are_options",
    "are_probabilities",
    "are_signs",
    "as_classes",
    "as_count",
    "as_factor_of",
    "as_floating",
    "as_layer",
    "as_weight_of_each",
    "has_cases",
    "is_classification",
    "is_dim",
    "is_distribution",
    "is_factor",
    "is_floating_dtype",
    "is_floating_pair",
    "is_floating_tensor",
    "is_joint",
    "is_number_above",
    "is_one_of",
    "is_signed_pair",
    "strict",
    "values_can_be_read",
]
