"""Library functions that would do the exercise raise, wherever in torch or SciPy they are called from.

Under their own names, under those that PyTorch gives them inside, and, whatever they are called, by the kernels that they run. It
is a rule with a fence and not a wall: a wall around Python code in one process does not exist.
"""

import contextlib
import importlib.abc
import importlib.util
import sys
import warnings

import torch

from .stand_in import refusing

# Names of one function: those that do the same, and inside PyTorch its kernel.
OTHER_NAMES = {
    "softmax": ["_softmax", "Softmax"],
    "log_softmax": ["_log_softmax", "LogSoftmax"],
    "entropy": ["entr", "special_entr"],
    "kl_divergence": ["kl_div", "rel_entr"],
    "jensen_shannon_divergence": ["jensenshannon"],
    "mutual_information": ["mutual_info_score"],
    "cross_entropy": ["cross_entropy_loss"],
    "nll_loss": ["nll_loss_nd", "nll_loss2d", "nll_loss_forward", "nll_loss2d_forward"],
    "linear_cross_entropy": ["cross_entropy", "cross_entropy_loss"],
    "multiclass_hinge_loss": ["multi_margin_loss"],
}
# Kernels by the name that PyTorch's dispatcher has for them.
_KERNELS = {"_softmax", "_log_softmax", "special_entr", "nll_loss_forward", "nll_loss2d_forward", "multi_margin_loss"}
_KERNELS |= {"mse_loss", "binary_cross_entropy_with_logits", "logsumexp", "cross_entropy_loss"}
_LATER = ("scipy.special", "scipy.stats", "scipy.spatial.distance", "sklearn.metrics")


def all_names(forbidden):
    """The names and the other names of what they stand for."""
    return {other for name in forbidden for other in (name, *OTHER_NAMES.get(name, ()))}


class Fence:
    """Forbids the functions, by name and by kernel, until it is lifted."""

    def __init__(self, forbidden=()):
        self.names, self.closed = all_names(forbidden), []
        for place in _places() if self.names else ():
            self.close(place)
        for name in _LATER:
            if name in sys.modules:
                self.close(sys.modules[name])
        self.finder = _Finder(self)
        sys.meta_path.insert(0, self.finder)
        self.kernels = torch.library.Library("aten", "IMPL")
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # that a kernel is overridden
            for name in self.names & _KERNELS:
                for key in ("CPU", "AutogradCPU"):
                    self.kernels.impl(name, refusing(f"torch.ops.aten.{name}", name), key)

    def close(self, place):
        full = getattr(place, "__name__", type(place).__name__)
        for name in self.names:
            if hasattr(place, name):
                was = vars(place).get(name, _ABSENT) if hasattr(place, "__dict__") else _ABSENT
                with contextlib.suppress(AttributeError, TypeError):  # what is written in C may not be changed
                    setattr(place, name, refusing(f"{full}.{name}", name))
                    self.closed.append((place, name, was))

    def lift(self):
        """Everything as it was."""
        for place, name, was in reversed(self.closed):
            if was is _ABSENT:
                delattr(place, name)
            else:
                setattr(place, name, was)
        self.closed.clear()
        self.kernels._destroy()
        sys.meta_path.remove(self.finder)


_ABSENT = object()


def _places():
    functional = torch.nn.functional
    yield from (torch, torch.Tensor, functional, torch.special, torch.distributions, torch.distributions.kl)
    yield from (torch.distributions.Categorical, torch._C._nn, torch._C._VariableFunctions)
    for name in ("torch._refs", "torch._refs.nn.functional", "torch._refs.special", "torch._decomp.decompositions"):
        if name in sys.modules:
            yield sys.modules[name]


class _Finder(importlib.abc.MetaPathFinder):
    """Closes the modules that are imported later."""

    def __init__(self, fence):
        self.fence, self.busy = fence, False

    def find_spec(self, name, path=None, target=None):
        if self.busy or name not in _LATER:
            return None
        self.busy = True
        try:
            spec = importlib.util.find_spec(name)
        finally:
            self.busy = False
        if spec is not None and spec.loader is not None:
            load, fence = spec.loader.exec_module, self.fence

            def exec_module(module):
                load(module)
                fence.close(module)

            spec.loader.exec_module = exec_module
        return spec
