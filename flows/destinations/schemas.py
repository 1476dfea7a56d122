"""The schemas of a dataset: the one that is named, and the one beside it that dlt stages rows in.

dlt empties the tables that it stages rows in. Its own name for that schema, `<dataset>_staging`, is one that people
choose too, for a dataset or for a dbt layer, so ours begins with an underscore, which no dataset may.
"""

import hashlib
from collections.abc import Callable, Iterable, Mapping
from typing import Any

from flows.common.errors import SettingsError
from flows.source.endpoints import ROW_HASH

STAGING_PREFIX = "_drip_flows_staging_"
OLD_STAGING_SUFFIX = "_staging"
"""How earlier versions, and dlt by default, name the schema."""
LONGEST_NAME = 63
"""Bytes of a name in PostgreSQL, which cuts off the rest without an error."""
TRIAL = "_drip_flows_trial"
DLT_VERSION, DLT_LOADS = "_dlt_version", "_dlt_loads"
"""Tables of dlt. A schema for staging has the first; only a dataset has the second as well."""
Columns = Mapping[str, set[str]]
"""The columns of each table and view in a schema."""


def staging_name(dataset: str) -> str:
    """The schema that the rows of a dataset are staged in."""
    name = STAGING_PREFIX + dataset
    if len(name) <= LONGEST_NAME:
        return name
    digest = hashlib.blake2b(dataset.encode(), digest_size=6).hexdigest()
    return f"{name[: LONGEST_NAME - len(digest) - 1].rstrip('_')}_{digest}"


def quoted(*names: str) -> str:
    """A qualified name in SQL."""
    return ".".join('"' + name.replace('"', '""') + '"' for name in names)


def columns_by_table(rows: Iterable[tuple[str, str]]) -> Columns:
    """The columns of each table, from pairs of a table and a column."""
    found: dict[str, set[str]] = {}
    for table, column in rows:
        found.setdefault(table, set()).add(column)
    return found


def trial_statements(schemas: Iterable[str], missing: Iterable[str]) -> list[str]:
    """What a sync does in each schema, for a transaction that is rolled back.

    Args:
        schemas: their names.
        missing: those of them that have to be created.
    """
    missing = set(missing)
    statements = [f"CREATE TEMPORARY TABLE {quoted(TRIAL + '_moved')} (one BIGINT)"]
    for schema in schemas:
        table, view = quoted(schema, TRIAL), quoted(schema, TRIAL + "_view")
        statements += [f"CREATE SCHEMA {quoted(schema)}"] if schema in missing else []
        statements += [
            f"CREATE TABLE {table} (one BIGINT)",
            f"INSERT INTO {table} VALUES (1)",
            f"CREATE VIEW {view} AS SELECT one FROM {table}",
            f"SELECT one FROM {view}",
        ]
    return statements


def try_schemas(execute: Callable[[str], Any], dataset: str, existing: Iterable[str]) -> None:
    """Try in an open transaction what a sync will do. The database's own error is raised where it refuses."""
    schemas = (dataset, staging_name(dataset))
    for statement in trial_statements(schemas, set(schemas) - set(existing)):
        execute(statement)


def is_staging(tables: Columns) -> bool:
    """Whether a schema is one that this project stages rows in: dlt made it, and has only our tables in it."""
    return DLT_VERSION in tables and DLT_LOADS not in tables and not _strange(tables)


def check_staging(dataset: str, tables: Columns) -> None:
    """Refuse to stage rows among tables that this project did not make. Raises SettingsError.

    Args:
        dataset: whose rows are staged.
        tables: what there is in the schema for staging.
    """
    if tables and not is_staging(tables):
        names = ", ".join(sorted(_strange(tables) or tables))
        raise SettingsError(
            f"the schema {staging_name(dataset)} is where rows of the dataset {dataset} are staged, and it has tables "
            f"that drip-flows did not make ({names}): move them to another schema, or choose another --dataset"
        )


def _strange(tables: Columns) -> set[str]:
    """The tables that are none of ours: those have a hash in each row, but for the bookkeeping."""
    return {name for name, columns in tables.items() if not (name.startswith("_") or ROW_HASH in columns)}
