"""The package as others get it: the wheel in an environment of its own, and the pins against the ranges."""

import inspect
import os
import re
import subprocess
import sys
import tarfile
import tomllib
import venv
import zipfile
from pathlib import Path

import nbformat
import pytest
import torch
import torch.nn.functional as F
from packaging.requirements import Requirement
from packaging.version import Version

import lossnotes as ln

ROOT = Path(__file__).parents[1]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]


def run(*command, **options):
    done = subprocess.run([str(c) for c in command], capture_output=True, text=True, **options)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def test_wheel_works_alone_in_a_clean_environment(tmp_path):
    run(sys.executable, "-m", "pip", "wheel", "--no-deps", "--no-build-isolation", "--wheel-dir", tmp_path, ROOT)
    (wheel,) = tmp_path.glob("lossnotes-*.whl")
    venv.create(tmp_path / "env", with_pip=True)
    python = tmp_path / "env" / ("Scripts/python.exe" if os.name == "nt" else "bin/python")
    # This torch and no other, so that the one already fetched is taken.
    pinned = f"torch=={Version(torch.__version__).public}"
    run(python, "-m", "pip", "install", "--no-compile", wheel, pinned)
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    code = (
        "import sys, torch, lossnotes as ln\n"
        "assert not {'matplotlib', 'numpy', 'sklearn', 'wordfreq'} & sys.modules.keys(), sys.modules.keys()\n"
        "assert all(hasattr(ln, name) for name in ln.__all__)\n"
        "print(ln.__file__)\n"
        "print(ln.entropy(torch.tensor([0.5, 0.25, 0.25]), base=2).item())\n"
    )
    # Where there is no numpy, torch itself warns that there is none.
    flags = ("-W", "error", "-W", "ignore:Failed to initialize NumPy:UserWarning")
    path, entropy = run(python, *flags, "-c", code, cwd=elsewhere).split("\n")[:2]
    assert Path(path).is_relative_to(tmp_path / "env") and entropy == "1.5"
    # Grading there: a submission finds the package only where one of its functions is allowed.
    (elsewhere / "homework.py").write_text("import lossnotes as ln\ndef entropy(p):\n    return ln.entropy(p)\n")
    command = [str(python), "-m", "lossnotes.check", "homework.py", "--expect", "entropy", "--allow"]
    for allowed, status in (("entropy", 0), ("logsumexp", 1)):
        done = subprocess.run([*command, allowed], cwd=elsewhere, capture_output=True, text=True)
        assert done.returncode == status, done.stdout + done.stderr


def test_what_the_archives_hold(tmp_path):
    run(sys.executable, "-m", "hatchling", "build", "-d", tmp_path, cwd=ROOT)
    (wheel,), (sdist,) = tmp_path.glob("*.whl"), tmp_path.glob("*.tar.gz")
    with zipfile.ZipFile(wheel) as archive:
        in_wheel = archive.namelist()
    with tarfile.open(sdist) as archive:
        in_sdist = [name.partition("/")[2] for name in archive.getnames()]
    for names in (in_wheel, in_sdist):
        assert {"lossnotes/py.typed", "lossnotes/stored/focal.json", "lossnotes/check/sheets/practice.toml"} <= set(names)
        assert any(name.endswith("LICENSE") for name in names) and not any("test" in Path(name).parts[0] for name in names if name)
        assert not any("__pycache__" in name for name in names)


def test_importing_the_package_imports_nothing_of_the_book():
    # Here all of it is installed. (torch itself imports numpy where it finds it.)
    run(sys.executable, "-c", "import sys, lossnotes; assert not {'matplotlib', 'sklearn', 'wordfreq'} & sys.modules.keys()")


def test_all_is_what_is_exported():
    assert ln.__all__ == sorted(ln.__all__)
    assert all(callable(getattr(ln, name)) for name in ln.__all__ if name != "naive")


CHAPTERS = {
    "information/information-content": ["information_content"],
    "information/entropy": ["entropy", "conditional_entropy", "mutual_information"],
    "information/kl-divergence": ["kl_divergence", "jensen_shannon_divergence"],
    "information/cross-entropy": ["cross_entropy_between", "cross_entropy"],
    "losses/softmax": ["softmax", "log_softmax", "binary_cross_entropy_with_logits"],
    "losses/nll": ["nll_loss"],
    "losses/mse": ["mse_loss"],
    "losses/focal-loss": ["sigmoid_focal_loss", "softmax_focal_loss"],
    "practice/choosing-a-loss": ["hinge_loss", "multiclass_hinge_loss"],
    "practice/losses-at-scale": ["linear_cross_entropy", "distributed_mean"],
}


@pytest.mark.parametrize(("chapter", "name"), [(c, name) for c, names in CHAPTERS.items() for name in names])
def test_a_docstring_links_the_chapter_that_derives_it(chapter, name):
    # Once the chapter is there: Sphinx refuses a link to a page that is not.
    linked = f":doc:`/book/{chapter}`" in getattr(ln, name).__doc__
    assert linked == (ROOT / "book" / f"{chapter}.ipynb").exists(), f"{name} and {chapter}"


