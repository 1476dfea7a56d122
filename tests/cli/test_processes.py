"""Tests that need real processes: exit codes as a shell sees them, and concurrent syncs."""

from concurrent.futures import ThreadPoolExecutor

import pytest

from flows.sandbox import Server, World
from tests.conftest import Warehouse
from tests.processes import command


def test_nothing_can_start(server: Server, warehouse: Warehouse) -> None:
    result = command("sync", SOURCES__DRIP__API_KEY="no-key-of-anybody")
    assert result.returncode == 2
    assert len(result.stderr.splitlines()) == 1
    assert "401" in result.stderr
    assert "no-key-of-anybody" not in result.stdout + result.stderr


def test_a_list_fails(server: Server, world: World, warehouse: Warehouse) -> None:
    world.faults = [{"match": {"account": "1000002", "resource": "tags"}, "action": {"kind": "status", "status": 403}}]
    result = command("sync", "--resource", "tags")
    assert result.returncode == 1, result.stdout + result.stderr
    assert "tags of 1000002 (Harbour & Pine 02): HTTP 403" in result.stdout
    assert warehouse.value("SELECT count(*) FROM tags") == len(world.account("1000001").records["tags"])


@pytest.mark.parametrize("words", ["sync", "plan"])
def test_a_command_imports_nothing_that_it_does_not_use(words: str, server: Server, warehouse: Warehouse) -> None:
    """Each of these takes about as long to import as dlt."""
    result = command(words, "--resource", "tags", PYTHONPROFILEIMPORTTIME="1")
    assert result.returncode == 0, result.stdout
    imported = {line.rpartition("|")[2].strip() for line in result.stderr.splitlines() if "import time:" in line}
    packages = {name.split(".")[0] for name in imported if "." in name}  # a package alone may not have been found
    assert {"dlt", "duckdb", "pyarrow"} <= packages
    assert {"pandas", "prefect", "sqlalchemy"} & packages == set()


def test_two_syncs_at_once(server: Server, world: World, warehouse: Warehouse) -> None:
    with ThreadPoolExecutor() as pool:
        results = list(
            pool.map(lambda _: command("sync", "--resource", "tags", SOURCES__DRIP__LOCK_WAIT="60"), range(2))
        )
    assert [result.returncode for result in results] == [0, 0], results
    tags = sum(len(world.account(account).records["tags"]) for account in world.account_ids)
    assert warehouse.value("SELECT count(*) FROM tags") == tags
