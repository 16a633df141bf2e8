"""What grading refuses, noticed where a function is called in a notebook: nobody passes at home and gets nothing in class.

It says what `_child.guard` and `_child.plain` say, and changes nothing outside of the call: PyTorch's functions are seen by a mode
of the thread that calls, and those of Python packages by their frames. It is there to tell, and not to keep anybody out.
"""

from pathlib import Path

import torch

from lossnotes.check._child.guard import all_names
from lossnotes.check._child.plain import FREE, OnlyPlain
from lossnotes.check._child.stand_in import bought

PARTS = ("lossnotes.experiments", "lossnotes.naive", "lossnotes.plots")  # those that one calls by their own names
_PACKAGE = str(Path(__file__).parents[2])
_OWN = str(Path(__file__).parents[1])
TORCH = str(Path(torch.__file__).parent)


class AtHome(OnlyPlain):
    """Entered around a call, with its `entered` asked about each frame. `said` is what it noticed; if `strict`, it raises that, too."""

    def __init__(self, exercise, forbidden=(), allowed=(), strict=False):
        super().__init__(exercise, all_names(allowed))
        self.free, self.strict, self.said = exercise in FREE, strict, []
        self.names = all_names(set(forbidden) | {exercise}) - all_names(allowed)

    def refuse(self, said):
        if said not in self.said:
            self.said.append(said)
        if self.strict:
            super().refuse(said)

    def refusal(self, name, full):
        if name in self.names:
            return bought(full)
        return "" if self.free else super().refusal(name, full)

    def entered(self, frame):  # pragma: no cover - coverage looks on by the same means
        """A Python function begins: is it one of this package, or another ready-made one, called from elsewhere?"""
        file, name = frame.f_code.co_filename, frame.f_code.co_name
        caller = frame.f_back.f_code.co_filename if frame.f_back else ""
        if file.startswith(_PACKAGE):
            if not file.startswith(_OWN) and (caller.startswith(_OWN) or not caller.startswith(_PACKAGE)):
                self._of_this_package(frame, name)
        elif file.startswith(TORCH):
            if name == "__init__" and "distributions" in file and not caller.startswith(TORCH) and "distributions" not in self.more:
                self.refuse(bought("torch.distributions.__init__"))
        elif name in self.names and (module := frame.f_globals.get("__name__", "")).partition(".")[0] in ("scipy", "sklearn"):
            self.refuse(bought(f"{module}.{name}"))

    def _of_this_package(self, frame, name):  # pragma: no cover - see above
        if name in ("__init__", "forward"):
            made = frame.f_locals.get("self")
            if made is None:  # the inside of an autograd.Function, which PyTorch calls
                return
            name = type(made).__name__
        name = getattr(frame.f_locals.get("function"), "__name__", name)  # what a decorator of this package has wrapped
        if not name.startswith(("_", "<")) and (name in self.names or name not in self.more):
            module = frame.f_globals.get("__name__", "")
            home = next((part for part in PARTS if f"{module}.".startswith(f"{part}.")), "lossnotes")
            self.refuse(bought(f"{home}.{name}"))
