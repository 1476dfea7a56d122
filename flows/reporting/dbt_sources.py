"""The tables and views as sources of dbt, with their descriptions."""

from typing import Any

import yaml

from flows.pipeline.documentation import TableText, documented


def dbt_sources(dataset: str) -> str:
    """A `sources.yml` of dbt for a dataset: every table and view that a sync may create, and their columns."""
    tables = [_table(name, text) for name, text in documented().items()]
    source = {
        "name": "drip",
        "description": "Drip accounts, synced by drip-flows.",
        "schema": dataset,
        "tables": tables,
    }
    text: str = yaml.safe_dump({"version": 2, "sources": [source]}, sort_keys=False, allow_unicode=True, width=120)
    return text


def _table(name: str, text: TableText) -> dict[str, Any]:
    columns = [{"name": column, "description": meaning} for column, meaning in text.columns.items()]
    return {"name": name, "description": text.description, "columns": columns}
