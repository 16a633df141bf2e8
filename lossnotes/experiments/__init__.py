"""Real data and real training runs for the chapters. Needs the extra ``lossnotes[book]``."""

from lossnotes.experiments.data import Data, canvases, diabetes, digits, letter_pairs, prose, symbol_frequencies
from lossnotes.experiments.results import STORED as STORED
from lossnotes.experiments.results import Gap, gap, rounded, store, stored
from lossnotes.experiments.training import Runs, Tuned, accuracy, set_aside, train, tune

__all__ = [
    "Data",
    "Gap",
    "Runs",
    "Tuned",
    "accuracy",
    "canvases",
    "diabetes",
    "digits",
    "gap",
    "letter_pairs",
    "prose",
    "rounded",
    "set_aside",
    "store",
    "stored",
    "symbol_frequencies",
    "train",
    "tune",
]
