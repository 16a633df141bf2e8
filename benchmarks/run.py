"""Measure `lossnotes` against its peers: time and memory of a loss and its gradients.

    python benchmarks/run.py             all of it, to benchmarks/results.json: some ten minutes on two cores
    python benchmarks/run.py --quick     tiny sizes, to see that everything runs; its numbers mean nothing

`make bench` installs the peers and runs this. README.md beside it says how it measures, and why so.
"""

import argparse
import datetime
import functools
import gc
import importlib.metadata
import json
import math
import multiprocessing
import os
import platform
import random
import statistics
import subprocess
import sys
import time
import timeit
from pathlib import Path

HERE = Path(__file__).resolve().parent
# PyTorch reads this when it allocates for the first time: a process for each. Its default is 0.
PAGES = {"huge pages": "1", "small pages": "0"}
# Two ways to compute one float32 loss differ by less than this, relative to the largest value or gradient.
SAME = 1e-5
# A sample lasts about this long at least, so that the clock's own cost does not show. In seconds.
SAMPLE = 0.005


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="tiny sizes: a test of this program, not a measurement")
    parser.add_argument("--out", type=Path, help="where the results go; _build/ when quick")
    parser.add_argument("--work", choices=["time", "memory"], help=argparse.SUPPRESS)
    parser.add_argument("--curves", action="store_true", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.work:
        return work(options)

    from tqdm import tqdm

    out = options.out or (HERE.parent / "_build" / "quick.json" if options.quick else HERE / "results.json")
    jobs = [("time", mode, mode == "huge pages") for mode in PAGES] + [("memory", "small pages", False)]
    begin, load = time.monotonic(), os.getloadavg()[0] if hasattr(os, "getloadavg") else None
    found, curves, head = {}, [], None
    with tqdm(unit="case", disable=None, dynamic_ncols=True) as bar:
        for kind, mode, with_curves in jobs:
            for line in started(kind, mode, with_curves, options.quick):
                if "steps" in line:
                    head = head or line
                    bar.total = sum(head["steps"].values()) + head["steps"]["time"]
                    continue
                bar.set_description(f"{mode}: {line['case']}")
                bar.update()
                if line.get("curve"):
                    curves.append({k: line[k] for k in ("curve", "elements", "time")})
                    continue
                entry = found.setdefault(line["case"], line | {"time": {}, "memory": {}})
                if kind == "time":
                    entry["time"][mode] = line["time"]
                else:
                    entry["memory"] |= line["memory"]
    curves.sort(key=lambda point: (point["curve"], point["elements"]))
    results = {
        "date": datetime.date.today().isoformat(),
        "quick": options.quick,
        "minutes": round((time.monotonic() - begin) / 60, 1),
        # Others at work on the machine when this began, as processes: figures of a busy machine are not to be quoted.
        "load": load and round(load, 2),
        **{k: head[k] for k in ("machine", "versions", "missing", "copy")},
        "cases": [found[name] for name in head["order"]],
        "curves": curves,
    }
    out.parent.mkdir(parents=True, exist_ok=True)
    out.write_text(json.dumps(results, indent=1, ensure_ascii=False) + "\n", "utf-8")

    import show

    print(
        show.told(results),
        show.table(results),
        show.weights(results),
        show.goals(results, "time"),
        show.goals(results, "memory"),
        sep="\n\n",
    )
    figure = HERE.parent / "_build" / "benchmarks.png"
    figure.parent.mkdir(exist_ok=True)
    show.draw(results, figure)
    print(f"\n{os.path.relpath(out)}: everything measured; {os.path.relpath(figure)}: the same as a picture")


def started(kind, mode, with_curves, quick):
    """What a worker in a process of its own says, line by line."""
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    settings = {"THP_MEM_ALLOC_ENABLE": PAGES[mode], "PYTHONWARNINGS": "ignore", "KINETO_LOG_LEVEL": "99"}
    # Threads that stay on their cores: elsewhere a step is now and then half as fast as the one before. A quick run may be
    # beside others, where two threads that wait for each other take many times as long as one.
    settings |= {"OMP_NUM_THREADS": "1"} if quick else {"OMP_NUM_THREADS": str(cores), "OMP_PROC_BIND": "true"}
    command = [sys.executable, __file__, "--work", kind, *["--curves"] * with_curves, *["--quick"] * quick]
    with subprocess.Popen(command, env=os.environ | settings, stdout=subprocess.PIPE, text=True) as worker:
        for line in worker.stdout:
            if line.startswith("{"):
                yield json.loads(line)
    if worker.returncode:
        sys.exit(f"the benchmark stopped at its {kind} with {mode}: see above")


def work(options):
    import peers
    import torch

    device = "cuda" if torch.cuda.is_available() and os.environ.get("LOSSNOTES_DEVICE") != "cpu" else "cpu"
    cases = peers.cases(options.quick)
    listed = [case for case in cases if not case.curve]
    # What is compiled for one shape would be compiled again for the small one that warms up.
    to_weigh = [(case, name) for case in listed for name in (["ours", *case.peers] if "compiled" not in case.name else [])]
    say(
        steps={"time": len(listed), "curves": len(cases) - len(listed), "memory": len(to_weigh)},
        order=[case.name for case in listed],
        missing=peers.missing,
        machine=machine(torch, device),
        versions=versions(),
        # After memory is weighed in a forked process no thread may have run before the fork.
        copy=copy_bandwidth(torch, device, options.quick) if options.work == "time" else None,
    )
    if options.work == "time":
        gc.freeze()  # collecting garbage after each case need not look at all that was imported
        todo = list(cases if options.curves else listed)
        random.shuffle(todo)
        for case in todo:
            torch.manual_seed(0)
            say(**measured(case, device, options.quick))
        return
    random.shuffle(to_weigh)
    if device == "cuda":
        for case, name in to_weigh:
            say(case=case.name, memory={name: weighed_on_gpu(torch, peers, case, name)})
        return
    # A process for each: its largest size is told for its whole life only.
    weigh = functools.partial(weighed, options.quick)
    numbers = [(next(i for i, c in enumerate(cases) if c is case), name) for case, name in to_weigh]
    how = "fork" if "fork" in multiprocessing.get_all_start_methods() else "spawn"
    with multiprocessing.get_context(how).Pool(1, hush, maxtasksperchild=1) as pool:
        for line in pool.imap(weigh, numbers, chunksize=1):
            say(**line)


def say(**line):
    print(json.dumps(line, ensure_ascii=False), flush=True)


def agreed(case, tensors):
    """The largest difference from ours of each peer. One that computes something else stops everything."""
    import peers

    mine, found = peers.step(case.ours, tensors), {}
    for name, way in case.peers.items():
        found[name] = peers.disagreement(mine, peers.step(way, tensors))
        # Not >, which is false for NaN.
        if not found[name] <= SAME:
            sys.exit(f"{case.name}: {name} and ours differ by {found[name]:.1e}, more than {SAME}: they compute different losses")
    return found


def measured(case, device, quick):
    """Seconds of every way, in rounds in which each has its turn, in an order drawn anew."""
    import peers
    import torch

    tensors = case.draw(*case.shape, device=device)
    differences = agreed(case, tensors)
    wait = torch.cuda.synchronize if device == "cuda" else lambda: None

    def once(way):
        peers.step(way, tensors)
        wait()

    # timeit switches the garbage collector off while it measures.
    timers = {name: timeit.Timer(functools.partial(once, way)) for name, way in case.ways().items()}
    for name in case.bare:
        timers[name].timeit(1)  # to warm up, as `agreed` did the others
    begin = time.monotonic()
    counts = {name: max(1, math.ceil(SAMPLE / t.timeit(1))) for name, t in timers.items()}
    slow = time.monotonic() - begin > 8
    seconds, order, begin = {name: [] for name in timers}, list(timers), time.monotonic()
    least, budget = (2, 0) if quick else (3 if slow else 5, 1 if case.curve else 4)
    while len(seconds["ours"]) < least or (time.monotonic() - begin < budget and len(seconds["ours"]) < 50):
        random.shuffle(order)
        for name in order:
            seconds[name].append(timers[name].timeit(counts[name]) / counts[name])
    gc.collect()
    slopes = sum(x.nbytes for x in tensors if x.requires_grad)
    return {
        "case": case.name,
        "curve": case.curve,
        "elements": tensors[0].numel(),
        "shape": list(case.shape),
        "goals": [list(goal) for goal in case.goals],
        "aside": [*case.aside, *case.bare],
        # What has to be read and written at least.
        "bytes": sum(x.nbytes for x in tensors) + slopes,
        "differences": {name: float(f"{value:.1e}") for name, value in differences.items()},
        "time": {name: spread(values) for name, values in seconds.items()},
    }


def spread(values):
    low, middle, high = statistics.quantiles(values, n=4, method="inclusive")
    all_of_them = {"min": min(values), "q1": low, "median": middle, "q3": high, "max": max(values)}
    return {k: float(f"{v:.4g}") for k, v in all_of_them.items()} | {"rounds": len(values)}


def copy_bandwidth(torch, device, quick):
    """Bytes read and written in a second by a copy: a loss that only moved its data would do so much."""
    a, b = torch.ones(2, 1 << (12 if quick else 25), device=device)

    def copy():
        b.copy_(a)
        if device == "cuda":
            torch.cuda.synchronize()

    copy()
    return float(f"{2 * a.nbytes / min(timeit.repeat(copy, number=5, repeat=5)) * 5:.3g}")


def hush():
    """The profiler complains that it was forked. What goes wrong here is raised where it was asked for."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), 2)


def weighed(quick, number):
    """The peak of memory above what the inputs take, in sizes of the scores. In a process of its own."""
    import resource

    import peers
    import torch

    index, name = number
    case = peers.cases(quick)[index]
    way = case.ways()[name]
    # Threads, libraries and buffers that stay.
    peers.step(way, case.draw(*(min(n, 64) for n in case.shape), device="cpu"))
    tensors = case.draw(*case.shape, device="cpu")
    unit = 1 if sys.platform == "darwin" else 1024
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    peers.step(way, tensors)
    grown = (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) * unit
    with torch.profiler.profile(activities=[torch.profiler.ProfilerActivity.CPU], profile_memory=True) as profiler:
        peers.step(way, tensors)
    events = [e for e in profiler.profiler.kineto_results.events() if e.name() == "[memory]"]
    now = peak = 0
    for event in sorted(events, key=lambda e: e.start_ns()):
        now += event.nbytes()
        peak = max(peak, now)
    size = case.size(tensors)
    return {"case": case.name, "memory": {name: {"profiler": round(peak / size, 6), "rss": round(grown / size, 3)}}}


def weighed_on_gpu(torch, peers, case, name):
    tensors = case.draw(*case.shape, device="cuda")
    peers.step(case.ways()[name], tensors)
    torch.cuda.reset_peak_memory_stats()
    before = torch.cuda.memory_allocated()
    peers.step(case.ways()[name], tensors)
    return {"profiler": round((torch.cuda.max_memory_allocated() - before) / case.size(tensors), 3), "rss": None}


def machine(torch, device):
    """What the figures hang on; no name of the machine, no path."""
    model = platform.processor() or platform.machine()
    if Path("/proc/cpuinfo").exists():
        lines = Path("/proc/cpuinfo").read_text().splitlines()
        model = next((line.split(":")[1].strip() for line in lines if line.startswith("model name")), model)
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") if hasattr(os, "sysconf") else 0
    return {
        "cpu": model,
        "vectors": torch.backends.cpu.get_cpu_capability(),
        "cores": torch.get_num_threads(),
        "memory": f"{memory / 2**30:.0f} GiB",
        "device": torch.cuda.get_device_name() if device == "cuda" else "cpu",
        "system": platform.system(),
        "python": platform.python_version(),
    }


def versions():
    found = {}
    for name in ("torch", "torchvision", "kornia", "monai", "timm", "segmentation-models-pytorch", "scipy"):
        try:
            found[name] = importlib.metadata.version(name)
        except importlib.metadata.PackageNotFoundError:
            pass
    return found


if __name__ == "__main__":
    main()
