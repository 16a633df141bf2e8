"""One checker per fact. Each raises before any arithmetic, and says what was passed, what was expected, what to try.

TypeError for a type or a dtype, ValueError for the rest.
"""

import contextlib
import contextvars
import math
import numbers

import torch

from lossnotes._numeric import wide

_strict = contextvars.ContextVar("lossnotes.strict", default=False)


@contextlib.contextmanager
def strict():
    """Check values on every device.

    A check that reads values makes a GPU wait, so away from the CPU they run only inside this context. On the CPU they
    always run; under ``torch.compile`` and the ``torch.func`` transforms, which have no values to read, never.

    Examples
    --------
    >>> import lossnotes as ln
    >>> with ln.strict():
    ...     ln.entropy([0.5, 0.6])
    Traceback (most recent call last):
    ...
    ValueError: entropy: p sums to 1.1; a distribution sums to 1. Try p / p.sum(dim=-1, keepdim=True) if these are counts.
    """
    token = _strict.set(True)
    try:
        yield
    finally:
        _strict.reset(token)


def values_can_be_read(*tensors):
    """Whether to run the checks that look at values (see `strict`)."""
    # torch.func has no public way to ask whether one of its transforms is running.
    if torch.compiler.is_compiling() or torch._C._are_functorch_transforms_active():
        return False
    for t in tensors:
        if not (t.is_cpu or (_strict.get() and not t.is_meta)):
            return False
    return True


def _lie_within(x, low, high):
    """Whether all values lie in [low, high], NaN in none: one pass over memory, and no copy."""
    if x.numel() == 0:
        return True
    least, most = (wide(x) if x.is_floating_point() and x.itemsize == 1 else x).aminmax()  # aminmax takes no 8-bit floats
    return least.item() >= low and most.item() <= high


def at(name, index):
    """``p[2, 1]`` for an index, ``p`` for the empty index of a single value or row."""
    return f"{name}[{', '.join(str(int(i)) for i in index)}]" if len(index) else name


def first(mask):
    """Index of the first True in a mask, as a list."""
    return mask.nonzero()[0].tolist()


def as_floating(fn, **inputs):
    """Each input as a floating-point tensor; lists and numbers take the dtype and device of a tensor beside them."""
    like = next((x for x in inputs.values() if isinstance(x, torch.Tensor) and x.is_floating_point()), None)
    tensors = []
    for name, x in inputs.items():
        if not isinstance(x, torch.Tensor):
            dtype = like.dtype if like is not None and not hasattr(x, "dtype") else None
            try:
                x = torch.as_tensor(x, dtype=dtype, device=None if like is None else like.device)
            except (TypeError, ValueError, RuntimeError) as error:
                fix = "a list whose rows have equal length"
                if hasattr(x, "astype"):
                    fix = f"{name}.astype(float)"
                elif isinstance(x, list | tuple) and any(isinstance(row, torch.Tensor) for row in x):
                    fix = f"torch.stack({name})"
                raise TypeError(
                    f"{fn}: {name} is {_a(type(x).__name__)} that torch.as_tensor does not take ({error}); expected a "
                    f"tensor or a list of numbers. Try {fix}."
                ) from None
        if x.is_complex() or x.dtype == torch.bool:
            raise TypeError(
                f"{fn}: {name} has dtype {x.dtype}; expected real numbers. "
                f"Try {name}.{'real' if x.is_complex() else 'float()'}."
            )
        tensors.append(x if x.is_floating_point() else x.to(torch.get_default_dtype() if like is None else like.dtype))
    return tensors


def is_floating_tensor(fn, name, x):
    """`x` is a tensor of floating-point numbers."""
    if not isinstance(x, torch.Tensor):
        raise TypeError(f"{fn}: {name} is {_a(type(x).__name__)}; expected a tensor. Try torch.as_tensor({name}).")
    if not x.is_floating_point():
        fix = "real" if x.is_complex() else "float()"
        raise TypeError(f"{fn}: {name} has dtype {x.dtype}; expected floating point. Try {name}.{fix}.")


def is_number_above(fn, name, x, low):
    """`x` is a finite number above `low`."""
    if not isinstance(x, numbers.Real) or isinstance(x, bool):
        raise TypeError(f"{fn}: {name} is {_a(type(x).__name__)}; expected a number. Try {name}={low + 1:.1f}.")
    if not low < x < math.inf:
        raise ValueError(f"{fn}: {name} is {x}; expected a finite number above {low}. Try {name}={low + 1:.1f}.")


