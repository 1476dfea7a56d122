"""Fixtures for the notebooks: a kernel that runs cells and stays open, and a database filled by two syncs."""

import os
import shutil
from collections.abc import Iterator
from contextlib import suppress
from datetime import timedelta
from pathlib import Path
from typing import Any

import nbformat
import pandas as pd
import pytest
from nbclient import NotebookClient
from nbclient.exceptions import CellExecutionError

from flows import charts
from flows.sandbox import World, serve
from tests.conftest import PROJECT, Warehouse

NOTEBOOKS = PROJECT / "notebooks"
CHART = "application/vnd.vegalite.v5+json"
"""The chart format that JupyterLab renders without network access."""

SIZES = {"1000001": 300, "1000002": 20, "1000003": 0}
DAYS = (7, 0)
"""Days before the end of the world on which the syncs run."""


class Kernel:
    """A running kernel with `notebooks/` as its working directory, as in Jupyter."""

    def __init__(self, client: NotebookClient) -> None:
        self.client = client

    def run(self, source: str) -> list[Any]:
        """The outputs of a cell, including its error if it fails."""
        cell = nbformat.v4.new_code_cell(source)
        self.client.nb.cells.append(cell)
        with suppress(CellExecutionError):
            self.client.execute_cell(cell, len(self.client.nb.cells) - 1)
        return cell.outputs

    def charts(self, notebook: Path, most: int | None = None) -> list[dict[str, Any]]:
        """Run a notebook's cells, none of which may fail, and return the specifications of its charts.

        Args:
            notebook: its file.
            most: how many charts are wanted; the cells after them do not run.
        """
        specs: list[dict[str, Any]] = []
        for cell in nbformat.read(notebook, as_version=4).cells:
            if len(specs) == most:
                break
            if cell.cell_type == "code":
                outputs = self.run(cell.source)
                assert not [output for output in outputs if output.output_type == "error"], outputs
                found = [output.data for output in outputs if "data" in output]
                specs += [data[CHART] for data in found if CHART in data]
        return specs


BEGIN = """
import os, sys
%reset -f
import os, sys
os.environ.clear()
os.environ.update({environment})
for name in [name for name in sys.modules if name.split(".")[0] == "flows"]:
    del sys.modules[name]
"""
"""Has a kernel begin anew with other settings, except for the libraries, which take seconds to import."""


@pytest.fixture(scope="session")
def running_kernel(tmp_path_factory: pytest.TempPathFactory) -> Iterator[NotebookClient]:
    """A kernel for all tests."""
    place = {"metadata": {"path": str(NOTEBOOKS)}}
    client = NotebookClient(nbformat.v4.new_notebook(), timeout=120, kernel_name="python3", resources=place)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("IPYTHONDIR", str(tmp_path_factory.mktemp("ipython")))
        with client.setup_kernel():
            yield client


@pytest.fixture
def kernel(running_kernel: NotebookClient) -> Kernel:
    """The kernel, begun anew with the test's settings."""
    running_kernel.nb = nbformat.v4.new_notebook()
    kernel = Kernel(running_kernel)
    outputs = kernel.run(BEGIN.format(environment=dict(os.environ)))
    assert not outputs, outputs
    return kernel


@pytest.fixture(autouse=True)
def no_known_accounts() -> None:
    """Charts know no accounts from the tests before."""
    charts.use_accounts(pd.DataFrame({"id": [], "name": []}))


@pytest.fixture(scope="session")
def built(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A database filled by two syncs, a week of changes apart; one of its accounts is empty."""
    from flows.pipeline.sync import sync
    from flows.source import DEFAULT_RESOURCES

    folder, world = tmp_path_factory.mktemp("built"), World(sizes=SIZES)
    last, world.metrics.limit = world.as_of, 1_000
    for records in world.account("1000003").records.values():
        records.clear()
    with serve(world) as server, pytest.MonkeyPatch.context() as patch:
        patch.setenv("SOURCES__DRIP__BASE_URL", server.url)
        patch.setenv("SOURCES__DRIP__API_KEY", world.api_key)
        patch.setenv("SOURCES__DRIP__LANDING", str(folder / "landing"))
        patch.setenv("SOURCES__DRIP__EMAIL_METRICS_DAYS", "45")  # as far back as the last broadcasts
        patch.setenv("SOURCES__DRIP__EMAIL_METRICS_RATE_LIMIT", "1000")
        patch.setenv("DESTINATION__DUCKDB__CREDENTIALS", str(folder / "built.duckdb"))
        for ago, lists in zip(DAYS, (["subscribers"], [*DEFAULT_RESOURCES, "email_metrics"]), strict=True):
            world.move_to(last - timedelta(days=ago))
            assert sync(resources=lists).exit_code == 0
    return folder / "built.duckdb"


@pytest.fixture
def there(built: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Warehouse:
    """A copy of the database, which the settings point to."""
    path = Path(shutil.copy(built, tmp_path / "copy.duckdb"))
    monkeypatch.setenv("DESTINATION__DUCKDB__CREDENTIALS", str(path))
    return Warehouse(path)
