"""What a check found, for a terminal, a notebook and a grader."""

import dataclasses
import html
import textwrap
from typing import Any

REFUSED = "as homework"  # the check that says what grading would refuse


@dataclasses.dataclass
class Line:
    """One check. `passed` is None where there was nothing to check, and `found` says why.

    `role` is ``"value"`` for what the function gives, ``"extra"`` for what is asked on top of right values, and ``"told"``
    for what is said and costs nothing.
    """

    check: str
    passed: bool | None
    found: str = ""
    hint: str = ""
    mistakes: tuple[str, ...] = ()
    role: str = "value"


@dataclasses.dataclass
class Report:
    """The outcome of `check`.

    Attributes
    ----------
    name : str
        The function that was asked for, such as ``"cross_entropy"``.
    lines : list
        One per check: ``check``, its name; ``passed``, True, False, or None if there was nothing to check; ``found``, the
        smallest failing input, what came and what was expected; ``hint``; ``mistakes``, the usual mistakes whose results
        these are; ``role``, ``"value"``, ``"extra"`` or ``"told"``.
    passed : bool
        Whether every check passed that could be made and counts, and at least one could.
    score : float
        From 0 to 1: the share of the checks that passed. It is 0 where the plain values are wrong, and gradient and manners
        count only on top of right values.
    mistakes : tuple of str
        The mistakes of all lines.
    """

    name: str
    lines: list[Line]

    def _made(self, *roles):
        return [line for line in self.lines if line.passed is not None and line.role in roles]

    @property
    def passed(self) -> bool:
        made = self._made("value", "extra")
        return bool(made) and all(line.passed for line in made)

    @property
    def score(self) -> float:
        values, extras = self._made("value"), self._made("extra")
        if not values or not values[0].passed:
            return 0.0
        right = sum(line.passed for line in values)
        if right == len(values):
            right += sum(line.passed for line in extras)
        return right / (len(values) + len(extras))

    @property
    def mistakes(self) -> tuple[str, ...]:
        return tuple(dict.fromkeys(m for line in self.lines for m in line.mistakes))

    def to_dict(self) -> dict[str, Any]:
        """Everything as numbers, strings and lists, ready for JSON."""
        lines = [dataclasses.asdict(line) | {"mistakes": list(line.mistakes)} for line in self.lines]
        about = {"name": self.name, "passed": self.passed, "score": self.score, "mistakes": list(self.mistakes)}
        return about | {"lines": lines}

    @classmethod
    def from_dict(cls, data: dict[str, Any]) -> "Report":
        """The report that `to_dict` made this of."""
        return cls(data["name"], [Line(**line | {"mistakes": tuple(line["mistakes"])}) for line in data["lines"]])

    def _found(self, line):
        """What a line found; of what passed on top of wrong values, that it does not count yet."""
        waits = line.role == "extra" and line.passed and not all(value.passed for value in self._made("value"))
        return "counts once all values are right" if waits else line.found

    def _is_one_sentence(self):
        return len(self.lines) == 1 and self.lines[0].check in ("written", "handed in")

    def _headline(self):
        if self._is_one_sentence():
            return f"{self.name}: {self.lines[0].found}"
        made = self._made("value", "extra")
        refused = any(line.check == REFUSED for line in self.lines)
        return f"{self.name}: {sum(line.passed for line in made)} of {len(made)} checks passed" + "; grading refuses it" * refused

    def __str__(self) -> str:
        text = [self._headline()]
        if self._is_one_sentence():
            return text[0]
        wide = max(len(line.check) for line in self.lines)
        for line in self.lines:
            head = f"  {_mark(line)} {line.check:{wide}}"
            found = self._found(line)
            body = ([found] if found else []) + ([f"Hint: {line.hint}"] if line.hint else [])
            wrapped = [row for part in body for row in textwrap.wrap(part, 94 - wide, break_on_hyphens=False)]
            text.append((head + "  " + wrapped[0]) if wrapped else head.rstrip())
            text += [" " * (wide + 6) + row for row in wrapped[1:]]
        return "\n".join(text)

    __repr__ = __str__

    def _repr_html_(self):
        head = f"<p><strong>{html.escape(self._headline())}</strong></p>"
        if self._is_one_sentence():
            return head
        rows = []
        for line in self.lines:
            hint = f"<br><em>Hint: {html.escape(line.hint)}</em>" if line.hint else ""
            cells = (f"{_mark(line)} {_word(line)}", html.escape(line.check), html.escape(self._found(line)) + hint)
            rows.append("<tr>" + "".join(f'<td style="text-align: left">{cell}</td>' for cell in cells) + "</tr>")
        return f"{head}<table><tbody>{''.join(rows)}</tbody></table>"


def _mark(line):
    return "!" if line.role == "told" and line.passed is False else {True: "✓", False: "✗", None: "–"}[line.passed]


def _word(line):
    if line.role == "told" and line.passed is False:
        return "to know"
    if line.role == "told" and line.passed:
        return "fine, not counted"
    return {True: "passed", False: "failed", None: "skipped"}[line.passed]
