"""The reference pages: what a reader copies from them is right, and their letters and terms are those of the book."""

import functools
import re
from pathlib import Path

import nbformat
import pytest
import scipy.special
import scipy.stats
import torch
import torch.nn.functional as F
from scipy.spatial.distance import jensenshannon
from sklearn.metrics import mutual_info_score

import lossnotes as ln
from lossnotes._checks.distributions import _SUM_TOLERANCE

ROOT = Path(__file__).parents[1]
REFERENCE = ROOT / "book" / "reference"
NOT_TORCH = ("scipy.", "jensenshannon", "mutual_info_score")


def rows(page):
    """The rows of the page's tables, as lists of cells. A bar inside of code or of mathematics parts no cells."""
    if page.suffix == ".ipynb":
        text = "\n\n".join(c.source for c in nbformat.read(page, as_version=4).cells if c.cell_type == "markdown")
    else:
        text = page.read_text("utf-8")
    lines = [line for line in text.split("\n") if line.startswith("|") and not set(line) <= set("|- ")]
    return [[cell.strip() for cell in re.split(r"(?<!\\)\|(?![^$]*\\[a-z]+[^$|]*\$)", line)[1:-1]] for line in lines]


def code(cell):
    """What a reader would copy out of a cell of a table."""
    return re.findall(r"`([^`]+)`", cell)


# The crosswalk.


def calls(page):
    """The rows that hold two calls, left and right; in the table of losses with the same name, `ln` takes the place of `F`."""
    found = []
    for cells in rows(page):
        left, right = code(cells[0]), code(cells[1])
        if len(left) == 1 and left[0].startswith("F.") and not right:
            found.append((left[0], left[0].replace("F.", "ln.")))
        elif len(left) == 1 and len(right) == 1 and right[0].startswith("ln."):
            found.append((left[0], right[0]))
    return found


@functools.cache
def names(page):
    """What the page's own first cells define."""
    space = {}
    first = [c for c in nbformat.read(page, as_version=4).cells if c.cell_type == "code"][:2]
    exec("\n".join(c.source for c in first), space)
    return space


def array_of(value):
    """The array that the page says SciPy and scikit-learn want."""
    said = re.search(r"NumPy arrays, such as `p(\.[^`]+)`", CROSSWALK.read_text("utf-8"))
    return eval(f"value{said[1]}", {"value": value})


def differences(theirs, ours, space):
    """What the two calls do not agree in: values, gradients by the scores."""
    other = any(word in theirs for word in NOT_TORCH)
    elsewhere = {**space, "scipy": scipy, "jensenshannon": jensenshannon, "mutual_info_score": mutual_info_score}
    if other:
        elsewhere |= {name: array_of(value) for name, value in space.items() if isinstance(value, torch.Tensor)}
    a, b = eval(theirs, elsewhere), eval(ours, space)
    a = torch.as_tensor(a, dtype=b.dtype, device=b.device)
    if a.shape != b.shape or not torch.allclose(a, b, rtol=1e-4, atol=1e-5):
        return ["values"]
    leaves = [space[name] for name in ("a", "z", "W")] if b.requires_grad and not other else []
    # Each number with a share of its own: two that have changed places would not show in a sum.
    shares = torch.linspace(0.5, 1.5, b.numel()).view(b.shape).to(b)
    how = {"retain_graph": True, "allow_unused": True}
    slopes = [torch.autograd.grad((x * shares).sum(), leaves, **how) if leaves else [] for x in (a, b)]
    same = all(x is y if x is None or y is None else torch.allclose(x, y, rtol=1e-4, atol=1e-5) for x, y in zip(*slopes))
    return [] if same else ["gradients"]


CROSSWALK = REFERENCE / "pytorch-crosswalk.ipynb"


@pytest.mark.parametrize("theirs, ours", calls(CROSSWALK))
def test_a_row_of_the_crosswalk_is_true_when_copied(theirs, ours):
    if "linear_cross_entropy" in theirs and not hasattr(F, "linear_cross_entropy"):
        pytest.skip("new in PyTorch 2.13")
    assert not differences(theirs, ours, names(CROSSWALK))


def test_the_crosswalk_has_its_rows():
    assert len(calls(CROSSWALK)) >= 35


def test_the_check_sees_a_row_that_is_false():
    space = names(CROSSWALK)
    assert differences("F.kl_div(q.log(), p, reduction='batchmean')", "ln.kl_divergence(p, q).sum()", space) == ["values"]
    assert differences("scipy.stats.entropy(p)", "ln.entropy(p)", space) == ["values"]
    assert differences("F.cross_entropy(z, t).detach() + 0 * z.sum()", "ln.cross_entropy(z, t)", space) == ["gradients"]
    assert differences("F.cross_entropy(z, t)", "ln.cross_entropy(z, t)", space) == []


# The package, function by function.


def test_the_page_says_how_far_from_1_a_sum_may_be():
    said = re.search(r"sum to 1 within (.+?)\. ", (REFERENCE / "api.md").read_text("utf-8"), re.DOTALL)[1]
    found = {name: float(number) for number, name in re.findall(r"(\S+) in (b?float\d+)", said)}
    assert found == {str(dtype).removeprefix("torch."): far for dtype, far in _SUM_TOLERANCE.items()}


