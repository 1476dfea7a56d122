"""JupyterLab says what it reads, and shows the charts of a notebook in a real browser without network access."""

import re
from pathlib import Path
from typing import Any

import nbformat
import pytest

from tests.browser import chromium
from tests.conftest import Warehouse
from tests.notebooks.conftest import NOTEBOOKS
from tests.notebooks.lab import ERRORS, charts, lab, run_notebook

NAME = "02-audience.ipynb"
CHART = re.compile(r"charts\.(?!use_accounts|table\()\w+\(")


def test_charts_are_seen(sync: Any, warehouse: Warehouse, tmp_path: Path) -> None:
    sync(resources=["accounts", "subscribers"])
    cells = nbformat.read(NOTEBOOKS / NAME, as_version=4).cells
    expected = sum(len(CHART.findall(cell.source)) for cell in cells if cell.cell_type == "code")
    with lab(tmp_path / "jupyter") as (address, said):
        assert str(warehouse.path) in said.replace("\n", "")
        if chromium() is None:
            pytest.skip("no Chromium here: apt-get install chromium")
        with run_notebook(address, NAME, tmp_path / "browser") as tab:
            seen = charts(tab)
            assert tab.run(ERRORS) == []
    assert len(seen) == expected
    assert all(chart["drawn"] and chart["width"] > 300 for chart in seen), seen
