"""The synced tables as pandas data frames: open, read, close.

The configuration is the one of the sync. Every call opens the database, reads, and closes it again: a DuckDB file
held by an idle notebook would keep the sync out.
"""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import dlt
import duckdb
import pandas as pd
from dlt.common.schema.utils import new_table
from dlt.destinations.exceptions import DatabaseException, DestinationConnectionError
from dlt.destinations.impl.duckdb.configuration import DuckDbCredentials

from flows.common.errors import SettingsError, first_line, unknown
from flows.dataset.files import DatasetError, existing, how_to_fill, open_for_reading
from flows.dataset.frames import POSTGRES_JSON, marked, table_frame, to_frame
from flows.dataset.parameters import pyformat
from flows.dataset.views import view_columns
from flows.destinations.catalogue import READING, DestinationName
from flows.destinations.schemas import quoted
from flows.destinations.sql import literal
from flows.destinations.target import Target, resolve_target
from flows.source.dlt_run_context import in_project
from flows.source.endpoints import ACCOUNT_ID, ACCOUNTS, ROW_HASH, VERSION

SCHEMA = "drip"
"""The dlt schema that the sync keeps in the dataset."""
BOOKKEEPING = {ROW_HASH, VERSION, "_dlt_id", "_dlt_load_id"}
OWNERS = {ACCOUNTS.resource: ACCOUNTS.key, "_syncs": "account", "_quarantine": "account"}
"""The column with the account, where it is not `account_id`."""


def load(
    table: str,
    accounts: str | Sequence[str] | None = None,
    destination: DestinationName = "duckdb",
    dataset: str = "drip",
    *,
    where: str = "",
    params: Mapping[str, Any] | None = None,
    columns: Sequence[str] | None = None,
    limit: int | None = None,
    as_objects: Sequence[str] = (),
) -> pd.DataFrame:
    """A table, or the view `subscriber_tags`, as a data frame with one row per row.

    Args:
        table: its name.
        accounts: names or ids of the accounts whose rows are wanted; None for all.
        destination: the dlt destination that the sync loads into.
        dataset: the schema that the tables are in.
        where: a condition in the destination's SQL that the rows have to meet, with `$name` for each parameter.
        params: the values of the parameters by name.
        limit: the most rows that are read; None for all.
        columns: the columns wanted, in this order; None for all but the bookkeeping of the sync and of dlt.
        as_objects: JSON columns to decode into lists, dicts, numbers and texts. The others stay text, which costs a
            fraction of the memory and can be grouped by: JSON, but for JSON texts, which have no quotes.

    Returns:
        Columns typed `string`, `Int64`, `Float64`, `boolean`, or `datetime64[us, UTC]`; `object` for decoded JSON.

    Raises:
        DatasetError: no such data, account or column, or something holds it for too long.
    """
    with _reading(destination, dataset) as reader:
        rows = _rows(reader, table, accounts, columns, where, params, limit)
    return table_frame(rows, table, as_objects)


def load_if_kept(
    table: str,
    accounts: str | Sequence[str] | None = None,
    destination: DestinationName = "duckdb",
    dataset: str = "drip",
    *,
    columns: Sequence[str] | None = None,
) -> pd.DataFrame | None:
    """As `load`; None where the dataset has no such table or view, such as a history that is off.

    Raises:
        DatasetError: no such data at all, or something holds it for too long.
    """
    with _reading(destination, dataset) as reader:
        rows = _rows(reader, table, accounts, columns) if reader.has(table) else None
    return None if rows is None else table_frame(rows, table)


def tables(destination: DestinationName = "duckdb", dataset: str = "drip") -> pd.DataFrame:
    """The tables and views there are, but for dlt's own: `table`, `rows`, and its `columns` in one text.

    Raises:
        DatasetError: no such data, or something holds it for too long.
    """
    with _reading(destination, dataset) as reader:
        names = [name for name in sorted(reader.dataset.tables) if not name.startswith("_dlt") and reader.has(name)]
        rows = [(name, reader.count(name), ", ".join(_shown(reader.columns(name)))) for name in names]
    frame = pd.DataFrame(rows, columns=["table", "rows", "columns"])
    return frame.astype({"table": "string", "rows": "Int64", "columns": "string"})


