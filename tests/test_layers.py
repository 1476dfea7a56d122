"""Imports only go down the layers, and Prefect is only imported where it is allowed."""

import ast
from collections.abc import Iterator
from pathlib import Path

from tests.conftest import PROJECT

FLOWS = PROJECT / "flows"
LAYERS = (
    {"common"},
    {"source", "sandbox"},
    {"destinations"},
    {"pipeline"},
    {"dataset", "metrics"},
    {"reporting", "maintenance", "charts"},
    {"webhooks"},
    {"orchestration"},
    {"sync", "extract_account", "freshness", "load_events", "report"},
    {"cli"},
    {"__main__"},
)
"""The layers, lowest first. A module may import from its own folder and from lower layers."""
WITH_PREFECT = ("orchestration", "sync", "extract_account", "freshness", "load_events", "report")
LONGEST = 300
"""Maximum lines of a module."""
MODULES = sorted(path for path in FLOWS.rglob("*.py") if path != FLOWS / "__init__.py")


def name_of(path: Path) -> str:
    return str(path.relative_to(FLOWS).with_suffix(""))


def part_of(path: Path) -> str:
    """The folder of a module in `flows/`, or the module itself if it is a flow."""
    return path.relative_to(FLOWS).parts[0].removesuffix(".py")


def imported(path: Path) -> Iterator[str]:
    """The dotted names that a module imports, anywhere in its code."""
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


def layer_of(part: str) -> int:
    return next(number for number, parts in enumerate(LAYERS) if part in parts)


def test_imports_go_down() -> None:
    upward = [
        f"{name_of(path)} imports {part}"
        for path in MODULES
        for part in {name.split(".")[1] for name in imported(path) if name.startswith("flows.")} - {part_of(path)}
        if layer_of(part) >= layer_of(part_of(path))
    ]
    assert not upward


def test_prefect_is_used_by_flows_and_orchestration_alone() -> None:
    users = [path for path in MODULES if {"prefect", "prefect_dask"} & {name.split(".")[0] for name in imported(path)}]
    assert not [name_of(path) for path in users if part_of(path) not in WITH_PREFECT]


def test_modules_are_short() -> None:
    assert not [name_of(path) for path in MODULES if len(path.read_text().splitlines()) > LONGEST]


def test_no_module_imports_itself_through_others() -> None:
    files = {"flows." + name_of(path).replace("/", ".").removesuffix(".__init__"): path for path in MODULES}
    needs = {name: {module_in(files, one) for one in imported(path)} - {name, ""} for name, path in files.items()}
    while leaves := [name for name, needed in needs.items() if not needed & needs.keys()]:
        for name in leaves:
            del needs[name]
    assert not needs


def module_in(files: dict[str, Path], name: str) -> str:
    """The module of this project that a dotted name refers to; empty if there is none."""
    return next((one for one in (name, name.rpartition(".")[0]) if one in files), "")
