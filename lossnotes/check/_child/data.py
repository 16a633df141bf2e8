"""What goes through the pipe: JSON, and tensors as dtype, shape and bytes. Never pickle, which runs what it reads."""

import base64
import ctypes
import math

import torch

from .losses import LOSSES

LARGEST = 4 * 2**20  # bytes of a tensor; the largest here has some hundred
DTYPES = {
    str(dtype).removeprefix("torch."): dtype
    for dtype in (
        *(torch.float64, torch.float32, torch.float16, torch.bfloat16),
        *(torch.int64, torch.int32, torch.int16, torch.int8, torch.uint8, torch.bool),
    )
}


class Nonsense(ValueError):
    """What came through the pipe is not what this module writes."""


def pack(x):
    """A tensor, a number, a text or one of the losses, as JSON takes it."""
    if isinstance(x, torch.Tensor):
        x = x.detach().cpu().contiguous()
        raw = ctypes.string_at(x.data_ptr(), x.numel() * x.element_size()) if x.numel() else b""
        name = str(x.dtype).removeprefix("torch.")
        return {"dtype": name, "shape": list(x.shape), "bytes": base64.b64encode(raw).decode()}
    if callable(x):
        return {"loss": x.__name__}
    return {"plain": x}


def unpack(data):
    """What `pack` made `data` of. Everything is looked at: the other side may send anything."""
    if not isinstance(data, dict):
        raise Nonsense("not an object")
    if "dtype" in data:
        return _tensor(data)
    if "loss" in data:
        return LOSSES[data["loss"]]
    plain = data.get("plain")
    if plain is not None and not isinstance(plain, str | int | float):
        raise Nonsense("neither a tensor nor a number")
    return plain


def _tensor(data):
    dtype, shape = DTYPES.get(data["dtype"]) if isinstance(data["dtype"], str) else None, data.get("shape")
    if dtype is None or not isinstance(shape, list) or len(shape) > 16:
        raise Nonsense("a tensor without a dtype or a shape")
    if not all(type(n) is int and 0 <= n <= LARGEST for n in shape):
        raise Nonsense("a shape that is none")
    try:
        raw = bytearray(base64.b64decode(data.get("bytes", ""), validate=True))
    except (ValueError, TypeError) as error:
        raise Nonsense("bytes that are none") from error
    if len(raw) != math.prod(shape) * torch.empty((), dtype=dtype).element_size():
        raise Nonsense("a tensor with too few or too many bytes")
    if not raw:
        return torch.empty(shape, dtype=dtype)
    if dtype is torch.bool:
        return torch.frombuffer(raw, dtype=torch.uint8).bool().view(shape)
    return torch.frombuffer(raw, dtype=dtype).view(shape)


def packed_result(value):
    """The value of a call, whatever it is: data where it can be data, else the name of what it is."""
    try:
        name = str(type(value).__name__)[:60]
        if isinstance(value, torch.Tensor):
            plain = value.layout is torch.strided and value.device.type == "cpu" and not value.is_quantized and not value.is_nested
            if not plain or str(value.dtype).removeprefix("torch.") not in DTYPES:
                return {"other": f"{name} of {value.layout}, {value.dtype}, on {value.device}"}
            if value.numel() * value.element_size() > LARGEST:
                return {"other": f"{name} of shape {tuple(value.shape)}"[:100]}
            return pack(torch.Tensor.detach(value).as_subclass(torch.Tensor))
        if value is None or isinstance(value, bool):
            return {"plain": None} if value is None else {"other": name}
        if type(value) in (int, float) and abs(value) < 2**63 or type(value) is float:
            return {"plain": value}
        if hasattr(value, "__array__"):
            return {**packed_result(torch.as_tensor(value)), "named": name}
        return {"other": name}
    except BaseException:  # a value may do anything when it is looked at
        return {"other": "value that cannot be read"}