def is_one_of(fn, name, x, choices):
    """`x` is one of a few names."""
    if not isinstance(x, str) or x not in choices:
        raise ValueError(
            f"{fn}: {name} is {x!r}; expected one of {', '.join(map(repr, choices))}. Try {name}={next(iter(choices))!r}."
        )


def is_dim(fn, name, x, dim):
    """`dim` is an integer that names a dimension of `x`."""
    if not isinstance(dim, numbers.Integral) or isinstance(dim, bool):
        raise TypeError(f"{fn}: dim is {_a(type(dim).__name__)}; expected an integer. Try dim=-1.")
    ndim = max(x.ndim, 1)  # as in PyTorch, a single number has the dimension 0
    if not -ndim <= dim < ndim:
        raise ValueError(
            f"{fn}: dim is {dim} but {name} has shape {tuple(x.shape)}; expected a dim from {-ndim} to {ndim - 1}. "
            f"Try dim=-1."
        )


def has_cases(fn, name, p):
    """A distribution has a dimension for its cases."""
    if p.ndim == 0:
        raise ValueError(
            f"{fn}: {name} is a single number; expected a distribution, at least one dimension. "
            f"Try torch.stack([{name}, 1 - {name}]) if it is the probability of one of two cases."
        )


def agree(fn, dim, **pair):
    """Two tensors have as many cases along `dim`, share a device, and broadcast elsewhere. Returns `dim` from the end."""
    (name_p, p), (name_q, q) = pair.items()
    if p.device != q.device:
        raise ValueError(
            f"{fn}: {name_p} is on {p.device} but {name_q} is on {q.device}; expected one device. "
            f"Try {name_q}.to({name_p}.device)."
        )
    has_cases(fn, name_p, p)
    has_cases(fn, name_q, q)
    longer = (name_p, p) if p.ndim >= q.ndim else (name_q, q)
    is_dim(fn, *longer, dim)
    dim = dim if dim < 0 else dim - longer[1].ndim
    shapes = f"{fn}: {name_p} has shape {tuple(p.shape)} but {name_q} has shape {tuple(q.shape)}"
    if min(p.ndim, q.ndim) < -dim or p.shape[dim] != q.shape[dim]:
        raise ValueError(
            f"{shapes}; expected as many cases in both along dim {dim}. "
            f"Try {name_q} over the same cases, with 0 where it has none."
        )
    try:
        torch.broadcast_shapes(p.shape, q.shape)
    except RuntimeError:
        raise ValueError(
            f"{shapes}; expected them to agree along dim {dim} and to broadcast elsewhere. "
            f"Try {name_p}.unsqueeze(-2) for every {name_p} against every {name_q}."
        ) from None
    return dim


def are_probabilities(fn, name, p, dim=-1):
    """Every value lies in [0, 1], and none is NaN. Each is an event by itself where `dim` is None."""
    if not values_can_be_read(p):
        return
    if _lie_within(p.detach(), 0, 1):
        return
    p = wide(p.detach())
    wrong = ~((p >= 0) & (p <= 1))
    if wrong.any():
        index = first(wrong)
        value = p[tuple(index)].item()
        alone = dim is None and p.numel() == 1
        dim = -1 if dim is None else dim
        fix = f"torch.softmax({name}, dim={dim}) if these are scores"
        if isinstance(dim, tuple):
            fix = f"torch.softmax({name}.flatten(-2), dim=-1).view_as({name}) if these are scores"
        if -1e-4 < value < 1 + 1e-4:
            fix = f"{name}.clamp(0, 1) if this is rounding"
        elif alone and math.isfinite(value):  # divided by its own sum, it would be certain
            fix = f"1 / {name} if it happens once in so many times" if value > 100 else f"{name} / 100 if this is a percentage"
            fix = f"torch.sigmoid({name}) if this is a score" if value < 0 else fix
        elif value > 1 and p.ge(0).all():
            fix = f"{name} / {name}.sum(dim={dim}, keepdim=True) if these are counts"
        elif math.isnan(value):
            fix = f"{name}.isnan().nonzero() to find where NaN comes in"
        raise ValueError(f"{fn}: {at(name, index)} is {_shown(value)}; a probability lies in [0, 1]. Try {fix}.")


