"""Reading returns the right rows and types from the right file, and never blocks a sync."""

import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import duckdb
import pandas as pd
import pytest
from dlt.common.configuration.container import Container
from dlt.common.configuration.providers import CustomLoaderDocProvider
from dlt.common.configuration.specs.pluggable_run_context import PluggableRunContext

from flows.dataset import DatasetError, files, load, query, reader
from flows.sandbox import World, serve
from flows.source import ENDPOINTS
from flows.source.schema import arrow_schema
from tests.conftest import Warehouse

FIRST, SECOND = "1000001", "1000002"
DTYPES = {
    "string": "string",
    "int64": "Int64",
    "double": "Float64",
    "bool": "boolean",
    "date32[day]": "datetime64[ms]",
    "timestamp[us, tz=UTC]": "datetime64[us, UTC]",
}
HOLD = """
import duckdb, sys, time
con = duckdb.connect(sys.argv[1])
print("held", flush=True)
time.sleep(float(sys.argv[2]))
"""


@contextmanager
def held(path: Path, seconds: float) -> Iterator[None]:
    """Keep the file open for writing in another process."""
    command = [sys.executable, "-c", HOLD, str(path), str(seconds)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "held\n"
        yield
        process.kill()


def assert_free(path: Path) -> None:
    """Check that this process has the file closed: otherwise DuckDB refuses to open it for writing."""
    duckdb.connect(path).close()


@pytest.fixture(scope="module")
def tiny_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A dataset without a sync: one table, created by dlt with the sync's names."""
    import dlt

    folder = tmp_path_factory.mktemp("tiny")
    with_name = dlt.resource([{"account_id": FIRST, "tag": "a"}], name="tags")
    place = dlt.destinations.duckdb(str(folder / "tiny.duckdb"))
    source = dlt.source(lambda: with_name, name=reader.SCHEMA)
    dlt.pipeline("tiny", pipelines_dir=str(folder), destination=place, dataset_name="drip").run(source())
    return folder / "tiny.duckdb"


@pytest.fixture
def tiny(tiny_file: Path, warehouse: Warehouse) -> Warehouse:
    """A copy of that dataset."""
    shutil.copy(tiny_file, warehouse.path)
    return warehouse


def test_the_schema_is_the_one_of_the_load() -> None:
    from flows.source.tables import SCHEMA

    assert reader.SCHEMA == SCHEMA


@pytest.fixture(scope="module")
def every_table(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, World]:
    """A database with all tables, and the world that it was synced from; two people have odd values."""
    from flows.pipeline.sync import sync

    folder, world = tmp_path_factory.mktemp("every"), World(seed=7, sizes={FIRST: 60, SECOND: 20})
    people = world.account(FIRST).records["subscribers"]
    gap, large = (person["id"] for person in people.all()[:2])
    people.update(gap, lifetime_value=None, prospect=None)
    people.update(large, lifetime_value=2**53 + 1, custom_fields={"a": [1, "1", None]}, nickname='"Jo"', answer=[42])
    with serve(world) as server, pytest.MonkeyPatch.context() as patch:
        patch.setenv("SOURCES__DRIP__BASE_URL", server.url)
        patch.setenv("SOURCES__DRIP__API_KEY", world.api_key)
        patch.setenv("SOURCES__DRIP__LANDING", str(folder / "landing"))
        patch.setenv("SOURCES__DRIP__EMAIL_METRICS_DAYS", "2")
        patch.setenv("DESTINATION__DUCKDB__CREDENTIALS", str(folder / "every.duckdb"))
        assert sync(resources=list(ENDPOINTS)).exit_code == 0
    return folder / "every.duckdb", world


@pytest.fixture
def every(every_table: tuple[Path, World], monkeypatch: pytest.MonkeyPatch) -> Warehouse:
    """That database, which the settings point to."""
    monkeypatch.setenv("DESTINATION__DUCKDB__CREDENTIALS", str(every_table[0]))
    return Warehouse(every_table[0])


def test_every_table_arrives_typed(every: Warehouse) -> None:
    for name, endpoint in ENDPOINTS.items():
        frame = load(name)
        declared = {field.name: DTYPES[str(field.type)] for field in arrow_schema(endpoint) if field.name[0] != "_"}
        assert {column: str(frame[column].dtype) for column in declared} == declared, name
        assert len(frame) == every.value(f"SELECT count(*) FROM {name}"), name
        assert not [column for column in frame if column.startswith("_")], name
        assert set(frame[endpoint.key]) == set(every.column(f"SELECT {endpoint.key} FROM {name}")), name


def test_odd_values_arrive_as_they_are(every: Warehouse, every_table: tuple[Path, World]) -> None:
    gap, large = (person["id"] for person in every_table[1].account(FIRST).records["subscribers"].all()[:2])
    people = load("subscribers", as_objects=["custom_fields"]).set_index("id")
    assert people.loc[gap, "lifetime_value"] is pd.NA
    assert people.loc[gap, "prospect"] is pd.NA
    assert people.loc[large, "lifetime_value"] == 2**53 + 1
    assert people.loc[large, "custom_fields"] == {"a": [1, "1", None]}
    assert load("subscribers").set_index("id").loc[large, ["nickname", "answer"]].to_list() == ['"Jo"', "[42]"]
    assert load("subscribers", as_objects=["answer"]).set_index("id").loc[large, "answer"] == [42]
    found = query("SELECT nickname, nickname AS again FROM subscribers WHERE id = $id", {"id": large})
    assert found.iloc[0].to_list() == ['"Jo"', '"Jo"']
    assert_free(every.path)


def test_some_accounts_and_columns(every: Warehouse, every_table: tuple[Path, World]) -> None:
    people = load("subscribers", [SECOND], columns=["status", "email"])
    assert list(people) == ["status", "email"]
    expected = every_table[1].account(SECOND).records["subscribers"].all()
    assert sorted(people["email"]) == sorted(person["email"] for person in expected)
    assert len(load("subscribers", SECOND)) == len(expected)
    assert list(load("accounts", SECOND)["id"]) == [SECOND]
    assert set(load("_syncs", [SECOND])["account"]) == {SECOND}
    nobody = load("subscribers", [])
    assert nobody.empty
    assert str(nobody["created_at"].dtype) == "datetime64[us, UTC]"
    tags = load("subscriber_tags", FIRST)
    assert set(tags.itertuples(index=False, name=None)) == set(
        every.rows(f"SELECT * FROM subscriber_tags WHERE account_id = '{FIRST}'")
    )


def test_a_query(every: Warehouse) -> None:
    sql = "SELECT account_id, sum(lead_score) AS score, min(created_at) AS since FROM subscribers GROUP BY ALL"
    frame = query(sql)
    assert list(map(str, frame.dtypes)) == ["string", "Int64", "datetime64[us, UTC]"]
    assert set(frame.itertuples(index=False, name=None)) == set(every.rows(sql))
    assert_free(every.path)


@pytest.mark.parametrize(
    ("call", "words"),
    [
        (lambda: load("tag"), "did you mean 'tags'"),
        (lambda: load("tags", columns=["tga"]), "did you mean 'tag'"),
        (lambda: load("tags", dataset="other"), "no dataset other"),
        (lambda: load("tags", dataset="Other; --"), "not a valid name"),
        (lambda: load("_dlt_version", FIRST), "belong to no account"),
        (lambda: query("SELECT nothing FROM tags"), "nothing"),
        (lambda: query("SELECT tag::INT FROM tags"), "convert"),
        (lambda: query("DROP TABLE tags"), "read-only"),
    ],
)
def test_what_goes_wrong_is_said_and_leaves_the_file_free(tiny: Warehouse, call: Any, words: str) -> None:
    with pytest.raises(DatasetError, match=words) as caught:
        call()
    assert_free(tiny.path)
    assert caught.value.__suppress_context__


def test_it_waits_for_who_writes(
    tiny: Warehouse, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("SOURCES__DRIP__LOCK_WAIT", "30")
    with held(tiny.path, 1.5):
        started = time.monotonic()
        assert list(load("tags")["tag"]) == ["a"]
        assert time.monotonic() - started > 1
    assert capsys.readouterr().err == f"{tiny.path} is being written to; waiting up to 30 s for it\n"


def test_it_does_not_wait_for_ever(tiny: Warehouse) -> None:
    with held(tiny.path, 60), pytest.raises(DatasetError, match=r"cannot open .* after 1 s.*PID"):
        load("tags")


def test_reading_needs_no_api_key_and_a_sound_wait(tiny: Warehouse, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("SOURCES__DRIP__API_KEY", raising=False)
    monkeypatch.delenv("SOURCES__DRIP__LOCK_WAIT")
    assert len(load("tags")) == 1
    monkeypatch.setenv("SOURCES__DRIP__LOCK_WAIT", "soon")
    with held(tiny.path, 60), pytest.raises(DatasetError, match="LOCK_WAIT has to be a number"):
        load("tags")


@pytest.fixture
def project(tiny: Warehouse, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The root of a project without settings, with its `notebooks/` as the working directory."""
    root = tiny.path.parent / "project"
    for folder in ("notebooks", "data", ".dlt"):
        (root / folder).mkdir(parents=True)
    (root / "pyproject.toml").touch()
    monkeypatch.delenv("DLT_PROJECT_DIR")
    monkeypatch.delenv("DESTINATION__DUCKDB__CREDENTIALS")
    monkeypatch.chdir(root / "notebooks")
    files._say_once.cache_clear()
    return root


def test_settings_and_relative_paths_are_the_projects(project: Path, tiny: Warehouse) -> None:
    tiny.path.rename(project / "data" / "mine.duckdb")
    (project / ".dlt" / "secrets.toml").write_text('destination.duckdb.credentials = "data/mine.duckdb"\n')
    assert len(load("tags")) == 1


def test_the_default_file_is_found_from_below(project: Path, tiny: Warehouse) -> None:
    tiny.path.rename(project / "data" / "warehouse.duckdb")
    assert len(load("tags")) == 1


def test_the_demo_stands_in_and_says_so_once(
    project: Path, tiny: Warehouse, capsys: pytest.CaptureFixture[str]
) -> None:
    demo = tiny.path.rename(project / "data" / "demo.duckdb")
    for _ in range(2):
        assert len(load("tags")) == 1
    missing = project / "data" / "warehouse.duckdb"
    assert capsys.readouterr().err.splitlines() == [f"No {missing} yet: reading the invented people of {demo}"]


def test_the_demo_never_stands_in_for_a_database_that_was_asked_for(
    project: Path, tiny: Warehouse, monkeypatch: pytest.MonkeyPatch
) -> None:
    tiny.path.rename(project / "data" / "demo.duckdb")
    monkeypatch.setenv("DESTINATION__DUCKDB__CREDENTIALS", "data/mine.duckdb")
    with pytest.raises(DatasetError, match=r"mine\.duckdb yet: `drip-flows sync`"):
        load("tags")


def test_settings_are_found_where_dlt_was_told_to_look(tiny: Warehouse, monkeypatch: pytest.MonkeyPatch) -> None:
    """With a custom dlt provider, like Prefect's Secret blocks in a flow run."""
    monkeypatch.delenv("DESTINATION__DUCKDB__CREDENTIALS")
    settings = {"destination": {"duckdb": {"credentials": str(tiny.path)}}}
    providers = Container()[PluggableRunContext].providers
    provider = CustomLoaderDocProvider("elsewhere", lambda: settings)
    providers.add_provider(provider)
    try:
        assert load("tags")["tag"].to_list() == ["a"]
    finally:
        providers.providers.remove(provider)
