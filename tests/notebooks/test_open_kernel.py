"""An open kernel does not block a sync, and reads the new data."""

from typing import Any

from flows.sandbox import World
from tests.conftest import Warehouse
from tests.notebooks.conftest import NOTEBOOKS, Kernel

NOTEBOOK = NOTEBOOKS / "02-audience.ipynb"
ARRIVALS = """
    SELECT account_id, strftime(created_at::TIMESTAMPTZ AT TIME ZONE 'UTC', '%Y-%m-01T00:00:00') AS month, count(*)
    FROM subscribers GROUP BY ALL
"""
LAST_TOTAL = "SELECT account_id, count(*) FROM subscribers WHERE created_at IS NOT NULL GROUP BY ALL"
STATUSES = "SELECT account_id, status, count(*) FROM subscribers GROUP BY ALL"


def rows_of(spec: dict[str, Any]) -> list[dict[str, Any]]:
    (rows,) = spec["datasets"].values()
    return rows


def assert_shows(warehouse: Warehouse, growth: list[dict[str, Any]], mix: list[dict[str, Any]]) -> None:
    """Check that the two charts match the results of plain SQL queries."""
    arrived = {(row["account_id"], row["month"], row["arrived"]) for row in growth if row["arrived"]}
    assert arrived == set(warehouse.rows(ARRIVALS))
    last = {row["account_id"]: row["total"] for row in sorted(growth, key=lambda row: row["month"])}
    assert last == dict(warehouse.rows(LAST_TOTAL))
    assert {(row["account_id"], row["status"], row["people"]) for row in mix} == set(warehouse.rows(STATUSES))


def test_it_draws_what_is_there_while_syncs_go_on(
    sync: Any, warehouse: Warehouse, world: World, kernel: Kernel
) -> None:
    sync()
    growth, mix = map(rows_of, kernel.charts(NOTEBOOK, most=2))
    assert sum(row["people"] for row in mix) == 150
    assert_shows(warehouse, growth, mix)

    people = world.account("1000002").records["subscribers"]
    people.add({"id": "newcomer000000000000", "status": "held", "created_at": "2027-02-03T04:05:06Z"})
    assert sync().exit_code == 0, "the open kernel blocked the sync"

    growth, mix = map(rows_of, kernel.charts(NOTEBOOK, most=2))
    assert ("1000002", "held", 1) in {(row["account_id"], row["status"], row["people"]) for row in mix}
    assert_shows(warehouse, growth, mix)


def test_no_data_yet_is_one_line(warehouse: Warehouse, kernel: Kernel) -> None:
    (error,) = kernel.run("from flows.dataset import load\nload('subscribers')")
    assert error.output_type == "error"
    (line,) = error.traceback
    assert "\n" not in line
    assert str(warehouse.path) in line
    assert "drip-flows sync" in line
    assert "drip-flows demo" in line
