"""distributed_mean: the mean of a step taken in parts, in one process and in two."""

import ast
import os
import re
import subprocess
import sys
from pathlib import Path

import nbformat
import pytest
import torch

import lossnotes as ln
from lossnotes._tracing import with_whole_classes

CHAPTER = Path(__file__).parents[1] / "book" / "practice" / "losses-at-scale.ipynb"
WEIGHT = torch.tensor([0.5, 3.0, 1.0, 2.0], dtype=torch.float64)
TARGET = torch.tensor([0, 1, -100, 3, 2, -100, -100, 1, 0, 2])


def scores():
    z = torch.randn(10, 4, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    return z.requires_grad_()


# --- one process ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("sizes", [(10,), (7, 3), (1, 1, 8), (3, 0, 7)])
@pytest.mark.parametrize("weight", [None, WEIGHT])
def test_accumulation_equals_the_mean(sizes, weight):
    z = scores()
    whole = ln.cross_entropy(z, TARGET, weight)
    (expected,) = torch.autograd.grad(whole, z)
    kept = TARGET[TARGET != -100]
    count = len(kept) if weight is None else weight[kept].sum()
    value = 0.0
    for part, target in zip(z.split(sizes), TARGET.split(sizes)):
        total = ln.cross_entropy(part, target, weight, reduction="sum")
        loss = ln.distributed_mean(total, count)
        loss.backward(retain_graph=True)
        value += loss.item()
    assert value == pytest.approx(whole.item(), rel=1e-12)
    torch.testing.assert_close(z.grad, expected, rtol=1e-12, atol=0)


def test_the_means_of_parts_do_not():
    """That the case above tells the two apart."""
    z = scores()
    whole = ln.cross_entropy(z, TARGET)
    parts = [ln.cross_entropy(a, b) for a, b in zip(z.split((7, 3)), TARGET.split((7, 3)))]
    assert abs((sum(parts) / 2 - whole).item()) > 0.01


@pytest.mark.parametrize("count", [4, 4.0, torch.tensor(4), torch.tensor(4.0), torch.tensor(4, dtype=torch.uint8)])
@pytest.mark.parametrize("dtype", [torch.float64, torch.float32, torch.bfloat16])
def test_a_count_is_any_number_and_the_dtype_is_that_of_the_total(count, dtype):
    mean = ln.distributed_mean(torch.tensor(6.0, dtype=dtype), count)
    assert mean.dtype == dtype and mean == 1.5


def test_a_count_is_no_part_of_the_graph():
    total, count = torch.tensor(6.0, requires_grad=True), torch.tensor(4.0, requires_grad=True)
    ln.distributed_mean(total, count).backward()
    assert total.grad == 0.25 and count.grad is None


def test_a_mean_over_nothing_is_nan():
    assert ln.distributed_mean(torch.tensor(0.0), 0).isnan()
    nothing = torch.full((3,), -100)
    total = ln.cross_entropy(torch.zeros(3, 4), nothing, reduction="sum")
    assert ln.distributed_mean(total, (nothing != -100).sum()).isnan()


def test_it_follows_the_device(device):
    total = torch.tensor(6.0, device=device)
    for count in (4, torch.tensor(4), torch.tensor(4, device=device)):
        assert ln.distributed_mean(total, count).device == total.device


BAD_CALLS = [
    (
        lambda: ln.distributed_mean(1.0, 2),
        TypeError,
        "distributed_mean: total is a float; expected a tensor. Try torch.as_tensor(total).",
    ),
    (
        lambda: ln.distributed_mean(torch.ones(2), 2),
        ValueError,
        'distributed_mean: total has shape (2,); expected a single number. Try total.sum(), or reduction="sum".',
    ),
    (
        lambda: ln.distributed_mean(torch.tensor(1), 2),
        TypeError,
        "distributed_mean: total has dtype torch.int64; expected floating point. Try total.float().",
    ),
    (
        lambda: ln.distributed_mean(torch.tensor(1.0), "2"),
        TypeError,
        "distributed_mean: count is a str; expected a number. Try (target != -100).sum().",
    ),
    (
        lambda: ln.distributed_mean(torch.tensor(1.0), True),
        TypeError,
        "distributed_mean: count is a bool; expected a number. Try (target != -100).sum().",
    ),
    (
        lambda: ln.distributed_mean(torch.tensor(1.0), torch.ones(3)),
        ValueError,
        "distributed_mean: count has shape (3,); expected a single number. Try count.sum().",
    ),
    (
        lambda: ln.distributed_mean(torch.tensor(1.0), torch.ones(70_000, dtype=torch.float16).sum()),
        ValueError,
        "distributed_mean: count is inf; expected a finite number. Try weight.sum(dtype=torch.float32) if weights are summed.",
    ),
    (
        lambda: ln.distributed_mean(torch.tensor(1.0), -2),
        ValueError,
        "distributed_mean: count is -2; expected 0 or more. Try (target != -100).sum().",
    ),
    (
        lambda: ln.distributed_mean(torch.tensor(1.0), torch.tensor(-2)),
        ValueError,
        "distributed_mean: count is -2; expected 0 or more. Try (target != -100).sum().",
    ),
    (
        lambda: ln.distributed_mean(torch.tensor(1.0), float("nan")),
        ValueError,
        "distributed_mean: count is nan; expected 0 or more. Try (target != -100).sum().",
    ),
    (
        lambda: ln.distributed_mean(torch.tensor(1.0), torch.tensor(1j)),
        TypeError,
        "distributed_mean: count has dtype torch.complex64; expected a number. Try (target != -100).sum().",
    ),
    (
        lambda: ln.distributed_mean(torch.tensor(1.0), torch.tensor(True)),
        TypeError,
        "distributed_mean: count has dtype torch.bool; expected a number. Try (target != -100).sum().",
    ),
    (
        lambda: ln.distributed_mean(torch.tensor(1.0), None),
        TypeError,
        "distributed_mean: count is a NoneType; expected a number. Try (target != -100).sum().",
    ),
]


@pytest.mark.parametrize("call, error, message", BAD_CALLS)
def test_what_is_refused(call, error, message):
    with pytest.raises(error) as raised:
        call()
    assert str(raised.value) == message


# --- two processes ----------------------------------------------------------------------------------------------------------


def two(script, *arguments):
    """What process 0 of two prints."""
    command = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--local-addr=localhost", "--nproc-per-node=2"]
    done = subprocess.run(
        [*command, str(script), *arguments], capture_output=True, text=True, env=os.environ | {"OMP_NUM_THREADS": "1"}, timeout=300
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def script_of_the_chapter():
    """What the chapter writes and starts twice: the functions that its cells define, between a head and an end."""
    functions, ends = {}, {}
    for cell in nbformat.read(CHAPTER, as_version=4).cells:
        for node in ast.parse(cell.source).body if cell.cell_type == "code" else ():
            if isinstance(node, ast.FunctionDef):
                functions[node.name] = ast.get_source_segment(cell.source, node)
            elif isinstance(node, ast.Assign) and getattr(node.targets[0], "id", "") in ("HEAD", "MAIN"):
                ends[node.targets[0].id] = ast.literal_eval(node.value)
    names = ["bigram", "split_tokens", "micro_batches", "split_vocabulary", "harder", "soft_targets", "grad", "say"]
    return "\n\n".join([ends["HEAD"], *(functions[name] for name in names), ends["MAIN"]])


def test_the_script_of_the_chapter(tmp_path):
    script = tmp_path / "two.py"
    script.write_text(script_of_the_chapter(), "utf-8")
    found = dict(re.findall(r"^(\S.*?)  +(\S.*)$", two(script), re.M))
    assert found.pop("label smoothing") == "refused"
    off = {what: int(re.fullmatch(r"off by (\d+)%", text)[1]) for what, text in found.items()}
    wrong = {
        "tokens split, mean of each part",
        "... of the features, own part only",
        "soft targets inside, gradient",
        "second derivative, W then W",
        "second derivative, x then x",
    }
    assert {what for what, percent in off.items() if percent > 20} == wrong
    assert {what for what, percent in off.items() if percent == 0} == {
        "tokens split, ln.distributed_mean",
        "the same, two micro-batches each",
        "vocabulary split, value",
        "vocabulary split, gradient of W",
        "... of the features, added up",
        "soft targets inside, value",
        "soft targets outside, value",
        "soft targets outside, gradient",
    }
    assert off["second derivative, W then W"] == off["second derivative, x then x"] == 100
    mixed = {off["second derivative, W then x"], off["second derivative, x then W"]}
    assert mixed == {9}


MORE = """
import torch
import torch.distributed as dist

import lossnotes as ln

dist.init_process_group("gloo")
rank = dist.get_rank()
total = torch.tensor([2.0, 4.0][rank], dtype=torch.float64)
counts = {
    "whole numbers": [7, 3][rank],
    "tensors": torch.tensor([7, 3][rank]),
    "of two kinds": [7, 3.0][rank],
    "small integers": torch.tensor([200, 100][rank], dtype=torch.uint8),
    "half precision": torch.tensor([256.0, 1.0][rank], dtype=torch.bfloat16),
    "as they are summed": torch.tensor([7.0, 3.0][rank], dtype=torch.float64),
    "one has none": [5, 0][rank],
    "none": 0,
}
for name, count in counts.items():
    before = torch.as_tensor(count).clone()
    value = ln.distributed_mean(total, count)
    assert torch.equal(torch.as_tensor(count), before)
    if rank == 0:
        print(name, round(value.item(), 6), sep="=")
# A group of its own for each process: there is one process in it.
groups = [dist.new_group([0]), dist.new_group([1])]
value = ln.distributed_mean(total, 4, group=groups[rank])
assert value == total / 4
dist.barrier()
dist.destroy_process_group()
"""


def test_the_counts_of_two_processes_add_up(tmp_path):
    """The mean of 2 and 4, each times 2 / (sum of the counts); process 0 has the first."""
    (tmp_path / "more.py").write_text(MORE)
    found = dict(line.split("=") for line in two(tmp_path / "more.py").splitlines())
    assert found.pop("none") == "inf"  # 2 / 0; a sum over nothing would be 0, and its mean NaN
    assert {name: float(value) for name, value in found.items()} == {
        "whole numbers": 0.4,
        "tensors": 0.4,
        "of two kinds": 0.4,
        "small integers": round(4 / 300, 6),
        "half precision": round(4 / 257, 6),
        "as they are summed": 0.4,
        "one has none": 0.8,
    }


# --- tensors that lie in parts on two processes --------------------------------------------------------------------------------

DTENSORS = """
import sys

import torch
import torch.distributed as dist
import torch.nn.functional as F
from torch.distributed.device_mesh import init_device_mesh
from torch.distributed.tensor import Replicate, Shard, distribute_tensor

import lossnotes as ln

dist.init_process_group("gloo")
mesh = init_device_mesh("cpu", (2,))
draws = torch.Generator().manual_seed(0)
z = torch.randn(6, 4, generator=draws, dtype=torch.float64)
y = torch.rand(6, 4, generator=draws, dtype=torch.float64)
w, v = torch.tensor([0.5, 3.0, 1.0, 2.0], dtype=torch.float64), torch.randn(4, 4, generator=draws, dtype=torch.float64)
t = torch.tensor([0, 3, 1, 2, 1, 0])
p, q = z.softmax(1), (z / 2).softmax(1)
# By name: the loss, its input, and the other tensors, which lie as the input does.
LOSSES = {
    "bce": (ln.binary_cross_entropy_with_logits, z, (y,)),
    "mse": (ln.mse_loss, z, (y,)),
    "hinge": (ln.hinge_loss, z, (y.round() * 2 - 1,)),
    "sigmoid focal": (ln.sigmoid_focal_loss, z, (y,)),
    "softmax focal": (ln.softmax_focal_loss, z, (t,)),
    "multiclass hinge": (ln.multiclass_hinge_loss, z, (t,)),
    "nll": (ln.nll_loss, z.log_softmax(1), (t,)),
    "ce": (ln.cross_entropy, z, (t,)),
    "ce, ignored": (lambda z, t: ln.cross_entropy(z, t, ignore_index=2), z, (t,)),
    "ce, smooth": (lambda z, t: ln.cross_entropy(z, t, label_smoothing=0.1), z, (t,)),
    "ce, shares": (ln.cross_entropy, z, (p,)),
    "ce, many": (ln.cross_entropy, z.repeat(1000, 1), (t.repeat(1000),)),
    "softmax": (lambda z: (ln.softmax(z, 1) ** 2).sum(), z, ()),
    "log_softmax": (lambda z: (ln.log_softmax(z, 1) ** 2).sum(), z, ()),
    "entropy": (lambda p: ln.entropy(p).sum(), p, ()),
    "kl": (lambda p, q: ln.kl_divergence(p, q).sum(), p, (q,)),
    "linear": (lambda x, v, t: ln.linear_cross_entropy(x, v, t), z, (v, t)),
}
for name, (loss, x, rest) in LOSSES.items():
    alone = x.clone().requires_grad_()
    expected = loss(alone, *rest)
    (slope,) = torch.autograd.grad(expected, alone)
    for placement in (Replicate(), Shard(0), Shard(1)):
        if name == "linear" and placement == Shard(1):
            continue  # features that lie in parts are the layer's business, not the loss's
        place = [placement]
        here = distribute_tensor(x, mesh, place).requires_grad_()
        others = []
        for i, o in enumerate(rest):
            parts = [Replicate()] if (o.ndim == 1 and placement == Shard(1)) or (name == "linear" and i == 0) else place
            others.append(distribute_tensor(o, mesh, parts))
        value = loss(here, *others)
        value.backward()
        found = value.full_tensor() if hasattr(value, "full_tensor") else value
        torch.testing.assert_close(found, expected.detach(), rtol=1e-10, atol=1e-10)
        torch.testing.assert_close(here.grad.full_tensor(), slope, rtol=1e-10, atol=1e-10)
    if dist.get_rank() == 0:
        print(name)
dist.barrier()
dist.destroy_process_group()
"""


def test_tensors_that_lie_in_parts(tmp_path):
    """DTensor: rows or classes on two processes, forward and backward, wherever PyTorch's own losses work."""
    (tmp_path / "parts.py").write_text(DTENSORS)
    assert len(two(tmp_path / "parts.py").splitlines()) == 17


# --- in this process, as a group of one: what else runs in others, where coverage does not look


@pytest.fixture
def alone():
    torch.distributed.init_process_group("gloo", store=torch.distributed.HashStore(), rank=0, world_size=1)
    yield
    torch.distributed.destroy_process_group()


def test_a_group_of_one(alone):
    assert ln.distributed_mean(torch.tensor(6.0), 3) == 2


def test_only_a_split_along_the_classes_is_undone(alone):
    from torch.distributed.tensor import Replicate, Shard, distribute_tensor, init_device_mesh

    mesh, z = init_device_mesh("cpu", (1,)), torch.eye(3)[:2]
    for placement, dim, whole in ((Shard(1), 1, Replicate()), (Shard(1), -1, Replicate()), (Shard(0), 1, Shard(0))):
        found = with_whole_classes(distribute_tensor(z, mesh, [placement]), dim)
        assert found.placements == (whole,)
        torch.testing.assert_close(found.full_tensor(), z)
    assert with_whole_classes(z, 1) is z
