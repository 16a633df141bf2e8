"""Mistakes with the letters of a text, as functions of `text` and `known`, like `bits_per_letter` itself.

They are written the way that students write them, faults and all: only their results matter.
"""

import torch

from lossnotes.check._mistakes.base import Ends, Mistake

LETTERS = "abcdefghijklmnopqrstuvwxyz"


def of_text(s, keep=LETTERS.__contains__):
    return [c for c in s.lower() if keep(c)]


def small(s):
    """Without its capitals, which is what a comparison with small letters sees."""
    return "".join(c for c in s if not c.isupper())


def bits(text, known, *, keep=LETTERS.__contains__, of=LETTERS.__contains__, total=lambda n, known: n + 26, length=None):
    """`keep` says what counts as a letter of the text, `of` the same for `known`; then what the counts and the costs are divided by."""
    letters, found = of_text(text, keep), of_text(known, of)
    q = torch.tensor([(found.count(c) + 1) / total(len(found), known) for c in letters], dtype=torch.float64)
    return -q.log2().sum() / (length or len)(letters)


def _smoothed_twice(text, known):
    p, q = (torch.tensor([of_text(s).count(c) + 1.0 for c in LETTERS], dtype=torch.float64) for s in (text, known))
    return -(p / p.sum() * (q / q.sum()).log2()).sum()


def _ends(where):
    """Right but where the text has such a character, of which there is no count."""

    def fn(text, known):
        if any(where(c) for c in text.lower()):
            raise Ends
        return bits(text, known)

    return fn


SUM = "frequencies that do not sum to 1"
SUM_HINT = "Do your 26 frequencies sum to 1?"
CHARACTERS = "other characters than letters"
VALUES = [
    *(
        Mistake(SUM, SUM_HINT, lambda text, known, total=total: bits(text, known, total=total))
        for total in (
            lambda n, known: n,
            lambda n, known: n + 1,
            lambda n, known: len(known),
            lambda n, known: len(known) + 26,
        )
    ),
    Mistake(
        "mean over all characters",
        "A text has characters that are no letters. How many costs do you add, and what do you divide by?",
        lambda text, known: bits(text, known, length=lambda letters: len(text)),
    ),
    Mistake("both texts smoothed", "Which of the two texts gets the 1 for each letter?", _smoothed_twice),
    Mistake(
        CHARACTERS, "A text has characters that are no letters. Where do you leave them out?", _ends(lambda c: c not in LETTERS)
    ),
]

CAPITALS = "capital letters left out"
CAPITALS_HINT = "A capital letter counts as the small one. In which of the two texts do you see to that?"
FOREIGN = "letters that are not among a to z"
FOREIGN_HINT = "Letters such as é and ß are not among a to z. What becomes of them in your code?"
EDGE = [
    Mistake(CAPITALS, CAPITALS_HINT, lambda text, known: bits(small(text), known)),
    Mistake(CAPITALS, CAPITALS_HINT, lambda text, known: bits(text, small(known))),
    Mistake(CAPITALS, CAPITALS_HINT, lambda text, known: bits(small(text), small(known))),
    Mistake(FOREIGN, FOREIGN_HINT, _ends(lambda c: c.isalpha() and c not in LETTERS)),
    Mistake(FOREIGN, FOREIGN_HINT, lambda text, known: bits(text, known, keep=str.isalpha, of=str.isalpha)),
    Mistake(FOREIGN, FOREIGN_HINT, lambda text, known: bits(text, known, keep=str.isalpha)),
    Mistake(FOREIGN, FOREIGN_HINT, lambda text, known: bits(text, known, of=str.isalpha)),
    Mistake(FOREIGN, FOREIGN_HINT, lambda text, known: bits(text, known, length=lambda letters: len(of_text(text, str.isalpha)))),
    Mistake(FOREIGN, FOREIGN_HINT, lambda text, known: bits(text.upper(), known.upper())),  # which makes ss of ß
]
