"""The DuckDB file: which versions of DuckDB can open it, and that it holds no schema that a load only staged in."""

from pathlib import Path
from typing import Any

import duckdb
import pytest

from flows.common.errors import SettingsError
from flows.destinations.target import resolve_target
from flows.pipeline.marts.files import marts
from flows.pipeline.preparation import prepare
from flows.source.settings import common_settings
from tests.conftest import Warehouse

SETTING = "SOURCES__DRIP__STORAGE_VERSION"
READ_BY_1_0, READ_BY_1_4 = 64, 67
"""Numbers of the format in a file's header: the highest that DuckDB 1.0 reads, and DuckDB 1.4."""


def format_of(file: Path) -> int:
    """The number of the storage format in the main header of a file, after a checksum and four magic bytes."""
    header = file.read_bytes()[:20]
    assert header[8:12] == b"DUCK"
    return int.from_bytes(header[12:20], "little")


def schemas(warehouse: Warehouse) -> list[str]:
    return warehouse.column("SELECT schema_name FROM duckdb_schemas() WHERE NOT internal ORDER BY 1")


def test_a_new_file_is_for_duckdb_1_0_and_holds_no_staging_schema(sync: Any, warehouse: Warehouse) -> None:
    for _ in range(2):
        assert sync(resources=["subscribers", "tags"]).exit_code == 0
        assert format_of(warehouse.path) == READ_BY_1_0
        assert schemas(warehouse) == ["drip"]
    views = warehouse.column("SELECT sql FROM duckdb_views() WHERE NOT internal")
    assert len(views) == 2 + len(marts())
    assert not [view for view in views if "json_each" in view], "DuckDB 1.0 lacks this function"


def test_the_setting_decides_the_version_of_a_new_file_only(
    sync: Any, warehouse: Warehouse, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(SETTING, "v1.4.0")
    sync(resources=["tags"])
    assert format_of(warehouse.path) == READ_BY_1_4
    monkeypatch.setenv(SETTING, "v1.0.0")
    sync(resources=["tags"])
    assert format_of(warehouse.path) == READ_BY_1_4


@pytest.mark.parametrize("version", ["9", "v9.9.9", "it's", ""])
def test_an_unknown_version_is_refused_before_anything_is_made(
    server: Any, warehouse: Warehouse, monkeypatch: pytest.MonkeyPatch, version: str
) -> None:
    monkeypatch.setenv(SETTING, version)
    with pytest.raises(SettingsError, match=f"{SETTING} is .*cannot write: set it to v1.0.0"):
        prepare(["tags"], "duckdb", "drip")
    assert not warehouse.path.exists()


def test_the_checks_before_a_sync_open_the_file_once(sync: Any, warehouse: Warehouse) -> None:
    sync(resources=["tags"])
    target = resolve_target("duckdb", "drip")
    with target.checked(common_settings()):
        with pytest.raises(duckdb.ConnectionException, match="different configuration"):
            duckdb.connect(warehouse.path, read_only=True)
        assert "tags" in target.contents(wait=0)[0]
    with duckdb.connect(warehouse.path, read_only=True) as con:
        assert con.execute("FROM drip.tags").fetchall()


def test_the_staging_schema_of_an_earlier_version_goes_and_that_of_others_stays(
    sync: Any, warehouse: Warehouse
) -> None:
    ours = "CREATE TABLE {0}._dlt_version (version INT); CREATE TABLE {0}.tags (tag TEXT, _row_hash TEXT)"
    theirs = "CREATE TABLE {0}._dlt_version (version INT); CREATE TABLE {0}.orders (id INT)"
    warehouse.execute("CREATE SCHEMA drip_staging; " + ours.format("drip_staging"))
    sync(resources=["tags"])
    assert schemas(warehouse) == ["drip"]
    warehouse.execute("CREATE SCHEMA drip_staging; " + theirs.format("drip_staging"))
    sync(resources=["tags"])
    assert schemas(warehouse) == ["drip", "drip_staging"]


def test_rows_are_merged_from_any_folder(
    sync: Any, warehouse: Warehouse, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SOURCES__DRIP__LANDING", str(tmp_path / "it's a;b\nc"))
    assert sync(resources=["tags"]).exit_code == 0
    assert warehouse.value("SELECT count(*) FROM tags")
