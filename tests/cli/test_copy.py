"""Copying from DuckDB to PostgreSQL: all rows are copied and compared, and the next sync continues from there."""

from contextlib import closing
from pathlib import Path
from typing import Any

import psycopg2
import pytest
from click.testing import Result

from flows.maintenance import copy_to_postgres as copying
from flows.sandbox import World
from tests.command import drip_flows
from tests.conftest import PostgresWarehouse, Warehouse

FIRST = "1000001"


def run(folder: Path, *words: str) -> Result:
    return drip_flows("copy-to-postgres", *words, folder=folder, SOURCES__DRIP__API_KEY=None)


def test_all_of_it(
    sync: Any, warehouse: Warehouse, world: World, postgres: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    people = world.account(FIRST).records["subscribers"]
    odd = {"lead_score": "high", "newField": {"b": 1e2, "a": [1.0, "1", None]}, "tags": ["x\0y", "😀"]}
    people.update(people.all()[0]["id"], created_at="0001-01-01T00:00:00+14:00", **odd)
    lists = ["accounts", "users", "subscribers", "tags", "campaigns", "forms", "conversions", "webhooks"]
    assert sync(resources=lists).exit_code == 0
    there = PostgresWarehouse(warehouse.path, url=postgres)
    assert_a_difference_is_found(postgres, monkeypatch)
    refused = run(tmp_path)
    assert refused.exit_code == 2
    assert "--replace" in refused.stderr
    there.execute("INSERT INTO drip.tags SELECT '1', 'mine', 'x'")

    result = run(tmp_path, "--replace")
    assert result.exit_code == 0, result.output
    assert "not the same" not in result.stdout
    for table in (*lists, "subscriber_tags", "_syncs"):
        assert there.value(f"SELECT count(*) FROM {table}") == warehouse.value(f"SELECT count(*) FROM {table}")
    tags = "SELECT account_id, tag FROM tags"
    assert sorted(there.rows(tags)) == sorted(warehouse.rows(tags))
    assert there.columns("subscribers")["custom_fields"] == "jsonb"
    (row,) = there.rows(f"SELECT new_field, lead_score__v_json FROM subscribers WHERE id = '{people.all()[0]['id']}'")
    assert row == ('{"a": [1.0, "1", null], "b": 100.0}', '"high"')

    rows = there.value("SELECT count(*) FROM subscribers")
    people.update(people.all()[1]["id"], new_field=1, newField=2)
    people.delete([people.all()[2]["id"]])
    assert sync(destination="postgres", resources=["subscribers"]).exit_code == 0
    assert there.value("SELECT count(*) FROM subscribers") == rows - 1
    assert there.value(f"SELECT new_field::text FROM subscribers WHERE id = '{people.all()[1]['id']}'") == "2"


def assert_a_difference_is_found(postgres: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Check a copy into which rows are changed before it is compared."""
    views = copying.make_views

    def tampered(*args: Any) -> None:
        views(*args)
        with closing(psycopg2.connect(postgres)) as con, con, con.cursor() as cursor:
            cursor.execute(
                "UPDATE drip.webhooks SET events = events || '[1]' WHERE id = (SELECT min(id) FROM drip.webhooks)"
            )
            cursor.execute("DELETE FROM drip.tags WHERE tag = (SELECT min(tag) FROM drip.tags)")

    with monkeypatch.context() as patch:
        patch.setattr(copying, "make_views", tampered)
        compared = {one.table: one for one in copying.copy_to_postgres("drip", replace=False)}
    assert {name for name, one in compared.items() if not one.same} == {"webhooks", "tags"}
    assert compared["webhooks"].before[0] == compared["webhooks"].after[0]
