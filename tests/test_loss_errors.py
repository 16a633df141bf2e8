"""What a loss refuses, and how it says so: what was passed, what was expected, the one-line fix."""

import math
import re
from collections import OrderedDict

import numpy as np
import pytest
import torch
from torch._subclasses import FakeTensor, FakeTensorMode
from torch.overrides import TorchFunctionMode

import lossnotes as ln

NAN, INF = float("nan"), float("inf")
T, Z = torch.tensor, torch.zeros
P = T([[0.7, 0.2, 0.1], [0.1, 0.8, 0.1]])
LOG_P = P.log()
RIGHT = T([0, 1])
ONE_HOT = T([[1, 0, 0], [0, 1, 0]])
YES = torch.ones(2)

nll, ce, bce, mse = ln.nll_loss, ln.cross_entropy, ln.binary_cross_entropy_with_logits, ln.mse_loss
hinge, multi = ln.hinge_loss, ln.multiclass_hinge_loss
sfocal, focal = ln.sigmoid_focal_loss, ln.softmax_focal_loss

BCE = "binary_cross_entropy_with_logits"
REDUCTIONS = "expected one of 'mean', 'sum', 'none'. Try reduction="
INDICES = "expected class indices, torch.int64. Try"
IN_01 = "expected a value in [0, 1]. Try"
FROM_0 = "expected a finite number, 0 or more. Try"
A_SHARE = "expected a number from 0 to 1. Try"
PLAIN = (
    "lies in [0, 1] and sums to 1, as probabilities do; expected log-probabilities. "
    "Try input.log(), or cross_entropy on the scores."
)
YOURS = "with your weights for the ones."
SPARSE = "is sparse; expected a dense tensor. Try"
FITS = "expected a shape that broadcasts to that of input. Try"

