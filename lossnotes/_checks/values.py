"""Reading values, and putting them into words."""

import contextlib
import contextvars
from collections.abc import Iterator

from lossnotes._numeric import wide
from lossnotes._tracing import has_values, is_at_hand, is_traced

_strict = contextvars.ContextVar("lossnotes.strict", default=False)


@contextlib.contextmanager
def strict() -> Iterator[None]:
    """Check values on every device.

    A check that reads values makes a GPU wait, so away from the CPU they run only inside this context. On the CPU they
    always run; under ``torch.compile`` and the ``torch.func`` transforms, which have no values to read, never. A thread
    that is started inside has to enter it, too.

    Examples
    --------
    >>> import lossnotes as ln
    >>> with ln.strict():
    ...     ln.entropy([0.5, 0.6])
    Traceback (most recent call last):
    ...
    ValueError: entropy: p sums to 1.1; a distribution sums to 1. Try p / p.sum(dim=-1, keepdim=True) with p = torch.tensor(p), if these are counts.
    """
    token = _strict.set(True)
    try:
        yield
    finally:
        _strict.reset(token)


def values_can_be_read(*tensors):
    """Whether to run the checks that look at values (see `strict`)."""
    if is_traced():
        return False
    for t in tensors:
        if not (has_values(t) and (is_at_hand(t) or (_strict.get() and not t.is_meta))):
            return False
    return True


def lie_within(x, low, high):
    """Whether all values lie in [low, high], NaN in none: one pass over memory, and no copy but of half precision."""
    if x.numel() == 0:
        return True
    least, most = (wide(x) if x.is_floating_point() else x).aminmax()  # which takes no 8-bit floats
    return least.item() >= low and most.item() <= high


def at(name, index):
    """``p[2, 1]`` for an index, ``p`` for the empty index of a single value or row."""
    return f"{name}[{', '.join(str(int(i)) for i in index)}]" if len(index) else name


def first(mask):
    """Index of the first True in a mask, as a list."""
    return mask.nonzero()[0].tolist()


def not_finite(name, x):
    """The fix where `x` has NaN or inf, which no other fix takes away; None where it has not. -inf is a score that masks."""
    for what, mask in (("NaN", "isnan"), ("inf", "isposinf")):
        if getattr(x, mask)().any():
            return f"{name}.{mask}().nonzero() to find where {what} comes in"
    return None


def shown(value):
    """Four digits, but not "1" for a value next to 1: that would be no reason to complain."""
    shown = f"{value:.4g}"
    return f"1{value - 1:+.2g}" if shown == "1" else shown


def a(noun):
    return f"an {noun}" if noun[0] in "aeiouAEIOU" else f"a {noun}"
