"""What is measured: each case with its inputs, ours, and every peer that can be had here.

A peer is what somebody would call instead, from its own package. A package that is missing, or does not load, is named in
`missing`, and its peers are left out. Every peer is compared with ours, value and gradients, before it is timed.
"""

import functools
import importlib
import importlib.util
import shutil
import sys
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple

import torch
import torch.nn.functional as F

import lossnotes as ln

missing = {}


def package(name, *parts):
    """A package's module, or None: then `missing` says why.

    With `parts`, a folder inside of it, loaded alone: timm and segmentation-models-pytorch load torchvision as a whole, which
    does not load beside PyTorch's build for CPUs. Their losses do not need it.
    """
    try:
        if not parts:
            return importlib.import_module(name)
        found = importlib.util.find_spec(name)
        if found is None:
            raise ModuleNotFoundError(name=name)
        folder = Path(found.origin).parent.joinpath(*parts)
        alias = "_".join((name, *parts))
        spec = importlib.util.spec_from_file_location(alias, folder / "__init__.py", submodule_search_locations=[str(folder)])
        sys.modules[alias] = module = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(module)
        return module
    # Whatever a package does when it is imported is not for us to know: torchvision raises a RuntimeError.
    except Exception as error:
        absent = isinstance(error, ModuleNotFoundError) and error.name == name
        missing[name] = "is not installed" if absent else f"does not load ({type(error).__name__})"
        return None


class Goal(NamedTuple):
    """`over` / `under` is to be at least or at most `bound`. "best" is the fastest eager peer, "memory" the peak of ours."""

    over: str
    under: str
    sign: str
    bound: float


@dataclass(frozen=True)
class Case:
    name: str
    shape: tuple[int, ...]
    draw: Callable  # makes the inputs of a shape on a device, some of which require a gradient
    ours: Callable
    peers: dict[str, Callable]
    goals: tuple[Goal, ...] = ()
    bare: dict[str, Callable] = field(default_factory=dict)  # work that any answer has to do; gives no loss
    aside: tuple[str, ...] = ()  # peers that are not candidates for "best"
    curve: str | None = None  # drawn over the number of elements with the others of that name

    def ways(self):
        """Everything that is timed. "ours again" is the control: it differs from "ours" in nothing."""
        return {"ours": self.ours, "ours again": self.ours, **self.peers, **self.bare}

    def size(self, tensors):
        """Bytes of the scores; of all inputs that a gradient is asked for, where there are several."""
        if self.draw is layer:
            return self.shape[0] * self.shape[2] * tensors[0].element_size()
        asked = [x for x in tensors if x.requires_grad]
        return sum(x.nbytes for x in asked or tensors)


def at_least(bound, memory=None):
    goals = (Goal("best", "ours", "≥", bound),)
    return goals if memory is None else (*goals, Goal("memory", "input", "≤", memory))


def at_most(bound, peer):
    """For a small input, where most of the time goes into checks."""
    return (Goal("ours", peer, "≤", bound),)


def normal(*shape, device):
    return torch.randn(shape, device=device)


def scores_and_answers(*shape, device):
    return normal(*shape, device=device).requires_grad_(), torch.empty(shape, device=device).bernoulli_(0.5)


def scores_and_soft_answers(n, device):
    return normal(n, device=device).requires_grad_(), torch.rand(n, device=device)


def numbers(*shape, device):
    return normal(*shape, device=device).requires_grad_(), normal(*shape, device=device)


def scores_and_signs(n, device):
    scores = normal(n, device=device)
    scores[scores.abs() == 1] = 2  # on the kink of the hinge any slope between two is right
    return scores.requires_grad_(), torch.empty(n, device=device).bernoulli_(0.5).mul_(2).sub_(1)


def scores_and_classes(n, classes, device):
    return normal(n, classes, device=device).requires_grad_(), torch.randint(classes, (n,), device=device)


def scores_that_lead(by):
    """Scores far apart, of which that of the right class leads by up to so much: of small networks after some epochs by 20, so that
    no loss is below 1e-9; later by more."""

    def draw(n, classes, device):
        scores, target = 8 * normal(n, classes, device=device), torch.randint(classes, (n, 1), device=device)
        lead = by * torch.rand(n, 1, device=device)
        return scores.scatter(1, target, scores.amax(1, keepdim=True) + lead).requires_grad_(), target[:, 0]

    return draw


def scores_and_soft_classes(n, classes, device):
    return normal(n, classes, device=device).requires_grad_(), torch.softmax(normal(n, classes, device=device), 1)


