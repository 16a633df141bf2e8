"""The house: how the package is laid out, so that one can find one's way, and a new loss its places."""

import ast
import inspect
import re
from pathlib import Path

import pytest

import lossnotes as ln

PACKAGE = Path(ln.__file__).parent
FILES = sorted(PACKAGE.rglob("*.py"))
TREES = {path: ast.parse(path.read_text("utf-8")) for path in FILES}
LOSSES = [path for path in FILES if path.parent == PACKAGE and not path.name.startswith("_")]


def name_of(path):
    parts = ["lossnotes", *path.relative_to(PACKAGE).with_suffix("").parts]
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def imported_at_once(path):
    """The modules of the package that a file needs before its first line runs."""
    home = {name_of(p) for p in FILES}
    for node in TREES[path].body:
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names if alias.name in home)
        elif isinstance(node, ast.ImportFrom) and node.module in home:
            inner = {f"{node.module}.{alias.name}" for alias in node.names}
            yield from inner & home
            if inner - home:
                yield node.module


@pytest.mark.parametrize("path", FILES, ids=name_of)
def test_no_file_is_long(path):
    assert len(path.read_text("utf-8").splitlines()) <= 400


def test_no_import_goes_in_a_circle():
    """A package and what it is made of count as one where only `from package import part` is asked for."""
    needs = {name_of(path): set(imported_at_once(path)) - {name_of(path)} for path in FILES}
    while True:
        free = {name for name, wanted in needs.items() if not wanted & needs.keys()}
        if not free:
            break
        needs = {name: wanted for name, wanted in needs.items() if name not in free}
    assert not needs, f"these wait for each other: {needs}"


def test_the_second_road_knows_no_loss():
    """What runs a formula is handed it: `_roads` imports numbers and tracers, and no file of losses."""
    for path in (p for p in FILES if p.parent.name == "_roads"):
        for module in imported_at_once(path):
            assert module.startswith("lossnotes._"), f"{path.name} imports {module}"


def test_no_comment_of_an_attribute_has_a_colon():
    """Sphinx takes what stands before the first colon for the type."""
    for path in FILES:
        for line in path.read_text().splitlines():
            assert ":" not in re.sub("``.*?``", "", line.partition("#:")[2]), f"{path.name}: {line.strip()}"


def test_nothing_is_looked_up_by_the_name_of_a_function():
    """A public function names its formula and its closed form. `__name__` is for messages."""
    for path in LOSSES + [p for p in FILES if p.parent.name == "_roads"]:
        for node in ast.walk(TREES[path]):
            key = node.slice if isinstance(node, ast.Subscript) else None
            if isinstance(node, ast.Call) and getattr(node.func, "id", "") == "getattr":
                key = node.args[1]
            assert key is None or "__name__" not in ast.dump(key), f"{path.name}, line {node.lineno}"


def test_every_function_is_exported():
    """The second of the three places that a new loss touches; the others are its file, and CASES in test_roads.py."""
    found = {
        node.name
        for path in LOSSES
        for node in TREES[path].body
        if isinstance(node, ast.FunctionDef) and any("leaf_of_fx" in ast.dump(d) for d in node.decorator_list)
    }
    forgotten = found - set(ln.__all__)
    assert not forgotten, f"lossnotes/__init__.py does not export {sorted(forgotten)}"


def test_every_closed_form_is_used_beside_its_formula():
    """Each ClosedForm of a file of losses is handed to `evaluate` in a public function, with a formula that stands there or is imported."""
    for path in LOSSES:
        forms = [
            node.targets[0].id
            for node in TREES[path].body
            if isinstance(node, ast.Assign)
            and isinstance(node.value, ast.Call)
            and getattr(node.value.func, "id", "") == "ClosedForm"
        ]
        used = {
            n.id
            for node in ast.walk(TREES[path])
            if isinstance(node, ast.FunctionDef)
            for n in ast.walk(node)
            if isinstance(n, ast.Name)
        }
        assert set(forms) <= used, f"{path.name}: nobody takes {set(forms) - used}"


def test_the_tests_of_roads_are_the_third_place():
    import test_roads

    tried = {case.fn.__name__ for case in test_roads.CASES}
    losses = {name for name in ln.__all__ if inspect.isfunction(getattr(ln, name))} - {"check", "default_device", "strict"}
    assert not losses - tried, f"CASES in tests/test_roads.py does not try {sorted(losses - tried)}"
