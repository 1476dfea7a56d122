"""Rows in one form, whether they come from the API or from a database: comparable, without nulls."""

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import psycopg2
import psycopg2.extras

from flows.common.duckdb_in_memory import in_memory
from flows.sandbox import World
from flows.source.decoding.masking import REDACTED, Mask
from flows.source.endpoints import ENDPOINTS
from tests.conftest import PostgresWarehouse, Warehouse, attached

Row = dict[str, Any]
Rows = dict[str, Row]
"""Rows of one list by key."""
MOMENT = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?(Z|[+-]\d\d:\d\d)")
MISFIT = "__v_json"
NOT_COMPARED = ("account_id", "post_url")
"""The account is part of the key; of delivery URLs, only the host is stored."""
COLUMNS = "SELECT table_name, column_name, data_type FROM information_schema.columns WHERE table_schema = '{}'"
DUCKDB_COLUMNS = """
    SELECT table_name, column_name, data_type FROM duckdb_columns()
    WHERE database_name = 'warehouse' AND schema_name = '{}'
"""


def plain(value: Any) -> Any:
    """A value in a form that does not depend on its origin: moments are text in UTC."""
    if isinstance(value, str) and MOMENT.fullmatch(value):
        value = datetime.fromisoformat(value)
    if isinstance(value, datetime):
        return value.astimezone(UTC).isoformat()
    return float(value) if isinstance(value, Decimal) else value


def api_rows(world: World, resource: str, account: str, mask: Mask) -> Rows:
    """The rows that a complete read of a list gives now."""
    key, found = ENDPOINTS[resource].key, {}
    for record in world.account(account).records[resource].all():
        fields = {key: record} if isinstance(record, str) else record
        if isinstance(fields, dict) and isinstance(fields.get(key), str):
            found[fields[key]] = _compared(_masked(resource, fields, mask))
    return found


def _masked(resource: str, fields: Mapping[str, Any], mask: Mask) -> Row:
    """The fields of a record as the mask leaves them; it has only top-level fields."""
    masked = dict(fields)
    for name, action in mask.actions.items() if resource == "subscribers" else ():
        if isinstance(fields.get(name), str):
            masked[name] = mask.token(fields[name]) if action == "hmac" else REDACTED
    return masked


def _compared(fields: Mapping[str, Any]) -> Row:
    skipped = (*NOT_COMPARED,)
    return {
        name: plain(value)
        for name, value in fields.items()
        if value is not None and name not in skipped and not name.startswith(("_", "links"))
    }


class Tables:
    """The tables of a dataset, read with one connection. Each read sees what is committed then."""

    def __init__(self, warehouse: Warehouse) -> None:
        self._warehouse = warehouse

    def read(self, queries: Mapping[str, str]) -> dict[str, list[Row]]:
        """The rows of each query by its name; none for a query on a table that is missing.

        Args:
            queries: by the table whose columns they return, SELECTs.
        """
        with self._connected() as cursor:
            types = self._types(cursor)
            return {name: list(self._rows(cursor, query, types.get(name))) for name, query in queries.items()}

    @contextmanager
    def _connected(self) -> Iterator[Any]:
        """A cursor that finds the tables of the dataset without its name."""
        if isinstance(self._warehouse, PostgresWarehouse):
            with closing(psycopg2.connect(self._warehouse.url)) as con:
                con.autocommit = True
                cursor = con.cursor()
                cursor.execute(f"SET search_path = '{self._warehouse.dataset}'")
                yield cursor
        elif not self._warehouse.path.exists():  # before the first sync
            with in_memory() as con:
                yield con
        else:
            with attached(self._warehouse.path) as con:
                yield con

    def _types(self, cursor: Any) -> dict[str, dict[str, str]]:
        types: dict[str, dict[str, str]] = {}
        is_postgres = isinstance(self._warehouse, PostgresWarehouse)
        cursor.execute((COLUMNS if is_postgres else DUCKDB_COLUMNS).format(self._warehouse.dataset))
        for table, column, kind in cursor.fetchall():
            types.setdefault(table, {})[column] = kind.lower()
        if types and not is_postgres:
            cursor.execute(f"USE warehouse.{self._warehouse.dataset}")
        return types

    def _rows(self, cursor: Any, query: str, types: Mapping[str, str] | None) -> Iterator[Row]:
        if types is None:
            return
        cursor.execute(query)
        names = [column[0] for column in cursor.description]
        for values in cursor.fetchall():
            yield dict(self._stored(name, value, types) for name, value in zip(names, values, strict=True))

    def _stored(self, column: str, value: Any, types: Mapping[str, str]) -> tuple[str, Any]:
        """A column with its value; one that did not fit its column gets the name of that column."""
        is_text = types.get(column) == "json" and not isinstance(self._warehouse, PostgresWarehouse)
        parsed = json.loads(value) if is_text and value is not None else value  # psycopg2 parses JSON by itself
        return column.removesuffix(MISFIT) if parsed is not None else column, plain(parsed)


def by_list(resource: str, rows: Sequence[Row]) -> dict[str, Rows]:
    """The rows of a table by account and key. Raises AssertionError if a key occurs twice."""
    key, found = ENDPOINTS[resource].key, dict[str, Rows]()
    for row in rows:
        of_account = found.setdefault(row["account_id"], {})
        assert row[key] not in of_account, f"{resource}: {row[key]} of {row['account_id']} occurs twice"
        of_account[row[key]] = _compared(row)
    return found