# (call, exception, the whole message)
BAD_CALLS = [
    (
        lambda: ln.linear_cross_entropy(Z(2, 4), Z(3, 4), RIGHT, weight=torch.ones(2)),
        ValueError,
        "linear_cross_entropy: weight has shape (2,) but input @ linear_weight.T has 3 classes; expected shape (3,), one weight a "
        'class. Try (weight * linear_cross_entropy(input, linear_weight, target, reduction="none")).mean() for a weight of each '
        "example.",
    ),
    (
        lambda: ln.linear_cross_entropy(Z(2, 4), Z(3, 4), RIGHT, linear_bias=Z(3).long()),
        TypeError,
        "linear_cross_entropy: linear_bias has dtype torch.int64; expected floating point. Try linear_bias.float().",
    ),
    (
        lambda: ln.linear_cross_entropy(Z(2, 4), Z(3, 4), RIGHT, linear_bias=Z(3).double()),
        TypeError,
        "linear_cross_entropy: input has dtype torch.float32 but linear_bias has torch.float64; expected one dtype. "
        "Try linear_bias.to(input.dtype).",
    ),
    (
        lambda: ln.linear_cross_entropy(Z(2, 4), Z(3, 4), RIGHT, linear_bias=Z(3, device="meta")),
        ValueError,
        "linear_cross_entropy: input is on cpu but linear_bias is on meta; expected one device. Try linear_bias.to(input.device).",
    ),
    (
        lambda: torch.autocast("cpu", torch.bfloat16)(ln.linear_cross_entropy)(Z(2, 4), Z(3, 4).double(), RIGHT),
        TypeError,
        "linear_cross_entropy: input has dtype torch.bfloat16 but linear_weight has torch.float64; expected one dtype. "
        "Try linear_weight.to(input.dtype).",
    ),
    (
        lambda: torch.autocast("cpu", torch.bfloat16)(ln.linear_cross_entropy)(Z(2, 4), Z(3, 4), RIGHT, linear_bias=Z(3).double()),
        TypeError,
        "linear_cross_entropy: input has dtype torch.bfloat16 but linear_bias has torch.float64; expected one dtype. "
        "Try linear_bias.to(input.dtype).",
    ),
    (
        lambda: ln.linear_cross_entropy(Z(2, 4), Z(3, 4), T([1, 3]), ignore_index=None),
        ValueError,
        "linear_cross_entropy: target[1] is 3; expected a class from 0 to 2. Try target - 1 if the classes count from 1.",
    ),
    (
        lambda: ce(Z(3, 3), T([1, 3, -100])),
        ValueError,
        "cross_entropy: target[1] is 3; expected a class from 0 to 2. "
        "Try torch.where(target == -100, target, target - 1) if the classes count from 1.",
    ),
    (
        lambda: ce(Z(3, 1), T([0, 1, 2])),
        ValueError,
        "cross_entropy: target[1] is 1; expected a class from 0 to 0. Try input with 2 classes.",
    ),
    (
        lambda: ce(Z(3, 1), T([0, 1, -100])),
        ValueError,
        "cross_entropy: target[1] is 1; expected a class from 0 to 0. "
        "Try binary_cross_entropy_with_logits(input.squeeze(1), target.to(input.dtype)) for one score of yes or no.",
    ),
    (
        lambda: ce(Z(2, 3), RIGHT, ignore_index=T(-1.0)),
        TypeError,
        "cross_entropy: ignore_index is a Tensor; expected an integer. Try ignore_index=int(ignore_index).",
    ),
    (
        lambda: ln.information_content(T(-3.0)),
        ValueError,
        "information_content: p is -3; a probability lies in [0, 1]. Try torch.sigmoid(p) if this is a score.",
    ),
    (
        lambda: ln.information_content(T(100.0)),
        ValueError,
        "information_content: p is 100; a probability lies in [0, 1]. Try p / 100 if this is a percentage.",
    ),
    (
        lambda: ln.information_content(T([3, 1], dtype=torch.uint8)),
        ValueError,
        "information_content: p[0] is 3; a probability lies in [0, 1]. "
        "Try p.float() / p.float().sum(dim=-1, keepdim=True) if these are counts.",
    ),
    (
        lambda: ln.entropy(T([0, 0])),
        ValueError,
        "entropy: p sums to 0; a distribution sums to 1. Try (p + 1) / (p + 1).sum(dim=-1, keepdim=True) if these are counts.",
    ),
    (
        lambda: nll(T([[-3.0]]), T([0])),
        ValueError,
        "nll_loss: the exponentials of input[0, :] sum to 0.04979; expected log-probabilities, whose exponentials sum to 1. "
        "Try log_softmax(input, dim=1), if these are scores.",
    ),
    (
        lambda: ln.softmax(YES, 0, dtype=torch.int64),
        TypeError,
        "softmax: dtype is torch.int64; expected a floating-point type. Try dtype=torch.float32.",
    ),
    (
        lambda: ln.log_softmax(YES, 0, dtype=torch.int64),
        TypeError,
        "log_softmax: dtype is torch.int64; expected a floating-point type. Try dtype=torch.float32.",
    ),
    (
        lambda: bce(Z(4, 3), Z(4, 3), pos_weight=torch.ones(3, 1)),
        ValueError,
        f"{BCE}: pos_weight has shape (3, 1) but input has shape (4, 3); {FITS} pos_weight.reshape(-1).",
    ),
    (
        lambda: ln.binary_cross_entropy_with_logits(torch.zeros(2), torch.tensor([0.0, 1.5])),
        ValueError,
        "binary_cross_entropy_with_logits: target[1] is 1.5; expected a value in [0, 1]. Try target / "
        "target.max() if these are on another scale.",
    ),
    (
        lambda: ln.binary_cross_entropy_with_logits(torch.zeros(2), torch.tensor([0.0, -0.3])),
        ValueError,
        "binary_cross_entropy_with_logits: target[1] is -0.3; expected a value in [0, 1]. Try "
        "torch.sigmoid(target) if these are scores.",
    ),
    (
        lambda: ln.binary_cross_entropy_with_logits(torch.zeros(2), torch.tensor([0.0, float("nan")])),
        ValueError,
        "binary_cross_entropy_with_logits: target[1] is nan; expected a value in [0, 1]. Try "
        "target.isnan().nonzero() to find where NaN comes in.",
    ),
    (
        lambda: ln.nll_loss(torch.zeros(1, 2), torch.tensor([0]), ignore_index=1.5),
        TypeError,
        "nll_loss: ignore_index is a float; expected an integer. Try ignore_index=-100.",
    ),
    (
        lambda: ln.cross_entropy(torch.zeros(1, 2), torch.tensor([0]), ignore_index=None),
        TypeError,
        "cross_entropy: ignore_index is a NoneType; expected an integer. Try ignore_index=-100.",
    ),
    (
        lambda: ln.softmax_focal_loss(torch.zeros(1, 2), torch.tensor([0]), ignore_index="a"),
        TypeError,
        "softmax_focal_loss: ignore_index is a str; expected an integer. Try ignore_index=-100.",
    ),
    (
        lambda: ln.nll_loss(torch.tensor([[-1.0, -0.5], [1.0, 0.0]]), torch.tensor([0, 0])),
        ValueError,
        "nll_loss: input[1, :] lies in [0, 1] and sums to 1, as probabilities do; expected log-"
        "probabilities. Try input.log(), or cross_entropy on the scores.",
    ),
    # Every piece of advice for a shape or a sign.
    (
        lambda: ln.hinge_loss(torch.zeros(3), torch.tensor([1, -1, 1 + 0j])),
        TypeError,
        "hinge_loss: target has dtype torch.complex64; expected real numbers, -1 and +1. Try target.real.",
    ),
    (
        lambda: ln.hinge_loss(torch.zeros(3), torch.tensor([True, False, True])),
        TypeError,
        "hinge_loss: target has dtype torch.bool; expected real numbers, -1 and +1. Try 2 * target.float() - 1.",
    ),
    (
        lambda: ln.hinge_loss(torch.zeros(3), torch.tensor([1.0, float("nan"), -1.0])),
        ValueError,
        "hinge_loss: target[1] is nan; expected -1 or +1. Try target.isnan().nonzero() to find where NaN comes in.",
    ),
    (
        lambda: ln.hinge_loss(torch.zeros(3), torch.tensor([1, 0, -1])),
        ValueError,
        "hinge_loss: target[1] is 0; expected -1 or +1. Try input[target != 0] and target[target != 0] if 0 is no answer.",
    ),
    (
        lambda: ln.hinge_loss(torch.zeros(3), torch.tensor([1.0, 1.0, 0.99999])),
        ValueError,
        "hinge_loss: target[2] is 1-1e-05; expected -1 or +1. Try target.sign() if its sign is the answer.",
    ),
    (
        lambda: ln.hinge_loss(torch.zeros(3), torch.tensor([1.0, 1.0, 1.00001])),
        ValueError,
        "hinge_loss: target[2] is 1+1e-05; expected -1 or +1. Try target.sign() if its sign is the answer.",
    ),
    (
        lambda: ln.cross_entropy(torch.zeros(4, 3), torch.full((3, 4), 1 / 3)),
        ValueError,
        "cross_entropy: input has shape (4, 3) but target has shape (3, 4); expected (4, 3) for class "
        "probabilities, (4,) for class indices. Try target.mT.",
    ),
    (
        lambda: ln.cross_entropy(torch.zeros(4, 3), torch.zeros(3, 4, dtype=torch.long)),
        ValueError,
        "cross_entropy: input has shape (4, 3) but target has shape (3, 4); expected class indices of "
        "shape (4,). Try target.argmax(dim=0) for one-hot columns.",
    ),
    (
        lambda: ln.cross_entropy(torch.zeros(2, 3, 5), torch.full((2, 5, 3), 1 / 3)),
        ValueError,
        "cross_entropy: input has shape (2, 3, 5) but target has shape (2, 5, 3); expected (2, 3, 5) for"
        " class probabilities, (2, 5) for class indices. Try target.movedim(-1, 1).",
    ),
    (
        lambda: ln.cross_entropy(torch.zeros(2, 3, 5), torch.zeros(2, 5, 3, dtype=torch.long)),
        ValueError,
        "cross_entropy: input has shape (2, 3, 5) but target has shape (2, 5, 3); expected class indices"
        " of shape (2, 5). Try target.argmax(dim=-1) for one-hot rows.",
    ),
    (
        lambda: ln.cross_entropy(torch.zeros(4, 3), torch.zeros(2, 2, dtype=torch.long)),
        ValueError,
        "cross_entropy: input has shape (4, 3) but target has shape (2, 2); expected class indices of "
        "shape (4,). Try target.reshape((4,)).",
    ),
    (
        lambda: ln.nll_loss(torch.zeros(4, 3), torch.zeros(2, 2)),
        TypeError,
        "nll_loss: target has dtype torch.float32; expected class indices, torch.int64. Try target.reshape((4,)).long().",
    ),
    (
        lambda: ln.nll_loss(torch.zeros(4, 3), torch.zeros(1, 3, dtype=torch.long)),
        ValueError,
        "nll_loss: input has shape (4, 3) but target has shape (1, 3); expected class indices of shape "
        "(4,). Try target of shape (4,).",
    ),
    (
        lambda: ln.softmax(OrderedDict(), 0),
        TypeError,
        "softmax: input is an OrderedDict; expected a tensor. Try torch.as_tensor(input).",
    ),
    # Shapes that would broadcast.
    (
        lambda: mse(Z(8), Z(8, 1)),
        ValueError,
        "mse_loss: input has shape (8,) but target has shape (8, 1); they would broadcast to (8, 8). Try target.squeeze(1).",
    ),
    (
        lambda: mse(Z(8, 1), Z(8)),
        ValueError,
        "mse_loss: input has shape (8, 1) but target has shape (8,); they would broadcast to (8, 8). Try input.squeeze(1).",
    ),
    (
        lambda: mse(Z(4), Z(1, 4)),
        ValueError,
        "mse_loss: input has shape (4,) but target has shape (1, 4); they would broadcast to (1, 4). Try target.squeeze(0).",
    ),
    (
        lambda: bce(Z(1, 4), Z(4)),
        ValueError,
        f"{BCE}: input has shape (1, 4) but target has shape (4,); they would broadcast to (1, 4). Try input.squeeze(0).",
    ),
    (
        lambda: hinge(Z(4, 1), T([1, -1, 1, -1])),
        ValueError,
        "hinge_loss: input has shape (4, 1) but target has shape (4,); they would broadcast to (4, 4). Try input.squeeze(1).",
    ),
    (
        lambda: sfocal(Z(2, 5, 1), Z(2, 5)),
        ValueError,
        "sigmoid_focal_loss: input has shape (2, 5, 1) but target has shape (2, 5); expected the same shape. Try input.squeeze(2).",
    ),
    (
        lambda: sfocal(Z(4, 1), Z(1, 4)),
        ValueError,
        "sigmoid_focal_loss: input has shape (4, 1) but target has shape (1, 4); they would broadcast to (4, 4). "
        "Try target.reshape(input.shape).",
    ),
    (
        lambda: mse(Z(4, 3), Z(3)),
        ValueError,
        "mse_loss: input has shape (4, 3) but target has shape (3,); they would broadcast to (4, 3). "
        "Try target.expand_as(input) if that is meant.",
    ),
    (
        lambda: mse(Z(4), Z(())),
        ValueError,
        "mse_loss: input has shape (4,) but target has shape (); they would broadcast to (4,). "
        "Try target.expand_as(input) if that is meant.",
    ),
    (
        lambda: hinge(Z(()), T([1, -1])),
        ValueError,
        "hinge_loss: input has shape () but target has shape (2,); they would broadcast to (2,). Try input.expand_as(target).",
    ),
    # Shapes that would not.
    (
        lambda: mse(Z(4), Z(5)),
        ValueError,
        "mse_loss: input has shape (4,) but target has shape (5,); expected the same shape. "
        "Try target[: len(input)] if they are in the same order.",
    ),
    (
        lambda: bce(Z(4, 2), Z(5, 2)),
        ValueError,
        f"{BCE}: input has shape (4, 2) but target has shape (5, 2); expected the same shape. "
        "Try target[: len(input)] if they are in the same order.",
    ),
    (
        lambda: mse(Z(2, 3), Z(6)),
        ValueError,
        "mse_loss: input has shape (2, 3) but target has shape (6,); expected the same shape. Try target.reshape(input.shape).",
    ),
    (
        lambda: mse(Z(0, 3), Z(0)),
        ValueError,
        "mse_loss: input has shape (0, 3) but target has shape (0,); expected the same shape. Try target.reshape(input.shape).",
    ),
    # Not tensors, or not of floats.
    (lambda: mse([1.0], Z(1)), TypeError, "mse_loss: input is a list; expected a tensor. Try torch.as_tensor(input)."),
    (lambda: bce(Z(1), 1.0), TypeError, f"{BCE}: target is a float; expected a tensor. Try torch.as_tensor(target)."),
    (
        lambda: sfocal(np.zeros(1), Z(1)),
        TypeError,
        "sigmoid_focal_loss: input is a ndarray; expected a tensor. Try torch.as_tensor(input).",
    ),
    (
        lambda: hinge(Z(2), [1, -1]),
        TypeError,
        "hinge_loss: target is a list; expected a tensor. Try torch.as_tensor(target).",
    ),
    (
        lambda: hinge((0.0, 1.0), T([1, -1])),
        TypeError,
        "hinge_loss: input is a tuple; expected a tensor. Try torch.as_tensor(input).",
    ),
    (
        lambda: nll(LOG_P, [0, 1]),
        TypeError,
        "nll_loss: target is a list; expected a tensor. Try torch.as_tensor(target).",
    ),
    (
        lambda: ce([[0.0, 1.0]], T([0])),
        TypeError,
        "cross_entropy: input is a list; expected a tensor. Try torch.as_tensor(input).",
    ),
    (
        lambda: multi(LOG_P, 1),
        TypeError,
        "multiclass_hinge_loss: target is an int; expected a tensor. Try torch.as_tensor(target).",
    ),
    (
        lambda: focal(None, RIGHT),
        TypeError,
        "softmax_focal_loss: input is a NoneType; expected a tensor. Try torch.as_tensor(input).",
    ),
    (
        lambda: mse(Z(2), T([1, 2])),
        TypeError,
        "mse_loss: target has dtype torch.int64; expected floating point. Try target.float().",
    ),
    (
        lambda: bce(Z(2), T([1, 0])),
        TypeError,
        f"{BCE}: target has dtype torch.int64; expected floating point. Try target.float().",
    ),
    (
        lambda: sfocal(Z(2), T([True, False])),
        TypeError,
        "sigmoid_focal_loss: target has dtype torch.bool; expected floating point. Try target.float().",
    ),
    (
        lambda: mse(Z(2) * 1j, Z(2)),
        TypeError,
        "mse_loss: input has dtype torch.complex64; expected floating point. Try input.real.",
    ),
    (
        lambda: hinge(T([1, 2]), YES),
        TypeError,
        "hinge_loss: input has dtype torch.int64; expected floating point. Try input.float().",
    ),
    (
        lambda: ce(RIGHT, RIGHT),
        TypeError,
        "cross_entropy: input has dtype torch.int64; expected floating point. Try input.float().",
    ),
    (
        lambda: multi(LOG_P > 0, RIGHT),
        TypeError,
        "multiclass_hinge_loss: input has dtype torch.bool; expected floating point. Try input.float().",
    ),
    # Class indices of a wrong dtype.
    (lambda: nll(LOG_P, YES), TypeError, f"nll_loss: target has dtype torch.float32; {INDICES} target.long()."),
    (lambda: ce(LOG_P, YES), TypeError, f"cross_entropy: target has dtype torch.float32; {INDICES} target.long()."),
    (
        lambda: multi(LOG_P, P),
        TypeError,
        f"multiclass_hinge_loss: target has dtype torch.float32; {INDICES} target.argmax(dim=1).",
    ),
    (
        lambda: focal(LOG_P[0], P[0]),
        TypeError,
        f"softmax_focal_loss: target has dtype torch.float32; {INDICES} target.argmax(dim=0).",
    ),
    (lambda: ce(LOG_P, YES > 0), TypeError, f"cross_entropy: target has dtype torch.bool; {INDICES} target.long()."),
    (
        lambda: ce(LOG_P, ONE_HOT * (1 + 0j)),
        TypeError,
        f"cross_entropy: target has dtype torch.complex64; {INDICES} target.real.long().argmax(dim=1) for one-hot rows.",
    ),
    # Class indices of a wrong shape.
    (
        lambda: ce(LOG_P, ONE_HOT),
        ValueError,
        "cross_entropy: input has shape (2, 3) but target has shape (2, 3); expected class indices of shape (2,). "
        "Try target.argmax(dim=1) for one-hot rows.",
    ),
    (
        lambda: nll(LOG_P[0], ONE_HOT[0]),
        ValueError,
        "nll_loss: input has shape (3,) but target has shape (3,); expected class indices of shape (). "
        "Try target.argmax(dim=0) for one-hot rows.",
    ),
    (
        lambda: focal(LOG_P, RIGHT[:, None]),
        ValueError,
        "softmax_focal_loss: input has shape (2, 3) but target has shape (2, 1); expected class indices of shape (2,). "
        "Try target.squeeze(1).",
    ),
    (
        lambda: multi(LOG_P, RIGHT[None]),
        ValueError,
        "multiclass_hinge_loss: input has shape (2, 3) but target has shape (1, 2); expected class indices of shape "
        "(2,). Try target.squeeze(0).",
    ),
    (
        lambda: nll(LOG_P[0], RIGHT[:1]),
        ValueError,
        "nll_loss: input has shape (3,) but target has shape (1,); expected class indices of shape (). Try target.squeeze(0).",
    ),
    (
        lambda: ce(Z(2, 3, 4), Z(8).long()),
        ValueError,
        "cross_entropy: input has shape (2, 3, 4) but target has shape (8,); expected class indices of shape (2, 4). "
        "Try target.reshape((2, 4)).",
    ),
    (
        lambda: ce(T(0.0), T(0)),
        ValueError,
        "cross_entropy: input is a single number; expected shape (C,), (N, C) or (N, C, ...). Try input[None].",
    ),
    # No such class.
    (
        lambda: nll(LOG_P, T([0, 3])),
        ValueError,
        "nll_loss: target[1] is 3; expected a class from 0 to 2. Try input with 4 classes.",
    ),
    (
        lambda: ce(LOG_P, T([1, 3])),
        ValueError,
        "cross_entropy: target[1] is 3; expected a class from 0 to 2. Try target - 1 if the classes count from 1.",
    ),
    (
        lambda: multi(LOG_P[0], T(3)),
        ValueError,
        "multiclass_hinge_loss: target is 3; expected a class from 0 to 2. Try target - 1 if the classes count from 1.",
    ),
    (
        lambda: focal(LOG_P, T([9, 7])),
        ValueError,
        "softmax_focal_loss: target[0] is 9; expected a class from 0 to 2. Try input with 10 classes.",
    ),
    (
        lambda: ce(Z(2, 3, 4), T([[0, 1, 2, 0], [0, 1, 5, 8]])),
        ValueError,
        "cross_entropy: target[1, 2] is 5; expected a class from 0 to 2. Try input with 6 classes.",
    ),
    (
        lambda: nll(LOG_P, T([0, -1])),
        ValueError,
        "nll_loss: target[1] is -1; expected a class from 0 to 2. Try ignore_index=-1 if such targets should not count.",
    ),
    (
        lambda: focal(LOG_P, T([-100, 1]), ignore_index=-1),
        ValueError,
        "softmax_focal_loss: target[0] is -100; expected a class from 0 to 2. "
        "Try ignore_index=-100 if such targets should not count.",
    ),
    # Probabilities where logarithms are meant.
    (lambda: nll(P, RIGHT), ValueError, f"nll_loss: input[0, :] {PLAIN}"),
    (lambda: nll(P[0], T(0)), ValueError, f"nll_loss: input[:] {PLAIN}"),
    (lambda: nll(torch.stack([LOG_P[0], P[1]]), RIGHT), ValueError, f"nll_loss: input[1, :] {PLAIN}"),
    (
        lambda: nll(torch.stack([LOG_P, P], dim=2), Z(2, 2).long()),
        ValueError,
        f"nll_loss: input[0, :, 1] {PLAIN}",
    ),
    (lambda: nll(P.bfloat16(), RIGHT), ValueError, f"nll_loss: input[0, :] {PLAIN}"),
    # Class probabilities that are none.
    (
        lambda: ce(LOG_P, LOG_P),
        ValueError,
        "cross_entropy: target[0, 0] is -0.3567; a probability lies in [0, 1]. "
        "Try torch.softmax(target, dim=1) if these are scores.",
    ),
    (
        lambda: ce(LOG_P[0], T([0.0, 3.0, 1.0])),
        ValueError,
        "cross_entropy: target[1] is 3; a probability lies in [0, 1]. "
        "Try target / target.sum(dim=0, keepdim=True) if these are counts.",
    ),
    (
        lambda: ce(LOG_P, T([[1, 0, 0], [NAN, 1, 0]])),
        ValueError,
        "cross_entropy: target[1, 0] is nan; a probability lies in [0, 1]. "
        "Try target.isnan().nonzero() to find where NaN comes in.",
    ),
    (
        lambda: ce(LOG_P, P, ignore_index=0),
        ValueError,
        "cross_entropy: ignore_index is 0 but target has dtype torch.float32; expected class indices with it. "
        "Try target.argmax(dim=1).",
    ),
    # Answers that are neither yes nor no.
    (
        lambda: bce(Z(2), T([1.0, -1.0])),
        ValueError,
        f"{BCE}: target[1] is -1; {IN_01} (target + 1) / 2 for targets of -1 and +1.",
    ),
    (
        lambda: sfocal(Z(2), T([-1.0, -1.0])),
        ValueError,
        f"sigmoid_focal_loss: target[0] is -1; {IN_01} (target + 1) / 2 for targets of -1 and +1.",
    ),
    (
        lambda: bce(Z(1, 2), T([[0.5, -5e-5]])),
        ValueError,
        f"{BCE}: target[0, 1] is -5e-05; {IN_01} target.clamp(0, 1) if this is rounding.",
    ),
    (
        lambda: sfocal(Z(()), T(-1e-6)),
        ValueError,
        f"sigmoid_focal_loss: target is -1e-06; {IN_01} target.clamp(0, 1) if this is rounding.",
    ),
    (
        lambda: hinge(Z(2), T([1, 0])),
        ValueError,
        "hinge_loss: target[1] is 0; expected -1 or +1. Try 2 * target - 1 for targets of 0 and 1.",
    ),
    (
        lambda: hinge(Z(2), T([-1.0, 0.5])),
        ValueError,
        "hinge_loss: target[1] is 0.5; expected -1 or +1. Try target.sign() if its sign is the answer.",
    ),
    # Devices.
    *(
        (
            call,
            ValueError,
            f"{fn}: input is on cpu but {name} is on meta; expected one device. Try {name}.to(input.device).",
        )
        for fn, name, call in [
            ("mse_loss", "target", lambda: mse(Z(2), Z(2, device="meta"))),
            ("hinge_loss", "target", lambda: hinge(Z(2), Z(2, device="meta"))),
            ("nll_loss", "target", lambda: nll(LOG_P, RIGHT.to("meta"))),
            ("softmax_focal_loss", "weight", lambda: focal(LOG_P, RIGHT, Z(3, device="meta"))),
            (BCE, "pos_weight", lambda: bce(Z(2), YES, pos_weight=Z(2, device="meta"))),
        ]
    ),
    # Weights.
    (
        lambda: nll(LOG_P, RIGHT, Z(2)),
        ValueError,
        "nll_loss: weight has shape (2,) but input has 3 classes; expected shape (3,), one weight a class. "
        'Try (weight * nll_loss(input, target, reduction="none")).mean() for a weight of each example.',
    ),
    (
        lambda: focal(LOG_P, RIGHT, Z(1, 3)),
        ValueError,
        "softmax_focal_loss: weight has shape (1, 3) but input has 3 classes; expected shape (3,), one weight a class. "
        "Try weight.flatten().",
    ),
    (
        lambda: ce(LOG_P[0], T(0), Z(())),
        ValueError,
        "cross_entropy: weight has shape () but input has 3 classes; expected shape (3,), one weight a class. "
        'Try (weight * cross_entropy(input, target, reduction="none")).mean() for a weight of each example.',
    ),
    (
        lambda: ce(LOG_P, P, [1.0, 2.0, 3.0]),
        TypeError,
        "cross_entropy: weight is a list; expected a tensor. Try torch.as_tensor(weight).",
    ),
    (
        lambda: focal(LOG_P, RIGHT, T([1, 2, 3])),
        TypeError,
        "softmax_focal_loss: weight has dtype torch.int64; expected floating point. Try weight.float().",
    ),
    (
        lambda: bce(Z(2), YES, pos_weight=3.0),
        TypeError,
        f"{BCE}: pos_weight is a float; expected a tensor. Try torch.as_tensor(pos_weight).",
    ),
    (
        lambda: bce(Z(2, 3), Z(2, 3), pos_weight=Z(4)),
        ValueError,
        f"{BCE}: pos_weight has shape (4,) but input has shape (2, 3); {FITS} pos_weight=torch.ones(3), {YOURS}",
    ),
    (
        lambda: bce(Z(2), YES, pos_weight=Z(3, 2)),
        ValueError,
        f"{BCE}: pos_weight has shape (3, 2) but input has shape (2,); {FITS} pos_weight=torch.ones(2), {YOURS}",
    ),
    (
        lambda: bce(Z(2), YES, Z(3)),
        ValueError,
        f"{BCE}: weight has shape (3,) but input has shape (2,); {FITS} weight=torch.ones(2), {YOURS}",
    ),
    # Numbers.
    *(
        (
            lambda loss=loss, name=name, x=x: loss(x),
            kind,
            f"{fn}: {name} is {said}; {wanted} {name}={own or fix}.".format(name=name),
        )
        for fn, name, loss, wanted, fix in [
            ("hinge_loss", "margin", lambda x: hinge(Z(2), YES, margin=x), FROM_0, "1.0"),
            ("multiclass_hinge_loss", "margin", lambda x: multi(LOG_P, RIGHT, margin=x), FROM_0, "1.0"),
            ("sigmoid_focal_loss", "gamma", lambda x: sfocal(Z(2), YES, gamma=x), FROM_0, "1.0"),
            ("softmax_focal_loss", "gamma", lambda x: focal(LOG_P, RIGHT, gamma=x), FROM_0, "1.0"),
            ("sigmoid_focal_loss", "alpha", lambda x: sfocal(Z(2), YES, alpha=x), A_SHARE, "0.1"),
            ("cross_entropy", "label_smoothing", lambda x: ce(LOG_P, RIGHT, label_smoothing=x), A_SHARE, "0.1"),
        ]
        for x, kind, said, wanted, own in [
            (-0.5, ValueError, "-0.5", wanted, None),
            (NAN, ValueError, "nan", wanted, None),
            (INF, ValueError, "inf", wanted, None),
            ("1", TypeError, "a str", "expected a number. Try", None),
            (True, TypeError, "a bool", "expected a number. Try", None),
            (T(0.5), TypeError, "a Tensor", "expected a number. Try", "{name}.item()"),
        ]
    ),
    (lambda: sfocal(Z(2), YES, alpha=1.01), ValueError, f"sigmoid_focal_loss: alpha is 1.01; {A_SHARE} alpha=0.1."),
    (
        lambda: ce(LOG_P, P, label_smoothing=2),
        ValueError,
        f"cross_entropy: label_smoothing is 2; {A_SHARE} label_smoothing=0.1.",
    ),
    (
        lambda: hinge(Z(2), YES, margin=None),
        TypeError,
        "hinge_loss: margin is a NoneType; expected a number. Try margin=1.0.",
    ),
    # Weights of each number, and of channels.
    (
        lambda: bce(Z(3, 3, 2), Z(3, 3, 2), pos_weight=torch.ones(3)),
        ValueError,
        f"binary_cross_entropy_with_logits: pos_weight has shape (3,) but input has shape (3, 3, 2); {FITS} pos_weight.view(-1, 1).",
    ),
    (
        lambda: mse(Z(2), Z(2), weight=[1.0, 2.0]),
        TypeError,
        "mse_loss: weight is a list; expected a tensor. Try torch.as_tensor(weight).",
    ),
    (
        lambda: mse(Z(2), Z(2), weight=T([1, 2])),
        TypeError,
        "mse_loss: weight has dtype torch.int64; expected floating point. Try weight.float().",
    ),
    (
        lambda: mse(Z(2), Z(2), weight=Z(2).to("meta")),
        ValueError,
        "mse_loss: input is on cpu but weight is on meta; expected one device. Try weight.to(input.device).",
    ),
    (
        lambda: mse(Z(2, 1), Z(2, 1), weight=torch.ones(2)),
        ValueError,
        "mse_loss: weight has shape (2,) but input has shape (2, 1); expected the same shape. Try weight.reshape(input.shape).",
    ),
    (
        lambda: mse(Z(4, 3), Z(4, 3), weight=torch.ones(4)),
        ValueError,
        "mse_loss: weight has shape (4,) but input has shape (4, 3); expected the same shape. Try "
        "weight.reshape(-1, 1).expand_as(input).",
    ),
    (
        lambda: mse(Z(4, 3, 2), Z(4, 3, 2), weight=torch.ones(4)),
        ValueError,
        "mse_loss: weight has shape (4,) but input has shape (4, 3, 2); expected the same shape. Try "
        "weight.reshape(-1, 1, 1).expand_as(input).",
    ),
    (
        lambda: mse(Z(4, 3), Z(4, 3), weight=torch.ones(3)),
        ValueError,
        "mse_loss: weight has shape (3,) but input has shape (4, 3); expected the same shape. Try weight.expand_as(input).",
    ),
    (
        lambda: mse(Z(3, 3), Z(3, 3), weight=torch.ones(3)),
        ValueError,
        "mse_loss: weight has shape (3,) but input has shape (3, 3); expected the same shape. Try weight.expand_as(input).",
    ),
    (
        lambda: mse(Z(3, 4, 3), Z(3, 4, 3), weight=torch.ones(3)),
        ValueError,
        "mse_loss: weight has shape (3,) but input has shape (3, 4, 3); expected the same shape. Try weight.expand_as(input).",
    ),
    (
        lambda: mse(Z(4, 3), Z(4, 3), weight=torch.ones(5)),
        ValueError,
        "mse_loss: weight has shape (5,) but input has shape (4, 3); expected the same shape. Try "
        "weight=torch.ones_like(input), with your weights for the ones.",
    ),
    (
        lambda: bce(Z(2, 3, 8, 8), Z(2, 3, 8, 8), pos_weight=torch.ones(3)),
        ValueError,
        "binary_cross_entropy_with_logits: pos_weight has shape (3,) but input has shape (2, 3, 8, 8); "
        "expected a shape that broadcasts to that of input. Try pos_weight.view(-1, 1, 1).",
    ),
    (
        lambda: bce(Z(5, 3), Z(5, 3), torch.ones(5)),
        ValueError,
        "binary_cross_entropy_with_logits: weight has shape (5,) but input has shape (5, 3); expected a "
        "shape that broadcasts to that of input. Try weight.view(-1, 1).",
    ),
    (
        lambda: bce(Z(2, 3), Z(2, 3), torch.ones(6)),
        ValueError,
        "binary_cross_entropy_with_logits: weight has shape (6,) but input has shape (2, 3); expected a "
        "shape that broadcasts to that of input. Try weight.reshape(input.shape).",
    ),
    (
        lambda: bce(Z(2, 3, 4, 5), Z(2, 3, 4, 5), torch.ones(4)),
        ValueError,
        "binary_cross_entropy_with_logits: weight has shape (4,) but input has shape (2, 3, 4, 5); "
        "expected a shape that broadcasts to that of input. Try weight.view(-1, 1).",
    ),
    (
        lambda: bce(Z(2, 3, 4, 5), Z(2, 3, 4, 5), torch.ones(7)),
        ValueError,
        "binary_cross_entropy_with_logits: weight has shape (7,) but input has shape (2, 3, 4, 5); "
        "expected a shape that broadcasts to that of input. Try weight=torch.ones(3, 1, 1), with your "
        "weights for the ones.",
    ),
    (
        lambda: bce(Z(2), Z(2), pos_weight=T([True, False])),
        TypeError,
        "binary_cross_entropy_with_logits: pos_weight has dtype torch.bool; expected floating point. Try pos_weight.float().",
    ),
    (
        lambda: bce(Z(2), Z(2), pos_weight=T([1j, 0])),
        TypeError,
        "binary_cross_entropy_with_logits: pos_weight has dtype torch.complex64; expected floating point. Try pos_weight.real.",
    ),
    (
        lambda: ce(Z(4, 3), T([0, 1, 2, 0]), weight=torch.ones(1)),
        ValueError,
        "cross_entropy: weight has shape (1,) but input has 3 classes; expected shape (3,), one weight a "
        "class. Try weight.expand(3).",
    ),
    (
        lambda: ce(Z(4, 3), T([0, 1, 2, 0]), weight=torch.ones(7)),
        ValueError,
        "cross_entropy: weight has shape (7,) but input has 3 classes; expected shape (3,), one weight a "
        "class. Try weight=torch.ones(3), with your weights for the ones.",
    ),
    (
        lambda: focal(Z(4, 3), T([0, 1, 2, 0]), weight=torch.ones(4)),
        ValueError,
        "softmax_focal_loss: weight has shape (4,) but input has 3 classes; expected shape (3,), one "
        'weight a class. Try (weight * softmax_focal_loss(input, target, reduction="none")).mean() for a '
        "weight of each example.",
    ),
    (
        lambda: ce(Z(2, 7, 3), T([[0] * 7] * 2)),
        ValueError,
        "cross_entropy: input has shape (2, 7, 3) but target has shape (2, 7); expected class indices of "
        "shape (2, 3). Try input.movedim(-1, 1).",
    ),
    (
        lambda: ce(Z(4, 1), T([0, 1, 1, 0])),
        ValueError,
        "cross_entropy: target[1] is 1; expected a class from 0 to 0. Try "
        "binary_cross_entropy_with_logits(input.squeeze(1), target.to(input.dtype)) for one score of yes "
        "or no.",
    ),
    (
        lambda: ce(Z(1), T(1)),
        ValueError,
        "cross_entropy: target is 1; expected a class from 0 to 0. Try "
        "binary_cross_entropy_with_logits(input.squeeze(0), target.to(input.dtype)) for one score of yes "
        "or no.",
    ),
    (
        lambda: focal(Z(4, 1), T([0, 1, 1, 0])),
        ValueError,
        "softmax_focal_loss: target[1] is 1; expected a class from 0 to 0. Try "
        "sigmoid_focal_loss(input.squeeze(1), target.to(input.dtype)) for one score of yes or no.",
    ),
    (
        lambda: multi(Z(4, 1), T([0, 1, 1, 0])),
        ValueError,
        "multiclass_hinge_loss: target[1] is 1; expected a class from 0 to 0. Try "
        "hinge_loss(input.squeeze(1), 2 * target - 1) for one score of yes or no.",
    ),
    (
        lambda: sfocal(Z(2), YES, alpha=-1),
        ValueError,
        "sigmoid_focal_loss: alpha is -1; expected a number from 0 to 1, or None for no weights. Try alpha=None.",
    ),
    (
        lambda: sfocal(Z(2), YES, alpha=[0.1, 0.9]),
        TypeError,
        "sigmoid_focal_loss: alpha is a list; expected a number, the weight of yes. Try alpha=alpha[1] "
        "for the weight of yes, or softmax_focal_loss(input, target, weight=torch.as_tensor(alpha)) for "
        "weights of classes.",
    ),
    (
        lambda: sfocal(Z(2), YES, alpha=T([0.1, 0.2, 0.7])),
        TypeError,
        "sigmoid_focal_loss: alpha is a Tensor; expected a number, the weight of yes. Try "
        "softmax_focal_loss(input, target, weight=torch.as_tensor(alpha)) for weights of classes.",
    ),
    (
        lambda: ce(LOG_P, RIGHT, ignore_index=T(0)),
        TypeError,
        "cross_entropy: ignore_index is a Tensor; expected an integer. Try ignore_index=ignore_index.item().",
    ),
    (
        lambda: nll(T([[5.0, 1.0, -2.0]]), T([0])),
        ValueError,
        "nll_loss: the exponentials of input[0, :] sum to 151.3; expected log-probabilities, whose "
        "exponentials sum to 1. Try log_softmax(input, dim=1), if these are scores.",
    ),
    # Reduction.
    *(
        (lambda loss=loss, x=x: loss(x), ValueError, f"{fn}: reduction is {x!r}; {REDUCTIONS}'mean'.")
        for fn, loss, x in [
            ("nll_loss", lambda x: nll(LOG_P, RIGHT, reduction=x), "average"),
            ("cross_entropy", lambda x: ce(LOG_P, RIGHT, reduction=x), "Mean"),
            (BCE, lambda x: bce(Z(2), YES, reduction=x), "batchmean"),
            ("mse_loss", lambda x: mse(Z(2), YES, reduction=x), ["mean"]),
            ("hinge_loss", lambda x: hinge(Z(2), YES, reduction=x), True),
            ("multiclass_hinge_loss", lambda x: multi(LOG_P, RIGHT, reduction=x), ""),
            ("sigmoid_focal_loss", lambda x: sfocal(Z(2), YES, reduction=x), ("sum",)),
            ("softmax_focal_loss", lambda x: focal(LOG_P, RIGHT, reduction=x), 0),
        ]
    ),
    (
        lambda: mse(Z(2, 3), Z(3, 2)),
        ValueError,
        "mse_loss: input has shape (2, 3) but target has shape (3, 2); expected the same shape. Try target.mT.",
    ),
    (
        lambda: mse(Z(2, 3, 4), Z(4, 3, 2)),
        ValueError,
        "mse_loss: input has shape (2, 3, 4) but target has shape (4, 3, 2); expected the same shape. "
        "Try target.permute(*reversed(range(target.ndim))).",
    ),
    (
        lambda: multi(Z(2, 3), T([0, -1])),
        ValueError,
        "multiclass_hinge_loss: target[1] is -1; expected a class from 0 to 2. "
        "Try input[target >= 0] and target[target >= 0] if such targets should not count.",
    ),
    (
        lambda: ce(Z(2, 0), RIGHT),
        ValueError,
        "cross_entropy: target[0] is 0; expected no target, as input has no class. Try input with 1 classes.",
    ),
    (
        lambda: multi(Z(2, 0), RIGHT),
        ValueError,
        "multiclass_hinge_loss: target[0] is 0; expected no target, as input has no class. Try input with 1 classes.",
    ),
    (
        lambda: bce(Z(2), T([0.0, 1 + 1e-5])),
        ValueError,
        f"{BCE}: target[1] is 1+1e-05; {IN_01} target.clamp(0, 1) if this is rounding.",
    ),
    (
        lambda: bce(Z(2), T([INF, 1.0])),
        ValueError,
        f"{BCE}: target[0] is inf; {IN_01} target.isposinf().nonzero() to find where inf comes in.",
    ),
    (
        lambda: ce(Z(1, 2), T([[0.0, INF]])),
        ValueError,
        "cross_entropy: target[0, 1] is inf; a probability lies in [0, 1]. "
        "Try target.isposinf().nonzero() to find where inf comes in.",
    ),
    (
        lambda: ce(Z(2, 3), T([0, 1]), ignore_index=2**63),
        ValueError,
        "cross_entropy: ignore_index is 9223372036854775808; expected an integer that int64 holds. Try ignore_index=-100.",
    ),
    (
        lambda: nll(LOG_P, RIGHT, ignore_index=-(2**63) - 1),
        ValueError,
        "nll_loss: ignore_index is -9223372036854775809; expected an integer that int64 holds. Try ignore_index=-100.",
    ),
    (lambda: mse(Z(2).to_sparse(), Z(2)), TypeError, f"mse_loss: input {SPARSE} input.to_dense()."),
    (lambda: mse(Z(2, 2), Z(2, 2).to_sparse()), TypeError, f"mse_loss: target {SPARSE} target.to_dense()."),
    (lambda: ce(LOG_P, RIGHT.to_sparse()), TypeError, f"cross_entropy: target {SPARSE} target.to_dense()."),
    (lambda: hinge(YES, T([1, -1]).to_sparse()), TypeError, f"hinge_loss: target {SPARSE} target.to_dense()."),
    (lambda: bce(YES, YES, T([1, 2]).to_sparse()), TypeError, f"{BCE}: weight {SPARSE} weight.to_dense()."),
    (
        lambda: ln.linear_cross_entropy(*(Z(3, 3).to(torch.float8_e5m2),) * 2, RIGHT),
        TypeError,
        "linear_cross_entropy: input has dtype torch.float8_e5m2; expected 16 bits or more, in which matrices are multiplied. "
        "Try input.float().",
    ),
    (
        lambda: ce(Z(2, 3), T([-1, -100])),
        ValueError,
        "cross_entropy: target[0] is -1; expected a class from 0 to 2. "
        "Try torch.where(target == -1, -100, target) if such targets should not count.",
    ),
]


