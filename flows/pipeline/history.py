"""History: `<resource>_history` has a row for each version of a row of the resource's table.

After each load, the open versions are made equal to the table in one transaction, by closing and opening versions. So
a run only closes versions of rows that it, or a run killed before this step, changed or deleted in the table, and the
versions of a row never overlap.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

import dlt

from flows.destinations.sql_clients import sql_client
from flows.pipeline.context import ConnectionRun
from flows.pipeline.declared_tables import declare_table
from flows.pipeline.sync_log import accounts_with_history
from flows.source.endpoints import ACCOUNT_ID, ENDPOINTS, ROW_HASH, Endpoint
from flows.source.schema import MISFIT_SUFFIX, sql_list
from flows.source.settings import common_settings

SUFFIX = "_history"
VALID_FROM, VALID_TO, OPENED_AS = "valid_from", "valid_to", "opened_as"
FIRST, ARRIVED, CHANGED, RETURNED = "first", "arrived", "changed", "returned"
"""Why a version was opened. First: the account was not read completely before, so the row may be older."""
OWN_COLUMNS: list[Any] = [
    {"name": VALID_FROM, "data_type": "timestamp"},
    {"name": VALID_TO, "data_type": "timestamp"},
    {"name": OPENED_AS, "data_type": "text"},
]
FINGERPRINT = {"duckdb": "hash({values})", "postgres": "md5(CAST(ROW({values}) AS text))"}
"""Hashes of columns by dialect. A join on the columns themselves would not fit in memory for a million wide rows."""


def history_table(resource: str) -> str:
    """The name of the history table of a resource."""
    return resource + SUFFIX


def declare_history(pipeline: dlt.Pipeline, run: ConnectionRun) -> None:
    """Declare the history tables of this run, with all columns of the resources' tables."""
    schema = pipeline.default_schema
    for resource in run.history:
        columns: list[Any] = [
            {"name": name, "data_type": column["data_type"], "nullable": column.get("nullable", True)}
            for name, column in schema.get_table_columns(resource).items()
        ]
        file_format = schema.tables[resource].get("file_format")
        declare_table(pipeline, history_table(resource), [*columns, *OWN_COLUMNS], file_format)


def keep_history(pipeline: dlt.Pipeline, run: ConnectionRun) -> None:
    """Update the histories of this run from their tables, and delete versions that are too old."""
    for resource in run.history:
        columns: dict[str, Any] = dict(pipeline.default_schema.get_table_columns(resource))
        known = accounts_with_history(pipeline, resource)
        with sql_client(pipeline) as client:
            table, mirror = map(client.make_qualified_table_name, (history_table(resource), resource))
            step = Step(ENDPOINTS[resource], mirror, table, columns, run.started, known, run.target.kind.dialect)
            with client.begin_transaction():
                for statement in step.statements():
                    client.execute_sql(statement)
                if days := common_settings().history_days:
                    client.execute_sql(step.forget(days))


