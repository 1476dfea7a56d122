"""What is committed of a notebook: its cells, nothing that a run left in it."""

import ast
import subprocess
import sys
from pathlib import Path

import nbformat
import pytest

from tests.notebooks.conftest import NOTEBOOKS

ALL = sorted(NOTEBOOKS.glob("*.ipynb"))
LOGIC = (ast.FunctionDef, ast.ClassDef, ast.Lambda, ast.For, ast.While, ast.If, ast.comprehension)


def test_there_are_notebooks() -> None:
    assert ALL


@pytest.mark.parametrize("path", ALL, ids=lambda path: path.name)
def test_nothing_is_left_of_a_run(path: Path) -> None:
    notebook = nbformat.read(path, as_version=4)
    nbformat.validate(notebook)
    for cell in notebook.cells:
        assert not cell.get("outputs"), cell.id
        assert cell.get("execution_count") is None, cell.id
    verdict = subprocess.run(
        [sys.executable, "-m", "nbstripout", "--verify", str(path)], capture_output=True, text=True
    )
    assert verdict.returncode == 0, verdict.stdout


@pytest.mark.parametrize("path", ALL, ids=lambda path: path.name)
def test_it_begins_with_its_question_and_its_limits(path: Path) -> None:
    lead = nbformat.read(path, as_version=4).cells[0]
    assert lead.cell_type == "markdown"
    assert "?**" in lead.source
    assert "cannot tell" in lead.source


@pytest.mark.parametrize("path", ALL, ids=lambda path: path.name)
def test_cells_hold_no_logic(path: Path) -> None:
    for cell in nbformat.read(path, as_version=4).cells:
        if cell.cell_type == "code":
            assert not [node for node in ast.walk(ast.parse(cell.source)) if isinstance(node, LOGIC)], cell.id