def refusal(call, *args, **options):
    with pytest.raises((TypeError, ValueError)) as caught:
        call(*args, **options)
    return caught.value


@pytest.mark.parametrize("call, exception, message", BAD_CALLS, ids=range(len(BAD_CALLS)))
def test_message(call, exception, message):
    error = refusal(call)
    assert (type(error), str(error)) == (exception, message)
    assert error.__suppress_context__ or error.__context__ is None, "two tracebacks where one will do"


def test_no_reduction_is_refused():
    message = str(refusal(mse, Z(2), Z(2), reduction=None))
    assert message.startswith(f"mse_loss: reduction is None; {REDUCTIONS}")


@pytest.mark.parametrize(
    "call, not_said",
    [
        (lambda: bce(Z(1), T([1.00001])), r"target\[0\] is 1;"),
        (lambda: hinge(Z(1), T([1.00001])), r"target\[0\] is 1;"),
        # Rounding does not make 255, nor a missing value: pixels and holes in the data are no 0 or 1.
        (lambda: bce(Z(2), T([0.0, 255.0])), "rounding"),
        (lambda: bce(Z(2), T([0.0, NAN])), r"rounding|clamp"),
        (lambda: hinge(Z(2), T([1.0, NAN])), r"sign\(\)"),
        (lambda: hinge(Z(3), T([-1, 0, 1])), r"target\.sign\(\)"),  # the sign of 0 is 0
        (lambda: multi(LOG_P, T([0, -100])), r"clamp"),  # would train for class 0
        (lambda: ce(Z(2, 0), RIGHT), r"clamp|to -1"),
    ],
)
def test_no_message_misleads(call, not_said):
    assert not re.search(not_said, str(refusal(call)))


