"""What a check found, for a terminal, a notebook and a grader."""

import dataclasses
import html
import textwrap


@dataclasses.dataclass
class Line:
    """One check. `passed` is None where there was nothing to check, and `found` says why."""

    check: str
    passed: bool | None
    found: str = ""
    hint: str = ""
    mistakes: tuple = ()


@dataclasses.dataclass
class Report:
    """The outcome of `check`.

    Attributes
    ----------
    name : str
        The function that was asked for, such as ``"cross_entropy"``.
    lines : list
        One a check: ``check``, its name; ``passed``, True, False, or None if there was nothing to check; ``found``, the
        smallest failing input, what came and what was expected; ``hint``; ``mistakes``, the usual mistakes whose results
        these are.
    passed : bool
        Whether every check passed that could be made, and at least one could.
    score : float
        Share of passed checks among those that could be made, from 0 to 1.
    mistakes : tuple of str
        The mistakes of all lines.
    """

    name: str
    lines: list

    @property
    def passed(self):
        return self.score == 1

    @property
    def score(self):
        made = [line.passed for line in self.lines if line.passed is not None]
        return sum(made) / len(made) if made else 0.0

    @property
    def mistakes(self):
        return tuple(dict.fromkeys(m for line in self.lines for m in line.mistakes))

    def to_dict(self):
        """Everything as numbers, strings and lists, ready for JSON."""
        lines = [dataclasses.asdict(line) | {"mistakes": list(line.mistakes)} for line in self.lines]
        about = {"name": self.name, "passed": self.passed, "score": self.score, "mistakes": list(self.mistakes)}
        return about | {"lines": lines}

    def _headline(self):
        made = [line.passed for line in self.lines if line.passed is not None]
        if len(self.lines) == 1 and self.lines[0].check == "written":
            return f"{self.name}: {self.lines[0].found}"
        return f"{self.name}: {sum(made)} of {len(made)} checks passed"

    def __str__(self):
        text = [self._headline()]
        if text[0].endswith("not written yet"):
            return text[0]
        wide = max(len(line.check) for line in self.lines)
        for line in self.lines:
            head = f"  {_MARK[line.passed]} {line.check:{wide}}"
            body = ([line.found] if line.found else []) + ([f"Hint: {line.hint}"] if line.hint else [])
            wrapped = [row for part in body for row in textwrap.wrap(part, 96 - wide, break_on_hyphens=False)]
            text.append((head + "  " + wrapped[0]) if wrapped else head.rstrip())
            text += [" " * (wide + 6) + row for row in wrapped[1:]]
        return "\n".join(text)

    __repr__ = __str__

    def _repr_html_(self):
        rows = []
        for line in self.lines:
            hint = f"<br><em>Hint: {html.escape(line.hint)}</em>" if line.hint else ""
            cells = (
                f"{_MARK[line.passed]} {_WORD[line.passed]}",
                html.escape(line.check),
                html.escape(line.found) + hint,
            )
            rows.append("<tr>" + "".join(f'<td style="text-align: left">{cell}</td>' for cell in cells) + "</tr>")
        head = f"<p><strong>{html.escape(self._headline())}</strong></p>"
        if head.endswith("not written yet</strong></p>"):
            return head
        return f"{head}<table><tbody>{''.join(rows)}</tbody></table>"


_MARK = {True: "✓", False: "✗", None: "–"}
_WORD = {True: "passed", False: "failed", None: "not checked"}
