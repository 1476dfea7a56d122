"""History: a row per version of each row of a table, in `<resource>_history`.

The open versions are always what the mirror holds: after each load, whatever differs between the two is closed
and opened, in one transaction. So a run can close only what it, or a run that was killed before this step,
removed from the mirror, and versions of a row never overlap.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

import dlt

from flows.pipeline.context import ConnectionRun
from flows.pipeline.declared_tables import declare_table
from flows.pipeline.sync_log import accounts_with_history
from flows.source.endpoints import ACCOUNT_ID, ENDPOINTS, ROW_HASH, Endpoint
from flows.source.schema import MISFIT_SUFFIX, sql_list
from flows.source.settings import common_settings

SUFFIX = "_history"
VALID_FROM, VALID_TO, OPENED_AS = "valid_from", "valid_to", "opened_as"
FIRST, ARRIVED, CHANGED, RETURNED = "first", "arrived", "changed", "returned"
"""Why a version was opened. First: the account's list had not been seen whole before, so nobody knows since when."""
OWN_COLUMNS: list[Any] = [
    {"name": VALID_FROM, "data_type": "timestamp"},
    {"name": VALID_TO, "data_type": "timestamp"},
    {"name": OPENED_AS, "data_type": "text"},
]
FINGERPRINT = {"duckdb": "hash({values})", "postgres": "md5(CAST(ROW({values}) AS text))"}
"""By dialect: of some columns. Joined by the columns themselves, a million wide rows would not fit in memory."""


def history_table(resource: str) -> str:
    """The name of the table with the versions of a resource's rows."""
    return resource + SUFFIX


def declare_history(pipeline: dlt.Pipeline, run: ConnectionRun) -> None:
    """Declare the history tables that this run keeps, with all columns of the tables that they follow."""
    schema = pipeline.default_schema
    for resource in run.history:
        columns: list[Any] = [
            {"name": name, "data_type": column["data_type"], "nullable": column.get("nullable", True)}
            for name, column in schema.get_table_columns(resource).items()
        ]
        file_format = schema.tables[resource].get("file_format")
        declare_table(pipeline, history_table(resource), [*columns, *OWN_COLUMNS], file_format)


def keep_history(pipeline: dlt.Pipeline, run: ConnectionRun) -> None:
    """Bring the histories that this run keeps in step with their mirrors, and forget versions that are too old."""
    for resource in run.history:
        columns: dict[str, Any] = dict(pipeline.default_schema.get_table_columns(resource))
        known = accounts_with_history(pipeline, resource)
        with pipeline.sql_client() as client:
            table, mirror = map(client.make_qualified_table_name, (history_table(resource), resource))
            step = Step(ENDPOINTS[resource], mirror, table, columns, run.started, known, run.target.kind.dialect)
            with client.begin_transaction():
                for statement in step.statements():
                    client.execute_sql(statement)
                if days := common_settings().history_days:
                    client.execute_sql(step.forget(days))


