"""The command line: ``python -P -m lossnotes.check``."""

import argparse
import difflib
import os
import shutil
import sys
import unicodedata
from pathlib import Path

from lossnotes.check import checks, names
from lossnotes.check._child.limits import hide
from lossnotes.check._class import gradebook, pages, summary
from lossnotes.check._class.collect import SUFFIXES, collect
from lossnotes.check._class.run import Store, run, unwritten
from lossnotes.check._grade import process, walls
from lossnotes.check._grade.sheet import SheetError, load, of_names, shipped
from lossnotes.check._grade.submission import TOTAL
from lossnotes.check._report import Report

SEED = 2026  # the same in every run, so that a file gets the same points today and tomorrow


def parser():
    made = argparse.ArgumentParser(
        prog="python -P -m lossnotes.check",
        description="Grade homework: a file, a notebook, or a folder with one file, notebook or folder for each student.",
        epilog="Exit status: 0 all that is expected passed, 1 it did not, 2 wrong usage, 3 the checker itself failed, or a file could not be "
        "written, 4 the wall that --wall or --require-wall asks for is not there, and nothing was run.",
    )
    add = made.add_argument
    add("path", nargs="*", type=Path, help="a .py or .ipynb file, or a folder of submissions")
    add("--names", action="store_true", help="list the functions that can be checked")
    add("--checks", metavar="NAME", choices=names(), help="list the options and the checks of one of them, for a sheet")
    add("--sheet", help=f"what is expected: {', '.join(shipped())}, or a TOML file")
    add("--expect", metavar="NAMES", help="in the place of a sheet: functions that are expected, with commas between them")
    add("--allow", metavar="NAMES", default="", help="library functions that may be used although they do the exercise")
    add("-j", "--jobs", type=int, default=min(4, os.cpu_count() or 1), help="submissions at a time (%(default)s)")
    add("--seconds", type=float, default=TOTAL, help="time for a whole submission (%(default)g)")
    add("--seed", type=int, default=SEED, help="draws the fresh inputs for the verdict, the same for everybody (%(default)s)")
    add("--results", type=Path, metavar="FILE.jsonl", help="results as they come, kept: next time only what has changed is graded")
    said = "a student whose result is kept and who is graded all the same, as the gradebook calls them; may be given several times"
    add("--again", metavar="STUDENT", action="append", default=[], help=said)
    add("--csv", type=Path, metavar="FILE.csv", help="a gradebook")
    add("--json", metavar="FILE.json", help="everything, for a program; - prints it")
    add("--html", type=Path, metavar="FOLDER", help="a page for the class and one for each student")
    add("--gradescope", type=Path, metavar="FILE.json", help="what Gradescope reads, of one submission")
    add("--sandbox", action="store_true", help="run each submission in bubblewrap")
    add("--container", metavar="IMAGE", help="run each submission in a container of an image with Python and torch")
    add("--wall", action="store_true", help="grade nothing: say which wall submissions would run behind, with status 0 or 4")
    add("--require-wall", action="store_true", help="run nothing, and end with status 4, where that wall is not whole")
    add("--fresh", action="store_true", help="a fresh interpreter for each submission, as where there is no fork")
    return made