# --- what must not pass in silence


def test_an_unsigned_index_is_not_taken_for_a_negative_one():
    """-100 as uint8 is 156: among 200 classes, that one must count."""
    z = (torch.arange(400.0).reshape(2, 200) / 100).log_softmax(1)
    target = T([156, 3])
    for loss in (nll, ce, focal):
        assert torch.equal(loss(z, target.byte()), loss(z, target))
    for loss in (nll, ce, focal):
        with pytest.raises(ValueError, match=r"target\[0\] is 156; expected a class from 0 to 2"):
            loss(LOG_P, target.byte() % 157)


def test_an_unsigned_target_is_no_sign():
    """-1 as uint8 is 255."""
    with pytest.raises((TypeError, ValueError), match="hinge_loss: target"):
        hinge(Z(1), T([255], dtype=torch.uint8))


@pytest.mark.parametrize("target", [T([1 + 0j, -1]), T([True, True]), T([True, False])])
def test_a_sign_is_a_real_number(target):
    with pytest.raises(TypeError, match="hinge_loss: target has dtype"):
        hinge(Z(2), target)


@pytest.mark.parametrize("ignore_index", [None, "a", 1.5, T([1, 2])])
@pytest.mark.parametrize("loss", [nll, ce, focal])
def test_ignore_index_is_an_integer(loss, ignore_index):
    with pytest.raises(TypeError, match=r"ignore_index is .+; expected an integer. Try ignore_index=(-100|ignore_index.item\(\))."):
        loss(LOG_P, RIGHT, ignore_index=ignore_index)


