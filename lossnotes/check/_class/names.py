"""Whose a file is, by the names that Moodle, Canvas and Blackboard give to what they pack; and which of two versions is the later."""

import os
import re
from typing import NamedTuple

# Ada Lovelace_12345_assignsubmission_file_ is a folder, or the beginning of a file's name; lately without the last line.
_MOODLE = re.compile(r"(?P<student>.+)_(?P<id>\d+)_assignsubmission_(?:file|onlinetext)_?(?P<file>.*)")
# lovelaceada_LATE_12345_67890_homework-1.ipynb: the student's number, and one that grows with each upload.
_CANVAS = re.compile(r"(?P<student>[^_]+)(?P<late>_LATE)?_(?P<id>\d{3,})_(?P<when>\d{5,})_(?P<file>.+)")
# Sheet 1_al12_attempt_2026-11-26-10-12-33_homework.ipynb. Where the user name begins one name does not tell: see `owners`.
_BLACKBOARD = re.compile(r"(?P<sheet>.*_)(?P<student>[^_]+)_attempt_(?P<when>\d{4}(?:-\d\d){5})_?(?P<file>.*)")
# homework, homework (1), homework-2, homework_v3
_VERSION = re.compile(r"(.*?)(?:[ _-]*v?\(?(\d+)\)?)?", re.IGNORECASE)


class Owner(NamedTuple):
    """What a name says: the student, the system's number for them, what they called the file, when it came, whether late."""

    student: str
    id: str = ""
    file: str = ""
    when: str = ""
    late: bool = False


def owners(names):
    """The `Owner` of each name, or None where it is of none of these systems.

    A user name of Blackboard may hold the sign that parts it from the name of the sheet: what all have in common is the sheet's.
    """
    found = [next((match for kind in (_MOODLE, _CANVAS, _BLACKBOARD) if (match := kind.fullmatch(name))), None) for name in names]
    whole = {match["sheet"] + match["student"] for match in found if match and match.re is _BLACKBOARD}
    sheet = os.path.commonprefix(list(whole)).rpartition("_") if len(whole) > 1 else ("", "", "")
    return [match and _owner(match, len(sheet[0] + sheet[1])) for match in found]


def _owner(match, sheet):
    parts = match.groupdict("")
    student = (parts["sheet"] + parts["student"])[sheet:] if "sheet" in parts and sheet else parts["student"]
    when = parts.get("when", "").rjust(20, "0")  # as numbers grow, so do texts of one length
    return Owner(student.strip(), parts.get("id", ""), parts["file"], when, bool(parts.get("late")))


def follows(before, after, times):
    """Whether the second file is known to be the later version: by when it came, or by its number where the rest is the same."""
    if times.get(before) and times.get(after):
        return times[before] < times[after]
    (base, number, _), (other, later, _) = (order(os.path.basename(name)) for name in (before, after))
    return base == other and number < later


def order(name):
    """A key that puts later versions of a file behind earlier ones: ``homework (1)`` behind ``homework``, 10 behind 9."""
    stem, suffix = os.path.splitext(name)
    base, number = _VERSION.fullmatch(stem).groups()
    return base.lower(), int((number or "0")[:18]), suffix
