"""A sheet: which functions are expected, for how many points, with which options, and what is forbidden."""

import dataclasses
import difflib
import hashlib
import tomllib
from pathlib import Path

from lossnotes.check import checks
from lossnotes.check._cases import specs
from lossnotes.check._judge import Rules

SHIPPED = Path(__file__).parents[1] / "sheets"


class SheetError(ValueError):
    """A sheet that cannot be read, or asks for what is not there."""


@dataclasses.dataclass(frozen=True)
class Exercise:
    """One function: `options` must be taken, `counts` are checks that are else only told, `ignores` those that do not count."""

    points: float = 1.0
    options: tuple[str, ...] = ()
    counts: tuple[str, ...] = ()
    ignores: tuple[str, ...] = ()

    def rules(self, seed=None):
        """What it asks, for the judge."""
        return Rules(frozenset(self.options), frozenset(self.counts), frozenset(self.ignores), seed, sheet=True)


@dataclasses.dataclass(frozen=True)
class Sheet:
    title: str
    exercises: dict[str, Exercise]
    forbidden: tuple[str, ...] = ()
    allowed: tuple[str, ...] = ()
    digest: str = ""

    @property
    def points(self):
        return sum(exercise.points for exercise in self.exercises.values())


def shipped():
    return sorted(path.stem for path in SHIPPED.glob("*.toml"))


def load(name, fix="--sheet {}"):
    """The sheet that is shipped under a name, or that of a file. `fix` is how one is asked for."""
    path = SHIPPED / f"{name}.toml" if name in shipped() else Path(name)
    try:
        raw = path.read_bytes()
    except OSError as error:
        raise SheetError(
            f"there is no sheet {name}; expected one of {', '.join(shipped())}, or a TOML file. Try {fix.format(shipped()[0])}"
        ) from error
    try:
        data = tomllib.loads(raw.decode())
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise SheetError(f"{path} is not TOML: {error}. Try one of those that are shipped, in {SHIPPED}") from error
    return _sheet(path, data, hashlib.sha256(raw).hexdigest()[:16])


def of_names(names):
    """The sheet that expects these functions, a point each."""
    return _sheet("--expect", {"title": ", ".join(names), "exercise": {name: {} for name in names}}, "")


def _sheet(path, data, digest):
    _known(path, data, ("title", "exercise", "forbidden", "allowed"), "a sheet")
    exercises = data.get("exercise")
    if not isinstance(exercises, dict) or not exercises:
        raise SheetError(f"{path} has no exercise; expected [exercise.NAME]. Try [exercise.entropy]")
    made = {}
    for name, about in exercises.items():
        _known(path, {name: 0}, specs(), "the checker")
        _known(path, about, [f.name for f in dataclasses.fields(Exercise)], f"exercise.{name}")
        found = checks(name)
        every = sorted([*found["options"], *found["counted"], *found["told"]])
        for key, known in (("options", found["options"]), ("counts", every), ("ignores", every)):
            _known(path, dict.fromkeys(_texts(path, name, about.get(key, []))), known, f"{key} of {name}")
        points = about.get("points", 1.0)
        if isinstance(points, bool) or not isinstance(points, int | float) or not 0 <= points < 1e6:
            raise SheetError(f"{path}: points of {name} are {points!r}; expected a number. Try points = 2")
        made[name] = Exercise(points, *(tuple(about.get(key, ())) for key in ("options", "counts", "ignores")))
    texts = {key: tuple(_texts(path, "the sheet", data.get(key, []))) for key in ("forbidden", "allowed")}
    return Sheet(str(data.get("title", path)), made, digest=digest, **texts)


def _texts(path, where, value):
    if not isinstance(value, list) or not all(isinstance(x, str) for x in value):
        raise SheetError(f'{path}: {where} has {value!r}; expected a list of names. Try ["softmax"]')
    return value


def _known(path, found, known, where):
    for key in found:
        if key not in known:
            near = difflib.get_close_matches(key, known, 1)
            fix = near[0] if near else next(iter(known), "to leave it out")
            raise SheetError(f"{path}: {where} has no {key!r}; expected one of {', '.join(known)}. Try {fix}")
