"""The synced tables as pandas data frames: open, read, close.

The configuration is the one of the sync. Every call opens the database, reads, and closes it again: a DuckDB file
held by an idle notebook would keep the sync out.
"""

import functools
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import dlt
import duckdb
import msgspec
import pandas as pd
import pyarrow as pa
from dlt.common.configuration.exceptions import ConfigurationException
from dlt.common.schema.utils import new_table
from dlt.destinations.exceptions import DatabaseException, DestinationConnectionError
from dlt.destinations.impl.duckdb.configuration import DuckDbCredentials

from flows.changes import COLUMNS as CHANGES_COLUMNS
from flows.changes import SEEN_AT
from flows.changes import VIEW as CHANGES
from flows.console import plain_console
from flows.destinations import DEFAULT_DUCKDB, Target, open_duckdb, resolve_target
from flows.project import project_path
from flows.project_context import in_project
from flows.source.endpoints import ACCOUNT_ID, ACCOUNTS, ROW_HASH
from flows.source.errors import SettingsError, first_line, unknown
from flows.source.settings import DripSettings
from flows.views import SUBSCRIBER_TAGS
from flows.warehouses import READING, DestinationName

SCHEMA = "drip"
"""The dlt schema that the sync keeps in the dataset."""
DEMO_DUCKDB = "data/demo.duckdb"
LOCK_WAIT_SETTING = "sources.drip.lock_wait"
BOOKKEEPING = {ROW_HASH, "_dlt_id", "_dlt_load_id"}
OWNERS = {ACCOUNTS.resource: ACCOUNTS.key, "_syncs": "account", "_quarantine": "account"}
"""The column with the account, where it is not `account_id`."""
VIEWS = {SUBSCRIBER_TAGS: (ACCOUNT_ID, "subscriber_id", "tag"), CHANGES: CHANGES_COLUMNS}
"""What dlt's schema does not know: text columns, and a moment."""
HOW_TO_FILL = "`drip-flows sync` fills it from your accounts, `make demo` makes one with invented people"

PANDAS_TYPES: dict[Any, Any] = {
    pa.bool_(): pd.BooleanDtype(),
    **dict.fromkeys((pa.int8(), pa.int16(), pa.int32(), pa.int64(), pa.uint8(), pa.uint16(), pa.uint32()), "Int64"),
    pa.uint64(): pd.UInt64Dtype(),
    **dict.fromkeys((pa.float32(), pa.float64()), "Float64"),
    **dict.fromkeys((pa.string(), pa.large_string(), pa.string_view()), "string"),
}
"""Nullable types throughout: an integer column with a gap stays one of integers."""


class DatasetError(SettingsError):
    """Nothing can be read, for a reason that the message gives in a line or two, with what to do about it."""

    def _render_traceback_(self) -> list[str]:
        """What IPython shows in place of a traceback."""
        return [str(self)]


def load(
    table: str,
    accounts: str | Sequence[str] | None = None,
    destination: DestinationName = "duckdb",
    dataset: str = "drip",
    *,
    columns: Sequence[str] | None = None,
    as_objects: Sequence[str] = (),
) -> pd.DataFrame:
    """A table, or the view `subscriber_tags`, as a data frame with one row per row.

    Args:
        table: its name.
        accounts: ids of the accounts whose rows are wanted; None for all.
        destination: the dlt destination that the sync loads into.
        dataset: the schema that the tables are in.
        columns: the columns wanted, in this order; None for all but the bookkeeping of the sync and of dlt.
        as_objects: JSON columns to decode into lists, dicts, numbers and texts. The others stay JSON text,
            which costs a fraction of the memory and can be grouped by.

    Returns:
        Columns typed `string`, `Int64`, `Float64`, `boolean`, or `datetime64[us, UTC]`; `object` for decoded JSON.

    Raises:
        DatasetError: no such data, or something holds it for too long.
    """
    with _reading(destination, dataset) as reader:
        rows = _rows(reader, table, accounts, columns)
    frame = to_pandas(rows)
    for name in as_objects:
        frame[name] = _decoded(frame, name)
    return frame


def load_if_kept(
    table: str,
    accounts: str | Sequence[str] | None = None,
    destination: DestinationName = "duckdb",
    dataset: str = "drip",
) -> pd.DataFrame | None:
    """As `load`; None where the dataset has no such table or view, such as a history that is off.

    Raises:
        DatasetError: no such data at all, or something holds it for too long.
    """
    with _reading(destination, dataset) as reader:
        rows = _rows(reader, table, accounts) if reader.has(table) else None
    return None if rows is None else to_pandas(rows)


