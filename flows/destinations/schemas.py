"""The schemas of a dataset: its own, and the staging schema.

dlt truncates the tables of the staging schema. Its default name, `<dataset>_staging`, may already be in use, for a
dataset or a dbt layer. This project's name begins with an underscore, which dataset names may not.
"""

import hashlib
from collections.abc import Callable, Iterable, Mapping
from typing import Any

from flows.common.errors import SettingsError
from flows.source.deliveries.events import KEYS as EVENT_KEYS
from flows.source.endpoints import ROW_HASH

STAGING_PREFIX = "_drip_flows_staging_"
OLD_STAGING_SUFFIX = "_staging"
"""Suffix of the staging schema in earlier versions, and dlt's default."""
LONGEST_NAME = 63
"""Maximum length, in bytes, of a name in PostgreSQL, which silently truncates longer ones."""
TRIAL = "_drip_flows_trial"
DLT_VERSION, DLT_LOADS = "_dlt_version", "_dlt_loads"
"""Tables of dlt. A staging schema has only the first, a dataset has both."""
Columns = Mapping[str, set[str]]
"""Column names by table or view of a schema."""


def staging_name(dataset: str) -> str:
    """The staging schema of a dataset."""
    name = STAGING_PREFIX + dataset
    if len(name) <= LONGEST_NAME:
        return name
    digest = hashlib.blake2b(dataset.encode(), digest_size=6).hexdigest()
    return f"{name[: LONGEST_NAME - len(digest) - 1].rstrip('_')}_{digest}"


def quoted(*names: str) -> str:
    """A quoted, qualified SQL name."""
    return ".".join('"' + name.replace('"', '""') + '"' for name in names)


def columns_by_table(rows: Iterable[tuple[str, str]]) -> Columns:
    """Group (table, column) pairs by table."""
    found: dict[str, set[str]] = {}
    for table, column in rows:
        found.setdefault(table, set()).add(column)
    return found


def trial_statements(schemas: Iterable[str], missing: Iterable[str]) -> list[str]:
    """Statements that try what a sync does in each schema, for a transaction that is rolled back.

    Args:
        schemas: the schema names.
        missing: the schemas that have to be created.
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
    """Try, in an open transaction, what a sync does. Raises the database's error if it is not allowed."""
    schemas = (dataset, staging_name(dataset))
    for statement in trial_statements(schemas, set(schemas) - set(existing)):
        execute(statement)


def is_staging(tables: Columns) -> bool:
    """Whether a schema is a staging schema of this project: created by dlt, with no foreign tables in it."""
    return DLT_VERSION in tables and DLT_LOADS not in tables and not _foreign(tables)


def check_staging(dataset: str, tables: Columns) -> None:
    """Check that the staging schema holds no foreign tables. Raises SettingsError.

    Args:
        dataset: the dataset whose staging schema it is.
        tables: the tables in the staging schema.
    """
    if tables and not is_staging(tables):
        names = ", ".join(sorted(_foreign(tables) or tables))
        raise SettingsError(
            f"the schema {staging_name(dataset)}, needed to stage rows of the dataset {dataset}, contains tables "
            f"that drip-flows did not create ({names}): move them to another schema, or choose another --dataset"
        )


def _foreign(tables: Columns) -> set[str]:
    """The tables that this project did not create."""
    return {name for name, columns in tables.items() if not (name.startswith("_") or _is_own(columns))}


def _is_own(columns: set[str]) -> bool:
    """Whether a table has the row hash that the sync adds, or is the table of webhook events, which has none."""
    return ROW_HASH in columns or {*EVENT_KEYS, "deliveries"} <= columns
