"""Only the private parts of other libraries that docs/design.md lists are used, and they still exist."""

import ast
import re
from collections.abc import Iterator
from importlib import import_module
from pathlib import Path
from types import FunctionType, ModuleType

import pytest

from tests.conftest import PROJECT

FLOWS = PROJECT / "flows"
SECTION = (PROJECT / "docs" / "design.md").read_text().partition("## Private parts of other libraries")[2]
LISTED = {
    (module, name): owner
    for module, name, owner in re.findall(r"^\| `(flows/\S+)` \| `(_\w+)` of `([\w.]+)` \|", SECTION, re.MULTILINE)
}
DOCUMENTED = {"_exit", "_replace"}
"""Public despite their names: `os._exit` and a method of named tuples."""


def is_private(name: str) -> bool:
    return name.startswith("_") and not name.startswith("__") and name not in DOCUMENTED


def own_names(tree: ast.AST) -> set[str]:
    """Functions defined by a module, and attributes that it sets on `self` or `cls`."""
    functions = {node.name for node in ast.walk(tree) if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)}
    attributes = {
        node.attr
        for node in ast.walk(tree)
        if isinstance(node, ast.Attribute) and isinstance(node.ctx, ast.Store) and is_self(node.value)
    }
    return functions | attributes


def is_self(node: ast.expr) -> bool:
    return isinstance(node, ast.Name) and node.id in ("self", "cls")


def used(path: Path) -> Iterator[str]:
    """Private names of other libraries that a module imports, reads or sets."""
    tree = ast.parse(path.read_text())
    own = own_names(tree)
    for node in ast.walk(tree):
        if isinstance(node, ast.Attribute) and is_private(node.attr) and node.attr not in own:
            yield node.attr
        elif isinstance(node, ast.ImportFrom) and not str(node.module).startswith("flows"):
            yield from (alias.name for alias in node.names if is_private(alias.name))


def overridden(module: ModuleType) -> Iterator[str]:
    """Private methods of other libraries that a module's classes override."""
    for kind in vars(module).values():
        if isinstance(kind, type) and kind.__module__ == module.__name__:
            foreign = [base for base in kind.__mro__ if not base.__module__.startswith("flows")]
            methods = [name for name, value in vars(kind).items() if isinstance(value, FunctionType | classmethod)]
            yield from (name for name in methods if is_private(name) and any(name in vars(base) for base in foreign))


def test_all_that_are_used_are_listed() -> None:
    found = {
        (str(path.relative_to(PROJECT)), name)
        for path in FLOWS.rglob("*.py")
        if path.name != "__main__.py"
        for name in [*used(path), *overridden(import_module(module_name(path)))]
    }
    assert found == set(LISTED)


def module_name(path: Path) -> str:
    return ".".join(path.relative_to(PROJECT).with_suffix("").parts).removesuffix(".__init__")


@pytest.mark.parametrize(("module", "name"), LISTED)
def test_each_is_still_there(module: str, name: str) -> None:
    """Each is a member of its class, or set on instances in the module of the class."""
    package, _, kind = LISTED[module, name].rpartition(".")
    owner = getattr(import_module(package), kind)
    source = Path(str(import_module(owner.__module__).__file__)).read_text()
    assert hasattr(owner, name) or re.search(rf"self\.{name}\b", source)
