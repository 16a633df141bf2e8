"""Library functions that would do the exercise raise, wherever in torch or SciPy they are called from.

Under their own names, under those that PyTorch gives them inside, and, whatever they are called, by the kernels that they run: every
kernel of a loss is closed, and that of a softmax where it is the exercise. Distributions compute all of it at once, and cannot be
made. What is left is looked at when it is called, by a list of what is plain (see `plain`). It is a rule with a fence and not a
wall: a wall around Python code in one process does not exist.
"""

import contextlib
import importlib.util
import re
import sys
import types
import warnings

import torch

from .stand_in import refusing

# Names of one function: those that do the same, and inside PyTorch its kernel.
OTHER_NAMES = {
    "softmax": ["_softmax", "Softmax"],
    "log_softmax": ["_log_softmax", "LogSoftmax"],
    "entropy": ["entr", "special_entr"],
    "kl_divergence": ["kl_div", "rel_entr", "entropy", "power_divergence"],
    "jensen_shannon_divergence": ["jensenshannon"],
    "mutual_information": ["mutual_info_score", "chi2_contingency", "power_divergence"],  # half of the statistic G
    "cross_entropy": ["cross_entropy_loss", "log_loss", "d2_log_loss_score"],
    "binary_cross_entropy_with_logits": ["log_loss", "d2_log_loss_score"],
    "mse_loss": ["mean_squared_error", "root_mean_squared_error"],
    "nll_loss": ["nll_loss_nd", "nll_loss2d", "nll_loss_forward", "nll_loss2d_forward"],
    "linear_cross_entropy": ["cross_entropy", "cross_entropy_loss"],
    "multiclass_hinge_loss": ["multi_margin_loss"],
    "logsigmoid": ["log_sigmoid", "log_sigmoid_forward"],
    "logaddexp": ["logaddexp2"],
}
# Kernels that are ready-made answers, by the name that PyTorch's dispatcher has for them; never those of a slope alone.
_READY = re.compile(r"(?!.*backward).*(softmax|_loss|attention|logcumsumexp|cross_entropy|kl_div)")
# Those that are plain unless they are forbidden: another exercise may be built on them.
_BUILT_ON = {"softmax", "_softmax", "log_softmax", "_log_softmax", "special_softmax", "special_log_softmax", "_safe_softmax"}
_BUILT_ON |= {"cross_entropy_loss", "nll_loss", "nll_loss_nd", "nll_loss2d", "nll_loss_forward", "nll_loss2d_forward"}
_ALSO = {"special_entr", "logsumexp", "softplus", "log_sigmoid", "log_sigmoid_forward", "logaddexp", "logaddexp2"}
_LIBRARIES = ("scipy", "sklearn")


def all_names(forbidden):
    """The names and the other names of what they stand for."""
    return {other for name in forbidden for other in (name, *OTHER_NAMES.get(name, ()))}


def _kernels(names, allowed):
    """Full names of the kernels to be closed."""
    for full in torch._C._dispatch_get_all_op_names():
        space, _, full = full.partition("::")
        name = full.partition(".")[0]
        ready = _READY.match(name) and name not in _BUILT_ON or name in names and (name in _BUILT_ON or name in _ALSO)
        if space == "aten" and ready and name not in allowed:
            yield full


class Fence:
    """Forbids the functions, by name and by kernel. Only one that is to be `lifted` again keeps what stood in their places."""

    def __init__(self, forbidden=(), allowed=(), lifted=False):
        allowed = all_names(allowed)
        self.names, self.closed = all_names(forbidden), [] if lifted else None
        for place in _places() if self.names else ():
            self.close(place)
        for name in list(sys.modules) if self.names else ():
            if name.partition(".")[0] in _LIBRARIES:
                self.close(sys.modules[name])
        for kind in _distributions() if "distributions" not in allowed and self.names else ():
            self._put(kind, "__init__", refusing("torch.distributions", "__init__"))
        self.finder = _finder(self.close if self.names else lambda module: None)
        sys.meta_path.insert(0, self.finder)
        self.kernels = torch.library.Library("aten", "IMPL")
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # that a kernel is overridden
            for name in _kernels(self.names, allowed):
                for key in ("CPU", "AutogradCPU"):
                    self.kernels.impl(name, refusing(f"torch.ops.aten.{name}", name), key)

    def close(self, place):
        full = getattr(place, "__name__", type(place).__name__)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # that a module of SciPy is an old name of another
            found = [name for name in self.names if hasattr(place, name)]
        for name in found:
            self._put(place, name, refusing(f"{full}.{name}", name))

    def _put(self, place, name, refused):
        was = vars(place).get(name, _ABSENT) if hasattr(place, "__dict__") else _ABSENT
        with contextlib.suppress(AttributeError, TypeError):  # what is written in C may not be changed
            setattr(place, name, refused)
            if self.closed is not None:
                self.closed.append((place, name, was))

    def lift(self):
        """Everything as it was, if it was kept."""
        for place, name, was in reversed(self.closed or ()):
            if was is _ABSENT:
                delattr(place, name)
            else:
                setattr(place, name, was)
        self.closed = None
        self.kernels._destroy()
        sys.meta_path.remove(self.finder)


_ABSENT = object()


def _distributions():
    """Each kind: some compute before they call what they come from."""
    found = [torch.distributions.Distribution]
    for kind in found:
        found += kind.__subclasses__()
    return dict.fromkeys(found)


def _places():
    functional = torch.nn.functional
    yield from (torch, torch.Tensor, functional, torch.special, torch.distributions, torch.distributions.kl)
    yield from (torch.distributions.Categorical, torch._C._nn, torch._C._VariableFunctions)
    for name in ("torch._refs", "torch._refs.nn.functional", "torch._refs.special", "torch._decomp.decompositions"):
        if name in sys.modules:
            yield sys.modules[name]


def _finder(close):
    """Closes the modules of other libraries when they are imported. Nothing of the fence hangs on it, where others could find it."""
    busy = set()

    def find_spec(name, path=None, target=None):
        if name in busy or name.partition(".")[0] not in _LIBRARIES:
            return None
        busy.add(name)
        try:
            spec = importlib.util.find_spec(name)
        finally:
            busy.discard(name)
        if spec is not None and spec.loader is not None:
            load = spec.loader.exec_module

            def exec_module(module):
                load(module)
                close(module)

            spec.loader.exec_module = exec_module
        return spec

    return types.SimpleNamespace(find_spec=find_spec)