def query(
    sql: str,
    params: Mapping[str, Any] | None = None,
    destination: DestinationName = "duckdb",
    dataset: str = "drip",
    *,
    or_demo: bool = True,
    as_objects: bool = False,
) -> pd.DataFrame:
    """The result of a SELECT in the destination's own SQL, typed as by `load`; tables need no schema before them.

    Args:
        sql: the SELECT, with `$name` for each parameter, in DuckDB and in PostgreSQL.
        params: their values by name; a list stands for an array.
        destination: the dlt destination that the sync loads into.
        dataset: the schema that the tables are in.
        or_demo: whether the demo's file may be read where nothing was synced yet, as in notebooks.
        as_objects: whether JSON columns are decoded.

    Raises:
        DatasetError: the database refuses the query, no such data, or something holds it for too long.
        TypeError: `params` is a text, such as the name of a destination.
    """
    if isinstance(params, str):
        raise TypeError(f"params is a mapping of names to values; pass destination={params!r} by name")
    with _reading(destination, dataset, or_demo) as reader:
        rows = reader.rows_of_sql(sql, params)
    return to_frame(rows, as_objects)


def has_column(
    table: str, column: str, destination: DestinationName = "duckdb", dataset: str = "drip", *, or_demo: bool = True
) -> bool:
    """Whether a table has a column, which one from before an upgrade may not. `or_demo` is as in `query`.

    Raises:
        DatasetError: no such data, or something holds it for too long.
    """
    with _reading(destination, dataset, or_demo) as reader:
        return column in reader.columns(table)


@dataclass(frozen=True)
class _Reader:
    """An open dataset. `con` is the connection to a DuckDB file; None for a server."""

    dataset: dlt.Dataset
    con: duckdb.DuckDBPyConnection | None

    def columns(self, name: str) -> list[str]:
        """The columns of a table or view by dlt's schema. Raises SettingsError.

        A relation has them too, but works them out of an SQL query each time, which takes longer than to read a table.
        """
        if name not in self.dataset.tables:
            raise unknown("table", name, self.dataset.tables)
        return list(self.dataset.schema.get_table_columns(name))

    def has(self, name: str) -> bool:
        """Whether the database has this table or view, whatever dlt's schema knows."""
        place = f"table_schema = '{self.dataset.dataset_name}' AND table_name = {literal(name)}"
        return bool(self.rows_of_sql(f"SELECT 1 AS found FROM information_schema.tables WHERE {place}").num_rows)

    def count(self, name: str) -> int:
        """Rows of a table or view that is there."""
        place = f'"{self.dataset.dataset_name}"."{name}"'
        return int(self.rows_of_sql(f"SELECT count(*) AS n FROM {place}").column("n")[0].as_py())

    def rows_on_server(self, table: str, columns: Sequence[str], owner: str, ids: Sequence[str] | None) -> Any:
        """Some columns of a server's table, in Arrow typed by dlt's schema, and only the rows of these accounts."""
        relation = self.dataset.table(table)
        if ids is not None:
            relation = relation.where(owner, "in", ids or [""])
        relation = relation.select(*columns)
        rows: Any = relation.arrow()
        return marked(rows, [relation.columns_schema[name].get("data_type") == "json" for name in rows.schema.names])

    def rows_of_sql(self, sql: str, params: Mapping[str, Any] | None = None) -> Any:
        """The rows of a query in the destination's own SQL, in Arrow, with its JSON columns marked."""
        if self.con is not None:
            result = self.con.sql(sql, params=dict(params) if params else None)
            return marked(result.to_arrow_table(), [str(kind) == "JSON" for kind in result.types])
        from flows.destinations.postgres_connection import return_json_as_text  # its driver is an extra

        text, values = pyformat(sql, params or {})
        with self.dataset.sql_client as client:
            return_json_as_text(client.native_connection)
            with client.execute_query(text, **values) as cursor:
                rows: Any = cursor.arrow()
                return marked(rows, [one[1] in POSTGRES_JSON for one in cursor.native_cursor.description])


@contextmanager
def _reading(destination: DestinationName, dataset: str, or_demo: bool = True) -> Iterator[_Reader]:
    """The dataset, open for as long as the block runs; what goes wrong becomes a DatasetError."""
    try:
        with ExitStack() as stack:
            stack.enter_context(in_project())
            yield _open(resolve_target(destination, dataset), stack, or_demo)
    except DestinationConnectionError as error:
        raise DatasetError(f"cannot connect to the database: {first_line(error)}") from None
    except (SettingsError, duckdb.Error, DatabaseException) as error:
        raise DatasetError(str(error).strip()) from None