@dataclass(frozen=True)
class Step:
    """The SQL that brings a history in step with its mirror.

    The hash of a row only says which rows to look at: it differs too where a meaningless column does, or where
    a later version of this project makes it otherwise. Whether there is a new version, the columns decide.

    Attributes:
        endpoint: whose table it is.
        mirror: the table's qualified name.
        history: that of its history.
        columns: dlt's columns of the mirror, by name.
        now: when the run began, with time zone.
        known: the accounts whose list was seen whole before, with history.
        dialect: of the database.
    """

    endpoint: Endpoint
    mirror: str
    history: str
    columns: dict[str, Any]
    now: datetime
    known: Sequence[str]
    dialect: str

    def statements(self) -> Iterator[str]:
        """In their order, for one transaction."""
        yield self._find_moved()
        yield self._find_unchanged()
        yield self._refresh_unchanged()
        yield f"DELETE FROM moved WHERE EXISTS (SELECT 1 FROM unchanged WHERE {self._same('unchanged', 'moved')})"
        yield self._close()
        yield self._open()
        yield "DROP TABLE moved"
        yield "DROP TABLE unchanged"

    def forget(self, days: float) -> str:
        """Remove the versions that were closed more than so many days ago."""
        return f"DELETE FROM {self.history} WHERE {VALID_TO} < {_moment(self.now - timedelta(days=days))}"

    def _find_moved(self) -> str:
        """The keys of rows whose hash is not the open version's, with whether there is one."""
        keys = ", ".join(self._keys)
        either = ", ".join(f"coalesce(version.{key}, here.{key}) AS {key}" for key in self._keys)
        return f"""
            CREATE TEMPORARY TABLE moved AS
            SELECT {either}, version.{self._keys[0]} IS NOT NULL AS was_open
            FROM (SELECT {keys}, {ROW_HASH} FROM {self.history} WHERE {VALID_TO} IS NULL) AS version
            FULL JOIN (SELECT {keys}, {ROW_HASH} FROM {self.mirror}) AS here ON {self._same("version", "here")}
            WHERE version.{ROW_HASH} IS DISTINCT FROM here.{ROW_HASH}
        """

    def _find_unchanged(self) -> str:
        """The keys of those among them whose meaningful columns are the open version's."""

        def printed(table: str, which: str) -> str:
            moved = f"EXISTS (SELECT 1 FROM moved WHERE moved.was_open AND {self._same('moved', 'one')})"
            columns = f"{', '.join(self._keys)}, {self._fingerprint()} AS print"
            return f"(SELECT {columns} FROM {table} AS one WHERE {which}{moved})"

        versions, rows = printed(self.history, f"{VALID_TO} IS NULL AND "), printed(self.mirror, "")
        return f"""
            CREATE TEMPORARY TABLE unchanged AS
            SELECT {", ".join(f"here.{key}" for key in self._keys)}
            FROM {versions} AS version JOIN {rows} AS here ON {self._same("version", "here")}
            WHERE version.print = here.print
        """

    def _refresh_unchanged(self) -> str:
        taken = [ROW_HASH, *(name for name in self.columns if self._is_meaningless(name))]
        return f"""
            UPDATE {self.history} AS version SET {", ".join(f'"{name}" = here."{name}"' for name in taken)}
            FROM {self.mirror} AS here JOIN unchanged ON {self._same("here", "unchanged")}
            WHERE version.{VALID_TO} IS NULL AND {self._same("version", "here")}
        """

    def _close(self) -> str:
        until = f"greatest({_moment(self.now)}, version.{VALID_FROM} + INTERVAL '1 microsecond')"
        return f"""
            UPDATE {self.history} AS version SET {VALID_TO} = {until}
            FROM moved
            WHERE moved.was_open AND version.{VALID_TO} IS NULL AND {self._same("version", "moved")}
        """

    def _open(self) -> str:
        """A version of every row that moved, not before the end of the one before it."""
        names = ", ".join(f'"{name}"' for name in self.columns)
        keys = ", ".join(f"version.{key}" for key in self._keys)
        why = f"""
            CASE WHEN moved.was_open THEN '{CHANGED}' WHEN past.{VALID_TO} IS NOT NULL THEN '{RETURNED}'
            WHEN {self._is_known()} THEN '{ARRIVED}' ELSE '{FIRST}' END
        """
        return f"""
            INSERT INTO {self.history} ({names}, {VALID_FROM}, {OPENED_AS})
            SELECT {", ".join(f'here."{name}"' for name in self.columns)},
                greatest({_moment(self.now)}, past.{VALID_TO}), {why}
            FROM {self.mirror} AS here JOIN moved ON {self._same("here", "moved")}
            LEFT JOIN (
                SELECT {keys}, max(version.{VALID_TO}) AS {VALID_TO}
                FROM {self.history} AS version JOIN moved ON {self._same("version", "moved")} GROUP BY {keys}
            ) AS past ON {self._same("past", "here")}
        """

    @property
    def _keys(self) -> list[str]:
        return self.endpoint.primary_key

    def _same(self, left: str, right: str) -> str:
        return " AND ".join(f"{left}.{key} = {right}.{key}" for key in self._keys)

    def _is_meaningless(self, column: str) -> bool:
        return column.removesuffix(MISFIT_SUFFIX) in self.endpoint.ignored_in_history

    def _fingerprint(self) -> str:
        # JSON goes by its text: PostgreSQL's json has no other equality, and the types on both sides are the same.
        names = [name for name in self.columns if name != ROW_HASH and not self._is_meaningless(name)]
        values = [f'"{name}"' + "::text" * (self.columns[name]["data_type"] == "json") for name in names]
        return FINGERPRINT[self.dialect].format(values=", ".join(values))

    def _is_known(self) -> str:
        return f"here.{ACCOUNT_ID} IN ({sql_list(self.known)})" if self.known else "FALSE"


def _moment(when: datetime) -> str:
    return f"TIMESTAMP WITH TIME ZONE '{when.isoformat()}'"