# How far from 1 a sum of correctly rounded probabilities may honestly be. A float64 row may have passed through float32.
_SUM_TOLERANCE = {torch.float64: 1e-5, torch.float32: 1e-4, torch.float16: 1e-2, torch.bfloat16: 2e-2}


def _off_one(p, dim):
    """The sums along `dim`, and which of them are not 1."""
    total = wide(p.detach()).sum(dim)
    return total, (total - 1).abs() > _SUM_TOLERANCE.get(p.dtype, 0.1)


def is_distribution(fn, name, p, dim):
    """Probabilities that sum to 1 along `dim` (an integer or a tuple of them)."""
    are_probabilities(fn, name, p, dim)
    if not values_can_be_read(p):
        return
    total, wrong = _off_one(p, dim)
    if wrong.any():
        index = first(wrong)
        value = total[tuple(index)].item()
        row = list(map(str, index))
        dims = dim if isinstance(dim, tuple) else (dim,)
        for d in sorted(d % p.ndim for d in dims):
            row.insert(d, ":")
        where = f"{name}[{', '.join(row)}]" if index else name
        raise ValueError(
            f"{fn}: {where} sums to {value:.6g}; a distribution sums to 1. "
            f"Try {name} / {name}.sum(dim={dim}, keepdim=True) if these are counts."
        )


def is_joint(fn, joint):
    """The last two dimensions hold a table of probabilities that sums to 1."""
    if joint.ndim < 2:
        raise ValueError(
            f"{fn}: joint has shape {tuple(joint.shape)}; expected (..., X, Y), a table with a row for each x. "
            f"Try joint[:, None] * conditional."
        )
    is_distribution(fn, "joint", joint, (-2, -1))


def is_number_from(fn, name, x, low):
    """`x` is a finite number, `low` or more."""
    if not isinstance(x, numbers.Real) or isinstance(x, bool):
        raise TypeError(f"{fn}: {name} is {_a(type(x).__name__)}; expected a number. Try {name}={low + 1:.1f}.")
    if not low <= x < math.inf:
        raise ValueError(f"{fn}: {name} is {x}; expected a finite number, {low} or more. Try {name}={low + 1:.1f}.")


def is_integer(fn, name, x, usual):
    """`x` is an integer."""
    if not isinstance(x, numbers.Integral) or isinstance(x, bool):
        raise TypeError(f"{fn}: {name} is {_a(type(x).__name__)}; expected an integer. Try {name}={usual}.")


def as_count(fn, count, device):
    """`count` as a tensor on `device`: a single number, 0 or more."""
    if not isinstance(count, numbers.Real | torch.Tensor) or isinstance(count, bool):
        raise TypeError(f"{fn}: count is {_a(type(count).__name__)}; expected a number. Try (target != -100).sum().")
    count = torch.as_tensor(count, device=device).detach()
    if count.is_complex() or count.dtype == torch.bool:
        raise TypeError(f"{fn}: count has dtype {count.dtype}; expected a number. Try (target != -100).sum().")
    if count.ndim:
        raise ValueError(
            f"{fn}: count has shape {tuple(count.shape)}; expected a single number. Try count.sum()."
        )
    if values_can_be_read(count) and not count >= 0:
        raise ValueError(f"{fn}: count is {count.item()}; expected 0 or more. Try (target != -100).sum().")
    return count


def is_share(fn, name, x):
    """`x` is a number from 0 to 1."""
    if not isinstance(x, numbers.Real) or isinstance(x, bool):
        raise TypeError(f"{fn}: {name} is {_a(type(x).__name__)}; expected a number. Try {name}=0.1.")
    if not 0 <= x <= 1:
        raise ValueError(f"{fn}: {name} is {x}; expected a number from 0 to 1. Try {name}=0.1.")


def is_reduction(fn, reduction):
    """`reduction` is one of PyTorch's three."""
    is_one_of(fn, "reduction", reduction, ("mean", "sum", "none"))


def share_a_device(fn, input, **others):
    """Every tensor is where `input` is."""
    for name, x in others.items():
        if x.device != input.device:
            raise ValueError(
                f"{fn}: input is on {input.device} but {name} is on {x.device}; expected one device. "
                f"Try {name}.to(input.device)."
            )


