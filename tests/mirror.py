"""Comparing the tables with the sandbox's records."""

from collections.abc import Sequence
from typing import Any

from flows.sandbox import World
from flows.source import DEFAULT_RESOURCES, ENDPOINTS
from tests.conftest import Warehouse

LISTS = [name for name in DEFAULT_RESOURCES if ENDPOINTS[name].per_account]


def api_keys(world: World, resource: str) -> set[tuple[str, str]]:
    """Account and key of each record in the API."""
    key = ENDPOINTS[resource].key
    return {
        (account, record if isinstance(record, str) else record[key])
        for account in world.account_ids
        for record in world.account(account).records[resource].all()
    }


def table_keys(warehouse: Warehouse, resource: str) -> list[tuple[Any, ...]]:
    """Account and key of each row in the table."""
    return warehouse.rows(f"SELECT account_id, {ENDPOINTS[resource].key} FROM {resource}")


def rows_of(warehouse: Warehouse, resource: str, account: str) -> list[tuple[Any, ...]]:
    """All rows of an account, in an order that does not depend on the database."""
    return sorted(warehouse.rows(f"SELECT * FROM {resource} WHERE account_id = '{account}'"), key=str)


def assert_mirrors(warehouse: Warehouse, world: World, resources: Sequence[str] = LISTS) -> None:
    """The tables of these resources hold exactly the API's records of every account."""
    for resource in resources:
        rows = table_keys(warehouse, resource)
        assert len(rows) == len(set(rows)), f"{resource} has duplicate keys"
        assert set(rows) == api_keys(world, resource), resource
