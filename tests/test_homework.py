"""The homework: handed out unsolved, it can be solved, and what is wrong does not get full marks."""

import ast
import json
import subprocess
import sys
from pathlib import Path

import nbformat
import pytest

from lossnotes.check import _is_stub, check
from lossnotes.check.__main__ import load

ROOT = Path(__file__).parents[1]
SHEETS = ("information", "losses", "practice")


def handed_out(sheet):
    return nbformat.read(ROOT / "book" / "homework" / f"{sheet}.ipynb", as_version=4)


def functions(source):
    return {node.name: ast.get_source_segment(source, node) for node in ast.parse(source).body if hasattr(node, "name")}


def solution(sheet):
    return functions((ROOT / "tests" / "homework" / f"{sheet}.py").read_text("utf-8"))


def solved(sheet, tmp_path, **others):
    """The notebook with every stub replaced by its solution, or by another function."""
    nb, answers = handed_out(sheet), solution(sheet) | others
    for cell in nb.cells:
        if cell.cell_type == "code" and "NotImplementedError" in cell.source:
            (name,) = functions(cell.source)
            cell.source = answers[name]
    path = tmp_path / f"{sheet}.ipynb"
    nbformat.write(nb, path)
    return path


@pytest.mark.parametrize("sheet", SHEETS)
def test_every_task_has_a_stub_a_check_and_a_solution(sheet, tmp_path):
    nb = handed_out(sheet)
    code = "\n".join(cell.source for cell in nb.cells if cell.cell_type == "code")
    stubs = [name for c in nb.cells if c.cell_type == "code" and "NotImplementedError" in c.source for name in functions(c.source)]
    titles = [c.source for c in nb.cells if c.cell_type == "markdown" and c.source.startswith("## ")]
    assert 6 <= len(stubs) <= 10 and len(titles) == len(stubs)
    assert all(f"## {i}. " in title and "point" in title.split("\n")[0] for i, title in enumerate(titles, 1))
    for name in stubs:
        assert f'like="{name}"' in code
    assert set(stubs) == solution(sheet).keys()
    path = tmp_path / "unsolved.ipynb"
    nbformat.write(nb, path)
    found, errors = load(path)
    assert list(found) == stubs and not errors
    assert all(_is_stub(fn) for fn in found.values())


@pytest.mark.parametrize("sheet", SHEETS)
def test_a_solved_sheet_gets_full_marks(sheet, tmp_path):
    path = solved(sheet, tmp_path)
    command = [sys.executable, "-m", "lossnotes.check", "--json", str(path)]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
    (found,) = json.loads(done.stdout)
    assert not found["errors"]  # the experiments ran
    assert {r["name"]: r["score"] for r in found["reports"]} == dict.fromkeys(solution(sheet), 1.0)


