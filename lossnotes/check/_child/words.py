"""Words for what student code raised, whatever it raised: also what cannot be printed."""

import linecache
import traceback

LONGEST = 200  # letters of a message


def clean(text, longest=LONGEST):
    """One line of printable letters: a message may hold what steers a terminal."""
    text = " ".join("".join(c if c.isprintable() else " " for c in text).split())
    return text if len(text) <= longest else text[: longest - 3] + "..."


def kind(error):
    """What the error is to whoever catches it: one of a student's own kind may be a ValueError."""
    return "ValueError" if isinstance(error, ValueError) else clean(type(error).__name__, 60)


def described(error, source):
    """The error in a sentence, with the last line of the file `source` that led to it."""
    try:
        said = clean(str(error))
    except BaseException:  # a message that raises, exits, or is no string
        said = ""
    text = clean(type(error).__name__) + (f": {said}" if said else "")
    frames = []
    try:
        frames = [frame for frame in traceback.extract_tb(error.__traceback__) if frame.filename == source]
    except BaseException:  # a line of the source that cannot be read, a recursion that is still too deep
        pass
    if frames:
        line = clean(linecache.getline(frames[-1].filename, frames[-1].lineno))
        text += f" in line {frames[-1].lineno}" + (f", {line}" if line else "")
    return text