def main(argv=None):
    arguments = parser()
    asked = arguments.parse_args(argv)
    if asked.names:
        print("\n".join(names()))
        return 0
    if asked.checks:
        print("\n".join(f"{kind}: {', '.join(found) or 'none'}" for kind, found in checks(asked.checks).items()))
        return 0
    _usable(arguments, asked)
    try:
        sheet = load(asked.sheet) if asked.sheet else of_names(asked.expect.split(",")) if asked.expect else None
    except SheetError as error:
        arguments.error(str(error))
    submissions, left = ([], []) if asked.wall else collect(asked.path)
    if not submissions and not asked.wall:
        arguments.error(f"there is no submission in {asked.path[0]}; expected .py or .ipynb files, or folders with them")
    if asked.gradescope and not asked.wall and len(submissions) != 1:
        arguments.error(f"--gradescope is for one submission; expected one and got {len(submissions)}. Try --csv")
    again = set() if asked.wall else _again(arguments, asked, submissions)
    for path in left:
        print(f"{path} is left out: neither .py nor .ipynb", file=sys.stderr)
    hide()
    try:
        launchers = _Launchers(_launcher(asked, sheet))
    except process.Broken as error:
        print(f"Nothing was run: {error}", file=sys.stderr)
        return 3
    try:
        status = _walled(asked, launchers)
        if status or asked.wall:
            return status
        results, lost = _grade_all(asked, sheet, submissions, launchers, again)
    finally:
        launchers.close()
    lost += _write(asked, sheet, results)
    for said in dict.fromkeys(lost):
        print(f"{said}; expected a place to write to. Try another one, or make room", file=sys.stderr)
    if lost or any(result.get("failed") for result in results):
        return 3
    return 0 if all(result["passed"] for result in results) else 1


def _usable(arguments, asked):
    """Say what cannot be, before anything runs."""
    if not asked.path and not asked.wall:
        arguments.error("there is nothing to grade; expected a file or a folder. Try homework.ipynb")
    for path in asked.path:
        if not path.is_dir() and not (path.is_file() and path.suffix.lower() in SUFFIXES):
            arguments.error(f"{path} is not a file; expected a .py or an .ipynb file, or a folder. Try the path of a homework.")
    known = set(names())
    for name in filter(None, f"{asked.allow},{asked.expect or ''}".split(",")):
        if name not in known and (asked.expect and name in asked.expect.split(",")):
            arguments.error(f"{name} is not a function that can be checked. Try --names")
    if asked.sheet and asked.expect:
        arguments.error("--sheet and --expect both say what is expected. Try one of them")
    if asked.jobs < 1 or asked.seconds <= 0:
        arguments.error(f"--jobs is {asked.jobs} and --seconds {asked.seconds:g}; expected 1 or more, and more than 0")
    for option, suffix in (("csv", ".csv"), ("json", ".json"), ("gradescope", ".json"), ("results", ".jsonl")):
        value = getattr(asked, option)  # never over a homework whose name followed the option
        if value not in (None, "-") and Path(value).suffix != suffix:
            arguments.error(f"--{option} is {value}; expected a file that ends in {suffix}, or it could be a homework")
    for wall in ("sandbox", "container"):
        if getattr(asked, wall) and (lack := walls.missing(wall)):
            arguments.error(lack)
    if not sys.flags.safe_path and (shadow := _shadows()):
        arguments.error(f"{shadow} in this folder stands before the module of that name. Try python -P -m lossnotes.check")


def _again(arguments, asked, submissions):
    """The students that are graded again, by their names here. A Mac may write ë in the name of a file as two letters."""
    if asked.again and not asked.results:
        arguments.error(
            "--again is for a student whose result is kept; expected --results. Try it without --again: everybody is graded again"
        )
    students = {submission.student: unicodedata.normalize("NFC", submission.student) for submission in submissions}
    wanted = {unicodedata.normalize("NFC", name) for name in asked.again}
    for name in sorted(wanted.difference(students.values())):
        (near,) = difflib.get_close_matches(name, students.values(), 1, 0)
        arguments.error(f"--again is {name}; expected a student, as the gradebook calls them. Try {near}")
    return {student for student, name in students.items() if name in wanted}


def _shadows():
    """A file of the current folder that Python imports in the place of a module, where -P does not forbid it."""
    taken = {*sys.stdlib_module_names, "torch", "numpy", "lossnotes", "IPython"}
    return next((path.name for path in sorted(Path().glob("*.py")) if path.stem in taken), "")


