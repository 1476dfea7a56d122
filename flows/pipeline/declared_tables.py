"""Tables of the dataset that dlt creates and this project fills with SQL of its own: the histories and `_syncs`."""

from collections.abc import Sequence
from typing import Any

import dlt
from dlt.common.schema.utils import new_table


def declare_table(pipeline: dlt.Pipeline, name: str, columns: Sequence[Any], file_format: Any = None) -> None:
    """Add a table, or the columns that it does not have yet, to the schema; `create_declared` creates them.

    Args:
        pipeline: which has loaded something.
        name: of the table.
        columns: dlt's descriptions of them.
        file_format: dlt's, of the table that JSON columns are copied from; their type depends on it.
    """
    table = new_table(name, write_disposition="append", columns=list(columns))
    table["file_format"] = file_format
    pipeline.default_schema.update_table(table)


def create_declared(pipeline: dlt.Pipeline) -> None:
    """Create the declared tables and columns that the destination does not have."""
    if pipeline.default_schema.is_modified:
        pipeline.sync_schema()
