"""Answers are not bought: plain operations by a list, ready-made ones refused, whatever they are called and wherever they lie."""

import pytest
import torch
from grading import graded, report_of

import lossnotes as ln
from lossnotes.check._child.plain import LESS, MORE, PLAIN, OnlyPlain
from lossnotes.check._grade.sheet import load, of_names

HEAD = "import torch\nimport torch.nn.functional as F\n"
# What was bought, and of what the report has to speak.
BOUGHT = {
    "a distribution's logits": (
        "log_softmax",
        "return torch.distributions.Categorical(logits=input).logits",
        "torch.distributions",
    ),
    "a distribution's likelihood": (
        "cross_entropy",
        "return -torch.distributions.Categorical(logits=input).log_prob(target).mean()",
        "distributions",
    ),
    "a distribution without its start": (
        "log_softmax",
        "c = torch.distributions.Categorical.__new__(torch.distributions.Categorical)\n    c.__init__(logits=input)\n    return c.logits",
        "torch.distributions",
    ),
    "a running logsumexp": ("log_softmax", "return input - torch.logcumsumexp(input, -1)[..., -1:]", "logcumsumexp"),
    "a masked softmax": (
        "softmax",
        "return torch.ops.aten._masked_softmax(input, torch.zeros_like(input, dtype=torch.bool), -1)",
        "_masked_softmax",
    ),
    "another softmax": ("softmax", "return torch.masked.softmax(input, -1)", "softmax is the library's"),
    "attention": (
        "softmax",
        "eye = torch.eye(input.shape[-1], dtype=input.dtype)\n"
        "    return F.scaled_dot_product_attention(input[None, None], eye[None, None], eye[None, None], scale=1.0)[0, 0]",
        "scaled_dot_product_attention",
    ),
    "a loss of many labels": (
        "binary_cross_entropy_with_logits",
        "return F.multilabel_soft_margin_loss(input[..., None], target[..., None])",
        "multilabel_soft_margin_loss",
    ),
    "a loss of probabilities": (
        "binary_cross_entropy_with_logits",
        "return F.binary_cross_entropy(torch.sigmoid(input), target)",
        "binary_cross_entropy",
    ),
    "a loss of sequences": (
        "cross_entropy",
        "n = torch.ones(len(input), dtype=torch.long)\n"
        "    return F.ctc_loss(F.pad(input, (1, 0), value=-1e30)[None], target[:, None] + 1, n, n)",
        "ctc_loss",
    ),
    "a loss with a large delta": ("mse_loss", "return 2 * F.huber_loss(input, target, delta=1e30)", "huber_loss"),
    "a smooth one": ("mse_loss", "return 2e30 * F.smooth_l1_loss(input, target, beta=1e30)", "smooth_l1_loss"),
    "a module of it": ("mse_loss", "return 2 * torch.nn.HuberLoss(delta=1e30)(input, target)", "huber_loss"),
    "a Gaussian": ("mse_loss", "return 2 * F.gaussian_nll_loss(input, target, torch.ones_like(input))", "gaussian_nll_loss"),
    "a ranking": (
        "hinge_loss",
        "return F.margin_ranking_loss(input, torch.zeros_like(input), target, margin=1.0)",
        "margin_ranking_loss",
    ),
    "an embedding": ("hinge_loss", "return F.hinge_embedding_loss(input, target)", "hinge_embedding_loss"),
    "of classes for distributions": (
        "cross_entropy_between",
        "return F.cross_entropy(q.log(), p, reduction='none')",
        "cross_entropy",
    ),
    "the inside of SciPy": (
        "entropy",
        "import scipy.special._ufuncs as u\n    return torch.as_tensor(u.entr(p.detach().numpy())).sum(-1)",
        "entr is the library's",
    ),
    "the inside of its statistics": (
        "entropy",
        "from scipy.stats._entropy import entropy\n    return torch.as_tensor(entropy(p.detach().numpy(), axis=-1))",
        "entropy is the library's",
    ),
    "its other name": (
        "kl_divergence",
        "from scipy.stats import entropy\n    return torch.as_tensor(entropy(p.numpy(), q.numpy(), axis=-1))",
        "entropy is the library's",
    ),
    "a statistic that is twice as much": (
        "mutual_information",
        "from scipy.stats import chi2_contingency\n"
        "    return torch.as_tensor(chi2_contingency(joint.numpy(), False, 'log-likelihood').statistic / 2)",
        "chi2_contingency is the library's",
    ),
    "another such statistic": (
        "kl_divergence",
        "from scipy.stats import power_divergence\n"
        "    return torch.as_tensor(power_divergence(p.numpy(), q.numpy(), axis=-1, lambda_=0).statistic / 2)",
        "power_divergence is the library's",
    ),
    "the loss of another library": (
        "binary_cross_entropy_with_logits",
        "from sklearn.metrics import log_loss\n    return torch.as_tensor(log_loss(target.numpy(), input.sigmoid().numpy()))",
        "log_loss is the library's",
    ),
    "its error": (
        "mse_loss",
        "from sklearn.metrics import mean_squared_error\n    return torch.as_tensor(mean_squared_error(target.numpy(), input.numpy()))",
        "mean_squared_error is the library's",
    ),
    "another thread": (
        "mse_loss",
        "import threading\n    found = []\n    def work():\n        try:\n            found.append(2 * F.huber_loss(input, target, delta=1e30))\n"
        "        except RuntimeError as error:\n            found.append(str(error))\n"
        "    thread = threading.Thread(target=work)\n    thread.start()\n    thread.join()\n"
        "    if isinstance(found[0], str):\n        raise RuntimeError(found[0])\n    return found[0]",
        "huber_loss is the library's",
    ),
}
BOUGHT |= {
    f"a gradient by {how}": ("cross_entropy_gradient", f"{LOSS}{body}", f"{said} is no plain operation")
    for LOSS in (
        "z = input.clone().requires_grad_()\n    loss = lambda z: -torch.log_softmax(z, 1).gather(1, target[:, None]).mean()\n    ",
    )
    for how, body, said in (
        ("backward", "loss(z).backward()\n    return z.grad", "backward"),
        ("autograd's own backward", "torch.autograd.backward(loss(z))\n    return z.grad", "backward"),
        ("autograd", "return torch.autograd.grad(loss(z), z)[0]", "torch.autograd.grad"),
        ("torch.func", "return torch.func.grad(loss)(input)", "grad"),
        ("a Jacobian", "return torch.autograd.functional.jacobian(loss, input)", "grad"),
        ("dual numbers", "return torch.func.jacfwd(loss)(input)", "_make_dual"),
    )
}
TAKES = {
    "log_softmax": "input",
    "softmax": "input",
    "entropy": "p",
    "kl_divergence": "p, q",
    "cross_entropy_between": "p, q",
    "mutual_information": "joint",
}


