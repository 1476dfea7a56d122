"""What all tests share: an environment of their own, a sandbox API, a warehouse, one Prefect server."""

import atexit
import os
import signal
from collections.abc import Iterator
from contextlib import ExitStack, closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import duckdb
import hypothesis
import psycopg2
import psycopg2.extras
import pytest
from vcr import VCR

from flows.orchestration.settings import DEFAULTS
from flows.sandbox import Server, World, serve
from tests.postgres import new_database, serve_postgres
from tests.prefect_server import free_api_url, prepared_database, serve_prefect
from tests.scrubbing import ReadableSerializer


def pytest_recording_configure(config: pytest.Config, vcr: VCR) -> None:
    """Have pytest-recording write cassettes that can be read."""
    vcr.register_serializer("yaml", ReadableSerializer)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Begin with the slowest folder, so that no worker is left alone with it at the end."""
    items.sort(key=lambda item: SLOWEST not in item.path.parts)


SLOWEST = "deployment"
PROJECT = Path(__file__).parent.parent
os.environ["COLUMNS"] = "200"  # consoles are made as modules are imported
PREFECT_API_URL = free_api_url()
"""Where the fixture `prefect_server` serves. Set before Prefect is imported: its threads read no later setting."""
os.environ["PREFECT_API_URL"] = PREFECT_API_URL
AT_EXIT = ExitStack()
"""Closed when the process ends, after Prefect has sent its last log lines: threads of Prefect that no longer reach the
server at exit retry for more than a minute. Registered before Prefect is imported, so that it runs last."""
atexit.register(AT_EXIT.close)
# A slow machine is no failure: no example has a deadline.
hypothesis.settings.register_profile("patient", deadline=None)
hypothesis.settings.load_profile("patient")


@pytest.fixture(scope="session", autouse=True)
def _own_environment(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Nothing of the user's own settings, databases or Prefect profile is read or written."""
    home = tmp_path_factory.mktemp("home")
    patch = pytest.MonkeyPatch()
    for name in os.environ:
        if name.startswith(("SOURCES__", "DESTINATION__", "PREFECT_", "DLT_")):
            patch.delenv(name)
    for name, value in (DEFAULTS | {"PREFECT_API_URL": PREFECT_API_URL}).items():
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


@pytest.fixture(autouse=True)
def _no_secret_of_another_test(monkeypatch: pytest.MonkeyPatch) -> None:
    """What is remembered as secret in this process would be removed from the output of later tests."""
    monkeypatch.setattr("flows.common.scrubbing._remembered", set[str]())


