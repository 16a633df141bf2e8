"""A linear layer and what it takes."""

import torch

from lossnotes._checks.answers import is_floating_tensor, share_a_device


def as_layer(fn, input, linear_weight, linear_bias, target):
    """Features, and a layer that takes them: (H,) or (N, H), (C, H), and (C,) or None; and the dtype of the loss.

    Under ``torch.autocast`` they are brought to its dtype, as ``torch.nn.functional.linear`` does it, and the loss is float32.
    """
    others = {"linear_weight": linear_weight} | ({} if linear_bias is None else {"linear_bias": linear_bias})
    is_floating_tensor(fn, "input", input)
    for name, x in others.items():
        is_floating_tensor(fn, name, x)
    share_a_device(fn, input, **others)
    dtype = input.dtype
    # On meta there is no autocast, and the question whether there is one does not compile on PyTorch 2.11.
    device = input.device.type
    if device != "meta" and torch.is_autocast_enabled(device):
        dtype, low = torch.promote_types(dtype, torch.float32), torch.get_autocast_dtype(device)
        layer = (x if x is None or x.dtype == torch.float64 else x.to(low) for x in (input, linear_weight, linear_bias))
        input, linear_weight, linear_bias = layer
        others = {"linear_weight": linear_weight} | ({} if linear_bias is None else {"linear_bias": linear_bias})
    if input.itemsize == 1:
        raise TypeError(
            f"{fn}: input has dtype {input.dtype}; expected 16 bits or more, in which matrices are multiplied. Try input.float()."
        )
    for name, x in others.items():
        if x.dtype != input.dtype:
            raise TypeError(
                f"{fn}: input has dtype {input.dtype} but {name} has {x.dtype}; expected one dtype. Try {name}.to(input.dtype)."
            )
    shape = tuple(input.shape)
    if input.ndim not in (1, 2):
        flat = "target.flatten(0, -2)" if getattr(target, "ndim", 0) == input.ndim else "target.flatten()"
        fix = f"input.flatten(0, -2) and {flat}" if input.ndim else "input[None]"
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
        n_classes = linear_weight.shape[0]
        fix = f"linear_bias.reshape({n_classes})"
        if linear_bias.numel() != n_classes:
            fix = f"linear_bias=torch.zeros({n_classes}), with your biases for the zeros"
        raise ValueError(
            f"{fn}: linear_bias has shape {tuple(linear_bias.shape)} but linear_weight has {n_classes} classes; "
            f"expected shape ({n_classes},). Try {fix}."
        )
    return (input, linear_weight, linear_bias), dtype
