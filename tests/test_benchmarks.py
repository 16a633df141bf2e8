"""The benchmark as a program: a quick run of every case, whose times mean nothing, and the file that the book shows."""

import json
import math
import os
import platform
import re
import subprocess
import sys
from pathlib import Path

import pytest
import torch

from lossnotes._roads import few

ROOT = Path(__file__).parents[1]
sys.path.insert(0, str(ROOT / "benchmarks"))
import peers  # noqa: E402
import run  # noqa: E402
import show  # noqa: E402

MEASURED = ROOT / "benchmarks" / "results.json"


@pytest.fixture(scope="module")
def quick(tmp_path_factory):
    """A quick run on a machine on which kornia is broken: its results, and what it says."""
    folder = tmp_path_factory.mktemp("quick")
    (folder / "kornia.py").write_text("raise OSError('no such library')\n")
    paths = os.pathsep.join([str(folder), str(ROOT), os.environ.get("PYTHONPATH", "")])
    # On the CPU: what can be said of memory differs on a GPU.
    environment = os.environ | {"PYTHONPATH": paths, "LOSSNOTES_DEVICE": "cpu"}
    out = folder / "results.json"
    command = [sys.executable, ROOT / "benchmarks" / "run.py", "--quick", "--out", out]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stderr
    return json.loads(out.read_text("utf-8")), done.stdout


def test_everything_is_measured(quick):
    results, _ = quick
    names = {entry["case"] for entry in results["cases"]}
    # torch.compile needs a compiler, of which a machine may have none.
    assert len(names) == len(results["cases"]) == 27 - ("torch.compile" in results["missing"])
    for entry in results["cases"]:
        assert set(entry["time"]) == set(show.MODES)
        for times in entry["time"].values():
            assert {"ours", show.CONTROL} < set(times) and show.peers(entry, show.MODES[0])
            for t in times.values():
                assert 0 < t["min"] <= t["q1"] <= t["median"] <= t["q3"] <= t["max"] < math.inf and t["rounds"] >= 2
        for mode in show.MODES:
            assert 0 < show.ratio(entry, mode) < math.inf and 0 < show.ratio(entry, mode, show.CONTROL) < math.inf
    assert {point["curve"] for point in results["curves"]} == {"sigmoid focal", "BCE", "cross_entropy, 1024 classes"}
    assert all({"ours", show.CONTROL} < set(point["time"]) for point in results["curves"])


def test_memory_is_weighed(quick):
    for entry in quick[0]["cases"]:
        if "compiled" not in entry["case"]:
            weighed = set(entry["memory"])
            assert weighed == {"ours", *show.peers(entry, show.MODES[0])}, entry["case"]
            assert all(0 <= m["profiler"] < 100 and 0 <= m["rss"] for m in entry["memory"].values())
    # What has a gradient takes the room of that at least, a closed form over rows hardly more.
    softmax = next(e["memory"] for e in quick[0]["cases"] if e["case"] == "cross_entropy 2048 × 32000")
    assert 1 <= softmax["ours"]["profiler"] < 1.1 and softmax["F.cross_entropy"]["profiler"] > 1.9


def test_every_peer_agrees_with_ours(quick):
    for entry in quick[0]["cases"]:
        timed = set(entry["time"][show.MODES[0]]) - {"ours", show.CONTROL, "three products"}
        assert set(entry["differences"]) == timed
        assert all(d <= run.SAME for d in entry["differences"].values())


def test_a_package_that_does_not_load_is_named_and_left_out(quick):
    results, said = quick
    assert results["missing"]["kornia"] == "does not load (OSError)"
    assert "left out: kornia, which does not load (OSError)" in said
    assert not any("kornia" in entry["differences"] for entry in results["cases"])


def test_a_quick_run_says_that_it_means_nothing(quick):
    results, said = quick
    assert results["quick"] and "these numbers mean nothing" in said
    for entry in results["cases"]:
        assert entry["case"] in said


@pytest.mark.parametrize(
    "wrong",
    [
        lambda x, y: 1.001 * torch.nn.functional.mse_loss(x, y),
        lambda x, y: torch.nn.functional.mse_loss(x.detach(), y) + 0 * x.sum(),
        lambda x, y: torch.nn.functional.mse_loss(x, y) * torch.nan,
        lambda x, y: torch.nn.functional.mse_loss(x, y) + 0 * (x - x.detach()).sum().sqrt(),
    ],
    ids=["value", "gradient", "nan", "nan in the gradient"],
)
def test_a_peer_that_computes_something_else_stops_the_run(wrong):
    case = peers.Case("a case", (64,), peers.numbers, torch.nn.functional.mse_loss, {"a peer": wrong})
    with pytest.raises(SystemExit, match="a case: a peer and ours differ"):
        run.agreed(case, case.draw(*case.shape, device="cpu"))


def steady(median, spread=0.0):
    return {"q1": median - spread, "median": median, "q3": median + spread}


def kind(measured):
    return "memory" if measured["goals"][0][0] == "memory" else "time"


def entry(goal, ours, theirs, memory=1.0):
    """A case of two ways, with the same times for both kinds of pages unless a pair is given."""
    pairs = [t if isinstance(t, tuple) else (t, t) for t in (ours, theirs)]
    time = {mode: {"ours": steady(a), "F.f": steady(b)} for mode, a, b in zip(show.MODES, *pairs)}
    return {"case": "c", "goals": [goal], "time": time, "memory": {"ours": {"profiler": memory}}}