def scores_that_lead_and_soft_classes(n, classes, device):
    scores, target = scores_that_lead(20)(n, classes, device)
    return scores, torch.full_like(scores, 0.1 / classes).detach().scatter_(1, target[:, None], 0.9 + 0.1 / classes)


def distributions(count, slope):
    def draw(n, classes, device):
        drawn = (normal(n, classes, device=device) for _ in range(count))
        return tuple(torch.softmax(x, 1, out=x).requires_grad_(slope) for x in drawn)

    return draw


def layer(n, inputs, classes, device):
    x = normal(n, inputs, device=device).requires_grad_()
    # As in a network just set up, so that scores are of size 1.
    weight = normal(classes, inputs, device=device).div_(inputs**0.5).requires_grad_()
    return x, weight, torch.randint(classes, (n,), device=device)


def torchvision_formula(inputs, targets, alpha, gamma, reduction):
    """The operations of torchvision.ops.sigmoid_focal_loss (torchvision/ops/focal_loss.py, BSD 3-Clause License, copyright
    Soumith Chintala 2016), where torchvision itself does not load."""
    p = torch.sigmoid(inputs)
    ce_loss = F.binary_cross_entropy_with_logits(inputs, targets, reduction="none")
    p_t = p * targets + (1 - p) * (1 - targets)
    loss = ce_loss * ((1 - p_t) ** gamma)
    alpha_t = alpha * targets + (1 - alpha) * (1 - targets)
    loss = alpha_t * loss
    return loss.mean() if reduction == "mean" else loss


def weighted(loss):
    """A loss of answers in which yes counts three times."""
    return lambda x, y: loss(x, y, pos_weight=torch.tensor(3.0, device=x.device))


def power_of_cross_entropy(x, t):
    """Focal loss as most repositories have it."""
    ce = F.cross_entropy(x, t, reduction="none")
    return ((1 - torch.exp(-ce)) ** 2 * ce).mean()


def entropy_by_xlogy(p):
    return -torch.xlogy(p, p).sum(-1).mean()


def divergence_by_xlogy(p, q):
    return (torch.xlogy(p, p) - torch.xlogy(p, q)).sum(-1).mean()


@functools.cache
def _room(n, classes, device):
    return torch.empty(n, classes, device=device)


@torch.no_grad()
def three_products(x, weight, target):
    """Scores, and what they would send back to both factors, into memory that is there already."""
    scores = torch.mm(x, weight.T, out=_room(len(x), len(weight), x.device))
    return scores @ weight, scores.T @ x


def chunked_linear(x, weight, target):
    return F.linear_cross_entropy(x, weight, target, options=torch.nn.LinearCrossEntropyOptions())