def test_every_function_has_a_chapter():
    named = {name for names in CHAPTERS.values() for name in names} | {"check", "default_device", "strict", "naive"}
    assert named == {name for name in ln.__all__ if name.islower()}


def test_only_torch_is_needed():
    assert [Requirement(r).name for r in PROJECT["dependencies"]] == ["torch"]
    assert Version("2.11") in Requirement(PROJECT["dependencies"][0]).specifier


def test_the_pages_name_the_least_torch():
    least = str(Requirement(PROJECT["dependencies"][0]).specifier).removeprefix(">=")
    assert f"needs only PyTorch, {least} or newer" in (ROOT / "book" / "intro.md").read_text("utf-8")
    assert f"needs torch {least} or newer" in (ROOT / "README.md").read_text("utf-8")


def test_every_range_has_a_pin_inside_it():
    lines = (ROOT / "requirements.txt").read_text("utf-8").splitlines()
    pins = [Requirement(line) for line in lines if line and not line.startswith("#")]
    assert all(re.fullmatch(r"==[^*]+", str(pin.specifier)) for pin in pins)
    pinned = {re.sub(r"[-_.]+", "-", pin.name).lower(): Version(str(pin.specifier)[2:]) for pin in pins}
    extras = PROJECT["optional-dependencies"]
    wanted = PROJECT["dependencies"] + extras["book"] + extras["dev"]  # whatever peers there are, they are measured
    for requirement in map(Requirement, wanted):
        assert pinned[requirement.name.lower()] in requirement.specifier, requirement


def test_readme_names_the_commands():
    for name in ("README.md", "README.zh.md"):
        readme = (ROOT / name).read_text("utf-8")
        for command in ("make book", "make test", "make lab", "pip install -r requirements.txt", "python book/build.py", "pytest"):
            assert re.search(rf"^{re.escape(command)}", readme, re.M), (name, command)


def test_the_crosswalk_has_every_public_name_in_a_table_and_in_a_cell():
    nb = nbformat.read(ROOT / "book" / "reference" / "pytorch-crosswalk.ipynb", as_version=4)
    prose = "\n".join(cell.source for cell in nb.cells if cell.cell_type == "markdown")
    code = "\n".join(cell.source for cell in nb.cells if cell.cell_type == "code")
    tables = "\n".join(line for line in prose.split("\n") if line.startswith("|"))
    assert [name for name in ln.__all__ if not re.search(rf"`(ln\.|F\.)?{name}\b", tables)] == []
    assert [name for name in ln.__all__ if not re.search(rf"\b(ln|where|F)\.{name}\b", code)] == []


# What a drop-in name of torch.nn.functional takes there and not here.
NOT_TAKEN = {
    "nll_loss": {"size_average", "reduce"},
    "cross_entropy": {"size_average", "reduce"},
    "binary_cross_entropy_with_logits": {"size_average", "reduce"},
    "mse_loss": {"size_average", "reduce"},
    "softmax": {"_stacklevel"},
    "log_softmax": {"_stacklevel"},
    "linear_cross_entropy": {"options"},
}


def test_a_drop_in_name_takes_what_pytorch_takes_but_for_what_the_crosswalk_says():
    shared = {name for name in ln.__all__ if name.islower() and hasattr(F, name)}
    assert shared == {name for name in NOT_TAKEN if hasattr(F, name)}  # linear_cross_entropy is new in torch 2.13
    text = (ROOT / "book" / "reference" / "pytorch-crosswalk.ipynb").read_text("utf-8")
    table = text.split("### What ours do not take")[1].split("###")[0]
    for name in shared:
        theirs, ours = (inspect.signature(getattr(where, name)).parameters for where in (F, ln))
        assert theirs.keys() - ours.keys() == NOT_TAKEN[name], name
        for argument in theirs.keys() & ours.keys():
            # `dim` has no default here, and None of `ignore_index` is -100.
            same = theirs[argument].default == ours[argument].default
            assert same or (argument, theirs[argument].default) in {("dim", None), ("ignore_index", None)}, (name, argument)
        (row,) = (line for line in table.split("\\n") if "|" in line and f"`{name}`" in line)
        assert all(f"`{argument}`" in row for argument in NOT_TAKEN[name])


@pytest.mark.parametrize("name", sorted({n for n in ln.__all__ if n.islower()} - {"check", "default_device", "naive", "strict"}))
def test_a_docstring_says_where_values_are_looked_at(name):
    source = inspect.getsource(inspect.unwrap(getattr(ln, name)))
    reads = re.search(
        r"are_(classes|answers|signs|probabilities|log_probabilities)\b|is_joint|_distributions\(|_cross_entropy\(", source
    )
    assert bool(reads) == ("only inside `strict`" in source), name
