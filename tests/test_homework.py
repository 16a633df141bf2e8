"""The homework: handed out unsolved, it can be solved, and what is wrong does not get full marks."""

import ast
import re
from pathlib import Path

import nbformat
import pytest
from grading import graded, report_of

from lossnotes.check._grade.sheet import load

ROOT = Path(__file__).parents[1]
SHEETS = ("information", "losses", "practice")


def handed_out(sheet):
    return nbformat.read(ROOT / "book" / "homework" / f"{sheet}.ipynb", as_version=4)


def functions(source):
    return {node.name: ast.get_source_segment(source, node) for node in ast.parse(source).body if hasattr(node, "name")}


def solution(sheet):
    return functions((ROOT / "tests" / "homework" / f"{sheet}.py").read_text("utf-8"))


def notebook(sheet, solved):
    """The bytes of the notebook, handed out or with every stub replaced by its solution."""
    nb, answers = handed_out(sheet), solution(sheet)
    for cell in nb.cells if solved else ():
        if cell.cell_type == "code" and "NotImplementedError" in cell.source:
            (name,) = functions(cell.source)
            cell.source = answers[name]
    return nbformat.writes(nb).encode()


@pytest.mark.parametrize("sheet", SHEETS)
def test_every_task_has_a_stub_a_check_a_solution_and_its_points(sheet):
    nb = handed_out(sheet)
    code = "\n".join(cell.source for cell in nb.cells if cell.cell_type == "code")
    stubs = [name for c in nb.cells if c.cell_type == "code" and "NotImplementedError" in c.source for name in functions(c.source)]
    titles = [c.source.split("\n")[0] for c in nb.cells if c.cell_type == "markdown" and c.source.startswith("## ")]
    assert 6 <= len(stubs) <= 10 and len(titles) == len(stubs)
    calls = {
        " ".join(call.split()).replace("( ", "(").replace(" )", ")").replace(",)", ")")
        for call in re.findall(r"ln\.check\([^)]*\)", code)
    }
    assert calls == {
        f'ln.check({name}, like="{name}", sheet="{sheet}")' for name in stubs
    }  # what it refuses is what grading refuses
    assert set(stubs) == solution(sheet).keys()
    exercises = load(sheet).exercises
    assert list(exercises) == stubs
    minutes = 0
    for i, (title, exercise) in enumerate(zip(titles, exercises.values()), 1):
        number, points, takes = re.fullmatch(r"## (\d+)\. .*\((\d+) points?, (\d+) minutes\)", title).groups()
        assert int(number) == i and int(points) == exercise.points
        minutes += int(takes)
    # The first cell says what they come to.
    assert f"worth {load(sheet).points} points and take about {minutes} minutes" in nb.cells[0].source


def test_the_sheets_say_what_costs_points_in_the_same_words():
    """And in those of a report."""
    said = [re.search(r"`✗` costs points.*? cost nothing\.", handed_out(sheet).cells[0].source)[0] for sheet in SHEETS]
    assert len(set(said)) == 1 and '"counts once all values are right"' in said[0]


@pytest.mark.parametrize("sheet", SHEETS)
def test_a_notebook_as_handed_out_gets_nothing(sheet, warm):
    result = graded(warm, notebook(sheet, solved=False), sheet, "homework.ipynb")
    assert result["points"] == 0 and not result["passed"] and not result["errors"]
    assert all(report["lines"][0]["found"] == "not written yet" for report in result["reports"])


@pytest.mark.parametrize("sheet", SHEETS)
def test_a_solved_notebook_gets_full_marks(sheet, warm):
    result = graded(warm, notebook(sheet, solved=True), sheet, "homework.ipynb")
    assert result["passed"] and result["points"] == result["possible"] == load(sheet).points, result
    assert not result["errors"] and not result["notes"]


SINGLE = """
def single(fn):
    @functools.wraps(fn)
    def wrapped(*args, **options):
        args = [x.float() if isinstance(x, torch.Tensor) and x.is_floating_point() else x for x in args]
        return fn(*args, **options)
    return wrapped
"""
REFUSING = """
def single(fn):
    @functools.wraps(fn)
    def wrapped(*args, **options):
        if any(isinstance(x, torch.Tensor) and x.dtype == torch.float64 for x in args):
            raise RuntimeError("expected m1 and m2 to have the same dtype, but got: double != float")
        return fn(*args, **options)
    return wrapped
"""


@pytest.mark.parametrize("how", [SINGLE, REFUSING])
@pytest.mark.parametrize("sheet", SHEETS)
def test_a_solution_in_float32_gets_full_marks(sheet, how, warm):
    answers = [f"@single\n{source}" for source in solution(sheet).values()]
    result = graded(warm, "\n".join(["import functools, torch", how, *answers]), sheet)
    assert result["points"] == load(sheet).points, [r for r in result["reports"] if not r["passed"]]


