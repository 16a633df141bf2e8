"""A function of another process, for the judge: names and inputs go there, data come back."""

import time

import torch

from lossnotes.check._child.data import Nonsense, pack, unpack
from lossnotes.check._child.words import clean
from lossnotes.check._grade.process import Ended
from lossnotes.check._judge.outcome import Foreign, Outcome, Student

CALL, FIRST = 5.0, 15.0  # seconds for one call, and for the first of a function, which may import what it needs


class Clock:
    """The time of a whole submission."""

    def __init__(self, seconds):
        self.seconds, self.end = seconds, time.monotonic() + seconds

    def limit(self, seconds):
        """At most so many seconds, and no more than are left."""
        left = self.end - time.monotonic()
        if left <= 0:
            raise Ended(f"came after the {self.seconds:g} seconds for the whole submission")
        return min(seconds, left)


class Remote(Student):
    """What `ln.check` takes in the place of a function."""

    def __init__(self, spec, signature, connection, clock, rival=None):
        """`rival` is the number of another file's function of the same name."""
        super().__init__(spec, signature)
        self.connection, self.clock, self.over, self.limit, self.rival = connection, clock, "", FIRST, rival

    def _ask(self, request):
        """The answer, or None: then `over` says why there will be no other."""
        if not self.over:
            try:
                return self.connection.ask(request | {"name": self.spec.name, "rival": self.rival}, self.clock.limit(self.limit))
            except Ended as error:
                self.over = str(error)
            finally:
                self.limit = CALL
        return None

    def _outcome(self, answer):
        if answer is None:
            return Outcome(error=self.over, kind="Ended", ended=False)
        if "error" in answer:
            return Outcome(error=clean(str(answer["error"]), 300) or "an error", kind=str(answer.get("kind", ""))[:60])
        return None

    def call(self, args, options, grad):
        request = {"do": "call", "args": [pack(x) for x in args], "options": {k: pack(x) for k, x in options.items()}}
        answer = self._ask(request | {"grad": list(grad)})
        failed = self._outcome(answer)
        if failed is not None:
            return failed
        changed = answer.get("changed")
        changed = tuple(i for i in changed if type(i) is int) if isinstance(changed, list) else ()
        return Outcome(_value(answer.get("value")), changed=changed, pull=self._pull if answer.get("slope") is True else None)

    def _pull(self, slope):
        answer = self._ask({"do": "pull", "slope": pack(slope)})
        failed = self._outcome(answer)
        if failed is not None:
            return failed
        slopes = answer.get("slopes")
        values = [_value(x) for x in slopes] if isinstance(slopes, list) else []
        whole = len(values) == len(self.spec.differentiable) and all(x is None or isinstance(x, torch.Tensor) for x in values)
        return Outcome(values if whole else [None])

    def device(self, args):
        extra = [-1] if self.has_dim else []
        answer = self._ask({"do": "device", "args": [pack(x) for x in [*args, *extra]]})
        found = (answer or {}).get("device")
        return found if found in ("kept", "mixed", "lost") else None


def _value(data):
    """A plain tensor, number or None; a `Foreign` for everything else, also for nonsense."""
    if data is None:
        return None
    if isinstance(data, dict) and isinstance(data.get("other"), str):
        return Foreign(clean(data["other"], 100))
    try:
        value = unpack(data)
    except (Nonsense, KeyError, TypeError, RuntimeError):
        return Foreign("thing that the checker cannot read")
    if callable(value) or isinstance(value, str):
        return Foreign("str" if isinstance(value, str) else "function")
    if isinstance(data.get("named"), str):
        return Foreign(clean(data["named"], 60), *([value] if isinstance(value, torch.Tensor) else []))
    return value
