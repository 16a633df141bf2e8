"""What is tried on each function, a file for each family."""

import functools


@functools.cache
def specs():
    """Everything that can be checked, by name."""
    from lossnotes.check._cases import answers, exercises, information, scores  # torch tensors are made there, once

    every = [*information.SPECS, *scores.SPECS, *answers.SPECS, *exercises.SPECS]
    return {spec.name: spec for spec in every}
