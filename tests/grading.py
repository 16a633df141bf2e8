"""Grade a text as a submission, for the tests of the checker."""

from lossnotes.check._grade.sheet import load
from lossnotes.check._grade.submission import grade


def graded(launcher, source, sheet=None, name="homework.py", **options):
    raw = source if isinstance(source, bytes) else source.encode()
    sheet = load(sheet) if isinstance(sheet, str) else sheet
    return grade([(name, raw)], sheet, launcher, **{"seed": 1, **options})


def report_of(result, name):
    (found,) = (report for report in result["reports"] if report["name"] == name)
    return found


def mistakes_of(result, name):
    return report_of(result, name)["mistakes"]