def test_an_array_is_no_reduction():
    with pytest.raises((TypeError, ValueError), match="mse_loss: reduction is"):
        mse(Z(2), Z(2), reduction=np.array(["mean", "sum"]))


# --- what is right passes


@pytest.mark.parametrize("dtype", [torch.int64, torch.int32, torch.int16, torch.int8, torch.uint8])
def test_any_integers_are_class_indices(dtype):
    for loss in (nll, ce, multi, focal):
        assert torch.equal(loss(LOG_P, RIGHT.to(dtype)), loss(LOG_P, RIGHT))


@pytest.mark.parametrize("number", [0, 1, 0.5, np.float64(0.5), np.float32(0.5), np.int64(1)])
def test_any_real_number_is_an_option(number):
    for value in (
        hinge(Z(2), YES, margin=number),
        multi(LOG_P, RIGHT, margin=number),
        sfocal(Z(2), YES, alpha=number, gamma=number),
        focal(LOG_P, RIGHT, gamma=number),
        ce(LOG_P, RIGHT, label_smoothing=number),
    ):
        assert value.isfinite() and value.dtype == torch.float32


def test_ignored_targets_are_no_classes():
    for loss in (nll, ce, focal):
        assert torch.equal(loss(LOG_P, T([0, -100])), loss(LOG_P[:1], T([0])))
        assert torch.equal(loss(LOG_P, T([0, 7]), ignore_index=7), loss(LOG_P[:1], T([0])))


