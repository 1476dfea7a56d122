"""Fixtures for all tests: an isolated environment, a sandbox API, a warehouse and one Prefect server."""

import atexit
import gc
import os
import signal
import threading
from collections.abc import Iterator
from contextlib import ExitStack, closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import duckdb
import hypothesis
import psycopg2
import psycopg2.extras
import pytest
from vcr import VCR
from xdist.scheduler import LoadFileScheduling

from flows.common.duckdb_in_memory import in_memory
from flows.destinations.sql import literal
from flows.orchestration.settings import DEFAULTS
from flows.sandbox import Server, World, serve
from tests.memory_files import keep_files_in_memory
from tests.postgres import new_database, serve_postgres
from tests.prefect_server import RunningServer, free_api_url, serve_prefect
from tests.scrubbing import ReadableSerializer


def pytest_recording_configure(config: pytest.Config, vcr: VCR) -> None:
    """Register the serializer for readable cassettes."""
    vcr.register_serializer("yaml", ReadableSerializer)


class OneWorkerForSlowest(LoadFileScheduling):
    """Distribute files among workers, but the slowest folder to one of them.

    Its tests wait a lot. If all workers ran them at once, the processor would be idle.
    """

    def _split_scope(self, nodeid: str) -> str:
        path = Path(nodeid.partition("::")[0])
        return SLOWEST if SLOWEST in path.parts else str(path)


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> LoadFileScheduling:
    """The scheduler for several workers."""
    return OneWorkerForSlowest(config, log)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Start with the slowest folder, so that no worker runs it alone at the end."""
    items.sort(key=lambda item: SLOWEST not in item.path.parts)


def pytest_runtest_setup(item: pytest.Item) -> None:
    """Let the Prefect server run only for the tests that use it."""
    for server in SERVERS:
        if "prefect_server" in getattr(item, "fixturenames", ()):
            server.resume()
        else:
            server.suspend()


def pytest_fixture_setup(fixturedef: pytest.FixtureDef[Any]) -> None:
    """Let the Prefect server run for a fixture that a test asks for by name."""
    for server in SERVERS:
        if "prefect_server" in fixturedef.argnames:
            server.resume()


def pytest_runtest_teardown(nextitem: pytest.Item | None) -> None:
    """Let the Prefect server run while the last fixtures end."""
    for server in SERVERS:
        if nextitem is None:
            server.resume()


def pytest_collection_finish() -> None:
    """Keep the garbage collector from looking at all that was imported, again and again, while the tests run."""
    gc.collect()
    gc.freeze()


keep_files_in_memory()
gc.set_threshold(100_000)  # as the command does
SLOWEST = "deployment"
PROJECT = Path(__file__).parent.parent
os.environ["COLUMNS"] = "200"  # consoles are created when modules are imported
PREFECT_API_URL = free_api_url()
"""The URL of the fixture `prefect_server`. Set before Prefect is imported, since its threads ignore later changes."""
os.environ["PREFECT_API_URL"] = PREFECT_API_URL
ATTACHING = threading.Lock()
"""Held while a DuckDB file is attached."""
SERVERS: list[RunningServer] = []
"""The server of the fixture `prefect_server`, once it is started."""
AT_EXIT = ExitStack()
"""Closed when the process ends, after Prefect has sent its last log lines. Prefect's threads would otherwise retry for
more than a minute at exit. Registered before Prefect is imported, so that it runs last."""
atexit.register(AT_EXIT.close)
# No deadlines for examples, so that tests do not fail on a slow machine, and a third of the default number.
hypothesis.settings.register_profile("patient", deadline=None, max_examples=33)
hypothesis.settings.load_profile("patient")


@pytest.fixture(scope="session", autouse=True)
def _own_environment(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Isolate the tests from the user's settings, databases and Prefect profile."""
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
    patch.setenv("SOURCES__DRIP__COMMENTS", "false")  # 50 ms in each of hundreds of syncs; tests/marts has them on
    yield
    patch.undo()


@pytest.fixture(scope="session", autouse=True)
def _interruptible() -> None:
    """Handle Ctrl-C, which a suite started in the background by a shell ignores, as do its child processes."""
    signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.fixture(autouse=True)
def _no_secret_of_another_test(monkeypatch: pytest.MonkeyPatch) -> None:
    """Clear remembered secrets, which would otherwise be removed from the output of later tests."""
    monkeypatch.setattr("flows.common.scrubbing._remembered", set[str]())


@pytest.fixture(scope="session")
def prefect_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of this session's Prefect database."""
    return tmp_path_factory.mktemp("prefect")


@pytest.fixture(scope="session")
def prefect_server(_own_environment: None, prefect_folder: Path) -> Iterator[None]:
    """The Prefect server of this session, or of this pytest-xdist worker.

    Flow runs of this process send no heartbeats, because their thread takes a second to stop after each run.
    """
    from prefect.settings import PREFECT_FLOWS_HEARTBEAT_FREQUENCY, temporary_settings

    SERVERS.append(AT_EXIT.enter_context(serve_prefect(PREFECT_API_URL, prefect_folder)))
    with temporary_settings({PREFECT_FLOWS_HEARTBEAT_FREQUENCY: None}):
        yield