@functools.cache
def cases(quick):
    """Every case, the sizes of which are small for a quick run."""
    torchvision = package("torchvision")
    kornia, monai = package("kornia"), package("monai")
    timm, smp = package("timm", "loss"), package("segmentation_models_pytorch", "losses")
    special = package("scipy.special")

    focal = {}
    if torchvision:
        focal["torchvision"] = functools.partial(torchvision.ops.sigmoid_focal_loss, alpha=0.25, gamma=2.0, reduction="mean")
    else:
        focal["torchvision's formula"] = functools.partial(torchvision_formula, alpha=0.25, gamma=2.0, reduction="mean")
    many = {"formula on F.cross_entropy": power_of_cross_entropy}
    bce = {"F.binary_cross_entropy_with_logits": F.binary_cross_entropy_with_logits}
    weighted_bce = {name: weighted(f) for name, f in bce.items()}
    if kornia:
        focal["kornia"] = lambda x, y: kornia.losses.binary_focal_loss_with_logits(
            x[:, None], y[:, None], alpha=0.25, gamma=2.0, reduction="mean"
        )
        # Its mean counts every class of every row.
        many["kornia"] = lambda x, t: kornia.losses.focal_loss(x, t, alpha=None, gamma=2.0, reduction="mean") * x.shape[1]
    if monai:
        of_answers = monai.losses.FocalLoss(alpha=0.25, gamma=2.0)
        of_classes = monai.losses.FocalLoss(to_onehot_y=True, use_softmax=True, gamma=2.0)
        focal["MONAI"] = lambda x, y: of_answers(x[:, None], y[:, None])
        many["MONAI"] = lambda x, t: of_classes(x, t[:, None]) * x.shape[1]
    if smp:
        focal["segmentation-models"] = smp.FocalLoss("binary", alpha=0.25, gamma=2.0)
        many["segmentation-models"] = smp._functional.softmax_focal_loss_with_logits
        bce["segmentation-models"] = smp.SoftBCEWithLogitsLoss()
    if timm:
        # alpha is the share of yes in the weights; timm weighs yes against no.
        asymmetric = timm.AsymmetricLossMultiLabel(2, 2, clip=None, pos_weight=0.25 / 0.75, reduction="mean")
        focal["timm"] = lambda x, y: asymmetric(x, y) * 0.75
        bce["timm"] = timm.BinaryCrossEntropy(smoothing=0)
    one = {
        "F.cross_entropy": F.cross_entropy,
        "logsumexp - score": lambda x, t: (x.logsumexp(1) - x.gather(1, t[:, None])[:, 0]).mean(),
    }
    hinge = {
        "clamp(1 - y z)": lambda x, y: (1 - y * x).clamp(min=0).mean(),
        "F.relu(1 - y z)": lambda x, y: F.relu(1 - y * x).mean(),
    }
    entr = {"torch.special.entr": lambda p: torch.special.entr(p).sum(-1).mean(), "torch.xlogy": entropy_by_xlogy}
    kl = {
        "F.kl_div": lambda p, q: F.kl_div(q.log(), p, reduction="batchmean"),
        "torch.xlogy": divergence_by_xlogy,
    }
    values_entr = entr | {"Categorical.entropy": lambda p: torch.distributions.Categorical(p).entropy().mean()}
    values_kl = dict(kl)
    if special:
        values_entr["scipy.special.entr"] = lambda p: torch.as_tensor(special.entr(p.cpu().numpy()).sum(-1).mean())
        values_kl["scipy.special.rel_entr"] = lambda p, q: torch.as_tensor(
            special.rel_entr(p.cpu().numpy(), q.cpu().numpy()).sum(-1).mean()
        )
    linear = {"cross_entropy(F.linear)": lambda x, w, t: F.cross_entropy(F.linear(x, w), t)}
    if hasattr(torch.nn, "LinearCrossEntropyOptions"):
        linear["F.linear_cross_entropy"] = chunked_linear
    else:
        missing["F.linear_cross_entropy"] = "is not in this version of torch"

    ours_focal = functools.partial(ln.sigmoid_focal_loss, alpha=0.25, gamma=2.0)
    mean_entropy, mean_divergence = (lambda p: ln.entropy(p).mean()), (lambda p, q: ln.kl_divergence(p, q).mean())
    M = 1 << (10 if quick else 20)
    found = [
        Case("sigmoid focal 16M", (16 * M,), scores_and_answers, ours_focal, focal, at_least(4, 1.1)),
        Case("sigmoid focal 1M", (M,), scores_and_answers, ours_focal, focal, at_least(1.6)),
    ]
    # Where huge pages bring a peer within reach of the goal, there is a second one.
    not_slower = at_least(1)
    wide = [(2048, 32000), (8192, 1000), (65536, 10)]
    for (n, c), speed, memory in zip(wide, (1.6, 1.2, 1.2), (1.05, 1.05, 2)):
        shape = (n // 64, min(c, 500)) if quick else (n, c)
        goals = at_least(speed, memory)
        found.append(Case(f"cross_entropy {n} × {c}", shape, scores_and_classes, ln.cross_entropy, one, goals))
        if c == 32000:
            goals += not_slower
        found.append(Case(f"softmax focal {n} × {c}", shape, scores_and_classes, ln.softmax_focal_loss, many, goals))
    ce = {"F.cross_entropy": F.cross_entropy}  # by the other formula, scores that far apart have too few digits
    smooth = functools.partial(F.cross_entropy, label_smoothing=0.1)
    mse = {"F.mse_loss": F.mse_loss}
    ours_smooth = functools.partial(ln.cross_entropy, label_smoothing=0.1)
    ours_bce = ln.binary_cross_entropy_with_logits
    rows = (64, 100) if quick else (8192, 1000)
    # The first one was missed when scores that lead by up to 40 became a case of their own.
    certain = at_most(2, "F.cross_entropy") + at_most(3, "F.cross_entropy")
    against_products = (
        Goal("ours", "three products", "≤", 1.08),
        *at_least(1.25, 0.3),
    )
    found += [
        Case("label smoothing 8192 × 1000", rows, scores_and_classes, ours_smooth, {"F.cross_entropy": smooth}, at_least(1, 1.1)),
        Case(
            "soft classes 8192 × 1000",
            rows,
            scores_and_soft_classes,
            ln.cross_entropy,
            ce,
            at_least(1, 1.1),
        ),
        Case("soft classes 8192 × 1000, trained", rows, scores_that_lead_and_soft_classes, ln.cross_entropy, ce, at_least(1, 1.1)),
        Case("BCE 16M", (16 * M,), scores_and_answers, ours_bce, bce, at_least(1.5, 1.1) + not_slower),
        Case("BCE 16M, soft answers", (16 * M,), scores_and_soft_answers, ours_bce, bce, at_least(1, 1.2)),
        Case("BCE 16M, pos_weight", (16 * M,), scores_and_answers, weighted(ours_bce), weighted_bce, at_least(1, 1.2)),
        Case("MSE 16M", (16 * M,), numbers, ln.mse_loss, mse, at_least(1.35, 1.1) + not_slower),
        Case("hinge 16M", (16 * M,), scores_and_signs, ln.hinge_loss, hinge, at_least(3, 1.1) + not_slower),
        Case("entropy 8192 × 1000", rows, distributions(1, True), mean_entropy, entr, at_least(2, 1.2)),
        Case("KL 8192 × 1000", rows, distributions(2, True), mean_divergence, kl, at_least(2, 1.2)),
        Case("entropy, values only", rows, distributions(1, False), mean_entropy, values_entr, at_least(1)),
        Case("KL, values only", rows, distributions(2, False), mean_divergence, values_kl, at_least(1)),
        Case("cross_entropy 64 × 10", (64, 10), scores_and_classes, ln.cross_entropy, one, at_most(2, "F.cross_entropy")),
        Case("cross_entropy 64 × 10, trained", (64, 10), scores_that_lead(20), ln.cross_entropy, ce, at_most(2, "F.cross_entropy")),
        Case("cross_entropy 64 × 10, certain", (64, 10), scores_that_lead(40), ln.cross_entropy, ce, certain),
        Case("BCE 64 × 1", (64, 1), scores_and_answers, ours_bce, bce, at_most(2, "F.binary_cross_entropy_with_logits")),
        Case("MSE 64 × 1", (64, 1), numbers, ln.mse_loss, mse, at_most(2, "F.mse_loss")),
        Case(
            "linear_cross_entropy 4096 × 512 × 32000",
            (64, 32, 500) if quick else (4096, 512, 32000),
            layer,
            ln.linear_cross_entropy,
            linear,
            against_products,
            bare={"three products": three_products},
        ),
    ]
    if torch.cuda.is_available() or shutil.which("c++") or shutil.which("g++") or shutil.which("clang++"):
        compiled = functools.partial(torch.compile, backend="aot_eager" if quick else "inductor")
        forms = {"ours, eager": ours_focal, **{f"{name}, compiled": compiled(f) for name, f in focal.items()}}
        found.append(
            Case(
                "sigmoid focal 16M, compiled",
                (16 * M,),
                scores_and_answers,
                compiled(ours_focal),
                forms,
                at_least(1),
                aside=("ours, eager",),
            )
        )
    else:
        missing["torch.compile"] = "needs a C++ compiler"
    for n in [2**k for k in ((10, 14) if quick else range(10, 25, 2))]:
        found += [
            Case(f"focal, {n}", (n,), scores_and_answers, ours_focal, focal, curve="sigmoid focal"),
            Case(f"BCE, {n}", (n,), scores_and_answers, ours_bce, bce, curve="BCE"),
            Case(f"CE, {n}", (n >> 10, 1024), scores_and_classes, ln.cross_entropy, one, curve="cross_entropy, 1024 classes"),
        ]
    return found


def step(way, tensors) -> tuple[Any, tuple]:
    """A loss and its gradients, as in training."""
    value = way(*tensors)
    wanted = [x for x in tensors if x.requires_grad]
    slopes = torch.autograd.grad(value, wanted) if wanted and isinstance(value, torch.Tensor) else ()
    return value, slopes


def disagreement(mine, theirs):
    """The relative difference of two results of `step`: the larger of the values' and the gradients'."""

    def off(a, b):
        return ((a - b).abs().max() / a.abs().max()).item()

    (a, of_a), (b, of_b) = mine, theirs
    found = [off(a.detach().double(), b.detach().double()), *(off(x, y) for x, y in zip(of_a, of_b, strict=True))]
    return torch.tensor(found).max().item()  # NaN if one of them is, which Python's max may pass over