def is_same_shape(fn, input, target):
    """`target` has the shape of `input`. (N,) against (N, 1) would make N × N losses without a word."""
    if input.shape == target.shape:
        return
    said = f"{fn}: input has shape {tuple(input.shape)} but target has shape {tuple(target.shape)}; "
    try:
        said += f"they would broadcast to {tuple(torch.broadcast_shapes(input.shape, target.shape))}."
    except RuntimeError:
        said += "expected the same shape."
    shorter, longer = sorted((("input", input), ("target", target)), key=lambda pair: pair[1].numel())
    fix = f"target of shape {tuple(input.shape)}"
    if input.shape == target.shape[::-1] and 1 not in input.shape:
        fix = "target.mT" if input.ndim == 2 else "target.permute(*reversed(range(target.ndim)))"
    elif input.numel() == target.numel():
        fix = "target.reshape(input.shape)"
        for name, long, short in (("target", target, input), ("input", input, target)):
            for d in range(long.ndim):
                if long.shape[d] == 1 and long.shape[:d] + long.shape[d + 1 :] == short.shape:
                    fix = f"{name}.squeeze({d})"
    elif "broadcast" in said and torch.broadcast_shapes(input.shape, target.shape) == longer[1].shape:
        fix = "target.expand_as(input) if that is meant" if longer[0] == "input" else "input.expand_as(target)"
    elif input.ndim == target.ndim > 0 and input.shape[1:] == target.shape[1:]:
        fix = f"{longer[0]}[: len({shorter[0]})] if they are in the same order"
    raise ValueError(f"{said} Try {fix}.")


def is_floating_pair(fn, input, target):
    """Predictions, and as many targets of the same kind."""
    is_floating_tensor(fn, "input", input)
    is_floating_tensor(fn, "target", target)
    share_a_device(fn, input, target=target)
    is_same_shape(fn, input, target)


def are_answers(fn, target):
    """Every target is a probability of yes."""
    if not values_can_be_read(target):
        return
    if _lie_within(target.detach(), 0, 1):
        return
    y = wide(target.detach())
    wrong = ~((y >= 0) & (y <= 1))
    if wrong.any():
        index = first(wrong)
        value = y[tuple(index)].item()
        fix = "torch.sigmoid(target) if these are scores"
        if value > 1:
            fix = "target / target.max() if these are on another scale"
        if math.isnan(value):
            fix = "target.isnan().nonzero() to find where NaN comes in"
        elif -1e-4 < value < 1 + 1e-4:
            fix = "target.clamp(0, 1) if this is rounding"
        if bool(((y == -1) | (y == 1)).all()):
            fix = "(target + 1) / 2 for targets of -1 and +1"
        raise ValueError(f"{fn}: {at('target', index)} is {_shown(value)}; expected a value in [0, 1]. Try {fix}.")


def is_signed_pair(fn, input, target):
    """Scores, and for each a sign, of any real type."""
    is_floating_tensor(fn, "input", input)
    if not isinstance(target, torch.Tensor):
        raise TypeError(f"{fn}: target is {_a(type(target).__name__)}; expected a tensor. Try torch.as_tensor(target).")
    if target.is_complex() or target.dtype == torch.bool:
        fix = "target.real" if target.is_complex() else "2 * target.float() - 1"
        raise TypeError(f"{fn}: target has dtype {target.dtype}; expected real numbers, -1 and +1. Try {fix}.")
    share_a_device(fn, input, target=target)
    is_same_shape(fn, input, target)


def are_signs(fn, target):
    """Every target is -1 or +1."""
    if not values_can_be_read(target):
        return
    y = wide(target)  # as a uint8, -1 would be 255
    wrong = (y != 1) & (y != -1)
    if wrong.any():
        index = first(wrong)
        value = y[tuple(index)].item()
        fix = "target.sign() if its sign is the answer"
        if bool(((y == 0) | (y == 1)).all()):
            fix = f"2 * {'target' if target.dtype.is_signed else 'target.int()'} - 1 for targets of 0 and 1"
        elif y.isnan().any():
            fix = "target.isnan().nonzero() to find where NaN comes in"
        elif (y == 0).any():
            fix = "input[target != 0] and target[target != 0] if 0 is no answer"
        raise ValueError(f"{fn}: {at('target', index)} is {_shown(value)}; expected -1 or +1. Try {fix}.")


