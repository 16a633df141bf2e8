"""When two results are the same."""

import math

import torch

from lossnotes.check._judge.outcome import Foreign, cast


def as_tensor(value):
    """A number or an array as a tensor; None for everything else, and for what no loss can be."""
    if isinstance(value, torch.Tensor):
        plain = value.layout is torch.strided and not value.is_complex() and not value.is_quantized and value.device.type != "meta"
        return value if plain and not value.is_nested else None
    if isinstance(value, Foreign):
        return value.tensor
    if isinstance(value, bool) or isinstance(value, int) and abs(value) >= 2**63:
        return None
    if hasattr(value, "__array__") or isinstance(value, int | float):
        try:
            return torch.as_tensor(value)
        except Exception:  # negative strides, objects, dates: whatever an array can hold
            return None
    return None


def close(value, expected):
    """Within the rounding of the dtype that came, and of the shape that was expected."""
    value = as_tensor(value)
    if value is None or value.shape != expected.shape:
        return False
    single = torch.float32 in (value.dtype, expected.dtype) or value.element_size() < 4
    value, expected = value.detach().cpu().double(), expected.detach().cpu().double()
    rtol, atol = (1e-4, 1e-6) if single else (1e-5, 1e-8)
    return torch.allclose(value, expected, rtol=rtol, atol=atol, equal_nan=True)


def right(spec, case, got, expected):
    """Whether a call gave what it should, also if it computes in float32: then it is the rounded inputs that count."""
    if not got:
        return False
    if not got.single and close(got.value, expected):
        return True
    value = as_tensor(got.value)
    if value is None or not (got.single or value.dtype == torch.float32):
        return False
    return close(value, spec.reference(*rounded(case.args), **rounded(case.options)))


def rounded(args):
    """The arguments as float32 holds them, in float64."""
    return cast(cast(args, torch.float32), torch.float64)


def slopes_agree(spec, got, expected, rtol=1e-5, atol=1e-8):
    """Whether two lists of gradients agree. Along a distribution, a constant on top makes no difference on the simplex."""
    for a, b in zip(got, expected):
        a, b = a.detach().cpu().double(), b.detach().cpu().double()
        dims = [d for d in spec.simplex if -d <= a.ndim]
        if dims and a.isfinite().all() and b.isfinite().all():
            a, b = a - a.mean(dims, keepdim=True), b - b.mean(dims, keepdim=True)
        if a.shape != b.shape or not torch.allclose(a, b, rtol=rtol, atol=atol, equal_nan=True):
            return False
    return True


def one_for_each(value):
    """The slope to pull back: 1 for a single value, and weights for several, since the plain sum of a softmax has none."""
    if value.ndim == 0:
        return torch.ones_like(value)
    return torch.linspace(1, 2, math.prod(value.shape), dtype=value.dtype, device=value.device).view(value.shape)