@dataclass(frozen=True)
class Step:
    """The SQL that updates a history from its table, the mirror.

    Row hashes select the candidates for new versions. They also differ if only ignored columns changed, or if another
    version of this project computed them, so the columns are compared to decide whether there is a new version.

    Attributes:
        endpoint: the endpoint of the table.
        mirror: the qualified name of the table.
        history: the qualified name of its history.
        columns: dlt's columns of the mirror, by name.
        now: start of the run, with time zone.
        known: accounts whose list was read completely before, while the history was kept.
        dialect: SQL dialect of the database.
    """

    endpoint: Endpoint
    mirror: str
    history: str
    columns: dict[str, Any]
    now: datetime
    known: Sequence[str]
    dialect: str

    def statements(self) -> Iterator[str]:
        """The statements in order, for one transaction."""
        yield self._find_changed()
        yield self._find_unchanged()
        yield self._refresh_unchanged()
        yield f"DELETE FROM changed WHERE EXISTS (SELECT 1 FROM unchanged WHERE {self._same('unchanged', 'changed')})"
        yield self._close()
        yield self._open()
        yield "DROP TABLE changed"
        yield "DROP TABLE unchanged"

    def forget(self, days: float) -> str:
        """The statement that deletes versions closed more than this many days ago."""
        return f"DELETE FROM {self.history} WHERE {VALID_TO} < {_moment(self.now - timedelta(days=days))}"

    def _find_changed(self) -> str:
        """Select the keys of rows whose hash differs from the open version, and whether there is an open version."""
        keys = ", ".join(self._keys)
        either = ", ".join(f"coalesce(version.{key}, here.{key}) AS {key}" for key in self._keys)
        return f"""
            CREATE TEMPORARY TABLE changed AS
            SELECT {either}, version.{self._keys[0]} IS NOT NULL AS was_open
            FROM (SELECT {keys}, {ROW_HASH} FROM {self.history} WHERE {VALID_TO} IS NULL) AS version
            FULL JOIN (SELECT {keys}, {ROW_HASH} FROM {self.mirror}) AS here ON {self._same("version", "here")}
            WHERE version.{ROW_HASH} IS DISTINCT FROM here.{ROW_HASH}
        """

    def _find_unchanged(self) -> str:
        """Select the keys of candidates whose relevant columns are equal to those of the open version."""

        def fingerprints(table: str, which: str) -> str:
            changed = f"EXISTS (SELECT 1 FROM changed WHERE changed.was_open AND {self._same('changed', 'one')})"
            columns = f"{', '.join(self._keys)}, {self._fingerprint()} AS fingerprint"
            return f"(SELECT {columns} FROM {table} AS one WHERE {which}{changed})"

        versions, rows = fingerprints(self.history, f"{VALID_TO} IS NULL AND "), fingerprints(self.mirror, "")
        return f"""
            CREATE TEMPORARY TABLE unchanged AS
            SELECT {", ".join(f"here.{key}" for key in self._keys)}
            FROM {versions} AS version JOIN {rows} AS here ON {self._same("version", "here")}
            WHERE version.fingerprint = here.fingerprint
        """

    def _refresh_unchanged(self) -> str:
        taken = [ROW_HASH, *(name for name in self.columns if self._is_ignored(name))]
        return f"""
            UPDATE {self.history} AS version SET {", ".join(f'"{name}" = here."{name}"' for name in taken)}
            FROM {self.mirror} AS here JOIN unchanged ON {self._same("here", "unchanged")}
            WHERE version.{VALID_TO} IS NULL AND {self._same("version", "here")}
        """

    def _close(self) -> str:
        until = f"greatest({_moment(self.now)}, version.{VALID_FROM} + INTERVAL '1 microsecond')"
        return f"""
            UPDATE {self.history} AS version SET {VALID_TO} = {until}
            FROM changed
            WHERE changed.was_open AND version.{VALID_TO} IS NULL AND {self._same("version", "changed")}
        """

    def _open(self) -> str:
        """Open a version for each changed row, starting no earlier than its previous version ended."""
        names = ", ".join(f'"{name}"' for name in self.columns)
        keys = ", ".join(f"version.{key}" for key in self._keys)
        why = f"""
            CASE WHEN changed.was_open THEN '{CHANGED}' WHEN past.{VALID_TO} IS NOT NULL THEN '{RETURNED}'
            WHEN {self._is_known()} THEN '{ARRIVED}' ELSE '{FIRST}' END
        """
        return f"""
            INSERT INTO {self.history} ({names}, {VALID_FROM}, {OPENED_AS})
            SELECT {", ".join(f'here."{name}"' for name in self.columns)},
                greatest({_moment(self.now)}, past.{VALID_TO}), {why}
            FROM {self.mirror} AS here JOIN changed ON {self._same("here", "changed")}
            LEFT JOIN (
                SELECT {keys}, max(version.{VALID_TO}) AS {VALID_TO}
                FROM {self.history} AS version JOIN changed ON {self._same("version", "changed")} GROUP BY {keys}
            ) AS past ON {self._same("past", "here")}
        """

    @property
    def _keys(self) -> list[str]:
        return self.endpoint.primary_key

    def _same(self, left: str, right: str) -> str:
        return " AND ".join(f"{left}.{key} = {right}.{key}" for key in self._keys)

    def _is_ignored(self, column: str) -> bool:
        return column.removesuffix(MISFIT_SUFFIX) in self.endpoint.ignored_in_history

    def _fingerprint(self) -> str:
        # JSON is compared as text, since PostgreSQL's json type has no equality. Both sides have the same type.
        names = [name for name in self.columns if name != ROW_HASH and not self._is_ignored(name)]
        values = [f'"{name}"' + "::text" * (self.columns[name]["data_type"] == "json") for name in names]
        return FINGERPRINT[self.dialect].format(values=", ".join(values))

    def _is_known(self) -> str:
        return f"here.{ACCOUNT_ID} IN ({sql_list(self.known)})" if self.known else "FALSE"


def _moment(when: datetime) -> str:
    return f"TIMESTAMP WITH TIME ZONE '{when.isoformat()}'"