def test_an_empty_batch_is_no_mistake():
    for loss in (nll, ce, multi, focal):
        assert loss(Z(0, 3), Z(0).long()).isnan()
    for loss in (bce, mse, hinge, sfocal):
        assert loss(Z(0), Z(0)).isnan()


def test_a_batch_of_nothing_needs_no_class():
    for loss in (nll, ce, multi, focal):
        assert loss(Z(0, 0), Z(0).long()).isnan()
    for target in (Z(0).long(), Z(0, 0)):
        assert ce(Z(0, 0), target, label_smoothing=0.1).isnan()


def test_nan_scores_flow_through():
    z = torch.full((2, 3), NAN)
    for loss in (nll, ce, multi, focal):
        assert loss(z, RIGHT).isnan()
    for loss in (bce, mse, hinge, sfocal):
        assert loss(z[0], torch.ones(3)).isnan()


def test_weights_that_broadcast_are_taken():
    z, y = Z(2, 3), torch.ones(2, 3)
    for w in (T(2.0), torch.full((3,), 2.0), torch.full((1, 3), 2.0), torch.full((2, 1), 2.0)):
        for value in (bce(z, y, w), bce(z, y, pos_weight=w)):
            assert value.item() == pytest.approx(2 * math.log(2))


# --- before any arithmetic


