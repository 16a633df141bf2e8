"""Each usual mistake with a layer, an answer, a margin or a focus is called by its name, and no mistake is taken for another."""

import inspect
import math
from collections import Counter

import pytest
import torch
import torch.nn.functional as F
from mistaken import is_named, registry

import lossnotes as ln
from lossnotes.check import check
from lossnotes.check._cases import exercises, specs
from lossnotes.check._judge import Rules
from lossnotes.check._judge.local import Local
from lossnotes.check._judge.values import values

SPECS = specs()
STUDENTS, mistaken = registry()


@mistaken("linear_cross_entropy", "transposed weight")
def _(input, linear_weight, target):
    return F.cross_entropy(input @ linear_weight, target)


@mistaken("linear_cross_entropy", "linear_bias not used")
def _(input, linear_weight, target, linear_bias=None):
    return F.cross_entropy(input @ linear_weight.T, target)


@mistaken("linear_cross_entropy", "bias taken away")
def _(input, linear_weight, target, linear_bias=0.0):
    return F.cross_entropy(input @ linear_weight.T - linear_bias, target)


@mistaken("linear_cross_entropy", "bias added to the loss")
def _(input, linear_weight, target, linear_bias=None):
    loss = F.cross_entropy(input @ linear_weight.T, target)
    return loss if linear_bias is None else (loss + linear_bias).mean()


@mistaken("linear_cross_entropy", "sum for mean")
def _(input, linear_weight, target):
    return sum(F.cross_entropy(x @ linear_weight.T, t) for x, t in zip(input, target))


@mistaken("linear_cross_entropy", "double softmax")
def _(input, linear_weight, target):
    return F.cross_entropy(torch.softmax(input @ linear_weight.T, 1), target)


@mistaken("linear_cross_entropy", "mean over the classes too")
def _(input, linear_weight, target):
    log_p = torch.log_softmax(input @ linear_weight.T, 1)
    return -(F.one_hot(target, len(linear_weight)) * log_p).mean()


@mistaken("linear_cross_entropy", "softmax over the wrong dim")
def _(input, linear_weight, target):
    return F.nll_loss(torch.log_softmax(linear_weight @ input.T, 1).T, target)


@mistaken("linear_cross_entropy", "overflow without max-shift")
def _(input, linear_weight, target):
    e = torch.exp(input @ linear_weight.T)
    return -torch.log(e[torch.arange(len(target)), target] / e.sum(1)).mean()


@mistaken("linear_cross_entropy", "mean over ignored targets")
def _(input, linear_weight, target, ignore_index=-100):
    kept = target != ignore_index
    loss = F.cross_entropy(input @ linear_weight.T, torch.where(kept, target, 0), reduction="none")
    return (loss * kept).mean()


@mistaken("linear_cross_entropy", "mean of weighted losses divided by N")
def _(input, linear_weight, target, weight=None, reduction="mean"):
    loss = F.cross_entropy(input @ linear_weight.T, target, reduction="none")
    if weight is not None:
        loss = loss * weight[target]
    return {"mean": loss.mean(), "sum": loss.sum(), "none": loss}[reduction]


@mistaken("linear_cross_entropy", "smoothing spread over the wrong classes only")
def _(input, linear_weight, target, label_smoothing=0.0):
    y = F.one_hot(target, len(linear_weight)).to(input.dtype)
    y = y * (1 - label_smoothing) + (1 - y) * label_smoothing / (len(linear_weight) - 1)
    return -(y * torch.log_softmax(input @ linear_weight.T, 1)).sum(1).mean()


