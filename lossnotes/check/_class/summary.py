"""The class at a glance: how far each exercise got, and which mistakes were made how often."""

import collections
import html


def passed(results, sheet):
    """For each exercise: how many passed, how many have part of the points, how many none."""
    names = list(sheet.exercises) if sheet else sorted({name for result in results for name in result["exercises"]})
    rows = []
    for name in names:
        reports = [report for result in results for report in result["reports"] if report["name"] == name]
        whole = sum(report["passed"] for report in reports)
        part = sum(not report["passed"] and report["score"] > 0 for report in reports)
        rows.append((name, whole, part, len(results) - whole - part))
    return rows


def mistakes(results):
    """(exercise, mistake, students), the most frequent first."""
    count = collections.Counter()
    for result in results:
        for report in result["reports"]:
            count.update((report["name"], mistake) for mistake in dict.fromkeys(report["mistakes"]))
    return [(*key, number) for key, number in sorted(count.items(), key=lambda item: (-item[1], item[0]))]


def text(results, sheet):
    """Both tables for a terminal."""
    students = len(results)
    out = [f"{students} submission{'s' if students != 1 else ''}", ""]
    out += _table(("exercise", "passed", "in part", "not"), passed(results, sheet))
    found = mistakes(results)
    if found:
        out += ["", *_table(("exercise", "mistake", "students"), found)]
    return "\n".join(out)


def _table(head, rows):
    rows = [tuple(map(str, row)) for row in (head, *rows)]
    wide = [max(len(row[i]) for row in rows) for i in range(len(head))]
    numbers = [i for i in range(len(head)) if all(row[i].isdigit() for row in rows[1:])]
    lines = []
    for row in rows:
        cells = [cell.rjust(wide[i]) if i in numbers else cell.ljust(wide[i]) for i, cell in enumerate(row)]
        lines.append("  ".join(cells).rstrip())
    return [lines[0], "  ".join("-" * w for w in wide), *lines[1:]]


def picture(results, most=20):
    """The mistakes as bars, in SVG."""
    found = mistakes(results)[:most]
    if not found:
        return ""
    longest, high = max(number for *_, number in found), 26
    rows = []
    for i, (name, mistake, number) in enumerate(found):
        wide, y = 300 * number / longest, 20 + i * high
        said = html.escape(f"{name}: {mistake}")
        rows.append(f'<text x="390" y="{y}" text-anchor="end">{said}</text>')
        rows.append(f'<rect x="400" y="{y - 13}" width="{wide:.1f}" height="17" rx="3"/>')
        rows.append(f'<text x="{406 + wide:.1f}" y="{y}">{number}</text>')
    tall = 12 + high * len(found)
    return (
        f'<svg viewBox="0 0 760 {tall}" role="img" aria-label="Mistakes of the class, by number of students" '
        f'xmlns="http://www.w3.org/2000/svg">{"".join(rows)}</svg>'
    )
