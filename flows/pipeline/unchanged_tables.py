"""Finds the tables that already hold the rows that landed, which the load leaves out."""

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import dlt
from dlt.destinations.exceptions import DatabaseUndefinedRelation

from flows.destinations.relations import DIALECTS
from flows.destinations.target import Target
from flows.source.endpoints import ACCOUNT_ID, ROW_HASH, Endpoint
from flows.source.landed_input import TableLoad
from flows.source.mask_check import table_hints
from flows.source.quarantine import TABLE as QUARANTINE
from flows.source.schema import sql_list
from flows.source.tables import tables_of


class StoredTables(NamedTuple):
    """The tables in the destination before a load.

    Attributes:
        pipeline: the pipeline of the run, whose schema is that of the destination.
        target: the destination.
        mask: fingerprint of the mask of the run; empty for none.
    """

    pipeline: dlt.Pipeline
    target: Target
    mask: str

    def hold(self, load: TableLoad) -> bool:
        """Whether a load would change nothing: neither the rows of its accounts nor the columns of the table."""
        if self.target.name not in DIALECTS or not self._have_columns(load):
            return False
        keys = [*load.endpoint.primary_key, ROW_HASH]
        landed = zip(*(load.rows[name].to_pylist() for name in keys), strict=True)
        return Counter(landed) == self._rows(load.endpoint, keys, load.accounts, load.rows.num_rows + 1)

    def has_quarantined(self) -> bool:
        """Whether `_quarantine` may have records. It has none where it is not there yet."""
        if self.target.name not in DIALECTS:
            return True
        if QUARANTINE not in tables_of(self.pipeline):
            return False
        with self.target.reader(self.pipeline) as client:
            try:
                return bool(client.execute_sql(f"SELECT 1 FROM {client.make_qualified_table_name(QUARANTINE)} LIMIT 1"))
            except DatabaseUndefinedRelation:
                return True

    def _have_columns(self, load: TableLoad) -> bool:
        table: Mapping[str, Any] = tables_of(self.pipeline).get(load.endpoint.resource, {})
        columns = table.get("columns", {})
        return (
            columns.keys() >= {*load.rows.column_names}
            and all(columns[name].items() >= hints.items() for name, hints in load.columns.items())
            and table.items() >= table_hints(self.mask).items()
        )

    def _rows(
        self, endpoint: Endpoint, columns: Sequence[str], accounts: Sequence[str], most: int
    ) -> Counter[Any] | None:
        """These columns of up to `most` rows of the accounts; None if the table was dropped."""
        with self.target.reader(self.pipeline) as client:
            table = client.make_qualified_table_name(endpoint.resource)
            query = f"SELECT {', '.join(columns)} FROM {table} WHERE {ACCOUNT_ID} IN ({sql_list(accounts)})"
            try:
                return Counter(map(tuple, client.execute_sql(f"{query} LIMIT {most}") or ()))
            except DatabaseUndefinedRelation:
                return None