def _open(target: Target, stack: ExitStack, or_demo: bool) -> _Reader:
    target.kind.refuse(READING, "ask it by its own client; what each sync did is in `_syncs` there")
    con = None
    location = target.location
    if target.path is not None:
        location = str(existing(target.path, or_demo))
        con = stack.enter_context(closing(open_for_reading(Path(location))))
        con.execute("SET TimeZone = 'UTC'")
        place: Any = dlt.destinations.duckdb(credentials=DuckDbCredentials(con))
    else:
        from flows.destinations import postgres_connection  # its driver is an extra

        place = dlt.destinations.postgres(credentials=postgres_connection.credentials())
    dataset = dlt.dataset(place, target.dataset, schema=SCHEMA)
    if dataset.schema.is_new:
        raise SettingsError(f"no dataset {target.dataset} in {location} yet: {how_to_fill()}")
    if con is not None:
        con.execute(f"SET search_path = '{target.dataset}'")
    for view, columns in view_columns().items():
        dataset.schema.update_table(new_table(view, columns=columns))
    return _Reader(dataset, con)


def _account_ids(reader: _Reader, table: str, owner: str, accounts: str | Sequence[str]) -> list[str]:
    """The ids of these accounts. Raises SettingsError where one is not known, or rows belong to no account."""
    if owner not in reader.columns(table):
        raise SettingsError(f"the rows of {table} belong to no account: leave `accounts` out")
    names = _account_names(reader)
    wanted = [accounts] if isinstance(accounts, str) else accounts
    return [_account_id(reader, table, owner, names, str(account)) for account in wanted]


def _account_names(reader: _Reader) -> dict[str, str]:
    """The names of the accounts by id; empty where there is no table of accounts."""
    if not reader.has(ACCOUNTS.resource):
        return {}
    rows = reader.rows_of_sql(f'SELECT id, name FROM "{reader.dataset.dataset_name}".{ACCOUNTS.resource}').to_pylist()
    return {row["id"]: row["name"] or "" for row in rows}


def _account_id(reader: _Reader, table: str, owner: str, names: Mapping[str, str], wanted: str) -> str:
    """The id of an account by its id or name. Raises SettingsError with the nearest ones."""
    if wanted in names:
        return wanted
    called = [one for one, name in names.items() if name.casefold() == wanted.strip().casefold()]
    if len(called) > 1:
        raise SettingsError(f"several accounts are named {wanted!r}: use one of the ids {', '.join(sorted(called))}")
    if called:
        return called[0]
    rows = f'SELECT 1 AS found FROM "{reader.dataset.dataset_name}"."{table}" WHERE {owner} = $wanted LIMIT 1'
    if reader.rows_of_sql(rows, {"wanted": wanted}).num_rows:  # an account that the key no longer sees
        return wanted
    raise unknown("account", wanted, [*names, *filter(None, names.values())])


def _rows(
    reader: _Reader,
    table: str,
    accounts: str | Sequence[str] | None,
    columns: Sequence[str] | None = None,
    where: str = "",
    params: Mapping[str, Any] | None = None,
    limit: int | None = None,
) -> Any:
    """The rows wanted, in Arrow, so that the reader can be closed before they become a frame."""
    there, owner = reader.columns(table), OWNERS.get(table, ACCOUNT_ID)
    ids = None if accounts is None else _account_ids(reader, table, owner, accounts)
    names = _column_names(there, table, columns)
    if reader.con is None and not where and limit is None:
        return reader.rows_on_server(table, names, owner, ids)
    owned = "" if ids is None else f" WHERE {quoted(owner)} IN ({', '.join(map(literal, ids or ['']))})"
    every = f"SELECT * FROM {quoted(reader.dataset.dataset_name, table)}{owned}"
    condition = f" WHERE {where}" if where else ""
    most = "" if limit is None else f" LIMIT {int(limit)}"
    chosen = ", ".join(map(quoted, names))
    return reader.rows_of_sql(f"SELECT {chosen} FROM ({every}) AS wanted{condition}{most}", params)


def _column_names(there: Sequence[str], table: str, wanted: Sequence[str] | None) -> Sequence[str]:
    """The columns wanted, all but bookkeeping by default. Raises SettingsError for one that is not there."""
    if missing := set(wanted or ()) - set(there):
        raise unknown(f"column of {table}", min(missing), there)
    return wanted or _shown(there)


def _shown(columns: Sequence[str]) -> list[str]:
    return [name for name in columns if name not in BOOKKEEPING]
