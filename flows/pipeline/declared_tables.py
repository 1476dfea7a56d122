"""Tables that dlt creates without a load: the histories, `_syncs`, and `_quarantine` until it has records."""

from collections.abc import Mapping, Sequence
from typing import Any

import dlt
from dlt.common.schema.utils import new_table

from flows.source.landed_input import LandedLists
from flows.source.quarantine import TABLE as QUARANTINE
from flows.source.quarantine import quarantine_resource


def declare_table(
    pipeline: dlt.Pipeline,
    name: str,
    columns: Sequence[Any],
    file_format: Any = None,
    hints: Mapping[str, Any] | None = None,
) -> None:
    """Add a table, or its new columns, to the schema. `create_declared` creates them.

    Args:
        pipeline: the pipeline, after a load.
        name: the name of the table.
        columns: the columns as dlt describes them.
        file_format: dlt's file format of the table that rows are copied from; the type of JSON columns depends on it.
        hints: further hints of the table.
    """
    table = new_table(name, write_disposition="append", columns=list(columns))
    table["file_format"] = file_format
    table.update(hints or {})  # type: ignore[typeddict-item]
    pipeline.default_schema.update_table(table)


def declare_quarantine(pipeline: dlt.Pipeline) -> None:
    """Add `_quarantine` to the schema, if there has been no record to load into it yet."""
    if QUARANTINE not in pipeline.default_schema.tables:
        pipeline.default_schema.update_table(quarantine_resource((), LandedLists(())).compute_table_schema())


def create_declared(pipeline: dlt.Pipeline) -> None:
    """Create the declared tables and columns that are missing in the destination."""
    if pipeline.default_schema.is_modified:
        pipeline.sync_schema()
