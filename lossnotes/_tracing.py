"""Whether there are values to look at: a compiler, an exporter or a transform hands over tensors that have none, and those of
another device come late."""

import functools
from collections.abc import Callable
from typing import ParamSpec, TypeVar

import torch

P = ParamSpec("P")
R = TypeVar("R")

_MODES = [getattr(torch._C._TorchDispatchModeKey, name) for name in ("FAKE", "PROXY", "FUNCTIONAL")]


def is_traced(*tensors):
    """Whether somebody records or transforms operations, or a tensor is of another class, for which the formula runs.

    Asked before any size and any value: under a tracer even ``x.numel() < 1`` is a promise about all inputs to come.
    """
    if torch.compiler.is_compiling():
        return True
    # There is no public way to ask for the transforms of torch.func, and for fake tensors and make_fx.
    if torch._C._are_functorch_transforms_active():
        return True
    if torch._C._len_torch_dispatch_stack() and any(torch._C._get_dispatch_mode(mode) is not None for mode in _MODES):
        return True
    for x in tensors:
        if x is not None and type(x) is not torch.Tensor and type(x) is not torch.nn.Parameter:
            return True
    return False


def has_values(x):
    """Whether `x` holds its numbers itself, as a tensor of a class without a dispatch of its own does."""
    return type(x).__torch_dispatch__ is torch.Tensor.__torch_dispatch__


# Tests set this, so that tensors of a CPU are treated as those of a GPU are.
AS_ELSEWHERE = False


def is_at_hand(x):
    """Whether a value of `x` can be read at once. That of a tensor elsewhere makes its device, and everybody, wait."""
    return x.is_cpu and not AS_ELSEWHERE


def leaf_of_fx(function: Callable[P, R]) -> Callable[P, R]:
    """``torch.fx.symbolic_trace`` records a call of `function`, as it records those of ``torch.nn.functional``."""

    @functools.wraps(function)
    def call(*args: P.args, **kwargs: P.kwargs) -> R:
        for x in (*args, *kwargs.values()):
            if isinstance(x, torch.fx.Proxy):
                return x.tracer.create_proxy("call_function", call, args, kwargs)  # type: ignore[return-value, unused-ignore]
        return function(*args, **kwargs)

    return call


def with_whole_classes(x, dim):
    """A DTensor that is split along `dim` is put together, as PyTorch's own losses do it. Other tensors stay as they are."""
    if not hasattr(x, "placements"):
        return x
    from torch.distributed.tensor import Replicate  # here: the import takes a second

    return x.redistribute(placements=[Replicate() if p.is_shard(dim % x.ndim) else p for p in x.placements])
