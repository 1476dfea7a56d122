"""The dlt source on its own, into a real DuckDB file."""

import sys
from pathlib import Path
from subprocess import run
from typing import Any

import dlt
import pytest

from flows.common.errors import SettingsError
from flows.sandbox import Server, World
from flows.source import DEFAULT_RESOURCES, drip_source
from tests.conftest import Warehouse


@pytest.fixture
def load(server: Server, warehouse: Warehouse, tmp_path: Path) -> Any:
    def load(**parameters: Any) -> None:
        destination = dlt.destinations.duckdb(str(warehouse.path))
        pipeline = dlt.pipeline("x", destination=destination, dataset_name="drip", pipelines_dir=str(tmp_path / "dlt"))
        pipeline.run(drip_source(**parameters))

    return load


def test_everything_arrives_and_stays_a_mirror(load: Any, warehouse: Warehouse, world: World, server: Server) -> None:
    load()
    assert len(server.log) <= 2 + 9 * len(world.account_ids)
    assert all(warehouse.value(f"SELECT count(*) FROM {name}") > 0 for name in DEFAULT_RESOURCES)
    people = world.account("1000001").records["subscribers"]
    people.delete([people.all()[0]["id"]])
    world.account("1000002").records["webhooks"].clear()
    load(resources=["subscribers", "webhooks"])
    total = sum(len(world.account(account).records["subscribers"]) for account in world.account_ids)
    assert warehouse.value("SELECT count(*) FROM subscribers") == total
    assert warehouse.value("SELECT count(*) FROM webhooks WHERE account_id = '1000002'") == 0


def test_it_narrows_to_accounts_and_resources(load: Any, warehouse: Warehouse) -> None:
    load(accounts=["1000002"], resources=["accounts", "tags"])
    assert warehouse.column("SELECT id FROM accounts") == ["1000002"]
    assert warehouse.column("SELECT DISTINCT account_id FROM tags") == ["1000002"]
    assert not warehouse.column("SELECT table_name FROM duckdb_tables() WHERE table_name = 'subscribers'")


def test_it_reads_by_a_named_connection(
    load: Any, warehouse: Warehouse, world: World, server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    load(resources=["accounts", "users"])
    monkeypatch.setenv("SOURCES__DRIP__CONNECTIONS", '["acme"]')
    monkeypatch.setenv("SOURCES__DRIP__ACME__API_KEY", world.api_key)
    monkeypatch.delenv("SOURCES__DRIP__API_KEY")
    load(resources=["accounts", "users", "tags"], connection="acme")
    assert warehouse.rows("SELECT id, connection FROM accounts ORDER BY id") == [
        (account, "acme") for account in world.account_ids
    ]
    assert warehouse.rows("SELECT email, connection FROM users") == [(world.user["email"], "acme")]
    assert "connection" not in warehouse.columns("tags")


def test_an_unknown_resource_names_the_nearest(server: Server) -> None:
    with pytest.raises(SettingsError, match="did you mean 'subscribers'"):
        drip_source(resources=["subscriber"])


def test_it_does_not_import_prefect() -> None:
    code = "import sys, flows.source; sys.exit('prefect' in sys.modules)"
    assert run([sys.executable, "-c", code], check=False).returncode == 0
