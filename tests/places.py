"""A database that tests sync into, of either kind, and a way to ask it in SQL that both understand."""

from typing import Any, Protocol

import psycopg2

from tests.conftest import Warehouse


class Place(Protocol):
    """Where a sync loads to. `name` is the destination's."""

    name: str

    def rows(self, query: str) -> list[tuple[Any, ...]]: ...


class InDuckdb:
    """The warehouse that the settings point to."""

    name = "duckdb"

    def __init__(self, warehouse: Warehouse) -> None:
        self._warehouse = warehouse

    def rows(self, query: str) -> list[tuple[Any, ...]]:
        """Rows of a query; tables are found without naming the dataset."""
        return self._warehouse.rows(f"SET TimeZone = 'UTC'; {query}")


class InPostgres:
    """A server of the tests' own, emptied."""

    name = "postgres"

    def __init__(self, url: str, dataset: str = "drip") -> None:
        self._url, self._dataset = url, dataset
        self._run("".join(f'DROP SCHEMA IF EXISTS "{name}" CASCADE;' for name in (dataset, f"{dataset}_staging")))

    def rows(self, query: str) -> list[tuple[Any, ...]]:
        """Rows of a query; tables are found without naming the dataset."""
        return self._run(f"SET TimeZone = 'UTC'; SET search_path = '{self._dataset}'; {query}")

    def _run(self, query: str) -> list[tuple[Any, ...]]:
        connection = psycopg2.connect(self._url)
        try:
            with connection, connection.cursor() as cursor:
                cursor.execute(query)
                return cursor.fetchall() if cursor.description else []
        finally:
            connection.close()
