"""The rows that the charts of a notebook show, and what they have to be in a database."""

from typing import Any

from tests.conftest import Warehouse
from tests.notebooks.conftest import NOTEBOOKS, Kernel
from tests.notebooks.rendering import rows_of

MOVES = "'arrived', 'left', 'returned', 'status'"
ARRIVALS = """
    SELECT account_id, strftime(created_at::TIMESTAMPTZ AT TIME ZONE 'UTC', '%Y-%m-01T00:00:00') AS month, count(*)
    FROM subscribers GROUP BY ALL
"""
LAST_TOTAL = "SELECT account_id, count(*) FROM subscribers WHERE created_at IS NOT NULL GROUP BY ALL"
STATUSES = "SELECT account_id, status, count(*) FROM subscribers GROUP BY ALL"


def title_of(spec: dict[str, Any]) -> str:
    title = spec.get("title", "")
    return title if isinstance(title, str) else title["text"]


def drawn(kernel: Kernel, name: str, most: int | None = None) -> dict[str, list[dict[str, Any]]]:
    """The rows of the charts of a notebook, or of its first ones, by their title; for sentences, by their text."""
    specs = kernel.charts(NOTEBOOKS / name, most)
    return {title_of(spec) or rows_of(spec)[0]["text"]: rows_of(spec) for spec in specs}


def total(rows: list[dict[str, Any]], *by: str, number: str = "people") -> dict[Any, int]:
    sums: dict[Any, int] = {}
    for row in rows:
        key = row[by[0]] if len(by) == 1 else tuple(row[name] for name in by)
        sums[key] = sums.get(key, 0) + row[number]
    return sums


def assert_shows_people(warehouse: Warehouse, growth: list[dict[str, Any]], mix: list[dict[str, Any]]) -> None:
    """Check that the two charts match the results of plain SQL queries."""
    arrived = {(row["account_id"], row["month"], row["arrived"]) for row in growth if row["arrived"]}
    assert arrived == set(warehouse.rows(ARRIVALS))
    last = {row["account_id"]: row["total"] for row in sorted(growth, key=lambda row: row["month"])}
    assert last == dict(warehouse.rows(LAST_TOTAL))
    assert {(row["account_id"], row["status"], row["people"]) for row in mix} == set(warehouse.rows(STATUSES))


def assert_shows_history(there: Warehouse, charts: dict[str, list[dict[str, Any]]]) -> None:
    """Check the charts of what changed."""
    moved = total(charts["Arrivals, departures and changes of status"], "change")
    assert {"arrived", "left"} <= set(moved)
    kind = "CASE WHEN change = 'status' THEN replace(to_value, 'active', 'active again') ELSE change END"
    counted = f"SELECT {kind} AS kind, count(*) FROM subscriber_changes WHERE change IN ({MOVES}) GROUP BY 1"
    assert moved == dict(there.rows(counted))
    tagged = total(charts["Tags given and taken away"], "tag", "change")
    given = "coalesce(to_value, from_value), replace(change, '_', ' ')"
    seen = there.rows(f"SELECT {given}, count(*) FROM subscriber_changes WHERE change LIKE 'tag_%' GROUP BY ALL")
    assert tagged
    assert tagged.items() <= {(tag, change): count for tag, change, count in seen}.items()