SHOWN = """
def bits_per_letter(text, known):
    letters = "abcdefghijklmnopqrstuvwxyz"
    paid, found = ([c for c in s.lower() if c in letters] for s in (text, known))
    total = sum(-torch.log2(torch.tensor((found.count(c) + 1) / (len(found) + 26))) for c in paid)
    return RESULT
"""
TEMPERED = """
def best_temperature(input, target, temperatures):
    losses = torch.stack([-log_softmax(input / t)[range(len(target)), target].mean() for t in temperatures])
    return RESULT
"""
# Right ways to train, of which each has its own dtype: that of x, float32, float64, or none, as it is no tensor.
TRAINED = """
def train_classifier(loss, x, y, classes, steps=100, lr=0.1):
    w = START.requires_grad_()
    optimizer = torch.optim.SGD([w], lr=lr)
    for _ in range(steps):
        optimizer.zero_grad()
        loss(INPUT @ w.T, y).backward()
        optimizer.step()
    return w.detach()
"""
ZEROS = "torch.zeros(classes, x.shape[1])"
STYLES = {
    ("information", "a number"): {"bits_per_letter": SHOWN.replace("RESULT", "total.item() / len(paid)")},
    ("information", "an array"): {"bits_per_letter": SHOWN.replace("RESULT", "(total / len(paid)).numpy()")},
    ("losses", "no cross-entropy"): {
        "cross_entropy": "def cross_entropy(input, target):\n    raise NotImplementedError\n",
        "best_temperature": TEMPERED.replace("RESULT", "temperatures[losses.argmin()]"),
    },
    ("losses", "a number"): {"best_temperature": TEMPERED.replace("RESULT", "temperatures[losses.argmin()].item()")},
    ("losses", "float32 alone"): {
        "best_temperature": REFUSING + "@single" + TEMPERED.replace("RESULT", "temperatures[losses.argmin()]")
    },
    ("practice", "the dtype of x"): {"train_classifier": TRAINED.replace("START", "x.new_zeros(classes, x.shape[1])")},
    ("practice", "float32"): {"train_classifier": TRAINED.replace("START", ZEROS)},
    ("practice", "float64"): {"train_classifier": TRAINED.replace("START", ZEROS + ".double()")},
    ("practice", "converted"): {"train_classifier": TRAINED.replace("START", ZEROS).replace("INPUT", "x.float()")},
    ("practice", "an array"): {"train_classifier": TRAINED.replace("START", ZEROS).replace("detach()", "detach().numpy()")},
}


@pytest.mark.parametrize("sheet, style", STYLES)
def test_what_passes_runs_through_the_experiment(sheet, style, capsys):
    """No student is to be stopped in a cell that is not his: whatever the check lets pass, the cells below it take."""
    answers, namespace = solution(sheet) | STYLES[sheet, style], {}
    for cell in handed_out(sheet).cells:
        source = cell.source
        if cell.cell_type == "code" and "NotImplementedError" in source:
            (name,) = functions(source)
            source = "import functools, torch\n" + answers[name].replace("INPUT", "x")
        if cell.cell_type == "code":
            exec(source.replace("steps=3000", "steps=3").replace("range(3)", "range(1)"), namespace)
    report, table = namespace["report"], capsys.readouterr().out.splitlines()
    assert report.passed, report
    assert len(table) == {"information": 5, "losses": 5, "practice": 7}[sheet], table


def test_the_table_of_the_last_experiment_answers_what_is_asked(capsys):
    """Which loss lost least, at its best rate, and is it the best? Which seems to suffer most where all have a rate of 1?"""
    answers, namespace = solution("practice"), {}
    for cell in handed_out("practice").cells:
        if cell.cell_type == "code":
            stub = "NotImplementedError" in cell.source
            exec("import torch\n" + answers[next(iter(functions(cell.source)))] if stub else cell.source, namespace)
    rows = [[float(x) for x in re.findall(r"\d\.\d+", line)] for line in capsys.readouterr().out.splitlines()]
    rates, right, wrong = rows[0], rows[1::2], rows[2::2]
    lost = [max(a) - max(b) for a, b in zip(right, wrong)]
    best = [max(row) for row in wrong]
    cross_entropy, hinge, squared = range(3)
    assert min(lost) == lost[squared] < 0.5 * lost[cross_entropy] and min(best) == best[squared]
    at_1 = rates.index(1)
    assert right[hinge][at_1] - wrong[hinge][at_1] > 5 * (right[cross_entropy][at_1] - wrong[cross_entropy][at_1])
    assert max(right[squared][at_1], wrong[squared][at_1]) < 0.2  # guessing: it has diverged


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
        "    bce = -torch.nn.functional.logsigmoid(torch.where(target == 1, input, -input))\n"
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
def test_typical_wrong_solutions_do_not_get_full_marks(sheet, warm):
    wrong = WRONG | (WRONG_IN_PRACTICE if sheet == "practice" else {})
    result = graded(warm, "import torch\n" + "\n".join(wrong[name][0] for name in solution(sheet)), sheet)
    right = graded(warm, "import torch\n" + "\n".join(solution(sheet).values()), sheet)
    assert right["passed"]
    for report in result["reports"]:
        name, (source, mistake) = report["name"], wrong[report["name"]]
        if mistake not in report["mistakes"]:  # built on a wrong one: with right ones around it, it has but its own mistake
            alone = (solution(sheet) | {name: source}).values()
            report = report_of(graded(warm, "import torch\n" + "\n".join(alone), sheet), name)
        assert not report["passed"], name
        assert report["score"] < 1 and mistake in report["mistakes"], report
