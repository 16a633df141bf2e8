"""``python -I _child fork FD`` or ``python -I _child once REQUEST``: this folder as a package of its own, away from `lossnotes`."""

import importlib.util
import os
import pathlib
import sys

here = pathlib.Path(__file__).resolve().parent
spec = importlib.util.spec_from_file_location("grader", here / "__init__.py", submodule_search_locations=[str(here)])
sys.modules["grader"] = importlib.util.module_from_spec(spec)
sys.path[:] = [path for path in sys.path if pathlib.Path(path).resolve() != here]
sys.path += filter(None, os.environ.get("LOSSNOTES_SITE", "").split(os.pathsep))

from grader.warm import main  # noqa: E402

main(sys.argv[1:])
