"""Nothing that is masked is stored in the clear, wherever data is written, and tables join and count as before."""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec
import pyarrow.parquet as pq
import pytest

from flows.common.errors import SettingsError
from flows.maintenance.forget import forget
from flows.reporting.summary import facts
from flows.sandbox import World
from flows.sandbox.faults import PASSING_FAULTS
from flows.source.deliveries.masking import masked_delivery
from flows.source.deliveries.spool import Arrived, Spool
from tests.conftest import Warehouse, both_destinations
from tests.masking.conftest import ADDRESS, FIRST, IP, KEY, MASK, PHONE, RULES, SECOND, person, use_mask
from tests.webhooks.conftest import event

RESOURCES = ["subscribers", "users", "campaigns", "campaign_subscribers", "tags"]
TABLES = "SELECT table_schema, table_name FROM information_schema.tables WHERE table_schema LIKE '%drip%'"
COUNTS = """
    SELECT (SELECT count(*) FROM subscribers), (SELECT count(DISTINCT email) FROM subscribers),
        (SELECT count(DISTINCT first_name) FROM subscribers), (SELECT count(phone) FROM subscribers),
        (SELECT count(*) FROM campaign_subscribers AS one JOIN subscribers AS other ON one.email = other.email),
        (SELECT count(*) FROM subscriber_tags), (SELECT count(*) FROM subscribers_history),
        (SELECT count(*) FROM _quarantine)
"""


@pytest.fixture
def world() -> World:
    return World(seed=7, sizes={FIRST: 40, SECOND: 10})


def bad_records() -> list[Any]:
    return [ADDRESS, [person()], person(), person(id={"is": "no id"}), person(id="a\0")]


def break_everything(world: World) -> None:
    """Every fault that a retry overcomes, records that fit no table, and values of every wrong type."""
    world.faults = [
        *({"match": {"resource": "subscribers"}, "when": {"after": place, "times": 1}, "action": action}
          for place, action in enumerate(PASSING_FAULTS)),
        {"match": {"resource": "subscribers", "account": FIRST}, "action": {"kind": "inject", "records": [
            *bad_records(),
            person(id="odd1", email=[ADDRESS, {"email": ADDRESS}], phone={"number": PHONE}, ip_address=[IP]),
            person(id="odd2", profile={"Email": ADDRESS, "phone": PHONE}, unknown_email_field=None),
            person(id="odd3", email=f" {ADDRESS.upper()}"),
        ]}},
        {"match": {"resource": "tags"},
         "action": {"kind": "raw", "status": 422, "body": f'{{"message": "{ADDRESS}"}}'}},
        {"match": {"resource": "campaigns", "account": SECOND}, "action": {"kind": "raw", "body": f"oops {ADDRESS}"}},
    ]  # fmt: skip


def stored(folder: Path, warehouse: Warehouse | None = None) -> Iterator[tuple[str, str]]:
    """Everything that was written: rows of every table as text, landed pages as text, and the bytes of all files."""
    for path in folder.rglob("*"):
        if path.is_file():
            yield str(path), path.read_bytes().decode(errors="replace")
            if path.suffix == ".parquet":
                yield str(path), str(pq.read_table(path).to_pylist())
    for schema, name in warehouse.rows(TABLES) if warehouse else ():
        yield name, str(warehouse and warehouse.rows(f'SELECT CAST(one AS VARCHAR) FROM "{schema}"."{name}" AS one'))


def clear_values(world: World) -> set[str]:
    found = {ADDRESS, IP, PHONE}
    for account in (FIRST, SECOND):
        for one in world.account(account).subscribers.all():
            found |= {one["email"], one.get("phone"), one.get("sms_number"), one.get("ip_address")} - {None}
    return {value.lower() for value in found}


def leaks(texts: Iterator[tuple[str, str]], values: set[str]) -> list[tuple[str, str]]:
    pattern = re.compile("|".join(map(re.escape, values)))
    return [(place, found[0]) for place, text in texts if (found := pattern.search(text.lower()))]


def deliveries() -> list[bytes]:
    changed = told("updated_email_address", value=ADDRESS, previous_value=f"old-{ADDRESS}", source="api")
    field = told("updated_custom_field", identifier="secret", value=ADDRESS, previous_value=None)
    clicked = told("clicked_email", ip_address=IP, url="https://example.com/")
    own = told("performed_custom_event", action="x", email=ADDRESS, note="kept", phone=PHONE)
    odd = [ADDRESS, [person()], {"event": "x", "data": ADDRESS, "email": ADDRESS}]
    odd += [{"event": "y", "data": {"subscriber": ADDRESS, "properties": [ADDRESS]}}]
    surrogate = '{"event": "e", "data": {"subscriber": {"id": "a", "email": "' + ADDRESS + '\\ud800"}}}'
    texts = [f"oops {ADDRESS}", surrogate]
    bodies = [msgspec.json.encode(one) for one in (changed, field, clicked, own, *odd)]
    return [*bodies, *map(str.encode, texts), b"\xff" + ADDRESS.encode()]


