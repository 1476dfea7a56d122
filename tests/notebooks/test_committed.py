"""Notebooks are committed without outputs."""

import ast
import subprocess
import sys
from pathlib import Path

import jupyterlab.commands
import nbformat
import pandas as pd
import pytest

from flows import charts
from tests.notebooks.conftest import CHART, NOTEBOOKS

ALL = sorted(NOTEBOOKS.glob("*.ipynb"))
LOGIC = (ast.FunctionDef, ast.ClassDef, ast.Lambda, ast.For, ast.While, ast.If, ast.comprehension)


def test_there_are_notebooks() -> None:
    assert ALL


def test_nothing_is_left_of_a_run() -> None:
    for path in ALL:
        notebook = nbformat.read(path, as_version=4)
        nbformat.validate(notebook)
        for cell in notebook.cells:
            assert not cell.get("outputs"), (path.name, cell.id)
            assert cell.get("execution_count") is None, (path.name, cell.id)
    words = [sys.executable, "-m", "nbstripout", "--verify", *map(str, ALL)]
    verdict = subprocess.run(words, capture_output=True, text=True)
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


@pytest.mark.parametrize("path", ALL, ids=lambda path: path.name)
def test_one_cell_has_the_parameters(path: Path) -> None:
    cells = nbformat.read(path, as_version=4).cells
    (parameters,) = [cell for cell in cells if "parameters" in cell.metadata.get("tags", ())]
    assigned = [node.targets[0] for node in ast.parse(parameters.source).body if isinstance(node, ast.Assign)]
    names = {name.id for target in assigned for name in ast.walk(target) if isinstance(name, ast.Name)}
    assert names >= {"ACCOUNTS"} | ({"SINCE", "UNTIL"} if path.stem != "04-explore" else set())


def test_jupyterlab_draws_what_the_charts_are() -> None:
    """JupyterLab's renderer supports one version of Vega-Lite, which Altair has to write."""
    lab = Path(jupyterlab.commands.get_app_dir()) / "static"
    script = "".join(path.read_text() for path in lab.glob("*.js") if "vegalite" in path.read_text())
    assert f'"{CHART}"' in script
    assert CHART in charts.sentence("x")._repr_mimebundle_()[0]


def test_more_rows_than_altair_takes_by_default() -> None:
    rows = [{"account": str(number), "people": 1, "status": "active", "share": 1.0} for number in range(6_000)]
    assert charts.status_mix(pd.DataFrame(rows)).to_dict()