def tables(destination: DestinationName = "duckdb", dataset: str = "drip") -> pd.DataFrame:
    """The tables and views there are, but for dlt's own: `table`, `rows`, and its `columns` in one text.

    Raises:
        DatasetError: no such data, or something holds it for too long.
    """
    with _reading(destination, dataset) as reader:
        names = [name for name in sorted(reader.dataset.tables) if not name.startswith("_dlt") and reader.has(name)]
        rows = [(name, reader.count(name), ", ".join(_shown(reader.table(name)))) for name in names]
    frame = pd.DataFrame(rows, columns=["table", "rows", "columns"])
    return frame.astype({"table": "string", "rows": "Int64", "columns": "string"})


def query(
    sql: str, destination: DestinationName = "duckdb", dataset: str = "drip", *, or_demo: bool = True
) -> pd.DataFrame:
    """The result of a SELECT in the destination's own SQL, typed as by `load`; tables need no schema before them.

    Args:
        sql: the SELECT.
        destination: the dlt destination that the sync loads into.
        dataset: the schema that the tables are in.
        or_demo: whether the demo's file may be read where nothing was synced yet, as in notebooks.

    Raises:
        DatasetError: the database refuses the query, no such data, or something holds it for too long.
    """
    with _reading(destination, dataset, or_demo) as reader:
        rows = reader.rows_of_sql(sql)
    return to_pandas(rows)


def has_column(
    table: str, column: str, destination: DestinationName = "duckdb", dataset: str = "drip", *, or_demo: bool = True
) -> bool:
    """Whether a table has a column, which one from before an upgrade may not. `or_demo` is as in `query`.

    Raises:
        DatasetError: no such data, or something holds it for too long.
    """
    with _reading(destination, dataset, or_demo) as reader:
        return column in reader.table(table).columns


def database_file() -> Path:
    """The DuckDB file that notebooks read: yours, or the demo's where nothing was synced and nothing is configured.

    Raises:
        DatasetError: there is none yet.
    """
    try:
        with in_project():
            return _existing(_configured())
    except SettingsError as error:
        raise DatasetError(str(error)) from None


def demo_is_read() -> bool:
    """Whether notebooks read the demo's file where nothing was synced yet: no other place is configured."""
    with in_project():
        return _configured() == project_path(DEFAULT_DUCKDB)


def to_pandas(rows: pa.Table) -> pd.DataFrame:
    """An Arrow table with pandas' nullable types; whole decimals, such as DuckDB's sums, become integers."""
    types = [_plain_type(field.type) for field in rows.schema]
    fields = [pa.field(name, kind) for name, kind in zip(rows.schema.names, types, strict=True)]
    frame: pd.DataFrame = rows.cast(pa.schema(fields)).to_pandas(types_mapper=_pandas_type, date_as_object=False)
    return frame


@dataclass(frozen=True)
class _Reader:
    """An open dataset. `con` is the connection to a DuckDB file; None for a server."""

    dataset: dlt.Dataset
    con: duckdb.DuckDBPyConnection | None

    def table(self, name: str) -> dlt.Relation:
        """All of a table or view, still to be read. Raises SettingsError."""
        if name not in self.dataset.tables:
            raise unknown("table", name, self.dataset.tables)
        return self.dataset.table(name)

    def has(self, name: str) -> bool:
        """Whether the database has this table or view, whatever dlt's schema knows."""
        literal = name.replace("'", "''")
        place = f"table_schema = '{self.dataset.dataset_name}' AND table_name = '{literal}'"
        return bool(self.rows_of_sql(f"SELECT 1 AS found FROM information_schema.tables WHERE {place}").num_rows)

    def count(self, name: str) -> int:
        """Rows of a table or view that is there."""
        place = f'"{self.dataset.dataset_name}"."{name}"'
        return int(self.rows_of_sql(f"SELECT count(*) AS n FROM {place}").column("n")[0].as_py())

    def rows_of(self, relation: dlt.Relation) -> Any:
        """The rows of a relation, in Arrow. dlt 1.31 asks DuckDB for them by a name that DuckDB 2 dropped."""
        return relation.arrow() if self.con is None else self.con.sql(relation.to_sql()).to_arrow_table()

    def rows_of_sql(self, sql: str) -> Any:
        """The rows of a query in the destination's own SQL, in Arrow."""
        if self.con is not None:
            return self.con.sql(sql).to_arrow_table()
        with self.dataset.sql_client as client, client.execute_query(sql) as cursor:
            return cursor.arrow()


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
        location = str(_existing(target.path, or_demo))
        con = stack.enter_context(closing(_open_duckdb(Path(location))))
        con.execute("SET TimeZone = 'UTC'")
        place: Any = dlt.destinations.duckdb(credentials=DuckDbCredentials(con))
    else:
        from flows import postgres  # its driver is an extra

        place = dlt.destinations.postgres(credentials=postgres.credentials())
    dataset = dlt.dataset(place, target.dataset, schema=SCHEMA)
    if dataset.schema.is_new:
        raise SettingsError(f"no dataset {target.dataset} in {location} yet: {HOW_TO_FILL}")
    if con is not None:
        con.execute(f"SET search_path = '{target.dataset}'")
    for view, columns in VIEWS.items():
        dataset.schema.update_table(new_table(view, columns=[_column(name) for name in columns]))
    return _Reader(dataset, con)