@mistaken("linear_cross_entropy", "loss of the first block only")
def _(input, linear_weight, target):
    rows = max(1, len(input) // 2)
    return F.cross_entropy(input[:rows] @ linear_weight.T, target[:rows], reduction="sum") / len(input)


@mistaken("linear_cross_entropy", "part of the graph cut off")
def _(input, linear_weight, target):
    blocks = zip((input[:1], input[1:].detach()), (target[:1], target[1:]))
    return sum(F.cross_entropy(x @ linear_weight.T, t, reduction="sum") for x, t in blocks) / len(input)


@mistaken("binary_cross_entropy_with_logits", "1 - p cancellation")
def _(input, target):
    p = torch.sigmoid(input)
    return torch.where(target == 1, -torch.log(p), -torch.log(1 - p)).mean()


@mistaken("binary_cross_entropy_with_logits", "overflow without max-shift")
def _(input, target):
    return (torch.log(1 + torch.exp(input)) - target * input).mean()


@mistaken("binary_cross_entropy_with_logits", "0 times infinity")
def _(input, target):
    return -(target * torch.sigmoid(input).log() + (1 - target) * torch.sigmoid(-input).log()).mean()


@mistaken("binary_cross_entropy_with_logits", "0 times infinity")
def _(input, target):
    return (target * torch.log(1 + torch.exp(-input)) + (1 - target) * torch.log(1 + torch.exp(input))).mean()


@mistaken("binary_cross_entropy_with_logits", "log of a probability rounded to 0")
def _(input, target):
    return -torch.where(target == 1, torch.sigmoid(input), torch.sigmoid(-input)).log().mean()


@mistaken("binary_cross_entropy_with_logits", "term of the no missing")
def _(input, target):
    return -(target * F.logsigmoid(input)).mean()


@mistaken("binary_cross_entropy_with_logits", "pos_weight on the no")
def _(input, target, pos_weight=1.0):
    return -(target * F.logsigmoid(input) + pos_weight * (1 - target) * F.logsigmoid(-input)).mean()


@mistaken("mse_loss", "root of the mean square")
def _(input, target):
    return ((input - target) ** 2).mean().sqrt()


@mistaken("mse_loss", "square multiplied out")
def _(input, target):
    if input.shape != target.shape:
        raise ValueError(f"{tuple(input.shape)} against {tuple(target.shape)}")
    return (input * input - 2 * input * target + target * target).mean()


@mistaken("hinge_loss", "targets taken for 0 and 1")
def _(input, target):
    return torch.relu(1 - (2 * target - 1) * input).mean()


@mistaken("multiclass_hinge_loss", "sum over the wrong classes")
def _(input, target):
    right = input.gather(1, target[:, None])
    over = torch.relu(1 + input - right) * (1 - F.one_hot(target, input.shape[1]))
    return over.sum(1).mean()


@mistaken("sigmoid_focal_loss", "alpha reversed")
def _(input, target, alpha=None, gamma=2.0):
    loss = ln.sigmoid_focal_loss(input, target, gamma=gamma, reduction="none")
    if alpha is not None:
        loss = loss * torch.where(target == 1, 1 - alpha, alpha)
    return loss.mean()


@mistaken("sigmoid_focal_loss", "power of p for power of 1 - p")
def _(input, target):
    bce = F.binary_cross_entropy_with_logits(input, target, reduction="none")
    return (torch.exp(-bce) ** 2 * bce).mean()


@mistaken("sigmoid_focal_loss", "1 - p cancellation")
def _(input, target, gamma=2.0):
    bce = F.binary_cross_entropy_with_logits(input, target, reduction="none")
    return ((1 - torch.exp(-bce)) ** gamma * bce).mean()


@mistaken("softmax_focal_loss", "p of the mean loss")
def _(input, target, gamma=2.0):
    ce = F.cross_entropy(input, target)
    return (1 - torch.exp(-ce)) ** gamma * ce


@mistaken("cross_entropy", "part of the graph cut off")
def _(input, target):
    shifted = input - input.max(1, keepdim=True).values
    norm = torch.exp(shifted).sum(1).log().detach()
    return (norm - shifted.gather(1, target[:, None]).squeeze(1)).mean()


@mistaken("cross_entropy", "input changed in place")
def _(input, target):
    loss = F.cross_entropy(input, target)
    input.data -= input.data.max()
    return loss


@mistaken("bits_per_letter", "counts not smoothed")
def _(text, known):
    counts = {c: known.count(c) for c in exercises.LETTERS}
    letters = [c for c in text.lower() if c in counts]
    p = torch.tensor([counts[c] / max(sum(counts.values()), 1) for c in letters])
    return -torch.log2(p).mean()


def _bits(text, known, paid, divided, smooth=26):
    counts = {c: known.lower().count(c) + 1 for c in exercises.LETTERS}
    total = sum(counts.values()) - 26 + smooth
    return torch.stack([-torch.log2(torch.tensor(counts[c] / total)) for c in paid]).sum() / divided


@mistaken("bits_per_letter", "mean over all characters")
def _(text, known):
    return _bits(text, known, [c for c in text.lower() if c in exercises.LETTERS], len(text))


@mistaken("bits_per_letter", "other characters than letters")
def _(text, known):
    return _bits(text, known, text.lower(), len(text))


@mistaken("bits_per_letter", "frequencies that do not sum to 1")
def _(text, known):
    letters = [c for c in text.lower() if c in exercises.LETTERS]
    return _bits(text, known, letters, len(letters), smooth=0 if known else 26)


@mistaken("bits_per_letter", "both texts smoothed")
def _(text, known):
    p, q = (torch.tensor([s.lower().count(c) + 1.0 for c in exercises.LETTERS]) for s in (text, known))
    return -(p / p.sum() * torch.log2(q / q.sum())).sum()


@mistaken("bits_per_letter", "capital letters left out")
def _(text, known):
    letters = [c for c in text if c in exercises.LETTERS]
    return _bits(text, known, letters, len(letters))


@mistaken("bits_per_letter", "letters that are not among a to z")
def _(text, known):
    letters = [c for c in text.lower() if c.isalpha()]
    return _bits(text, known, letters, len(letters))


@mistaken("bits_per_letter", "letters that are not among a to z")
def _(text, known):
    counts = Counter(c for c in known.lower() if c.isalpha())
    letters = [c for c in text.lower() if c.isalpha()]
    return torch.tensor([-math.log2((counts[c] + 1) / (counts.total() + 26)) for c in letters]).mean()


@mistaken("bits_per_letter", "letters that are not among a to z")
def _(text, known):
    known = known.upper().lower()
    letters = [c.lower() for c in text.upper() if "A" <= c <= "Z"]
    return _bits(text, known, letters, len(letters))


@mistaken("mse_loss", "sum divided by the rows")
def _(input, target):
    return ((input - target) ** 2).sum() / len(input)


@mistaken("multiclass_hinge_loss", "a number in the place of the right class")
def _(input, target):
    others = input * (1 - F.one_hot(target, input.shape[1]))
    return torch.relu(1 + others.max(1).values - input.gather(1, target[:, None]).squeeze(1)).mean()


@mistaken("softmax", "shifted by the maximum of each column")
def _(input):
    e = torch.exp(input - input.max(0).values)
    return e / e.sum(-1, keepdim=True)


@mistaken("softmax", "one maximum for all rows")
def _(input):
    e = torch.exp(input - input.max())
    return e / e.sum(-1, keepdim=True)


@mistaken("log_softmax", "one maximum for all rows")
def _(input):
    shifted = input - input.max()
    return shifted - torch.log(torch.exp(shifted).sum(-1, keepdim=True))


@mistaken("best_temperature", "the same for every temperature")
def _(input, target, temperatures):
    right = torch.stack([((input / t).argmax(1) == target).double().mean() for t in temperatures])
    return temperatures[right.argmax()]


@mistaken("sigmoid_focal_loss", "alpha of 0 taken for none")
def _(input, target, alpha=None, gamma=2.0):
    s = torch.where(target == 1, input, -input)
    loss = torch.sigmoid(-s) ** gamma * -F.logsigmoid(s)
    return (loss * torch.where(target == 1, alpha, 1 - alpha) if alpha else loss).mean()


@mistaken("cross_entropy_gradient", "gradient of the sum")
def _(input, target):
    return torch.softmax(input, 1) - F.one_hot(target, input.shape[1])


@mistaken("mean_of_parts", "mean of the means")
def _(means, counts):
    return means.mean()


@mistaken("train_classifier", "gradients added up")
def _(loss, x, y, classes, steps=100, lr=0.1):
    weight = torch.zeros(classes, x.shape[1], dtype=x.dtype, device=x.device, requires_grad=True)
    for _ in range(steps):
        loss(x @ weight.T, y).backward()
        with torch.no_grad():
            weight -= lr * weight.grad
    return weight.detach()


@pytest.mark.parametrize("spec", [s for s in SPECS.values() if s.kinds[:2] in (("scores", "answers"), ("numbers", "signs"))])
def test_no_hint_for_a_single_score_speaks_of_several(spec):
    assert not any("all scores" in m.hint for mistakes in spec.mistakes.values() for m in mistakes)


def test_pytorchs_linear_cross_entropy_passes():
    def linear_cross_entropy(input, linear_weight, target, *, linear_bias=None, **options):
        return F.cross_entropy(F.linear(input, linear_weight, linear_bias), target, **options)

    assert check(linear_cross_entropy, like="linear_cross_entropy").passed
    theirs = getattr(F, "linear_cross_entropy", linear_cross_entropy)  # new in torch 2.13
    assert check(theirs, like="linear_cross_entropy").passed


@mistaken("softmax_focal_loss", "one_hot without the number of classes")
def _(input, target):
    q = input.softmax(1)
    return -((1 - q) ** 2 * F.one_hot(target) * input.log_softmax(1)).sum(1).mean()


@mistaken("multiclass_hinge_loss", "rivals of an equal score left out")
def _(input, target):
    right = input.gather(1, target[:, None])
    return (1 + torch.where(input == right, -math.inf, input).amax(1) - right[:, 0]).clamp(min=0).mean()


@mistaken("hinge_loss", "mean over the costly answers only")
def _(input, target):
    loss = (1 - input * target).clamp(min=0)
    return loss[loss > 0].mean()


@mistaken("sigmoid_focal_loss", "gamma forgotten beside alpha")
def _(input, target, alpha=None, gamma=2.0):
    return ln.sigmoid_focal_loss(input, target, alpha=alpha, gamma=gamma if alpha is None else 2.0)


@mistaken("sigmoid_focal_loss", "alpha forgotten beside gamma 0")
def _(input, target, alpha=None, gamma=2.0):
    return ln.sigmoid_focal_loss(input, target, alpha=alpha if gamma else None, gamma=gamma)


@mistaken("binary_cross_entropy_with_logits", "epsilon inside the log")
def _(input, target):
    return -torch.log(torch.where(target == 1, input, -input).sigmoid() + 1e-8).mean()


@mistaken("binary_cross_entropy_with_logits", "scores clamped")
def _(input, target):
    return F.binary_cross_entropy_with_logits(input.clamp(-50, 50), target)


@pytest.mark.parametrize("fn, like, names", STUDENTS)
def test_a_usual_mistake_is_named(fn, like, names):
    is_named(fn, like, names)


def _of_values():
    for spec in SPECS.values():
        for mistake in spec.mistakes.get("values", ()):
            yield pytest.param(spec, mistake, id=f"{spec.name}: {mistake.name}")


@pytest.mark.parametrize("spec, mistake", list(_of_values()))
def test_no_mistake_in_the_values_is_taken_for_another(spec, mistake):
    def student(*args):
        value = mistake.fn(*args)
        if value is None:  # this mistake cannot be made with these shapes
            return spec.reference(*args)
        return value.mean() if spec.reduced else value

    student.__signature__ = inspect.Signature([inspect.Parameter(name, 1) for name in spec.inputs])
    line, _ = values(Local(student, spec), "values", spec.cases["values"], Rules())
    assert line.check == "values" and line.mistakes == (mistake.name,), line


@pytest.mark.parametrize("hint", sorted({m.hint for case in SPECS.values() for ms in case.mistakes.values() for m in ms}))
def test_a_hint_points_and_does_not_solve(hint):
    assert hint.endswith((".", "?")) and not any(code in hint for code in ("torch.", "logsumexp", "(", ".sum", "keepdim"))
