"""The freshness check compares `_syncs` with the current rows of the tables, here of PostgreSQL."""

from typing import Any

import pytest

from flows.reporting.freshness import Limits, check_freshness
from tests.conftest import Warehouse

FIRST, SECOND = "1000001", "1000002"


@pytest.fixture
def problems(sync: Any, warehouse: Warehouse) -> Any:
    """The problems found after a sync and a statement."""
    assert sync(resources=["accounts", "subscribers", "tags"]).exit_code == 0

    def check(limits: Limits | None = None, **chosen: Any) -> list[tuple[str, str, str]]:
        found = check_freshness(limits or Limits(), destination=warehouse.destination, **chosen)  # type: ignore[arg-type]
        return [(one.account, one.resource, one.text) for one in found.problems]

    return check


@pytest.mark.parametrize("warehouse", ["postgres"], indirect=True)
def test_rows_that_are_gone_since_the_last_sync(problems: Any, warehouse: Warehouse) -> None:
    people = f"SELECT id FROM drip.subscribers WHERE account_id = '{FIRST}'"
    warehouse.execute(f"DELETE FROM drip.subscribers WHERE id IN ({people} LIMIT 2)")
    assert problems() == [], "people who were forgotten are no loss"
    assert {name for _, name, _ in problems(Limits(shrink=0))} == {"subscribers"}
    warehouse.execute(f"DELETE FROM drip.subscribers WHERE account_id = '{SECOND}'")
    assert problems() == [
        (f"{SECOND} (Harbour & Pine 02)", "subscribers", "the table has 0 of the 20 rows it had after the last sync"),
    ]
    assert problems(resources=["tags"]) == problems(accounts=[FIRST]) == []
    warehouse.execute("DELETE FROM drip.accounts")
    warehouse.execute("DROP VIEW drip.subscriber_tags; DROP TABLE drip.tags")
    found = problems()
    assert sorted({name for _, name, _ in found}) == ["accounts", "subscribers", "tags"]
    assert [(account, text) for account, name, text in found if name == "tags"] == [
        (FIRST, "its table does not exist"),
        (SECOND, "its table does not exist"),
    ]