@pytest.fixture(scope="session")
def postgres_server() -> Iterator[str]:
    """The URL of an empty database on the session's PostgreSQL server, which is started on first use."""
    with serve_postgres() as url:
        yield url


@pytest.fixture
def postgres(postgres_server: str, monkeypatch: pytest.MonkeyPatch) -> str:
    """The URL of a new database for the test, which the settings point to."""
    url = new_database(postgres_server)
    monkeypatch.setenv("DESTINATION__POSTGRES__CREDENTIALS", url)
    return url


@contextmanager
def attached(file: Path) -> Iterator[duckdb.DuckDBPyConnection]:
    """A connection to a DuckDB file, as `warehouse`, for reading. To open the file takes ten times as long."""
    with ATTACHING, in_memory() as con:
        con.execute(f"ATTACH {literal(file)} AS warehouse (READ_ONLY)")
        try:
            yield con
        finally:
            con.execute("USE memory")
            con.execute("DETACH warehouse")


@dataclass
class Warehouse:
    """A DuckDB file that syncs load into, with methods to query it."""

    path: Path
    dataset: str = "drip"
    destination: str = "duckdb"

    def rows(self, query: str) -> list[tuple[Any, ...]]:
        """The rows of a query; table names need no dataset."""
        with attached(self.path) as con:
            con.execute(f"USE warehouse.{self.dataset}")
            return con.execute(query).fetchall()

    def execute(self, statements: str) -> None:
        """Execute statements."""
        with duckdb.connect(self.path) as con:
            con.execute(statements)

    def columns(self, table: str) -> dict[str, str]:
        """The columns of a table with their types in the database; empty if the table does not exist."""
        asked = "SELECT column_name, data_type FROM information_schema.columns WHERE"
        place = f"table_schema = '{self.dataset}' AND table_name = '{table}'"
        return dict(self.rows(f"{asked} {place} ORDER BY ordinal_position"))

    def value(self, query: str) -> Any:
        """The single value of a query."""
        return self.rows(query)[0][0]

    def column(self, query: str) -> list[Any]:
        """The first column of a query."""
        return [row[0] for row in self.rows(query)]


@dataclass
class PostgresWarehouse(Warehouse):
    """A PostgreSQL database that syncs load into. JSON is returned as text, as from DuckDB."""

    destination: str = "postgres"
    url: str = ""

    def rows(self, query: str) -> list[tuple[Any, ...]]:
        """The rows of a query; table names need no dataset."""
        with closing(psycopg2.connect(self.url)) as con, con.cursor() as cursor:
            for register in (psycopg2.extras.register_default_json, psycopg2.extras.register_default_jsonb):
                register(con, loads=str)
            cursor.execute(f"SET search_path = '{self.dataset}'")
            cursor.execute(query)
            return cursor.fetchall()

    def execute(self, statements: str) -> None:
        """Execute statements."""
        with closing(psycopg2.connect(self.url)) as con, con, con.cursor() as cursor:
            cursor.execute(statements)


both_destinations = pytest.mark.parametrize("warehouse", ["duckdb", "postgres"], indirect=True)
"""For tests that depend on the destination."""


@pytest.fixture
def world() -> World:
    """The accounts in the sandbox: two small ones, unless a test overrides the fixture."""
    return World(seed=7, sizes={"1000001": 130, "1000002": 20})


@pytest.fixture
def server(world: World, monkeypatch: pytest.MonkeyPatch) -> Iterator[Server]:
    """The sandbox, which the settings point to. Failed requests are retried immediately."""
    with serve(world) as running:
        monkeypatch.setenv("SOURCES__DRIP__BASE_URL", running.url)
        monkeypatch.setenv("SOURCES__DRIP__API_KEY", world.api_key)
        monkeypatch.setenv("SOURCES__DRIP__BACKOFF_FACTOR", "0.01")
        monkeypatch.setenv("SOURCES__DRIP__TASK_RETRY_DELAY", "0")
        yield running


@pytest.fixture
def warehouse(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Warehouse:
    """The destination in the settings, DuckDB by default, with the landing zone beside it."""
    path = tmp_path / "warehouse.duckdb"
    monkeypatch.setenv("DESTINATION__DUCKDB__CREDENTIALS", str(path))
    monkeypatch.setenv("SOURCES__DRIP__LANDING", str(tmp_path / "landing"))
    monkeypatch.setenv("SOURCES__DRIP__LOCK_WAIT", "1")
    if getattr(request, "param", "duckdb") == "postgres":
        return PostgresWarehouse(path, url=request.getfixturevalue("postgres"))
    return Warehouse(path)


@pytest.fixture
def sync(plain_sync: Any) -> Any:
    """A sync without Prefect, as most tests run it; some override this fixture with the flow."""
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