def broadcasts_to_input(fn, name, x, input):
    """Weights that can be multiplied with the losses and change no shape, or None."""
    if x is None:
        return
    is_floating_tensor(fn, name, x)
    share_a_device(fn, input, **{name: x})
    try:
        fits = torch.broadcast_shapes(x.shape, input.shape) == input.shape
    except RuntimeError:
        fits = False
    if not fits:
        fix = f"{name} of shape {tuple(input.shape[-1:])}"
        if x.ndim == 1 and input.ndim == 2 and x.shape == input.shape[:1]:
            fix = f"{name}.unsqueeze(1)"
        raise ValueError(
            f"{fn}: {name} has shape {tuple(x.shape)} but input has shape {tuple(input.shape)}; expected a shape that "
            f"broadcasts to that of input. Try {fix}."
        )


def is_classification(fn, input, target, weight=None, *, probabilities=False, name="input"):
    """Scores of C classes, the right class of each (or the probability of each class), a weight for each class."""
    is_floating_tensor(fn, "input", input)
    if input.ndim == 0:
        raise ValueError(f"{fn}: input is a single number; expected shape (C,), (N, C) or (N, C, ...). Try input[None].")
    if not isinstance(target, torch.Tensor):
        raise TypeError(f"{fn}: target is {_a(type(target).__name__)}; expected a tensor. Try torch.as_tensor(target).")
    share_a_device(fn, input, target=target)
    dim = 0 if input.ndim == 1 else 1
    wanted = input.shape[:dim] + input.shape[dim + 1 :]
    if weight is None and target.dtype == torch.int64 and target.shape == wanted:
        return
    shapes = f"{name} has shape {tuple(input.shape)} but target has shape {tuple(target.shape)}"
    if target.is_floating_point() and not (probabilities and target.shape == input.shape):
        if probabilities and target.shape != wanted:
            raise ValueError(
                f"{fn}: {shapes}; expected {tuple(input.shape)} for class probabilities, {tuple(wanted)} for class "
                f"indices. Try {_to_classes(input, target, wanted)}."
            )
        fix = "target.long()" if target.shape == wanted else _to_classes(input, target, wanted)
        fix = f"target.argmax(dim={dim})" if target.shape == input.shape else fix
        raise TypeError(f"{fn}: target has dtype {target.dtype}; expected class indices, torch.int64. Try {fix}.")
    if target.is_complex() or target.dtype == torch.bool:
        fix = "target.real.long()" if target.is_complex() else "target.long()"
        if target.dtype == torch.bool and target.shape == input.shape:
            fix = f"target.long().argmax(dim={dim}) for one-hot rows"
        raise TypeError(f"{fn}: target has dtype {target.dtype}; expected class indices, torch.int64. Try {fix}.")
    if not target.is_floating_point() and target.shape != wanted:
        fix = _to_classes(input, target, wanted)
        raise ValueError(f"{fn}: {shapes}; expected class indices of shape {tuple(wanted)}. Try {fix}.")
    if weight is not None:
        is_floating_tensor(fn, "weight", weight)
        share_a_device(fn, input, weight=weight)
        if weight.shape != input.shape[dim : dim + 1]:
            raise ValueError(
                f"{fn}: weight has shape {tuple(weight.shape)} but {name} has {input.shape[dim]} classes; expected shape "
                f"({input.shape[dim]},), one weight a class. Try torch.ones({input.shape[dim]})."
            )


def is_linear(fn, input, linear_weight, linear_bias):
    """Features, and a layer that takes them: (H,) or (N, H), (C, H), and (C,) or None."""
    others = {"linear_weight": linear_weight} | ({} if linear_bias is None else {"linear_bias": linear_bias})
    is_floating_tensor(fn, "input", input)
    for name, x in others.items():
        is_floating_tensor(fn, name, x)
        if x.dtype != input.dtype:
            raise TypeError(
                f"{fn}: input has dtype {input.dtype} but {name} has {x.dtype}; expected one dtype. "
                f"Try {name}.to(input.dtype)."
            )
    share_a_device(fn, input, **others)
    shape = tuple(input.shape)
    if input.ndim not in (1, 2):
        fix = "input.flatten(0, -2) and target.flatten()" if input.ndim > 2 else "input[None]"
        raise ValueError(f"{fn}: input has shape {shape}; expected (H,) or (N, H). Try {fix}.")
    if linear_weight.ndim != 2 or linear_weight.shape[1] != input.shape[-1]:
        fix = f"linear_weight of shape (classes, {input.shape[-1]})"
        if linear_weight.ndim == 2 and linear_weight.shape[0] == input.shape[-1]:
            fix = "linear_weight.mT"
        raise ValueError(
            f"{fn}: input has shape {shape} but linear_weight has shape {tuple(linear_weight.shape)}; expected "
            f"(C, {input.shape[-1]}), a row for each class. Try {fix}."
        )
    if linear_bias is not None and linear_bias.shape != linear_weight.shape[:1]:
        raise ValueError(
            f"{fn}: linear_bias has shape {tuple(linear_bias.shape)} but linear_weight has {len(linear_weight)} classes; "
            f"expected shape ({len(linear_weight)},). Try linear_bias.reshape({len(linear_weight)})."
        )