class NoGraph(TorchFunctionMode):
    """Fails on the first operation that a derivative would pass through."""

    def __torch_function__(self, func, types, args=(), kwargs=None):
        result = func(*args, **kwargs or {})
        assert getattr(result, "grad_fn", None) is None, f"{func} ran before the checks had passed"
        return result


LEAF, SCORES = torch.zeros(2).requires_grad_(), LOG_P.clone().requires_grad_()


@pytest.mark.parametrize(
    "loss, args, options",
    [
        (mse, (LEAF, Z(2, 1)), {}),
        (mse, (LEAF, Z(2)), {"reduction": "average"}),
        (hinge, (LEAF, T([1, 0])), {}),
        (hinge, (LEAF, T([1, 1])), {"margin": NAN}),
        (multi, (SCORES, T([1, 3])), {}),
        (multi, (SCORES, RIGHT), {"margin": -1}),
        (nll, (P.clone().requires_grad_(), RIGHT), {}),
        (nll, (SCORES, T([1, 3])), {}),
        (nll, (SCORES, RIGHT, Z(2)), {}),
        (ce, (SCORES, RIGHT), {"label_smoothing": 2}),
        (ce, (SCORES, LOG_P), {}),
        (ce, (SCORES, P), {"ignore_index": 1}),
        (ce, (SCORES, RIGHT, Z(2)), {}),
        (bce, (LEAF, T([1.0, 2.0])), {}),
        (bce, (LEAF, YES, Z(3)), {}),
        (bce, (LEAF, YES), {"pos_weight": Z(3)}),
        (bce, (LEAF, YES), {"pos_weight": 3.0}),
        (sfocal, (LEAF, T([1.0, 2.0])), {}),
        (sfocal, (LEAF, YES), {"gamma": -1}),
        (sfocal, (LEAF, YES), {"alpha": 2}),
        (sfocal, (LEAF, YES), {"alpha": "x"}),
        (focal, (SCORES, RIGHT), {"gamma": None}),
        (focal, (SCORES, T([1, 3])), {}),
    ],
)
def test_checks_come_first(loss, args, options):
    before = [(x.clone(), x._version) for x in args]
    with NoGraph():
        refusal(loss, *args, **options)
    for x, (value, version) in zip(args, before, strict=True):
        assert torch.equal(x.detach(), value.detach()) and x._version == version


