"""Schema drift: a column that appears, a type that no longer fits, a list that turns empty, a field that is refused.

New columns and values are loaded as before. Each drift is named in the report and emitted as a Prefect event.
"""

from collections.abc import Iterator, Mapping, Sequence

import dlt
import msgspec

from flows.pipeline.report_line import ListReport
from flows.source.endpoints import ENDPOINTS
from flows.source.frozen import refused_counts
from flows.source.landed_input import LandedLists
from flows.source.quarantine import TABLE as QUARANTINE
from flows.source.schema import MISFIT_SUFFIX, arrow_schema
from flows.source.tables import tables_of

NEW_COLUMN, NEW_MISFIT, EMPTIED = "new column", "type that no longer fits", "list that turned empty"
REFUSED = "unknown field in a frozen schema"
Columns = Mapping[str, frozenset[str]]
"""Column names by table."""


class Drift(msgspec.Struct):
    """A way in which the API's data differs in form from the previous sync.

    Attributes:
        kind: NEW_COLUMN, NEW_MISFIT, EMPTIED or REFUSED.
        table: the table.
        column: the column whose field is new or has values of another type; empty for a list.
        account: the account of a list; empty for a column.
        text: what happened, in a sentence.
    """

    kind: str
    table: str
    text: str
    column: str = ""
    account: str = ""


def columns_now(pipeline: dlt.Pipeline) -> Columns:
    """The columns of the resources' tables, as the pipeline knows them."""
    return {name: frozenset(table["columns"]) for name, table in tables_of(pipeline).items() if name in ENDPOINTS}


def new_columns(before: Columns, after: Columns) -> list[Drift]:
    """The columns that appeared in tables that existed, without those that this project declares."""
    found = []
    for table, columns in before.items():
        declared = {*arrow_schema(ENDPOINTS[table]).names}
        for column in sorted(after.get(table, frozenset()) - columns - declared):
            found.append(_misfit(table, column) if column.endswith(MISFIT_SUFFIX) else _unknown(table, column))
    return found


def _misfit(table: str, column: str) -> Drift:
    field = column.removesuffix(MISFIT_SUFFIX)
    text = f"some values of {table}.{field} no longer fit its type; the originals are in {column}"
    return Drift(NEW_MISFIT, table, text, field)


def _unknown(table: str, column: str) -> Drift:
    return Drift(NEW_COLUMN, table, f"{table} has the new column {column}, which is not in the API reference", column)


def emptied(lists: Sequence[ListReport]) -> Iterator[Drift]:
    """The lists that had rows after their last sync and have none now."""
    for line in lists:
        if line.complete and line.total == 0 and line.before:
            owner = f" of account {line.account}" if line.account else ""
            text = f"{line.resource}{owner} is empty now; it had {line.before:,} rows after the last sync"
            yield Drift(EMPTIED, line.resource, text, account=line.account or "")


def refused(lists: LandedLists) -> Iterator[Drift]:
    """The unknown fields that a frozen schema has no column for, by list."""
    for one in lists.lists if lists.frozen else ():
        resource, account = one.landed.endpoint.resource, one.landed.account_id or ""
        owner = f" of account {account}" if account else ""
        for field, rows in refused_counts(one.landed, lists.known_columns(resource)).items():
            text = f"{resource}{owner}: {rows:,} rows have the unknown field {field}, which is in {QUARANTINE}"
            yield Drift(REFUSED, resource, text, field, account)
