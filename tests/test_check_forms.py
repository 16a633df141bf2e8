"""A right function may have any form: of autograd, of TorchScript, of NumPy, of modules in a row, in a file that a cell has written."""

import json

import numpy as np
import pytest
import torch
from grading import graded, report_of

from lossnotes.check import check
from lossnotes.check._child import reading
from lossnotes.check._child.callables import code_of, signature
from lossnotes.check._grade.sheet import of_names

FORMS = """
import functools
import numpy as np, torch
from torch import Tensor, nn

class EntropyFn(torch.autograd.Function):
    @staticmethod
    def forward(ctx, p):
        ctx.save_for_backward(p)
        return -torch.xlogy(p, p).sum(-1)

    @staticmethod
    def backward(ctx, g):
        (p,) = ctx.saved_tensors
        return -g.unsqueeze(-1) * (torch.log(p) + 1)
entropy = EntropyFn.apply

class InformationFn(torch.autograd.Function):
    @staticmethod
    def forward(p):
        return -torch.log(p)

    @staticmethod
    def setup_context(ctx, inputs, output):
        ctx.save_for_backward(*inputs)

    @staticmethod
    def backward(ctx, g):
        return -g / ctx.saved_tensors[0]
information_content = InformationFn.apply

@torch.jit.script
def kl_divergence(p: Tensor, q: Tensor) -> Tensor:
    return (torch.xlogy(p, p) - torch.xlogy(p, q)).sum(-1)

class CrossEntropy(nn.Module):
    def forward(self, p, q):
        return -torch.xlogy(p, q).sum(-1)
cross_entropy_between = torch.jit.script(CrossEntropy())

class Exp(nn.Module):
    def forward(self, x):
        return torch.exp(x - x.max(-1, keepdim=True).values)
class Norm(nn.Module):
    def forward(self, x):
        return x / x.sum(-1, keepdim=True)
softmax = nn.Sequential(Exp(), Norm())

class Table:
    @classmethod
    def conditional_entropy(cls, joint):
        return (torch.xlogy(joint, joint.sum(-1, keepdim=True)) - torch.xlogy(joint, joint)).sum((-2, -1))
conditional_entropy = Table.conditional_entropy

@functools.partial(torch.vmap, in_dims=0)
def hinge_loss_each(x, y):
    return torch.relu(1 - x * y)
def hinge_loss(input, target):
    return hinge_loss_each(input.flatten(), target.flatten()).mean()
"""
NAMES = ["entropy", "information_content", "kl_divergence", "cross_entropy_between", "softmax", "conditional_entropy", "hinge_loss"]


@pytest.fixture(scope="module")
def forms(warm):
    return graded(warm, FORMS, of_names(NAMES))


@pytest.mark.parametrize("name", NAMES)
def test_a_right_function_of_any_form_gets_full_marks(name, forms):
    report = report_of(forms, name)
    assert report["passed"] and report["score"] == 1, report
    assert not forms["errors"] and not forms["notes"]


def test_what_is_imported_is_not_ones_own_whatever_its_form(warm):
    source = "import numpy as np, torch\nfrom torch import softmax\nfrom scipy.special import entr as entropy\ninformation_content = np.negative\n"
    source += "mse_loss = torch.ops.aten.mse_loss\nhinge_loss = torch.nn.functional.relu\n"
    result = graded(warm, source, of_names(["softmax", "information_content", "mse_loss", "hinge_loss", "entropy"]))
    assert result["points"] == 0
    said = " ".join(result["notes"])
    assert all(f"{name} is imported from" in said for name in ("softmax", "information_content", "mse_loss", "hinge_loss")), result


VECTORIZED = """
import numpy as np
information_content = np.vectorize(lambda p: -np.log(p))
"""


def test_a_vectorized_function_of_numpy_is_graded(warm):
    """Its values are right, and it has no gradient: it is told where that was lost."""
    (report,) = graded(warm, VECTORIZED, of_names(["information_content"]))["reports"]
    assert report["lines"][0]["passed"] and 0 < report["score"] < 1
    (line,) = (line for line in report["lines"] if line["passed"] is False and line["role"] != "told")
    assert line["check"] == "gradient" and "NumPy" in line["hint"], line


@pytest.mark.parametrize(
    "first, rest",
    [
        ("%%writefile util.py", "import torch\ndef plogp(p):\n    return torch.xlogy(p, p)\n"),
        ("%%writefile -a util.py", "import torch\ndef plogp(p):\n    return torch.xlogy(p, p)\n"),
        ("%%file 'util.py'", 'text = """\n\\n"""\nimport torch\nplogp = lambda p: torch.xlogy(p, p)\n'),
    ],
)
@pytest.mark.parametrize("direct", [False, True])
def test_a_cell_that_writes_a_file_is_imported(first, rest, direct, warm):
    if direct:
        rest += "def entropy(p):\n    return -plogp(p).sum(-1)\n"
        uses = "from util import entropy\n"
    else:
        uses = "from util import plogp\ndef entropy(p):\n    return -plogp(p).sum(-1)\n"
    cells = [{"cell_type": "code", "source": source} for source in (f"{first}\n{rest}", uses)]
    result = graded(warm, json.dumps({"cells": cells}).encode(), of_names(["entropy"]), "a.ipynb")
    assert result["passed"] and not result["errors"] and not result["notes"], result


def test_a_written_file_stays_in_the_folder():
    (piece,) = reading.pieces(
        "a.ipynb", json.dumps({"cells": [{"cell_type": "code", "source": "%%writefile ../../etc/x.py\ny = 1"}]}).encode()
    )
    assert "open('x.py', 'w'" in piece.source
    assert "open('no name'" in reading._other_language("%%writefile\nx")


def test_what_these_forms_take():
    class Two(torch.autograd.Function):
        @staticmethod
        def forward(ctx, p, q=None):
            return p

    assert signature(Two.apply) == {"placed": [["p", True], ["q", False]], "named": [], "any": False}
    assert code_of(Two.apply) is Two.forward
    scripted = torch.jit.script(_scripted)
    assert signature(scripted) == {"placed": [["p", True], ["base", False]], "named": ["p", "base"], "any": False}
    vectorized = signature(np.vectorize(lambda p, base=2: p))
    assert vectorized["named"] == ["p", "base"] and not vectorized["any"]
    assert check(torch.jit.script(torch.nn.ReLU()), like="entropy").score == 0  # its signature can be read, and nothing breaks


def _scripted(p: torch.Tensor, base: float = 2.0) -> torch.Tensor:
    return p * base
