"""What a usual mistake is, and those that can come on top of another: reduction, sign, base, an option not used."""

import math
from collections.abc import Callable
from typing import NamedTuple

import torch


class Mistake(NamedTuple):
    """A name, a hint that points but does not solve, and the function that makes the mistake.

    A `fitted` one takes a number ``eps`` as well, and the judge looks for the number that explains what came; its hint has a
    place for it. Where `fn` is None the option is not used.
    """

    name: str
    hint: str
    fn: Callable | None
    fitted: bool = False


class Silent(Exception):
    """What a mistake raises where nobody can tell what it gives."""


class Ends(ValueError):
    """What a mistake raises where it ends in an error, and where that alone shows it."""


def each(log_p, target):
    """The entry of the right class."""
    return log_p.gather(1, target.unsqueeze(1)).squeeze(1)


# --- what happens to the values afterwards: any of these may come on top of another mistake -------------------------------

REDUCTIONS = [
    Mistake("sum for mean", "The value grows with the batch. What divides it?", lambda loss, input: loss.sum()),
    Mistake(
        "no reduction",
        "There is one value for each example. Which single number was asked for?",
        lambda loss, input: loss,
    ),
    Mistake(
        "mean over the classes too",
        "The value is too small by the number of classes. How many numbers are you averaging, and how many examples are there?",
        lambda loss, input: loss.mean() / input.shape[1] if input.ndim > 1 else None,
    ),
    Mistake(
        "mean divides by one too few",
        "The divisor is not the number of examples.",
        lambda loss, input: loss.sum() / (loss.numel() - 1) if loss.numel() > 1 else None,
    ),
    Mistake(
        "sum divided by the rows",
        "The mean is over all numbers. How many has a table?",
        lambda loss, input: loss.sum() / len(loss) if loss.ndim > 1 else loss.mean(),
    ),
]
# The same for what gives one number for each distribution.
OVER_ROWS = [
    Mistake(
        "sum over everything",
        "There are several distributions. How many numbers should come out?",
        lambda values, input: values.sum(),
    ),
    Mistake(
        "mean over the batch",
        "There are several distributions. How many numbers should come out?",
        lambda values, input: values.mean(),
    ),
    Mistake(  # as "batchmean" does, also to a single one
        "mean over the batch",
        "There are several distributions. How many numbers should come out?",
        lambda values, input: values.sum() / len(input),
    ),
    Mistake(
        "mean over everything",
        "An expectation weights each outcome by its probability. What do you divide by, and how many numbers should come out?",
        lambda values, input: values.sum() / input.numel(),
    ),
]
SIGN = Mistake("missing minus", "Every value has the wrong sign. Where does a minus belong?", lambda x: -x)
BASES = [
    Mistake(
        "log base 2 for nats",
        "Every value is too large by the same factor, 1.4427. In which unit is it?",
        lambda x: x / math.log(2),
    ),
    Mistake(
        "log base 10 for nats",
        "Every value is too small by the same factor, 0.4343. In which unit is it?",
        lambda x: x / math.log(10),
    ),
]

NARROW = "one_hot without the number of classes"
NARROW_HINT = "How many columns has one_hot if the largest target is 0? Print its shape."

# --- options ------------------------------------------------------------------------------------------------------------

NAN_HINT = "NaN comes from 0 / 0, 0 times infinity or infinity minus infinity. Which is it here?"
EPSILON = "epsilon inside the log"
EPSILON_HINT = "The value stops growing at {} nats. What did you add or clamp, in the logarithm or after it, and what does it hide?"


def epsilons(make):
    """The two usual forms, added inside the logarithm or clamped at; `make` takes a logarithm and the arguments."""
    forms = (lambda p, eps: torch.log(p + eps), lambda p, eps: torch.log(p.clamp(min=eps)))

    def mistaken(form):
        return lambda *args, eps: make(lambda p: form(p, eps), *args)

    return [Mistake(EPSILON, EPSILON_HINT, mistaken(form), fitted=True) for form in forms]


def clamped(make):
    """Scores that are clamped before anything else, on both sides or from above; `make` takes the clamp and the arguments."""
    hint = "Two different scores beyond your limit become equal. Should they?"
    limits = [(-c, c) for c in (10.0, 20.0, 30.0, 50.0, 80.0, 88.0, 100.0, 500.0)]
    limits += [(None, c) for c in (20.0, 50.0, 80.0, 88.0, 100.0, 500.0, 700.0)]

    def mistaken(low, high):
        return lambda *args: make(lambda x: x.clamp(low, high), *args)

    return [Mistake("scores clamped", hint, mistaken(low, high)) for low, high in limits]


def unreduced(loss, how):
    return {"mean": loss.mean, "sum": loss.sum, "none": lambda: loss}[how]()


BASE = [Mistake("base not used", "The value is the same for every base. Where does base come into it?", None)]
REDUCTION = [Mistake("reduction not used", "The value is the mean whatever reduction says.", None)]
GAMMA = [Mistake("gamma not used", "The value is the same for every gamma.", None)]
MARGIN = [Mistake("margin not used", "The value is the same for every margin.", None)]
TEMPERATURE = [
    Mistake("temperature not used", "The value is the same for every temperature.", None),
    Mistake(
        "temperature multiplied",
        "A high temperature should make the probabilities more equal.",
        lambda input, temperature, reference: reference(input, temperature=1 / temperature),
    ),
]