def _launcher(asked, sheet=None):
    """Makes what starts the processes."""
    allowed = [*filter(None, asked.allow.split(",")), *(sheet.allowed if sheet else ())]
    # The other submissions, and the checkout, where the solutions are: also where they lie among Python's own folders.
    hidden = [path if path.is_dir() else path.parent for path in asked.path]
    hidden += [walls.CHECKOUT] if walls.CHECKOUT else []
    if asked.container:
        return lambda: process.Fresh("container", walls.container(asked.container, allowed))
    if asked.sandbox:
        return lambda: process.Fresh("sandbox", walls.sandbox(allowed))
    if asked.fresh or not hasattr(os, "fork"):
        return lambda: process.Fresh("process", process.plain, hidden)
    return lambda: process.Warm(hidden)


class _Launchers:
    """Makes what starts the processes. The wall was tried with the first, whose start took seconds: it is used first."""

    def __init__(self, make):
        self.make, self.spare = make, [make()]
        try:
            self.wall = walls.tried(self.spare[0])
        except BaseException:
            self.close()
            raise

    def __call__(self):
        return self.spare.pop() if self.spare else self.make()

    def close(self):
        while self.spare:
            self.spare.pop().close()


def _walled(asked, launchers):
    """The exit status 4 if nothing is to run behind such a wall, and 0. What it lacks is said before any code of a student's runs."""
    whole = walls.whole(*launchers.wall)
    if asked.wall or not whole:
        print(walls.sentence(*launchers.wall), file=sys.stdout if asked.wall else sys.stderr)
    if whole or not (asked.wall or asked.require_wall):
        return 0
    print("Nothing was run: something is missing from the wall. Try --sandbox or --container", file=sys.stderr)
    return 4


def _grade_all(asked, sheet, submissions, launchers, again):
    allowed = set(filter(None, asked.allow.split(",")))
    store, results = Store(asked.results), []  # what cannot be kept is said at the end
    about = {"seed": asked.seed, "allowed": allowed, "seconds": asked.seconds, "jobs": asked.jobs, "again": again}
    for result in run(submissions, sheet, launchers, store, **about):
        results.append(result)
        if len(submissions) > 1:
            _progress(len(results), len(submissions), result)
    order = {submission.student: i for i, submission in enumerate(submissions)}
    return sorted(results, key=lambda result: order[result["student"]]), store.lost


def _progress(done, of, result):
    wide = max(10, min(30, shutil.get_terminal_size().columns - 60))
    bar = ("#" * (wide * done // of)).ljust(wide, ".")
    line = f"[{bar}] {done}/{of}  {result['student'][:24]}: {result['points']:g} of {result['possible']:g}"
    end = "\n" if done == of or not sys.stderr.isatty() else ""
    print(("\r\x1b[K" if sys.stderr.isatty() else "") + line, end=end, file=sys.stderr, flush=True)


def _write(asked, sheet, results):
    """Everything that was asked for; gives sentences about what could not be written, which keeps nothing else from being."""
    lost = []

    def keep(path, write):
        if path and path != "-":
            try:
                write(Path(path))
            except OSError as error:
                lost.append(unwritten(path, error))

    keep(asked.csv, lambda path: gradebook.write_csv(path, results, sheet))
    keep(asked.json, lambda path: path.write_text(gradebook.as_json(results), "utf-8"))
    keep(asked.html, lambda path: pages.write_pages(path, results, sheet))
    if not results[0].get("failed"):  # Gradescope takes a missing file for a failed autograder, and this one for 0 points
        keep(asked.gradescope, lambda path: path.write_text(gradebook.as_json(gradebook.gradescope(results[0])), "utf-8"))
    if asked.json == "-":
        print(gradebook.as_json(results))
        return lost
    if len(results) == 1:
        _print(results[0])
    else:
        print(summary.text(results, sheet))
    print(f"\nFresh inputs were drawn with --seed {asked.seed}.")
    said = {walls.sentence(result["wall"], result["alone"], result.get("filtered", False)) for result in results if result["wall"]}
    print("", *sorted(said), sep="\n")
    return lost


def _print(result):
    for text in [*result["errors"], *result["notes"]]:
        print(f"{result['student']}: {text}")
    for report in result["reports"]:
        print("", Report.from_dict(report), sep="\n")
    print(f"\n{result['student']}: {result['points']:g} of {result['possible']:g} points")
