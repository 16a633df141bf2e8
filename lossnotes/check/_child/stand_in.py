"""What a submission finds where it imports `lossnotes`: its check waits, and its functions do not do the exercise."""

import importlib
import sys
import types

TOPICS = ("information", "scores", "classification", "regression", "hinge", "focal")


class Waiting:
    """What `ln.check` gives while a submission is graded: not passed, so that no experiment starts; it is judged later."""

    passed, score, mistakes, lines = False, 0.0, (), ()

    def __repr__(self):
        return "graded later"

    def to_dict(self):
        return {}


def check(fn=None, like="cross_entropy", **_):
    return Waiting()


class _Library(types.ModuleType):
    """`lossnotes`, or a part of it: any name is there, and says why it is not to be had when it is called."""

    def __init__(self, name, real):
        super().__init__(name)
        self.__dict__["_real"] = real

    def __getattr__(self, name):
        if name.startswith("_") or self._real is not None and name in TOPICS:  # then it is imported as a module
            raise AttributeError(name)
        return self._real and self._real(name) or refusing(f"{self.__name__}.{name}", name)


def bought(full):
    """What is said of a ready-made function, by its full name."""
    return f"{full} is the library's: a graded submission does without it, and writes its own"


def refusing(full, name):
    """A function that says that it may not be used."""

    def refused(*_, **__):
        raise RuntimeError(bought(full))

    refused.__name__ = refused.__qualname__ = name
    return refused


def install(allowed, folder):
    """Put it in the place of `lossnotes`. What is `allowed` is the real one, read from `folder`."""

    def real(name):
        for topic in TOPICS if name in allowed else ():
            found = getattr(importlib.import_module(f"lossnotes.{topic}"), name, None)
            if found is not None:
                return found
        return None

    library = _Library("lossnotes", real if allowed else None)
    library.check = check
    library.__dict__["__path__"] = [folder] if allowed else []
    sys.modules["lossnotes"] = library
    for part in ("check", "experiments", "naive", "plots"):
        sys.modules[f"lossnotes.{part}"] = _Library(f"lossnotes.{part}", None)
        if part != "check":
            setattr(library, part, sys.modules[f"lossnotes.{part}"])
    sys.modules["lossnotes.check"].check = check
