"""Results for other programs: a CSV, JSON, and what Gradescope reads."""

import csv
import json

from lossnotes.check._report import Report


def write_csv(path, results, sheet):
    """A row for each student: points of each exercise, total, what cost points, mistakes, what went wrong, and what else is to be known.

    Where the names of the files have the students' numbers, as those of Moodle and Canvas do, they are a column, too. The file begins
    with a mark that it is UTF-8: without one, Excel reads names such as Zoë in the encoding of the system.
    """
    names = list(sheet.exercises) if sheet else sorted({name for result in results for name in result["exercises"]})
    with path.open("w", newline="", encoding="utf-8-sig") as file:
        writer = csv.writer(file)
        numbered = any(result.get("id") for result in results)
        writer.writerow(
            ["student", *["id"] * numbered, *names, "points", "possible", "passed", "lost", "mistakes", "errors", "notes"]
        )
        for result in results:
            points = [result["exercises"].get(name, 0 if sheet else "") for name in names]
            mistakes = [f"{report['name']}: {mistake}" for report in result["reports"] for mistake in report["mistakes"]]
            row = [*points, result["points"], result["possible"], "yes" if result["passed"] else "no"]
            who = [_cell(result["student"]), *[_cell(result.get("id", ""))] * numbered]
            texts = lost(result), mistakes, troubles(result), result["notes"]
            writer.writerow([*who, *row, *(_cell("; ".join(each)) for each in texts)])


def lost(result):
    """What cost points: the checks that failed, of each exercise. Where the values are wrong, that says it all."""
    said = []
    for report in result["reports"]:
        failed = [line for line in report["lines"] if line["passed"] is False and line["role"] != "told"]
        if report["lines"][0]["check"] in ("written", "handed in"):
            continue
        values = [line["check"] for line in failed if line["role"] == "value"]
        checks = ["values"] if "values" in values else values or [line["check"] for line in failed]
        said += [f"{report['name']}: {', '.join(checks)}"] if checks else []
    return said


def troubles(result):
    """Why there are no values: what went wrong, and last what was left empty, so that a row of zeros explains itself."""
    missing = {"not written yet": [], "not handed in": []}
    for report in result["reports"]:
        for said, which in missing.items():
            if report["lines"][0]["found"].startswith(said):
                which.append(report["name"])
    return [*result["errors"], *(f"{said}: {', '.join(which)}" for said, which in missing.items() if which)]


def _cell(text):
    """A spreadsheet takes some texts for formulas; not one with an apostrophe in front."""
    return f"'{text}" if text[:1] in ("=", "+", "-", "@", "\t") else text


def as_json(results):
    return json.dumps(results, indent=2)


def gradescope(result):
    """A ``results.json``: https://gradescope-autograders.readthedocs.io/en/latest/specs/"""
    tests = []
    for report in result["reports"]:
        earned = result["exercises"][report["name"]]
        possible = result["worth"][report["name"]]
        status = "passed" if report["passed"] else "failed"
        output = str(Report.from_dict(report))
        tests.append({"name": report["name"], "score": earned, "max_score": possible, "status": status, "output": output})
    said = "\n".join([*result["errors"], *result["notes"]])
    return {"score": result["points"], "max_score": result["possible"], "output": said, "tests": tests}
