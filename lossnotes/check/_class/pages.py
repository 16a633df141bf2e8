"""Pages to read: one for the class, and one for each student, which shows reports as a notebook does."""

import html
import re

from lossnotes.check._class import gradebook, summary
from lossnotes.check._report import Report

_STYLE = """
:root { color-scheme: light dark }
body { font: 16px/1.5 system-ui, sans-serif; max-width: 60rem; margin: 2rem auto; padding: 0 1rem }
table { border-collapse: collapse; margin: 0 0 1.5rem } td, th { padding: .2rem .7rem; border-bottom: 1px solid #8886; vertical-align: top; text-align: left }
td.n, th.n { text-align: right; font-variant-numeric: tabular-nums }
svg { width: 100%; max-width: 48rem; height: auto; font-size: 13px } svg text { fill: currentColor } svg rect { fill: #3b7dd8 }
"""


def write_pages(folder, results, sheet):
    """``index.html`` for the teacher, and a page for each student, to send."""
    folder.mkdir(parents=True, exist_ok=True)
    names = {}
    for result in results:
        name = re.sub(r"[^\w-]+", "-", result["student"])[:80].strip("-") or "student"
        while f"{name}.html".lower() in map(str.lower, names.values()) or name.lower() == "index":
            name += "-"
        names[result["student"]] = f"{name}.html"
        (folder / f"{name}.html").write_text(_page(_heading(result, sheet), _student(result)), "utf-8")
    (folder / "index.html").write_text(_page(sheet.title if sheet else "Homework", _class(results, sheet, names)), "utf-8")


def _page(title, body):
    title = html.escape(title)
    head = f'<meta charset="utf-8"><meta name="viewport" content="width=device-width"><title>{title}</title><style>{_STYLE}</style>'
    return f'<!doctype html><html lang="en"><head>{head}</head><body><h1>{title}</h1>{body}</body></html>\n'


def _heading(result, sheet):
    return f"{result['student']}: {result['points']:g} of {result['possible']:g} points"


def _student(result):
    said = "".join(f"<li>{html.escape(text)}</li>" for text in [*result["errors"], *result["notes"]])
    parts = [f"<ul>{said}</ul>"] if said else []
    for report in result["reports"]:
        earned, possible = result["exercises"][report["name"]], result["worth"][report["name"]]
        parts.append(f"<h2>{html.escape(report['name'])} ({earned:g} of {possible:g})</h2>")
        parts.append(Report.from_dict(report)._repr_html_())
    return "".join(parts)


def _class(results, sheet, names):
    parts = [
        f"<p>{len(results)} submissions.</p>",
        _table(("exercise", "passed", "in part", "not"), summary.passed(results, sheet)),
    ]
    found = summary.mistakes(results)
    if found:
        parts += ["<h2>Mistakes</h2>", summary.picture(results), _table(("exercise", "mistake", "students"), found)]
    parts.append("<h2>Students</h2>")
    rows = []
    for result in sorted(results, key=lambda result: result["student"].lower()):
        link = f'<a href="{html.escape(names[result["student"]])}">{html.escape(result["student"])}</a>'
        said = html.escape("; ".join([*gradebook.troubles(result), *(f"lost {each}" for each in gradebook.lost(result))])[:200])
        rows.append(
            f'<tr><td>{link}</td><td class="n">{result["points"]:g}</td><td class="n">{result["possible"]:g}</td><td>{said}</td></tr>'
        )
    head = '<tr><th>student</th><th class="n">points</th><th class="n">of</th><th>what cost points</th></tr>'
    return "".join(parts) + f"<table>{head}{''.join(rows)}</table>"


def _table(head, rows):
    def cell(tag, value):
        kind = ' class="n"' if isinstance(value, int) else ""
        return f"<{tag}{kind}>{html.escape(str(value))}</{tag}>"

    lines = ["".join(cell("th", name) for name in head), *("".join(cell("td", value) for value in row) for row in rows)]
    return "<table>" + "".join(f"<tr>{line}</tr>" for line in lines) + "</table>"