@pytest.fixture(scope="session")
def prefect_template(_own_environment: None, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An empty Prefect database, built once for all pytest-xdist workers, whose folders lie side by side."""
    own = tmp_path_factory.getbasetemp()
    return prepared_database(own.parent if "PYTEST_XDIST_WORKER" in os.environ else own)


@pytest.fixture(scope="session")
def prefect_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where the Prefect server of this session keeps its database."""
    return tmp_path_factory.mktemp("prefect")


@pytest.fixture(scope="session")
def prefect_server(prefect_template: Path, prefect_folder: Path) -> Iterator[None]:
    """The Prefect server of this session, or of this pytest-xdist worker.

    Flow runs of this process send it no heartbeat: its thread takes a second to notice that its run has ended.
    """
    from prefect.settings import PREFECT_FLOWS_HEARTBEAT_FREQUENCY, temporary_settings

    AT_EXIT.enter_context(serve_prefect(PREFECT_API_URL, prefect_template, prefect_folder))
    with temporary_settings({PREFECT_FLOWS_HEARTBEAT_FREQUENCY: None}):
        yield


@pytest.fixture(scope="session")
def postgres_server() -> Iterator[str]:
    """The one PostgreSQL server of the session, where a test asks for it: the URL of an empty database."""
    with serve_postgres() as url:
        yield url


@pytest.fixture
def postgres(postgres_server: str, monkeypatch: pytest.MonkeyPatch) -> str:
    """The URL of a database of the test's own, which the settings name."""
    url = new_database(postgres_server)
    monkeypatch.setenv("DESTINATION__POSTGRES__CREDENTIALS", url)
    return url


@dataclass
class Warehouse:
    """A DuckDB file that syncs load into, and a way to ask it."""

    path: Path
    dataset: str = "drip"
    destination: str = "duckdb"

    def rows(self, query: str) -> list[tuple[Any, ...]]:
        """Rows of a query; tables are found without naming the dataset."""
        with duckdb.connect(self.path, read_only=True) as con:
            con.execute(f"SET search_path = '{self.dataset}'")
            return con.execute(query).fetchall()

    def execute(self, statements: str) -> None:
        """Change something by hand."""
        with duckdb.connect(self.path) as con:
            con.execute(statements)

    def columns(self, table: str) -> dict[str, str]:
        """The columns of a table, none where it is not there, and their types in the database's own words."""
        asked = "SELECT column_name, data_type FROM information_schema.columns WHERE"
        place = f"table_schema = '{self.dataset}' AND table_name = '{table}'"
        return dict(self.rows(f"{asked} {place} ORDER BY ordinal_position"))

    def value(self, query: str) -> Any:
        """The one value of a query."""
        return self.rows(query)[0][0]

    def column(self, query: str) -> list[Any]:
        """The first column of a query."""
        return [row[0] for row in self.rows(query)]


@dataclass
class PostgresWarehouse(Warehouse):
    """A PostgreSQL database that syncs load into. JSON comes as text, as it does from DuckDB."""

    destination: str = "postgres"
    url: str = ""

    def rows(self, query: str) -> list[tuple[Any, ...]]:
        """Rows of a query; tables are found without naming the dataset."""
        with closing(psycopg2.connect(self.url)) as con, con.cursor() as cursor:
            for register in (psycopg2.extras.register_default_json, psycopg2.extras.register_default_jsonb):
                register(con, loads=str)
            cursor.execute(f"SET search_path = '{self.dataset}'")
            cursor.execute(query)
            return cursor.fetchall()

    def execute(self, statements: str) -> None:
        """Change something by hand."""
        with closing(psycopg2.connect(self.url)) as con, con, con.cursor() as cursor:
            cursor.execute(statements)


both_destinations = pytest.mark.parametrize("warehouse", ["duckdb", "postgres"], indirect=True)
"""For tests in which the destination matters."""


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
def warehouse(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Warehouse:
    """Where the settings have syncs load to, DuckDB unless a test says otherwise; the landing zone lies beside it."""
    path = tmp_path / "warehouse.duckdb"
    monkeypatch.setenv("DESTINATION__DUCKDB__CREDENTIALS", str(path))
    monkeypatch.setenv("SOURCES__DRIP__LANDING", str(tmp_path / "landing"))
    monkeypatch.setenv("SOURCES__DRIP__LOCK_WAIT", "1")
    if getattr(request, "param", "duckdb") == "postgres":
        return PostgresWarehouse(path, url=request.getfixturevalue("postgres"))
    return Warehouse(path)


@pytest.fixture
def sync(plain_sync: Any) -> Any:
    """A sync as most tests run it; some override it with the flow."""
    return plain_sync


@pytest.fixture
def plain_sync(server: Server, warehouse: Warehouse) -> Any:
    """Run a sync in this process, without Prefect, into the warehouse; returns its SyncReport."""
    from flows.pipeline import sync as pipeline

    def run(**parameters: Any) -> Any:
        return pipeline.sync(**{"destination": warehouse.destination} | parameters)

    return run


@pytest.fixture
def sync_flow(prefect_server: None, server: Server, warehouse: Warehouse) -> Any:
    """Run a sync as a Prefect flow in this process, into the warehouse; returns its SyncReport."""
    from flows.pipeline.report import SyncReport
    from flows.sync import sync as flow

    def run(**parameters: Any) -> SyncReport:
        state: Any = flow(**{"destination": warehouse.destination} | parameters, return_state=True)
        result = state.result(raise_on_failure=False)
        assert isinstance(result, SyncReport), result
        assert state.is_completed() == (result.exit_code == 0)
        return result

    return run