# A typical wrong solution of every task, and what the report should say of it.
WRONG = {
    "information_content": ("def information_content(p):\n    return -torch.log2(p)", "log base 2 for nats"),
    "entropy": ("def entropy(p):\n    return -(p * torch.log(p)).sum(-1)", "0 log 0"),
    "cross_entropy_between": ("def cross_entropy_between(p, q):\n    return -torch.xlogy(q, p).sum(-1)", "p and q swapped"),
    "kl_divergence": ("def kl_divergence(p, q):\n    return torch.xlogy(q, q / p).sum(-1)", "KL reversed"),
    "jensen_shannon_divergence": (
        "def jensen_shannon_divergence(p, q):\n    return (kl_divergence(p, q) + kl_divergence(q, p)) / 2",
        "no mixture",
    ),
    "conditional_entropy": ("def conditional_entropy(joint):\n    return entropy(joint.flatten())", "joint entropy"),
    "mutual_information": (
        "def mutual_information(joint):\n    return entropy(joint.sum(1)) + entropy(joint.sum(0))",
        "sum of the margins",
    ),
    "bits_per_letter": (
        "def bits_per_letter(text, known):\n"
        "    k = [c for c in known.lower() if c.isalpha()]\n"
        "    p = torch.tensor([k.count(c) / max(len(k), 1) for c in text.lower() if c.isalpha()])\n"
        "    return -p.log2().mean()",
        "counts not smoothed",
    ),
    "softmax": ("def softmax(input):\n    e = input.exp()\n    return e / e.sum(-1, keepdim=True)", "overflow without max-shift"),
    "log_softmax": ("def log_softmax(input):\n    return softmax(input).log()", "log of a probability rounded to 0"),
    "nll_loss": ("def nll_loss(input, target):\n    return -input.gather(1, target[:, None]).sum()", "sum for mean"),
    "cross_entropy": (
        "def cross_entropy(input, target):\n    return -log_softmax(softmax(input)).gather(1, target[:, None]).mean()",
        "double softmax",
    ),
    "mse_loss": ("def mse_loss(input, target):\n    return ((input - target) ** 2).mean()", "broadcasting (N,) x (N, 1)"),
    "binary_cross_entropy_with_logits": (
        "def binary_cross_entropy_with_logits(input, target):\n"
        "    p = torch.sigmoid(input)\n"
        "    return -(target * p.log() + (1 - target) * (1 - p).log()).mean()",
        "1 - p cancellation",
    ),
    "softmax_focal_loss": (
        "def softmax_focal_loss(input, target, gamma=2.0):\n"
        "    log_p = log_softmax(input).gather(1, target[:, None])\n"
        "    return -((1 - log_p.exp()) ** gamma * log_p).mean()",
        "1 - p cancellation",
    ),
    "best_temperature": (
        "def best_temperature(input, target, temperatures):\n"
        "    return torch.stack([cross_entropy(input / t, target) for t in temperatures]).argmin()",
        "position for temperature",
    ),
    "hinge_loss": ("def hinge_loss(input, target):\n    return (1 - input * target).mean()", "no maximum with 0"),
    "multiclass_hinge_loss": (
        "def multiclass_hinge_loss(input, target):\n"
        "    return torch.relu(1 + input.max(1).values - input.gather(1, target[:, None])[:, 0]).mean()",
        "right class among the rivals",
    ),
    "cross_entropy_gradient": (
        "def cross_entropy_gradient(input, target):\n"
        "    return torch.softmax(input, 1) - torch.nn.functional.one_hot(target, input.shape[1])",
        "gradient of the sum",
    ),
    "mean_of_parts": ("def mean_of_parts(means, counts):\n    return means.mean()", "mean of the means"),
    "sigmoid_focal_loss": (
        "def sigmoid_focal_loss(input, target, alpha=None, gamma=2.0):\n"
        "    bce = torch.nn.functional.binary_cross_entropy_with_logits(input, target, reduction='none')\n"
        "    a = 1 if alpha is None else torch.where(target == 1, 1 - alpha, alpha)\n"
        "    return (a * (1 - torch.exp(-bce)) ** gamma * bce).mean()",
        "alpha reversed",
    ),
    "train_classifier": (
        "def train_classifier(loss, x, y, classes, steps=100, lr=0.1):\n"
        "    w = torch.zeros(classes, x.shape[1], dtype=x.dtype, device=x.device, requires_grad=True)\n"
        "    for _ in range(steps):\n"
        "        loss(x @ w.T, y).backward()\n"
        "        with torch.no_grad():\n"
        "            w -= lr * w.grad\n"
        "    return w.detach()",
        "gradients added up",
    ),
}
WRONG_IN_PRACTICE = {
    "cross_entropy": (
        "def cross_entropy(input, target, weight=None, ignore_index=-100, reduction='mean'):\n"
        "    counts = target != ignore_index\n"
        "    index = torch.where(counts, target, 0)\n"
        "    loss = -torch.log_softmax(input, 1)[torch.arange(len(target)), index] * counts\n"
        "    loss = loss if weight is None else loss * weight[index]\n"
        "    return loss if reduction == 'none' else getattr(loss, reduction)()",
        "mean over ignored targets",
    ),
}


@pytest.mark.parametrize("sheet", SHEETS)
def test_typical_wrong_solutions_do_not_get_full_marks(sheet, tmp_path):
    wrong = WRONG | (WRONG_IN_PRACTICE if sheet == "practice" else {})
    for name in solution(sheet):
        source, mistake = wrong[name]
        path = tmp_path / "wrong.py"
        # The other functions are right, so that only this one is at fault.
        path.write_text("import torch\n" + "\n".join((solution(sheet) | {name: source}).values()))
        found, errors = load(path)
        report = check(found[name], like=name)
        assert not errors and not report.passed and report.score < 1, name
        assert mistake in report.mistakes, report
