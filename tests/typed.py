"""What a type checker says to somebody who uses the package. test_types.py asks it; nothing here is run.

A line with ``type: ignore`` is wrong on purpose: the checker complains of one that it finds nothing wrong with.
"""

from typing import assert_type

import torch
from torch import Tensor

import lossnotes as ln
from lossnotes import experiments, plots


def what_a_user_writes() -> None:
    z, t, y = torch.zeros(2, 3), torch.tensor([0, 1]), torch.ones(2, 3)

    # Losses take tensors, and give one.
    assert_type(ln.cross_entropy(z, t, torch.ones(3), ignore_index=0, label_smoothing=0.1, reduction="none"), Tensor)
    assert_type(ln.linear_cross_entropy(z, z, t, ignore_index=None), Tensor)
    assert_type(ln.sigmoid_focal_loss(z, y, alpha=None, gamma=2), Tensor)
    assert_type(ln.softmax(z, dim=1, dtype=torch.float64), Tensor)
    assert_type(ln.distributed_mean(z.sum(), 3), Tensor)
    assert_type(ln.naive.cross_entropy(z, t), Tensor)
    ln.cross_entropy([0.0, 1.0], t)  # type: ignore[arg-type]
    ln.cross_entropy(z, t, reduction="average")  # type: ignore[arg-type]
    ln.cross_entropy(z, t, torch.ones(3), -100)  # type: ignore[call-arg]
    ln.hinge_loss(z, y, margin="1")  # type: ignore[arg-type]

    # Probabilities may be lists and arrays, too.
    assert_type(ln.entropy([0.5, 0.5], base=2), Tensor)
    assert_type(ln.kl_divergence(y.numpy(), [[0.5, 0.5]]), Tensor)
    assert_type(ln.information_content(0.5), Tensor)
    ln.entropy(None)  # type: ignore[arg-type]
    ln.kl_divergence(y)  # type: ignore[call-arg]

    # Modules know their options.
    torch.nn.Sequential(ln.CrossEntropyLoss(torch.ones(3), label_smoothing=0.1))
    ln.MSELoss(weight=y)  # type: ignore[call-arg]

    # What the chapters use.
    assert_type(ln.default_device(), torch.device)
    assert_type(ln.check(ln.entropy).score, float)
    assert_type(experiments.digits(seed=0, device="cpu"), experiments.Data)
    runs = experiments.train(
        lambda: torch.nn.Linear(64, 10), ln.cross_entropy, experiments.digits, seeds=[0], measure=experiments.accuracy
    )
    assert_type(runs.step, Tensor)
    assert_type(experiments.gap([0.1, 0.2], torch.ones(2)).is_tie, bool)
    plots.report("bits", 1.0, target=1.0)
    with ln.strict():
        pass