# The cheat sheet.


def test_each_name_of_the_cheat_sheet_leads_to_a_chapter():
    named = [cells[0] for cells in rows(REFERENCE / "cheat-sheet.ipynb") if "`ln." in cells[0]]
    assert len(named) == 13
    assert [name for name in named if "{doc}`" not in name] == []


def test_each_letter_with_an_index_on_the_cheat_sheet_is_explained():
    """On the page, which is there to be printed, or in the notation."""
    lines = nbformat.read(REFERENCE / "cheat-sheet.ipynb", as_version=4).cells[0].source.split("\n")
    tables = "\n".join(line for line in lines if line.startswith("|"))
    explained = "\n".join(line for line in lines if not line.startswith("|")) + (REFERENCE / "notation.md").read_text("utf-8")
    letters = set(re.findall(r"(?:\\[a-z]+|\b[A-Za-z])_[a-z]\b", tables)) - {r"\sum_i"} - set(ln.__all__)
    assert {"q_t", "z_o", r"\alpha_t"} <= letters
    assert [letter for letter in letters if not re.search(rf"{re.escape(letter)}\b", explained)] == []


# Glossary and notation.


def terms():
    """The first term of each entry of the glossary, in their order."""
    block = re.search(r"```\{glossary\}\n(.*?)\n```", (REFERENCE / "glossary.md").read_text("utf-8"), re.DOTALL)[1]
    return [entry.split("\n")[0] for entry in block.split("\n\n")]


def test_the_glossary_is_sorted_and_has_each_term_once_with_its_chinese():
    assert terms() == sorted(terms(), key=str.lower)
    text = (REFERENCE / "glossary.md").read_text("utf-8")
    lines = [line for line in text.split("```")[1].split("\n")[1:] if line and not line.startswith(" ")]
    assert len(lines) == len({line.lower() for line in lines})
    for entry in text.split("```")[1].split("\n\n"):
        assert re.search("[\u4e00-\u9fff]", entry.split("\n    ")[0]), entry


# What a chapter of the first edition wrote, and what it is called now. A paper's letter may be quoted: "the paper writes $p_t$".
RETIRED = {
    "the probability of the right answer is $q_t$": r"p_t\b|p_\{t\}|p_\{n, ?t_n\}",
    "the gradient of cross-entropy is $q - y$": r"\bp_?i? - y",
    "what a softmax or a sigmoid gives is $q$": r"\bp(_[a-z1])? ?= ?(\\mathrm\{softmax\}|\\operatorname\{softmax\}|\\sigma)",
    "the truth is $p$": r"In this chapter \$p\$ is the model",
}
CHAPTERS = sorted(
    path for part in ("information", "losses", "practice", "homework") for path in (ROOT / "book" / part).glob("*.ipynb")
)


def retired_letters(text):
    """Sentences of a text in which a letter stands for what another one stands for now."""
    sentences = re.split(r"(?<=[.?!:)])\s+(?=[A-Z(])|\n\n", text)
    return [
        f"{now}: {sentence.strip()[:160]}"
        for sentence in sentences
        for now, before in RETIRED.items()
        if re.search(before, sentence) and not re.search(r"\b(papers?|they|others|literature)\b[^.]*\bwrites?\b", sentence)
    ]


@pytest.mark.parametrize("path", CHAPTERS, ids=lambda path: f"{path.parent.name}-{path.stem}")
def test_a_chapter_uses_the_letters_of_the_notation(path):
    cells = nbformat.read(path, as_version=4).cells
    found = [fault for cell in cells if cell.cell_type == "markdown" for fault in retired_letters(cell.source)]
    assert not found, "\n".join(found)


def test_the_check_sees_a_retired_letter():
    assert len(retired_letters("So $p_t$ grows. The gradient is $p - y$, with $p = \\sigma(z)$.")) == 3
    assert not retired_letters(
        "(The paper writes $p_t$.) The gradient is $q - y$, and $p$ is the truth. Then $p_1 - p_2$ is small."
    )


def test_a_letter_of_the_notation_has_one_row():
    """Beside the last table, which is for letters that serve twice."""
    text = (REFERENCE / "notation.md").read_text("utf-8")
    assert "Practice" not in text
    tables = text.split("## Signs")[0]
    letters = [re.findall(r"\$([^$]+)\$", line.split("|")[1]) for line in tables.split("\n") if line.startswith("| $")]
    letters = [letter for row in letters for letter in row]
    assert len(letters) > 45
    assert sorted(letters) == sorted(set(letters))


def test_the_divergence_is_of_p_from_q():
    words = ((REFERENCE / "notation.md", "of $p$ from $q$"), (REFERENCE / "glossary.md", "of $p$ from $q$"))
    assert all(said in path.read_text("utf-8") for path, said in words)
    assert "of `p` from `q`" in ln.kl_divergence.__doc__.split("\n")[0]
