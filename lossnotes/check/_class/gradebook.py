"""Results for other programs: a CSV, JSON, and what Gradescope reads."""

import csv
import json

from lossnotes.check._report import Report


def write_csv(path, results, sheet):
    """A row for each student: points of each exercise, total, mistakes and what went wrong."""
    names = list(sheet.exercises) if sheet else sorted({name for result in results for name in result["exercises"]})
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow(["student", *names, "points", "possible", "passed", "mistakes", "errors"])
        for result in results:
            points = [result["exercises"].get(name, 0 if sheet else "") for name in names]
            mistakes = [f"{report['name']}: {mistake}" for report in result["reports"] for mistake in report["mistakes"]]
            row = [*points, result["points"], result["possible"], "yes" if result["passed"] else "no"]
            writer.writerow([_cell(result["student"]), *row, _cell("; ".join(mistakes)), _cell("; ".join(result["errors"]))])


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