@pytest.mark.parametrize(
    ("measured", "met"),
    [
        (entry(["best", "ours", "≥", 4], 1.0, 4.0), "yes"),
        (entry(["best", "ours", "≥", 4], 1.0, 3.9), "NO"),
        (entry(["best", "ours", "≥", 4], 1.0, (9.0, 3.9)), "huge pages"),
        (entry(["ours", "F.f", "≤", 2], (2.1, 2.0), 1.0), "small pages"),
        (entry(["ours", "F.f", "≤", 2], 2.0, 1.0), "yes"),
        (entry(["ours", "F.f", "≤", 2], 2.1, 1.0), "NO"),
        (entry(["memory", "input", "≤", 1.1], 1.0, 1.0, 1.1), "yes"),
        (entry(["memory", "input", "≤", 1.1], 1.0, 1.0, 1.2), "NO"),
    ],
)
def test_a_goal_is_met_with_both_kinds_of_pages_with_one_or_not(measured, met):
    (verdict,) = show.verdicts({"cases": [measured]}, kind(measured))
    assert verdict.met == met and not verdict.second


def test_a_goal_is_met_beyond_the_noise_only():
    """That is what ours differ from ours again, or half of what the middle half of either side spans."""
    for ours_again, of_ours, of_peer, met in (
        (1.0, 0.01, 0.04, "yes"),
        (1.01, 0.0, 0.0, "yes"),
        (1.2, 0.0, 0.0, "NO"),
        (0.8, 0.0, 0.0, "NO"),
        (1.0, 0.05, 0.0, "NO"),
        (1.0, 0.0, 0.2, "NO"),
    ):
        measured = entry(["best", "ours", "≥", 4], 1.0, 4.1)
        for mode in show.MODES:
            here = measured["time"][mode]
            here |= {"ours": steady(1.0, of_ours), "F.f": steady(4.1, of_peer), show.CONTROL: steady(ours_again, 9.0)}
        (verdict,) = show.verdicts({"cases": [measured]}, "time")
        assert verdict.met == met
        factor = max(ours_again, 1 / ours_again, 1 + of_ours, 1 + of_peer / 4.1)
        assert verdict.noise == pytest.approx((factor, factor))
        assert f"{factor:.2f}" in repr(show.goals({"cases": [measured]}, "time"))


def test_a_weaker_goal_of_the_same_kind_is_a_second_one():
    measured = entry(["best", "ours", "≥", 4], 1.0, 2.0)
    measured["goals"] += [["best", "ours", "≥", 1], ["ours", "F.f", "≤", 2], ["memory", "input", "≤", 1]]
    assert [goal.second for goal in show.verdicts({"cases": [measured]}, "time")] == [False, True, False]


def test_goals_met_by_more_than_a_third_are_told_apart():
    cases = [entry(["best", "ours", "≥", 4], 1.0, times) for times in (5.3, (9.0, 5.3), 5.4, 3.9)]
    cases += [entry(["ours", "F.f", "≤", 2], 1.4, 1.0), entry(["memory", "input", "≤", 1], 1.0, 1.0, 0.5)]
    said = show.summary({"cases": cases}).splitlines()
    assert said == [
        "time: 4 of 5 first goals are met, 2 by more than a third",
        "  c: fastest peer / ours ≥ 4 not met",
        "memory: 1 of 1 first goals are met",
    ]


def test_the_peer_of_least_memory_is_the_one_that_allocates_least():
    """What the system handed out counts only where PyTorch sees nothing."""
    memory = {"ours": (1.0, 1.0), "F.f": (3.0, 3.0), "G.g": (2.0, 9.0), "scipy": (0.0, 2.5)}
    memory = {name: {"profiler": a, "rss": b} for name, (a, b) in memory.items()}
    for least in ("G.g", "scipy", "F.f"):
        assert repr(show.weights({"cases": [{"case": "c", "memory": memory}]})).split()[-1] == least
        del memory[least]


def test_where_ours_are_slower():
    """The last size and the worst, also where there is none."""

    def points(name, *ratios):
        times = [{"ours": steady(r), show.CONTROL: steady(9.0), "F.f": steady(1.0), "G.g": steady(2.0)} for r in ratios]
        return [{"curve": name, "elements": 4**n, "time": time} for n, time in enumerate(times, 5)]

    said = show.crossings({"curves": points("one", 1.2, 2.5, 1.1, 1.04, 0.5) + points("two", 1.05, 0.9)})
    assert said == "one: up to 16,384 elements, at most 2.5 times (at 4,096)\ntwo: at none"


def test_every_case_has_a_goal():
    """Also where we are slower."""
    assert [case.name for case in peers.cases(True) if not case.goals and not case.curve] == []


def test_a_goal_against_a_missing_peer_is_no_goal():
    assert show.verdicts({"cases": [entry(["G.g", "ours", "≥", 1], 1.0, 1.0)]}, "time") == []


def test_the_kept_results_are_of_a_full_run_and_name_no_place(quick):
    text = MEASURED.read_text("utf-8")
    kept = json.loads(text)
    assert not kept["quick"]
    assert {e["case"] for e in quick[0]["cases"]} <= {e["case"] for e in kept["cases"]}
    assert [e["goals"] for e in quick[0]["cases"]] == [e["goals"] for e in kept["cases"]][: len(quick[0]["cases"])]
    assert platform.node() not in text and not re.search(r'"[^"]*(/home|/root|/tmp|/usr|:\\\\)', text)
    assert all(len(e["time"]) == 2 and min(t["rounds"] for t in e["time"][show.MODES[0]].values()) >= 3 for e in kept["cases"])


def test_the_page_names_the_size_up_to_which_few_numbers_are_few():
    (named,) = re.findall(
        r"Up to ([\d,]+) numbers there is a third way", (ROOT / "book/reference/benchmarks.ipynb").read_text("utf-8")
    )
    assert int(named.replace(",", "")) == few.FEW
