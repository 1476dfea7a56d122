"""What all tests share: an environment of their own, a sandbox API, a warehouse, one Prefect server."""

import os
import signal
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import duckdb
import pytest
from vcr import VCR

from flows.prefect_settings import DEFAULTS
from flows.sandbox import Server, World, serve
from tests.postgres import serve_postgres
from tests.scrubbing import ReadableSerializer


def pytest_recording_configure(config: pytest.Config, vcr: VCR) -> None:
    """Have pytest-recording write cassettes that can be read."""
    vcr.register_serializer("yaml", ReadableSerializer)


PROJECT = Path(__file__).parent.parent


@pytest.fixture(scope="session", autouse=True)
def _own_environment(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Nothing of the user's own settings, databases or Prefect profile is read or written."""
    home = tmp_path_factory.mktemp("home")
    patch = pytest.MonkeyPatch()
    for name in os.environ:
        if name.startswith(("SOURCES__", "DESTINATION__", "PREFECT_", "DLT_")):
            patch.delenv(name)
    for name, value in DEFAULTS.items():
        patch.setenv(name, value)
    patch.setenv("PREFECT_HOME", str(home / "prefect"))
    patch.setenv("DLT_DATA_DIR", str(home / "dlt"))
    patch.setenv("DLT_PROJECT_DIR", str(home))
    yield
    patch.undo()


@pytest.fixture(scope="session", autouse=True)
def _interruptible() -> None:
    """A shell that starts the suite in the background has it ignore Ctrl-C, and so every process it starts."""
    signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.fixture(scope="session")
def prefect_server(_own_environment: None) -> Iterator[None]:
    """The one Prefect server of the session."""
    from prefect.testing.utilities import prefect_test_harness

    with prefect_test_harness(server_startup_timeout=180):
        yield


@dataclass
class Warehouse:
    """A DuckDB file that syncs load into, and a way to ask it."""

    path: Path
    dataset: str = "drip"
    tables: list[str] = field(default_factory=list)

    def rows(self, query: str) -> list[tuple[Any, ...]]:
        """Rows of a query; tables are found without naming the dataset."""
        with duckdb.connect(self.path, read_only=True) as con:
            con.execute(f"SET search_path = '{self.dataset}'")
            return con.execute(query).fetchall()

    def value(self, query: str) -> Any:
        """The one value of a query."""
        return self.rows(query)[0][0]

    def column(self, query: str) -> list[Any]:
        """The first column of a query."""
        return [row[0] for row in self.rows(query)]


@pytest.fixture
def world() -> World:
    """The accounts behind the sandbox; two small ones unless a test says otherwise."""
    return World(seed=7, sizes={"1000001": 130, "1000002": 20})


@pytest.fixture
def server(world: World, monkeypatch: pytest.MonkeyPatch) -> Iterator[Server]:
    """The sandbox, which the settings point to; failing requests are retried at once."""
    with serve(world) as running:
        monkeypatch.setenv("SOURCES__DRIP__BASE_URL", running.url)
        monkeypatch.setenv("SOURCES__DRIP__API_KEY", world.api_key)
        monkeypatch.setenv("SOURCES__DRIP__BACKOFF_FACTOR", "0.01")
        monkeypatch.setenv("SOURCES__DRIP__TASK_RETRY_DELAY", "0")
        yield running


@pytest.fixture
def warehouse(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Warehouse:
    """Where the settings have syncs load to; the landing zone lies beside it."""
    path = tmp_path / "warehouse.duckdb"
    monkeypatch.setenv("DESTINATION__DUCKDB__CREDENTIALS", str(path))
    monkeypatch.setenv("SOURCES__DRIP__LANDING", str(tmp_path / "landing"))
    monkeypatch.setenv("SOURCES__DRIP__LOCK_WAIT", "1")
    return Warehouse(path)


@pytest.fixture
def sync(prefect_server: None, server: Server, warehouse: Warehouse) -> Any:
    """Run the flow in this process; returns its SyncReport."""
    from flows.report import SyncReport
    from flows.sync import sync as flow

    def run(**parameters: Any) -> SyncReport:
        state: Any = flow(**parameters, return_state=True)
        result = state.result(raise_on_failure=False)
        assert isinstance(result, SyncReport), result
        assert state.is_completed() == (result.exit_code == 0)
        return result

    return run


@pytest.fixture(scope="session")
def postgres_url() -> Iterator[str]:
    """The one PostgreSQL server of the session, empty."""
    with serve_postgres() as url:
        yield url
