"""A process that has loaded torch, and forks: loading takes seconds, forking milliseconds."""

import gc
import json
import os
import socket
import sys

from . import limits
from .serve import serve


def preload():
    """What the first use of an optimizer, of a pretended device or of a distribution would load within a student's time."""
    import torch
    import torch._dynamo
    import torch._refs
    import torch.distributions
    import torch.optim

    from .callables import pretended

    torch.set_num_threads(1)
    weight = torch.zeros(2, requires_grad=True)
    torch.optim.SGD([weight], lr=0.1)
    pretended(lambda x: x.exp(), [torch.zeros(2)])
    torch.compiler.set_stance("force_eager")  # torch.compile(f) is f: the same values, without a compiler
    gc.collect()
    gc.freeze()


def fork(control):
    """Fork for every request on the socket `control`, which brings the child's own socket with it."""
    limits.adopt()
    limits.hide()
    preload()
    control.send(b"ready")
    own = None
    while True:
        message, fds, *_ = socket.recv_fds(control, 65536, 1)
        if not message:
            return
        request = json.loads(message)
        if request["do"] == "end":
            status = limits.end(request["pid"])
            control.send(json.dumps({"status": status}).encode())
            continue
        own = limits.possible(request) if own is None else own
        request["own"] = own
        pid = os.fork()
        if not pid:
            _work(control, fds[0], request)
        os.close(fds[0])
        control.send(json.dumps({"pid": pid}).encode())


def _work(control, fd, request):
    try:
        control.detach()
        how = limits.confine(request, [fd])
        with socket.socket(fileno=fd) as own, own.makefile("rb") as read, own.makefile("wb") as write:
            serve(read, write, how)
    finally:
        os._exit(0)


def once(request):
    """Serve one submission on the standard input and output, and end."""
    read, write = os.dup(0), os.dup(1)
    preload()
    how = limits.confine(request, [read, write])
    with open(read, "rb") as requests, open(write, "wb") as answers:
        serve(requests, answers, how)


def main(arguments):
    if arguments[0] == "fork":
        fork(socket.socket(fileno=int(arguments[1])))
    else:
        once(json.loads(arguments[1]))
    sys.exit(0)
