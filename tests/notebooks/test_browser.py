"""A notebook run in JupyterLab in a real browser shows its charts without network access."""

import re
from pathlib import Path

import nbformat
import pytest

from tests.browser import chromium
from tests.conftest import Warehouse
from tests.notebooks.conftest import NOTEBOOKS
from tests.notebooks.lab import ERRORS, charts, lab, run_notebook

NAME = "02-audience.ipynb"
CHART = re.compile(r"charts\.(?!use_accounts|table\()\w+\(")


@pytest.mark.skipif(chromium() is None, reason="no Chromium here: apt-get install chromium")
def test_charts_are_seen(there: Warehouse, tmp_path: Path) -> None:
    cells = nbformat.read(NOTEBOOKS / NAME, as_version=4).cells
    expected = sum(len(CHART.findall(cell.source)) for cell in cells if cell.cell_type == "code")
    with lab(tmp_path / "jupyter") as address, run_notebook(address, NAME, tmp_path / "browser") as tab:
        seen = charts(tab)
        assert tab.run(ERRORS) == []
    assert len(seen) == expected
    assert all(chart["drawn"] and chart["width"] > 300 for chart in seen), seen
