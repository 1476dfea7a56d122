"""A forgotten person is deleted everywhere, and everybody else is kept."""

import re
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest

from flows.common.errors import SettingsError
from flows.maintenance.forget import LANDING, Forgotten, forget
from flows.sandbox import World
from tests.command import drip_flows
from tests.conftest import Warehouse
from tests.readme import OPERATIONS

FIRST, SECOND = "1000001", "1000002"
NEW, OLD = "Jo.Bloggs@example.com", "jo@old.example.com"
RESOURCES = ["subscribers", "campaigns", "campaign_subscribers"]
TABLES = "SELECT table_schema, table_name FROM information_schema.tables WHERE table_schema LIKE '%drip%' ORDER BY 1, 2"


@pytest.fixture
def world() -> World:
    return World(seed=7, sizes={FIRST: 40, SECOND: 20})


def holding(warehouse: Warehouse, *texts: str) -> dict[str, int]:
    """The number of rows that contain any of the texts, by table or view, including the staging dataset."""
    holds = " OR ".join(f"strpos(lower(CAST(one AS VARCHAR)), lower('{text}')) > 0" for text in texts)
    counts = [
        f"""SELECT '{schema}.{name}', count(*) FROM "{schema}"."{name}" AS one WHERE {holds}"""
        for schema, name in warehouse.rows(TABLES)
    ]
    return {name: count for name, count in warehouse.rows(" UNION ALL ".join(counts)) if count}


def landed(folder: Path, text: str) -> bool:
    files = [path for path in folder.rglob("*") if path.is_file()]
    assert files
    contents = (str(pq.read_table(one).to_pylist()) if one.suffix == ".parquet" else one.read_text() for one in files)
    return any(text in content for content in contents)


@pytest.fixture
def known(sync: Any, warehouse: Warehouse, world: World, monkeypatch: pytest.MonkeyPatch) -> str:
    """The id, in one account, of a person in two accounts, who has had two addresses and is in every table."""
    campaign = world.account(FIRST).records["campaigns"].all()[0]["id"]
    person = world.account(FIRST).campaign_subscribers(campaign, "active").slice(0, 1)[0]["id"]
    people = world.account(FIRST).subscribers
    people.update(person, email=OLD)
    assert sync(resources=["subscribers"]).exit_code == 0
    people.update(person, email=NEW.lower())
    people.add({"email": NEW, "first_name": "no id"})
    double = {**people.get(person), "id": "elsewhere00000000000", "email": NEW.upper(), "href": None}
    world.account(SECOND).subscribers.add(double)
    monkeypatch.setenv("SOURCES__DRIP__KEEP_LANDING", "true")
    assert sync(resources=RESOURCES).exit_code == 0
    return person


def leave_deleted_files(landing: Path) -> None:
    """What a sync of another dataset leaves if it deletes its files between the listing and the reading of them."""
    folder = landing / ("0" * 20) / "tags" / FIRST
    folder.mkdir(parents=True)
    for name in ("a99-p000001.parquet", "gone.json"):
        (folder / name).symlink_to(landing / "deleted")


def test_nobody_knows_them_any_more(known: str, warehouse: Warehouse, world: World, sync: Any, tmp_path: Path) -> None:
    tables = {"subscribers", "subscribers_history", "campaign_subscribers", "_quarantine"}
    assert {name.removeprefix("drip.") for name in holding(warehouse, NEW)} >= tables
    assert landed(tmp_path / "landing", known)
    assert not [name for name in holding(warehouse, "example.com") if name.startswith("_drip_flows")]
    before = {table: warehouse.value(f"SELECT count(*) FROM {table}") for table in tables}
    leave_deleted_files(tmp_path / "landing")

    forgotten = forget(f" {NEW.title()} ", warehouse.destination)

    gone = {(one.table, one.account): one.rows for one in forgotten.removed}
    assert gone.pop((LANDING, "")) >= 1
    assert gone.pop(("drip.campaign_subscribers", FIRST)) >= 1
    assert gone == {
        ("drip.subscribers", FIRST): 1,
        ("drip.subscribers", SECOND): 1,
        ("drip.subscribers_history", FIRST): 2,
        ("drip.subscribers_history", SECOND): 1,
        ("drip._quarantine", FIRST): 1,
    }
    assert forgotten.mentions == []
    assert holding(warehouse, NEW, OLD, known) == {}
    assert not landed(tmp_path / "landing", known)
    after = {table: warehouse.value(f"SELECT count(*) FROM {table}") for table in tables}
    assert {table: before[table] - after[table] for table in tables} == {
        table: sum(one.rows for one in forgotten.removed if one.table == f"drip.{table}") for table in tables
    }
    assert forget(NEW, warehouse.destination) == Forgotten([], [])

    world.account(FIRST).subscribers.delete([known])
    sync(resources=RESOURCES)
    assert holding(warehouse, known) == {}
    assert warehouse.value("SELECT count(*) FROM subscribers") == 59 + 1  # still in Drip in one account


def test_the_command_says_what_it_removed_and_where_else_they_are(
    sync: Any, warehouse: Warehouse, world: World, tmp_path: Path
) -> None:
    for account in (FIRST, SECOND):
        people = world.account(account).subscribers
        people.update(people.ids()[0], email=NEW)
    assert sync(resources=["subscribers", "campaigns"]).exit_code == 0
    warehouse.execute(f"UPDATE drip.campaigns SET bcc = 'x, {NEW}' WHERE id = (SELECT min(id) FROM drip.campaigns)")
    (shown,) = re.findall(r"^\S*drip-flows (forget) \S+@\S+$", OPERATIONS.read_text(), re.MULTILINE)
    result = drip_flows(shown, NEW.lower(), folder=tmp_path)
    assert result.exit_code == 0, result.stderr
    for words in ("subscribers_history", FIRST, SECOND, "drip.campaigns still mentions", "with the next full sync"):
        assert words in result.stdout


def test_what_is_no_address_is_refused(server: Any, warehouse: Warehouse) -> None:
    with pytest.raises(SettingsError, match="not an email address"):
        forget("")
    with pytest.raises(SettingsError, match="nobody to forget"):
        forget(NEW)