def are_classes(fn, input, target, ignore_index=None):
    """Every target is a class or `ignore_index`. True where all are seen to be classes."""
    if not values_can_be_read(target):
        return False
    classes = input.shape[0 if input.ndim == 1 else 1]
    if _lie_within(target, 0, classes - 1) and not (ignore_index is not None and 0 <= ignore_index < classes):
        return True
    wrong = (target < 0) | (target >= classes)
    if ignore_index is not None:
        wrong = wrong & (target != ignore_index)
    if wrong.any():
        index = first(wrong)
        value = target[tuple(index)].item()
        fix = f"input with {value + 1} classes"
        if value == classes and target.min() > 0:
            fix = "target - 1 if the classes count from 1"
        elif value < 0 and ignore_index is not None:
            fix = f"ignore_index={value} if such targets should not count"
        elif value < 0:
            fix = "input[target >= 0] and target[target >= 0] if such targets should not count"
        wanted = f"a class from 0 to {classes - 1}" if classes else "no target, as input has no class"
        raise ValueError(f"{fn}: {at('target', index)} is {value}; expected {wanted}. Try {fix}.")
    return False


def are_class_probabilities(fn, target, ignore_index):
    """Probabilities of the classes as targets; as in PyTorch they need not sum to 1."""
    if ignore_index >= 0:
        raise ValueError(
            f"{fn}: ignore_index is {ignore_index} but target has dtype {target.dtype}; expected class indices with it. "
            f"Try target.argmax(dim={1 if target.ndim > 1 else 0})."
        )
    are_probabilities(fn, "target", target, 1 if target.ndim > 1 else 0)


def are_not_probabilities(fn, input):
    """No row of log-probabilities is a row of plain probabilities, which lie in [0, 1] and sum to 1."""
    if not values_can_be_read(input):
        return
    dim = 0 if input.ndim == 1 else 1
    plain = (wide(input.detach()) >= 0).all(dim) & ~_off_one(input, dim)[1]
    if plain.any():
        row = list(map(str, first(plain)))
        row.insert(dim, ":")
        raise ValueError(
            f"{fn}: input[{', '.join(row)}] lies in [0, 1] and sums to 1, as probabilities do; expected log-probabilities. "
            f"Try input.log(), or cross_entropy on the scores."
        )


def _shown(value):
    """Four digits, but not "1" for a value next to 1: that would be no reason to complain."""
    shown = f"{value:.4g}"
    return f"1 + {value - 1:.2g}" if shown == "1" and value > 1 else f"1 - {1 - value:.2g}" if shown == "1" else shown


def _to_classes(input, target, wanted):
    """What makes class indices of shape `wanted`, or class probabilities, of a target that has another shape."""
    dim = 0 if input.ndim == 1 else 1
    one = [d for d in range(target.ndim) if target.shape[d] == 1]
    floats = target.is_floating_point()
    fix = f"target of shape {tuple(wanted)}"
    if target.shape == input.shape:
        fix = f"target.argmax(dim={dim}) for one-hot rows"
    elif target.numel() == wanted.numel() and target.ndim == len(wanted) + 1 and one:
        fix = f"target.squeeze({one[-1]})" + ".long()" * floats
    elif target.numel() == wanted.numel():
        fix = f"target.reshape({tuple(wanted)})" + ".long()" * floats
    elif target.ndim == input.ndim > 2 and target.movedim(-1, 1).shape == input.shape:
        fix = "target.movedim(-1, 1)" if floats else "target.argmax(dim=-1) for one-hot rows"
    elif target.ndim == input.ndim == 2 and target.mT.shape == input.shape:
        fix = "target.mT" if floats else "target.argmax(dim=0) for one-hot columns"
    return fix


def _a(noun):
    return f"an {noun}" if noun[0] in "aeiouAEIOU" else f"a {noun}"
