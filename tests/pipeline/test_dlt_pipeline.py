"""The schemas that a run's pipeline keeps in memory are those in its folder."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import dlt
import pytest
from dlt.pipeline.exceptions import PipelineStepFailed

from flows.destinations.target import resolve_target
from flows.pipeline.context import ConnectionRun
from flows.pipeline.dlt_pipeline import OwnSchemas, pipeline_of, release_pipeline
from flows.source.landing.storage import folder_at
from flows.source.landing.zone import Landing
from tests.conftest import Warehouse

ROWS: list[dict[str, Any]] = [{"id": 1}, {"id": 2, "name": "x"}, {"id": 3, "size": 4}]
"""Rows of runs one after another: each adds a column."""


@pytest.fixture
def pipeline(warehouse: Warehouse, tmp_path: Path) -> Iterator[dlt.Pipeline]:
    """The pipeline of a run."""
    run = ConnectionRun(resolve_target("duckdb", "drip"), ("tags",), Landing(folder_at(str(tmp_path / "landing")), "x"))
    yield pipeline_of(run)
    release_pipeline(run)


def assert_as_stored(pipeline: dlt.Pipeline) -> None:
    assert isinstance(pipeline.schemas, OwnSchemas)
    for name in pipeline.schema_names:
        stored = pipeline.schemas.load_schema(name)
        assert pipeline.schemas[name].to_dict() == stored.to_dict()


def test_after_each_run(pipeline: dlt.Pipeline) -> None:
    for number, row in enumerate(ROWS, start=1):
        pipeline.run([row], table_name="things")
        assert_as_stored(pipeline)
        assert len([name for name in pipeline.default_schema.tables["things"]["columns"] if name[0] != "_"]) == number


def test_after_a_run_that_failed(pipeline: dlt.Pipeline) -> None:
    pipeline.run([ROWS[0]], table_name="things")

    def broken() -> Iterator[dict[str, Any]]:
        yield {"id": 2, "colour": "blue"}
        raise ValueError("broken")

    with pytest.raises(PipelineStepFailed):
        pipeline.run(broken(), table_name="things")
    assert_as_stored(pipeline)
    pipeline.run([ROWS[1]], table_name="things")
    assert_as_stored(pipeline)
    assert "name" in pipeline.default_schema.tables["things"]["columns"]