# --- where values are not read


class Named(torch.Tensor):
    """A class without operations of its own, as those of image libraries are."""


def test_values_of_a_plain_subclass_are_read():
    with pytest.raises(ValueError, match="target.1. is 255; expected a class from 0 to 2"):
        ce(LOG_P.as_subclass(Named), T([0, 255]).as_subclass(Named))
    with pytest.raises(ValueError, match="target.1. is 2; expected a value in"):
        bce(Z(2).as_subclass(Named), T([0.0, 2.0]).as_subclass(Named))
    assert bce(Z(2).as_subclass(Named), YES.as_subclass(Named)).item() == pytest.approx(math.log(2))


def test_values_of_a_class_with_a_dispatch_of_its_own_are_not_read():
    with FakeTensorMode():
        target = torch.full((2,), 2.0)
    assert isinstance(target, FakeTensor) and not ln._checks.values_can_be_read(target)


# (loss, input, target): wrong values, which can be computed with all the same.
WRONG_VALUES = [
    (nll, P, RIGHT),
    (ce, LOG_P, LOG_P),
    (bce, Z(2), T([2.0, NAN])),
    (sfocal, Z(2), T([2.0, -1.0])),
    (hinge, Z(2), T([0, 3])),
]
NO_CLASS = [(loss, LOG_P, T([1, 3])) for loss in (nll, ce, multi, focal)]
WRONG_SHAPES = [(loss, LOG_P, T([1, 2, 1, 2])) for loss in (nll, ce, multi, focal)] + [
    (loss, Z(2, 2), torch.ones(2)) for loss in (mse, bce, sfocal, hinge)
]


@pytest.mark.parametrize("loss, input, target", WRONG_VALUES + NO_CLASS)
def test_wrong_values_are_refused_on_the_cpu(loss, input, target):
    assert "target" in str(refusal(loss, input, target)) or loss is nll


@pytest.mark.parametrize("loss, input, target", WRONG_VALUES + NO_CLASS)
def test_values_are_not_read_on_the_meta_device(loss, input, target):
    with ln.strict():
        assert loss(input.to("meta"), target.to("meta")).device.type == "meta"


@pytest.mark.parametrize("loss, input, target", WRONG_VALUES)
def test_values_are_not_read_under_torch_func(loss, input, target):
    assert torch.func.vmap(loss)(input, target).shape == (2,)
    assert torch.func.grad(loss)(input, target).shape == input.shape


@pytest.mark.parametrize("loss, input, target", NO_CLASS)
def test_classes_are_not_read_under_torch_func(loss, input, target):
    # PyTorch's own gather refuses.
    with pytest.raises((RuntimeError, IndexError), match="out of bounds|out of range"):
        torch.func.vmap(loss)(input, target)


@pytest.mark.parametrize("loss, input, target", WRONG_VALUES)
def test_values_are_not_read_under_torch_compile(loss, input, target):
    torch._dynamo.reset()
    compiled = torch.compile(loss, backend="aot_eager", fullgraph=True)
    assert compiled(input, target).shape == ()


@pytest.mark.parametrize("loss, input, target", WRONG_SHAPES)
def test_shapes_are_checked_everywhere(loss, input, target):
    message = str(refusal(loss, input, target))
    assert "input has shape" in message
    assert str(refusal(loss, input.to("meta"), target.to("meta"))) == message
    many = input.expand(3, *input.shape), target.expand(3, *target.shape)
    assert str(refusal(torch.func.vmap(loss), *many)) == message


@pytest.mark.parametrize("loss, input, target", [WRONG_SHAPES[1], WRONG_SHAPES[4]])
def test_shapes_are_checked_under_torch_compile(loss, input, target):
    torch._dynamo.reset()
    with pytest.raises(Exception, match="input has shape"):
        torch.compile(loss, backend="aot_eager", fullgraph=True)(input, target)


@pytest.mark.parametrize("loss, input, target", WRONG_VALUES + NO_CLASS)
def test_strict_reads_values_on_every_device(device, loss, input, target):
    with ln.strict():
        refusal(loss, input.to(device), target.to(device))


@pytest.mark.parametrize("row", [[2.0, -1.0], [0.0, 0.0], [-5.0, -4.0], [-INF, -INF]])
def test_scores_are_no_log_probabilities(row):
    said = "nll_loss: the exponentials of input[1, :] sum to"
    fix = "expected log-probabilities, whose exponentials sum to 1. Try log_softmax(input, dim=1), if these are scores."
    message = str(refusal(nll, T([[0.5, 0.5], row]).where(T([[False], [True]]), T([[0.5, 0.5]]).log()), T([0, 0])))
    assert message.startswith(said) and message.endswith(fix)


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16, torch.float16], ids=str)
@pytest.mark.parametrize("classes", [1, 2, 10, 50_000])
def test_rounded_log_probabilities_are_some(classes, dtype):
    scores = 3 * torch.randn(8, classes, generator=torch.Generator().manual_seed(0))
    log_p = scores.log_softmax(1).to(dtype)
    assert nll(log_p, torch.zeros(8, dtype=torch.int64)) >= 0


def test_rows_that_do_not_count_are_not_looked_at():
    padded = torch.cat([LOG_P, Z(1, 3), P[:1], T([[NAN] * 3])])
    assert nll(padded, T([0, 1, -100, -100, -100])) == nll(LOG_P, RIGHT)


def test_a_class_that_cannot_be_costs_nothing_unless_it_is():
    impossible = T([[0.0, -INF]])
    assert ce(impossible, T([[1.0, 0.0]])) == 0
    assert ce(impossible, T([[0.5, 0.5]])) == INF
