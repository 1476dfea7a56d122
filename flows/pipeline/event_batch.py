"""One transaction that loads a batch of deliveries: rows, counts, quarantine and how far the spool is loaded."""

import io
from collections.abc import Sequence
from contextlib import closing
from datetime import datetime, timedelta
from typing import Any

import pyarrow as pa
import pyarrow.csv

from flows.common.errors import DripError
from flows.source.deliveries.events import COLUMNS, KEYS, MISFITS, Events, Row
from flows.source.quarantine import KEYS as QUARANTINE_KEYS
from flows.source.quarantine import SCHEMA as QUARANTINE_SCHEMA
from flows.source.quarantine import TABLE as QUARANTINE
from flows.source.quarantine import record_hash, without_nul

TABLE, SPOOLS = "subscriber_events", "_event_spools"
OUTDATED = "_outdated_recipients"
"""The people whose events have changed since the rows of the view `recipients` were computed."""
ARRIVED, REFUSED = "arrived_events", "arrived_quarantine"
"""Temporary tables of the transaction."""
ARROW: dict[str, Any] = {
    "text": pa.string(),
    "json": pa.string(),
    "bigint": pa.int64(),
    "timestamp": pa.timestamp("us", tz="UTC"),
}
QUOTE_ALL: Any = "all_valid"
"""So that PostgreSQL can tell an empty text from NULL."""


class AnotherLoad(DripError):
    """The spool was loaded further by somebody else in the meantime."""


class EventBatch:
    """Loads batches of one spool through an SQL client of dlt.

    Args:
        client: of the destination, whose tables are there.
        dialect: duckdb or postgres.
        spool: its id.
        now: when the run began.
    """

    def __init__(self, client: Any, dialect: str, spool: str, now: datetime) -> None:
        self.client, self.dialect, self.spool, self.now = client, dialect, spool, now
        self._events, self._spools, self._quarantine, self._outdated = map(
            client.make_qualified_table_name, (TABLE, SPOOLS, QUARANTINE, OUTDATED)
        )

    def last(self) -> int:
        """The last id of the spool that is loaded; 0 for none."""
        found = self.client.execute_sql(f"SELECT last FROM {self._spools} WHERE spool = %s", self.spool)
        return int(found[0][0]) if found else 0

    def load(self, events: Events, after: int, last: int) -> int:
        """Load what the deliveries after one id, up to and including another, are: all of it, or nothing.

        Returns:
            The number of events that were not there yet.

        Raises:
            AnotherLoad: they, or some of them, are loaded already.
        """
        with self.client.begin_transaction():
            self._advance(after, last)
            new = self._merge(list(events.rows.values())) if events.rows else 0
            if events.quarantine:
                self._put_in_quarantine(events)
        return new

    def forget(self, days: float) -> None:
        """Remove the events that happened more than so many days ago."""
        oldest = self.now - timedelta(days=days)
        old = f"FROM {self._events} WHERE coalesce(occurred_at, received_at) < %s"
        with self.client.begin_transaction():
            self._note_people(old, oldest)
            self.client.execute_sql(f"DELETE {old}", oldest)

    def _advance(self, after: int, last: int) -> None:
        """Note how far the spool is loaded; whoever is about to do the same waits for the end of the transaction."""
        if self.dialect == "postgres":
            self.client.execute_sql(f"LOCK TABLE {self._spools} IN SHARE ROW EXCLUSIVE MODE")
        if self.last() != after:
            raise AnotherLoad("another load of webhook deliveries was faster: run the command again")
        self.client.execute_sql(f"DELETE FROM {self._spools} WHERE spool = %s", self.spool)
        self.client.execute_sql(f"INSERT INTO {self._spools} (spool, last) VALUES (%s, %s)", self.spool, last)

    def _merge(self, rows: Sequence[Row]) -> int:
        """Count the deliveries of events that are there, and insert the others. Returns the number of these."""
        columns = columns_of(rows)
        schema = pa.schema([(name, ARROW[COLUMNS[name]]) for name in columns])
        self._stage(ARRIVED, self._events, pa.Table.from_pylist(rows, schema=schema))
        same = " AND ".join(f"event.{key} = came.{key}" for key in KEYS)
        there = f"FROM {ARRIVED} AS came JOIN {self._events} AS event ON {same}"
        ((known,),) = self.client.execute_sql(f"SELECT count(*) {there}")
        if known:
            self.client.execute_sql(
                f"UPDATE {self._events} AS event SET deliveries = event.deliveries + came.deliveries, "
                "received_at = least(event.received_at, came.received_at), "
                "last_received_at = greatest(event.last_received_at, came.last_received_at) "
                f"FROM {ARRIVED} AS came WHERE {same}"
            )
        names = ", ".join(columns)
        self.client.execute_sql(
            f"INSERT INTO {self._events} ({names}) SELECT {names} FROM {ARRIVED} AS came "
            f"WHERE NOT EXISTS (SELECT 1 FROM {self._events} AS event WHERE {same})"
        )
        self._note_people(f"FROM {ARRIVED}")
        self.client.execute_sql(f"DROP TABLE {ARRIVED}")
        return len(rows) - int(known)

    def _note_people(self, events: str, *values: Any) -> None:
        """Note the people whose events are changed by this transaction."""
        people = f"SELECT DISTINCT account_id, subscriber_id {events}"
        self.client.execute_sql(f"INSERT INTO {self._outdated} (account_id, subscriber_id) {people}", *values)

    def _put_in_quarantine(self, events: Events) -> None:
        rows = {}
        for account, bad in events.quarantine:
            digest = record_hash(bad.record)
            rows[account, digest] = {
                **dict(zip(QUARANTINE_KEYS, (account, TABLE, digest), strict=True)),
                "reason": bad.reason,
                "record": without_nul(bad.record),
                "seen": self.now,
            }
        self._stage(REFUSED, self._quarantine, pa.Table.from_pylist([*rows.values()], schema=QUARANTINE_SCHEMA))
        names = ", ".join(QUARANTINE_SCHEMA.names)
        same = " AND ".join(f"bad.{key} = came.{key}" for key in QUARANTINE_KEYS)
        self.client.execute_sql(
            f"INSERT INTO {self._quarantine} ({names}) SELECT {names} FROM {REFUSED} AS came "
            f"WHERE NOT EXISTS (SELECT 1 FROM {self._quarantine} AS bad WHERE {same})"
        )
        self.client.execute_sql(f"DROP TABLE {REFUSED}")

    def _stage(self, name: str, like: str, table: pa.Table) -> None:
        """Make a temporary table with the columns of another one, and put rows into it."""
        names = ", ".join(table.column_names)
        self.client.execute_sql(f"CREATE TEMPORARY TABLE {name} AS SELECT {names} FROM {like} LIMIT 0")
        if self.dialect == "postgres":
            text = io.BytesIO()
            pa.csv.write_csv(table, text, pa.csv.WriteOptions(include_header=False, quoting_style=QUOTE_ALL))
            text.seek(0)
            with closing(self.client.native_connection.cursor()) as cursor:
                cursor.copy_expert(f"COPY {name} ({names}) FROM STDIN WITH (FORMAT csv)", text)
        else:
            self.client.native_connection.register(f"{name}_rows", table)
            self.client.execute_sql(f"INSERT INTO {name} SELECT {names} FROM {name}_rows")
            self.client.native_connection.unregister(f"{name}_rows")


def columns_of(rows: Sequence[Row]) -> list[str]:
    """The columns that rows need: those of misfits only where there is one."""
    return [name for name in COLUMNS if name not in MISFITS or any(row[name] is not None for row in rows)]
