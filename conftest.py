"""For every run of pytest, whatever part of the project it is asked for."""

import atexit
import functools
import os
import shutil
import subprocess
import sys
import tempfile
import zipfile
from pathlib import Path
from unittest import mock

import nbformat
import nbval.plugin
import pytest
from nbclient import NotebookClient

# The workers of xdist use every core already. Here, before torch is loaded, and as a variable, which the kernels that nbval
# starts inherit: with two threads each, two kernels on two cores wait for each other and take ten times as long.
os.environ["OMP_NUM_THREADS"] = "1"

# Notebooks run as those who download them run them: in an empty folder, where `lossnotes` is what the wheel holds and nothing else
# of the project can be found. Not this one, which shows the project's last measurements and is not for download.
IN_PLACE = {"benchmarks.ipynb"}


@functools.cache
def installed():
    """A folder with what installing the wheel brings."""
    folder = Path(tempfile.mkdtemp(prefix="lossnotes-"))
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    build = [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(folder)]
    subprocess.run(build, cwd=Path(__file__).parent, check=True, capture_output=True)
    (wheel,) = folder.glob("*.whl")
    with zipfile.ZipFile(wheel) as archive:
        archive.extractall(folder / "site")
    return folder / "site"


def start_alone(start, kernel, cwd=None, **options):
    with mock.patch.dict(os.environ, PYTHONPATH=str(installed())):
        return start(kernel, cwd=tempfile.mkdtemp(dir=installed().parent), **options)


def setup(self, setup=nbval.plugin.IPyNbFile.setup, start=nbval.plugin.RunningKernel):
    if Path(self.fspath).name not in IN_PLACE:
        start = functools.partial(start_alone, start)
    with mock.patch.object(nbval.plugin, "RunningKernel", start):
        setup(self)


nbval.plugin.IPyNbFile.setup = setup


@pytest.fixture
def run_alone(tmp_path):
    """Run cells of a notebook as nbval's are run, and give what each said: printed, shown or raised."""

    def run(*sources):
        nb = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(source) for source in sources])
        client = NotebookClient(nb, allow_errors=True, resources={"metadata": {"path": str(tmp_path)}})
        with mock.patch.dict(os.environ, PYTHONPATH=str(installed())):
            client.execute()
        return ["".join(o.get("text", "") + o.get("evalue", "") + str(o.get("data", "")) for o in c.outputs) for c in nb.cells]

    return run