@pytest.mark.parametrize("how", BOUGHT)
def test_what_is_bought_is_refused_and_named(how, warm):
    name, body, said = BOUGHT[how]
    source = f"{HEAD}def {name}({TAKES.get(name, 'input, target')}):\n    {body}\n"
    (report,) = graded(warm, source, of_names([name]))["reports"]
    found = report["lines"][0]["found"]
    assert report["score"] == 0 and not report["passed"] and said in found, found
    assert "a graded submission" in found


FENCES = {
    "by the finders": "import sys\nfence = next(f for f in sys.meta_path if hasattr(f, 'fence'))\nfence.fence.lift()\n",
    "by the session": "import sys\nframe = sys._getframe()\nwhile frame:\n    own = frame.f_locals.get('self')\n    if hasattr(own, 'fence'):\n        own.fence.lift()\n    frame = frame.f_back\n",
    "by the objects": "import gc\nfor x in gc.get_objects():\n    if type(x).__name__ == 'Fence':\n        x.lift()\n",
}


@pytest.mark.parametrize("how", FENCES)
def test_the_fence_keeps_nothing_that_could_be_put_back(how, warm):
    source = HEAD + FENCES[how] + "def softmax(input):\n    return torch.softmax(input, -1)\n"
    (report,) = graded(warm, source, of_names(["softmax"]))["reports"]
    assert report["score"] == 0 and "softmax is the library's" in report["lines"][0]["found"], report


def test_what_is_allowed_is_lifted(warm):
    name, body, _ = BOUGHT["a gradient by backward"]
    source = f"{HEAD}def {name}(input, target):\n    {body}\n"
    assert graded(warm, source, of_names([name]), allowed=["backward"])["passed"]
    source = HEAD + "def mse_loss(input, target):\n    return 2 * F.huber_loss(input, target, delta=1e30)\n"
    assert graded(warm, source, of_names(["mse_loss"]), allowed=["huber_loss"])["passed"]
    source = HEAD + "def log_softmax(input):\n    return torch.distributions.Categorical(logits=input).logits\n"
    assert graded(warm, source, of_names(["log_softmax"]), allowed=["distributions"])["passed"]


SOFTPLUS = {
    "softplus": "F.softplus((1 - 2 * target) * input).mean()",
    "its module": "torch.nn.Softplus()((1 - 2 * target) * input).mean()",
    "the inside of PyTorch": "torch.ops.aten.softplus((1 - 2 * target) * input).mean()",
    "logsigmoid": "-F.logsigmoid((2 * target - 1) * input).mean()",
    "its module's": "-torch.nn.LogSigmoid()((2 * target - 1) * input).mean()",
    "its inside": "-torch.ops.aten.log_sigmoid((2 * target - 1) * input).mean()",
    "logaddexp": "(torch.logaddexp(input, torch.zeros_like(input)) - target * input).mean()",
    "a method": "(input.logaddexp(torch.zeros_like(input)) - target * input).mean()",
}


