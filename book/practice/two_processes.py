"""One step of training on two processes, against the same step on one. The chapter losses-at-scale runs it:

OMP_NUM_THREADS=1 python -m torch.distributed.run --standalone --nproc-per-node 2 two_processes.py
"""

import torch
import torch.distributed as dist
import torch.nn.functional as F
from torch.distributed.device_mesh import init_device_mesh
from torch.distributed.tensor import Replicate, Shard, distribute_tensor
from torch.distributed.tensor.parallel import loss_parallel
from torch.nn.parallel import DistributedDataParallel

import lossnotes as ln
from lossnotes import experiments

LETTERS = " abcdefghijklmnopqrstuvwxyz"


def say(what, found, expected):
    """Process 0 prints how far a tensor is from what one process finds."""
    off = (found - expected).norm() / expected.norm()
    if dist.get_rank() == 0:
        print(f"{what:38} off by {100 * off:.1f} %", flush=True)


def split_tokens(model, x, target):
    """Each process has the model, and a part of the tokens: 7, and 3."""
    (expected,) = torch.autograd.grad(F.cross_entropy(model(x), target), model[1].weight)
    mine = slice(0, 7) if dist.get_rank() == 0 else slice(7, 10)
    copy = DistributedDataParallel(model)  # its backward averages the gradients of the processes

    copy.zero_grad()
    F.cross_entropy(copy(x[mine]), target[mine]).backward()
    say("tokens split, mean of each part", model[1].weight.grad, expected)

    copy.zero_grad()
    total = F.cross_entropy(copy(x[mine]), target[mine], reduction="sum")
    ln.distributed_mean(total, len(target[mine])).backward()
    say("tokens split, ln.distributed_mean", model[1].weight.grad, expected)


def split_vocabulary(features, weight, target):
    """Each process has all tokens, and a part of the rows of the last layer: 14 of 27 letters, and 13."""
    mesh = init_device_mesh("cpu", (2,))
    x = distribute_tensor(features, mesh, [Replicate()])
    W = distribute_tensor(weight, mesh, [Shard(0)]).requires_grad_()
    alone = weight.clone().requires_grad_()
    with loss_parallel():
        loss = F.cross_entropy(F.linear(x, W), target)
        expected = F.cross_entropy(F.linear(features, alone), target)
        say("vocabulary split, value", loss.full_tensor(), expected)

        (g,) = torch.autograd.grad(loss, W, create_graph=True)
        (g_alone,) = torch.autograd.grad(expected, alone, create_graph=True)
        say("vocabulary split, gradient", g.full_tensor(), g_alone)

        (h,) = torch.autograd.grad(g.square().sum(), W)
        (h_alone,) = torch.autograd.grad(g_alone.square().sum(), alone)
        say("vocabulary split, second derivative", h.full_tensor(), h_alone)
        try:
            F.cross_entropy(F.linear(x, W), target, label_smoothing=0.1)
        except RuntimeError:
            if dist.get_rank() == 0:
                print("vocabulary split, label smoothing      refused")


if __name__ == "__main__":
    dist.init_process_group("gloo")
    torch.manual_seed(0)
    text = torch.tensor([LETTERS.index(c) for c in experiments.prose()["wine_data"][:11]])
    model = torch.nn.Sequential(torch.nn.Embedding(27, 16), torch.nn.Linear(16, 27, bias=False)).double()
    split_tokens(model, text[:-1], text[1:])
    split_vocabulary(model[0](text[:-1]).detach(), model[1].weight.detach(), text[1:])
    dist.barrier()  # a process that leaves first takes the connection with it
    dist.destroy_process_group()
