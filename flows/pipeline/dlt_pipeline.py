"""The dlt pipeline of a run."""

from collections.abc import Iterator
from contextlib import contextmanager, nullcontext

import dlt
from dlt.common.schema import Schema
from dlt.common.storages.live_schema_storage import LiveSchemaStorage

from flows.destinations.relations import DIALECTS
from flows.destinations.sql_clients import hold_client
from flows.pipeline.context import ConnectionRun
from flows.source.settings import common_settings

PIPELINE = "drip_flows"
NO_COPY_LEFT = f"{PIPELINE}.load.truncate_staging_dataset"
"""dlt's setting to empty the staging dataset after a load, so that it keeps no copy of personal data."""

TRACE = f"{PIPELINE}.enable_runtime_trace"
"""dlt's setting to keep a trace of the run in the pipeline's folder, which is deleted after the run."""

_pipelines: dict[str, dlt.Pipeline] = {}
"""Pipelines by run id. A new object would read its state and schemas from the destination again (0.1 s)."""


class OwnSchemas(LiveSchemaStorage):
    """The schemas of a pipeline whose folder no other process writes to.

    dlt's class reads a schema from its file again at each access: 52 times in a sync of two small accounts, a tenth of
    its processor time.
    """

    def __getitem__(self, name: str) -> Schema:
        """The schema as it was last read or saved."""
        return self.live_schemas.get(name) or super().__getitem__(name)


@contextmanager
def opened_pipeline(run: ConnectionRun) -> Iterator[dlt.Pipeline]:
    """The pipeline of a run, with a connection that all `sql_client` of the block share.

    Raises:
        SettingsError: the destination cannot be written to: another process has it open, or the lock was lost.
    """
    pipeline, target = pipeline_of(run), run.target
    shared = hold_client(pipeline) if target.name in DIALECTS else nullcontext()
    with target.held_open(common_settings().lock_wait), shared:
        yield pipeline


def pipeline_of(run: ConnectionRun) -> dlt.Pipeline:
    """The dlt pipeline of a run, with a separate working folder, so that it has no pending packages of other runs."""
    settings = common_settings()
    if run.id not in _pipelines:
        dlt.config[NO_COPY_LEFT] = run.target.path is None  # DuckDB has no staging dataset
        dlt.config[TRACE] = False
        _pipelines[run.id] = dlt.pipeline(
            PIPELINE,
            pipelines_dir=str(run.pipeline_folder),
            destination=run.target.destination(settings),
            dataset_name=run.target.dataset,
        )
        _pipelines[run.id].schemas.__class__ = OwnSchemas  # dlt creates it, without a way to choose its class
    return _pipelines[run.id]


def release_pipeline(run: ConnectionRun) -> None:
    """Drop the pipeline of a run that has ended."""
    _pipelines.pop(run.id, None)