def told(name: str, **properties: Any) -> dict[str, Any]:
    data = {"account_id": FIRST, "subscriber": {"id": "p1", **person()}, "properties": properties}
    return event(name, data=data)


@both_destinations
def test_no_clear_value_is_written(
    sync: Any,
    world: World,
    warehouse: Warehouse,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capfd: Any,
    caplog: Any,
) -> None:
    use_mask(monkeypatch)
    monkeypatch.setenv("SOURCES__DRIP__KEEP_LANDING", "true")
    monkeypatch.setenv("SOURCES__DRIP__WEBHOOKS", str(tmp_path / "webhooks"))
    values = clear_values(world)
    break_everything(world)
    spool = Spool(tmp_path / "webhooks")
    spool.append([masked_delivery(MASK, FIRST, place, body) for place, body in enumerate(deliveries())])
    assert not leaks(stored(tmp_path), values)  # before the load, which masks what came before the mask
    spool.append([Arrived(FIRST, 1_000, body) for body in deliveries()])
    report = sync(resources=RESOURCES)
    spool.close()
    assert {line.resource for line in report.failures} == {"subscribers", "tags", "campaigns", "campaign_subscribers"}
    written = [
        *stored(tmp_path, warehouse),
        ("report", f"{report!r} {facts(report)}"),
        ("logs", f"{capfd.readouterr()} {caplog.text}"),
    ]
    assert not leaks(iter(written), values)
    assert report.events.deliveries == 2 * len(deliveries())
    assert warehouse.value("SELECT sum(deliveries) FROM subscriber_events") == 2 * report.events.events
    token = MASK.token(ADDRESS)
    assert warehouse.value(f"SELECT count(*) FROM subscribers WHERE email = '{token}'") == 2
    assert warehouse.value("SELECT count(*) FROM _quarantine") >= len(bad_records()) + 4
    assert (
        warehouse.value(f"SELECT count(*) FROM subscriber_events WHERE CAST(properties AS VARCHAR) LIKE '%{token}%'")
        == 3
    )


def test_tables_join_and_count_as_before(
    sync: Any, world: World, warehouse: Warehouse, monkeypatch: pytest.MonkeyPatch
) -> None:
    people = world.account(FIRST).subscribers
    somebody = people.all()[3]
    world.account(SECOND).subscribers.add({**somebody, "id": "same1", "email": somebody["email"]})
    world.account(SECOND).subscribers.add({"email": somebody["email"]})
    resources = ["subscribers", "campaigns", "campaign_subscribers"]
    assert sync(resources=resources).exit_code == 0
    clear = warehouse.rows(COUNTS)
    use_mask(monkeypatch)
    refused = sync(resources=resources)
    assert "is not masked: set SOURCES__DRIP__MASK to nothing, or sync with --rebuild" in refused.stopped
    assert refused.exit_code == 2
    assert warehouse.rows(COUNTS) == clear
    assert sync(resources=resources, rebuild=True).exit_code == 0
    assert warehouse.rows(COUNTS) == clear
    assert not leaks(stored(warehouse.path.parent, warehouse), clear_values(world))
    assert sync(resources=resources).exit_code == 0
    assert warehouse.value("SELECT count(*) FROM subscribers_history") == clear[0][6]  # masks make no new versions

    use_mask(monkeypatch, key="another key")
    assert "another mask or key" in sync(resources=resources).stopped
    with pytest.raises(SettingsError, match="another mask or key"):
        forget(somebody["email"], warehouse.destination)  # type: ignore[arg-type]
    use_mask(monkeypatch)
    gone = forget(f" {somebody['email'].upper()}", warehouse.destination)  # type: ignore[arg-type]
    assert {one.account for one in gone.removed if one.table == "drip.subscribers"} == {FIRST, SECOND}
    assert warehouse.value(f"SELECT count(*) FROM subscribers WHERE email = '{MASK.token(somebody['email'])}'") == 0


def test_another_mask_discards_what_landed(
    sync: Any, world: World, warehouse: Warehouse, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Pages that landed without a mask are neither loaded nor kept once one is set."""
    world.faults = [{"match": {"resource": "tags"}, "action": {"kind": "status", "status": 404}}]
    monkeypatch.setenv("SOURCES__DRIP__MAX_SCANS", "1")
    from flows.pipeline import load as loading

    def fail(*_: Any) -> Any:
        raise OSError("no space left")

    with monkeypatch.context() as patch:
        patch.setattr(loading, "merge", fail)
        with pytest.raises(Exception, match="no space left"):
            sync(resources=["subscribers"])
    assert leaks(stored(tmp_path / "landing"), clear_values(world))
    use_mask(monkeypatch, RULES, KEY)
    sync(resources=["subscribers"])
    assert not leaks(stored(tmp_path, warehouse), clear_values(world))