def _configured() -> Path:
    return resolve_target("duckdb", "drip").path or project_path(DEFAULT_DUCKDB)


def _existing(path: Path, or_demo: bool = True) -> Path:
    """The configured file; the demo's, if that will do, where nothing is configured and nothing was synced yet."""
    if path.is_file():
        return path
    demo = project_path(DEMO_DUCKDB)
    if or_demo and path == project_path(DEFAULT_DUCKDB) and demo.is_file():
        _say_once(f"No {path} yet: reading the invented people of {demo}")
        return demo
    raise SettingsError(f"no data in {path} yet: {HOW_TO_FILL}")


def _open_duckdb(path: Path) -> duckdb.DuckDBPyConnection:
    """A read-only connection, waiting for whoever writes for as long as a sync would."""
    try:
        return duckdb.connect(path, read_only=True)
    except duckdb.IOException:
        wait = lock_wait()
        _say(f"{path} is being written to; waiting up to {wait:.0f} s for it")
        return open_duckdb(path, wait, read_only=True)


def lock_wait() -> float:
    """Seconds, of the same setting as the sync's; the other settings of the source are not needed to read."""
    try:
        configured: float | None = dlt.config.get(LOCK_WAIT_SETTING, float)
    except ConfigurationException:
        raise SettingsError("SOURCES__DRIP__LOCK_WAIT has to be a number of seconds") from None
    return DripSettings.lock_wait if configured is None else configured


def _of_accounts(relation: dlt.Relation, table: str, accounts: Sequence[str]) -> dlt.Relation:
    """Only the rows of these accounts. Raises SettingsError for a table whose rows belong to none."""
    owner = OWNERS.get(table, ACCOUNT_ID)
    if owner not in relation.columns:
        raise SettingsError(f"the rows of {table} belong to no account: leave `accounts` out")
    return relation.where(owner, "in", [str(account) for account in accounts] or [""])


def _rows(
    reader: _Reader, table: str, accounts: str | Sequence[str] | None, columns: Sequence[str] | None = None
) -> Any:
    """The rows wanted, in Arrow, so that the reader can be closed before they become a frame."""
    relation = reader.table(table)
    if accounts is not None:
        relation = _of_accounts(relation, table, [accounts] if isinstance(accounts, str) else accounts)
    return reader.rows_of(_columns(relation, table, columns))


def _columns(relation: dlt.Relation, table: str, wanted: Sequence[str] | None) -> dlt.Relation:
    """Only the columns wanted. Raises SettingsError."""
    if missing := set(wanted or ()) - set(relation.columns):
        raise unknown(f"column of {table}", min(missing), relation.columns)
    return relation.select(*(wanted or _shown(relation)))


def _shown(relation: dlt.Relation) -> list[str]:
    return [name for name in relation.columns if name not in BOOKKEEPING]


def _column(name: str) -> Any:
    return {"name": name, "data_type": "timestamp" if name == SEEN_AT else "text"}


def _decoded(frame: pd.DataFrame, column: str) -> "pd.Series[Any]":
    decode = msgspec.json.Decoder().decode
    return pd.Series([None if pd.isna(text) else decode(text) for text in frame[column]], frame.index, dtype="object")


def _plain_type(kind: Any) -> Any:
    if pa.types.is_decimal(kind):
        return pa.int64() if kind.scale == 0 else pa.float64()
    return kind


def _pandas_type(kind: Any) -> Any:
    found = PANDAS_TYPES.get(kind)
    return pd.api.types.pandas_dtype(found) if found is not None else None


def _say(text: str) -> None:
    plain_console(stderr=True, soft_wrap=True, highlight=False).print(text)


_say_once = functools.cache(_say)