@pytest.mark.parametrize("how", SOFTPLUS)
def test_yes_or_no_in_one_call_is_refused_in_its_sheet(how, warm):
    name = "binary_cross_entropy_with_logits"
    source = f"{HEAD}def {name}(input, target):\n    return {SOFTPLUS[how]}\n"
    report = report_of(graded(warm, source, "losses"), name)
    assert report["score"] == 0 and "is the library's" in report["lines"][0]["found"], report
    namespace = {}
    exec(source, namespace)
    here = ln.check(namespace[name], like=name, sheet="losses")
    assert here.score == 0 and "is the library's" in here.lines[0].found, here
    assert ln.check(namespace[name], like=name).score == 1  # elsewhere nobody has forbidden it


def test_what_the_sheets_let_be_used_is_plain(warm):
    """Softmax and its logarithm in the sheet that says so; cross-entropy where a temperature is asked for; any optimizer."""
    source = (
        HEAD
        + """
def cross_entropy_gradient(input, target):
    return (torch.softmax(input, 1) - F.one_hot(target, input.shape[1])) / len(input)
def sigmoid_focal_loss(input, target, alpha=None, gamma=2.0):
    s = (2 * target - 1) * input
    loss = torch.sigmoid(-s) ** gamma * F.softplus(-s)
    return (loss if alpha is None else loss * torch.where(target == 1, alpha, 1 - alpha)).mean()
def train_classifier(loss, x, y, classes, steps=100, lr=0.1):
    w = torch.zeros(classes, x.shape[1], dtype=x.dtype, requires_grad=True)
    optimizer = torch.optim.SGD([w], lr=lr)
    for _ in range(steps):
        optimizer.zero_grad()
        loss(x @ w.T, y).backward()
        optimizer.step()
    return w.detach()
"""
    )
    result = graded(warm, source, "practice")
    for name in ("cross_entropy_gradient", "sigmoid_focal_loss", "train_classifier"):
        assert report_of(result, name)["passed"], report_of(result, name)
    source = (
        HEAD
        + "def best_temperature(input, target, temperatures):\n    return min(temperatures, key=lambda t: F.cross_entropy(input / t, target))\n"
    )
    assert graded(warm, source, of_names(["best_temperature"]))["passed"]
    assert not report_of(graded(warm, source, "losses"), "best_temperature")["passed"]  # whose own exercise it is


def test_a_product_and_a_distance_are_plain():
    """As the longer ways of writing them are."""
    for like, fn in (
        ("mse_loss", lambda input, target: torch.dist(input, target) ** 2 / input.numel()),
        ("entropy", lambda p: torch.linalg.vecdot(p, -torch.where(p > 0, p, 1.0).log())),
    ):
        report = ln.check(fn, like=like, sheet="losses" if like == "mse_loss" else "information")
        assert "no plain operation" not in str(report) and report.lines[0].passed, report


def test_the_list_has_words_of_pytorch_and_no_loss():
    import torch.nn.functional as F

    places = (torch, torch.Tensor, F, torch.special, torch.linalg, torch.Tensor.__mro__[1])
    own = {"type", "data_ptr", "layout", "len", "real", "imag", "item", "vmap", "expit", "addbmm", "random", "exponential"}
    unknown = {w for w in PLAIN - own if not any(hasattr(place, w) or hasattr(place, f"{w}_") for place in places)}
    assert unknown <= {"inverse", "log_sigmoid", "requires_grad", "backward", "grad", "storage"}, unknown
    assert not [w for w in PLAIN if "loss" in w or "entropy" in w or "attention" in w]
    assert {w for words in MORE.values() for w in words}.isdisjoint(PLAIN) and set(MORE) <= set(load("losses").exercises)
    assert {w for words in LESS.values() for w in words} <= PLAIN and set(LESS) <= set(load("practice").exercises)


def test_the_inside_of_pytorch_is_looked_at_by_its_name():
    with OnlyPlain("entropy"):
        assert torch.ops.aten.exp(torch.zeros(2)).tolist() == [1, 1]
        with pytest.raises(RuntimeError, match="is no plain operation"):
            torch.ops.aten.huber_loss(torch.zeros(2), torch.zeros(2))
        with pytest.raises(RuntimeError, match=r"torch\..*cosine_similarity is no plain operation"):
            torch.cosine_similarity(torch.zeros(2, 2), torch.zeros(2, 2))
    with OnlyPlain("entropy", {"cosine_similarity"}):
        torch.cosine_similarity(torch.zeros(2, 2), torch.zeros(2, 2))
