"""The project and the landing zone can have any path: no part of it is interpreted as SQL."""

from pathlib import Path

import dlt
import duckdb
import pyarrow as pa
import pytest

from flows.common.errors import SettingsError
from flows.destinations.duckdb import BoundCopyJob, BoundMotherDuck
from flows.destinations.target import resolve_target
from flows.pipeline.context import ConnectionRun
from flows.pipeline.dlt_pipeline import pipeline_of
from flows.source.landing.storage import folder_at
from flows.source.landing.zone import Landing

FOLDERS = ["O'Brien's", "it's; --", 'say "hi" [a]*', "100%", "Zoë {0}"]


@pytest.mark.parametrize("name", FOLDERS)
def test_a_load_from_and_into_any_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    place = tmp_path / name
    place.mkdir()
    monkeypatch.setenv("DESTINATION__DUCKDB__CREDENTIALS", str(place / "warehouse.duckdb"))
    monkeypatch.setenv("DLT_DATA_DIR", str(tmp_path / "dlt"))
    landing = Landing(folder_at(str(place / "landing")), "part")
    pipeline = pipeline_of(ConnectionRun(resolve_target("duckdb", "drip"), ("tags",), landing))
    pipeline.run(
        dlt.resource([pa.table({"tag": ["a", "b"]})], name="tags", file_format="parquet"), loader_file_format="parquet"
    )
    with duckdb.connect(place / "warehouse.duckdb", read_only=True) as con:
        assert con.execute("SELECT tag FROM drip.tags ORDER BY 1").fetchall() == [("a",), ("b",)]


@pytest.mark.parametrize("name", ["what?", "back\\slash"])
def test_a_path_that_would_be_read_as_another_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    monkeypatch.setenv("DESTINATION__DUCKDB__CREDENTIALS", str(tmp_path / name / "warehouse.duckdb"))
    with pytest.raises(SettingsError, match=r"cannot contain .*: change DESTINATION__DUCKDB__CREDENTIALS"):
        resolve_target("duckdb", "drip")


def test_motherduck_loads_from_any_folder_too(tmp_path: Path) -> None:
    """MotherDuck uses dlt's statements for DuckDB; nothing is sent."""
    destination = BoundMotherDuck(credentials="md:somewhere?motherduck_token=n0body", destination_name="motherduck")
    client = destination.client(dlt.Schema("drip"), destination.spec()._bind_dataset_name("drip"))
    for name in ("O'Brien.parquet", "it's; --.parquet"):
        path = f"{tmp_path}/tags.0123456789.0.{name.rpartition('.')[2]}"
        job = client.create_load_job({"name": "tags", "columns": {}}, path, "1")
        assert isinstance(job, BoundCopyJob)
