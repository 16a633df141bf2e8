"""The homework checker: whether a function of your own is right and, if not, what is wrong with it.

`check` is one function, also `lossnotes.check`; ``python -m lossnotes.check homework.py`` runs it over a file.
"""

import ast
import difflib
import inspect
import textwrap

from lossnotes.check._report import Line, Report
from lossnotes.check._sandbox import code_of

__all__ = ["Line", "Report", "check"]


def check(fn, like="cross_entropy"):
    """Check your own implementation of a function of this package.

    It is called with small inputs, options, edge cases and extreme scores. Its values, gradients, dtype and device are
    compared with what they should be, and wrong results with those of the usual mistakes, so that the report can say
    which mistake it looks like. It gives hints, no solutions.

    The function is called by position for its tensors and by name for its options. An option that it does not take is not
    checked, and the report says so. Whatever it prints is swallowed, an exception is part of the report, and a call that
    does not end is stopped after some seconds.

    Parameters
    ----------
    fn : callable
        A function, a lambda or an `torch.nn.Module`: anything that is called like the function `like`.
    like : str
        The name of a function: `cross_entropy`, `kl_divergence` and every other of `lossnotes` that has a formula.

    Returns
    -------
    Report
        Prints as one line a check, shows as a table in a notebook; ``report.passed``, ``report.score``,
        ``report.mistakes``, ``report.to_dict()``.

    Raises
    ------
    TypeError
        `fn` cannot be called.
    ValueError
        `like` is not the name of a function that can be checked.

    Examples
    --------
    >>> import torch, lossnotes as ln
    >>> def cross_entropy(input, target):
    ...     log_p = torch.log(torch.softmax(input, dim=0))
    ...     return -log_p.gather(1, target[:, None]).mean()
    >>> report = ln.check(cross_entropy)
    >>> report.passed
    False
    >>> report.mistakes
    ('softmax over the wrong dim',)
    >>> ln.check(torch.nn.functional.cross_entropy).passed
    True
    """
    from lossnotes.check import _run  # here, so that importing the package does no work

    specs = _run.specs()
    if not isinstance(like, str) or like not in specs:
        near = difflib.get_close_matches(str(like), specs, 1)
        fix = f"like={near[0]!r}" if near else "a name of this list"
        raise ValueError(f"check: like is {like!r}; expected one of {', '.join(sorted(specs))}. Try {fix}.")
    if not callable(fn):
        article = "an" if type(fn).__name__[0] in "aeiou" else "a"
        raise TypeError(
            f"check: fn is {article} {type(fn).__name__}; expected a function. Try check({like}, like={like!r}), without a call."
        )
    if _is_stub(fn):
        return Report(like, [Line("written", False, "not written yet")])
    return Report(like, _run.lines(fn, specs[like]))


def _is_stub(fn):
    """Whether there is nothing in the function but its docstring, ``pass``, ``...`` or ``raise NotImplementedError``."""
    try:
        (tree,) = ast.parse(textwrap.dedent(inspect.getsource(code_of(fn)))).body
    except (OSError, TypeError, ValueError, SyntaxError):
        return False
    if not isinstance(tree, ast.FunctionDef):
        return False
    for statement in tree.body:
        if isinstance(statement, ast.Pass) or (
            isinstance(statement, ast.Expr) and isinstance(statement.value, ast.Constant)
        ):
            continue
        if not (isinstance(statement, ast.Raise) and "NotImplementedError" in ast.dump(statement)):
            return False
        break
    return True
