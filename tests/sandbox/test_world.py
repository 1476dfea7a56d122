"""The generated accounts: sizes, time, laziness, and changes by tests."""

import json
from datetime import UTC, datetime, timedelta
from itertools import pairwise

import pytest

from flows.sandbox import World
from flows.sandbox.generator.timeline import AS_OF, START, day_of
from flows.sandbox.world import DEFAULT_SIZES

from .conftest import FIRST, SECOND, SMALL, TINY, Client


def picture(world: World):
    return {one: {name: rows.all() for name, rows in world.account(one).records.items()} for one in world.account_ids}


@pytest.mark.parametrize("size", [0, 1, 25, 26, 49, 50, 51, 99, 1_234])
def test_sizes_hold_at_the_default_day(size: int):
    people = World(sizes={FIRST: size}).account(FIRST).records["subscribers"]
    assert len(people) == len(people.all()) == len({person["id"] for person in people.all()}) == size


def test_the_default_world():
    world = World()
    assert {one: len(world.account(one).records["subscribers"]) for one in world.account_ids} == DEFAULT_SIZES
    assert len(world.account(FIRST).records["broadcasts"]) > 100
    assert len(world.account(FIRST).records["events"]) > 100


def test_equal_worlds_are_equal_and_seeds_differ():
    sizes = {SMALL: 240}
    assert picture(World(sizes=sizes)) == picture(World(sizes=sizes))
    assert picture(World(sizes=sizes)) != picture(World(seed=8, sizes=sizes))


def test_moving_there_and_back():
    world = World(sizes={SMALL: 240})
    before = picture(world)
    world.move_to(AS_OF + timedelta(days=90))
    later = picture(world)
    world.move_to(AS_OF - timedelta(days=400))
    assert len(world.account(SMALL).records["subscribers"]) < 240
    world.move_to(AS_OF)
    assert picture(world) == before
    assert picture(World(sizes={SMALL: 240}, as_of=AS_OF + timedelta(days=90))) == later


def test_three_months_bring_every_kind_of_change():
    world = World()
    records = world.account(FIRST).records
    before = {person["id"]: person for person in records["subscribers"].all()}
    lists = {name: records[name].all() for name in ("broadcasts", "campaigns")}
    world.move_to(AS_OF + timedelta(days=90))
    after = {person["id"]: person for person in records["subscribers"].all()}
    assert after.keys() - before.keys()
    assert before.keys() - after.keys()
    pairs = [(before[one], after[one]) for one in before.keys() & after.keys()]
    for name in ("status", "tags", "custom_fields", "lifetime_value", "lead_score"):
        assert any(old[name] != new[name] for old, new in pairs), name
    assert any(set(old["tags"]) - set(new["tags"]) for old, new in pairs)
    assert all(old["created_at"] == new["created_at"] and old["email"] == new["email"] for old, new in pairs)
    assert {new["status"] for old, new in pairs if old["status"] == "active"} > {"active", "unsubscribed"}
    for name, old in lists.items():
        assert records[name].all()[: len(old)] != old, name
    sent = {row["id"] for row in lists["broadcasts"] if row["status"] == "sent"}
    assert sent < {row["id"] for row in records["broadcasts"].all() if row["status"] == "sent"}


def test_every_day_brings_changes_the_same_ones_in_every_world():
    world, other = World(), World()
    days = [AS_OF - timedelta(days=ago) for ago in range(6, -1, -1)]
    pictures = []
    for day in days:
        world.move_to(day)
        pictures.append({p["id"]: p for p in world.account(FIRST).records["subscribers"].all()})
    for before, after in pairwise(pictures):
        assert after.keys() - before.keys()
        changed = {
            name
            for one in before.keys() & after.keys()
            for name in before[one]
            if before[one][name] != after[one][name]
        }
        assert {"tags", "custom_fields"} <= changed
    gone = [before.keys() - after.keys() for before, after in pairwise(pictures)]
    assert any(gone)
    other.move_to(days[2])
    assert {p["id"]: p for p in other.account(FIRST).records["subscribers"].all()} == pictures[2]


def test_some_who_left_come_back():
    world = World()
    statuses = []
    for days in (200, 100, 0):
        world.move_to(AS_OF - timedelta(days=days))
        statuses.append({p["id"]: p["status"] for p in world.account(FIRST).records["subscribers"].all()})
    moves = {(old[one], new[one]) for old, new in pairwise(statuses) for one in old.keys() & new.keys()}
    assert moves >= {("active", "unsubscribed"), ("active", "undeliverable"), ("unsubscribed", "active")}
    assert ("undeliverable", "active") not in moves


@pytest.mark.parametrize(
    ("text", "day"),
    [
        ("2026-03-01", datetime(2026, 3, 1, tzinfo=UTC)),
        ("2026-03-01T12:00:00+02:00", datetime(2026, 3, 1, 10, tzinfo=UTC)),
        ("0", datetime.fromtimestamp(START, UTC)),
        ("1095", AS_OF),
    ],
)
def test_days_are_named_or_counted(text: str, day: datetime):
    assert day_of(text) == day


def test_before_the_beginning_there_is_nobody():
    world = World(sizes={TINY: 25}, as_of=datetime(2020, 1, 1, tzinfo=UTC))
    assert len(world.account(TINY).records["subscribers"]) == 0


def test_growth_is_denser_later():
    stamps = [person["created_at"] for person in World().account(FIRST).records["subscribers"].all()]
    assert stamps == sorted(stamps)
    assert stamps[-1] < "2026-06-01"
    recent = sum(stamp > "2025-06-01" for stamp in stamps)
    assert recent > len(stamps) / 3


def test_a_million_people_cost_nothing_until_asked_for(open_client):
    client: Client = open_client(sizes={FIRST: 1_000_000})
    people = client.world.account(FIRST).subscribers
    assert people.made == 0
    body = client.get(f"{FIRST}/subscribers", status="all", page=1000, per_page=1000).json()
    assert body["meta"] == {"page": 1000, "count": 1000, "total_pages": 1000, "total_count": 1_000_000}
    assert client.get(f"{FIRST}/subscribers", tags="VIP", per_page=10).json()["meta"]["total_count"] > 10_000
    assert people.made == 1_010


def test_ids_never_meet():
    world = World()
    ids = [
        record["id"]
        for one in world.account_ids
        for rows in world.account(one).records.values()
        for record in rows.all()
        if isinstance(record, dict)
    ]
    assert len(ids) == len(set(ids))
    people = [person["id"] for person in world.account(FIRST).records["subscribers"].all()]
    assert all(len(one) == 20 and one.isalnum() and one == one.lower() for one in people)


def test_names_are_shared_between_accounts():
    first, second = World().account(FIRST).records, World().account(SECOND).records
    for name in ("tags", "events", "custom_fields"):
        assert set(first[name].all()) & set(second[name].all()), name
        assert set(first[name].all()) - set(second[name].all()), name


def test_values_are_as_awkward_as_real_ones():
    people = World().account(FIRST).records["subscribers"].all()
    values = {json.dumps(person["custom_fields"].get("plan", "absent")) for person in people}
    assert {"3", '"pro"', "null"} <= values
    kinds = {type(value) for person in people for value in person["custom_fields"].values()}
    assert kinds >= {str, int, bool, dict, list, type(None)}
    assert any((person["zip"] or "").startswith("0") for person in people)
    assert any("sms_number" not in person for person in people)
    names = "".join(person["first_name"] or "" for person in people)
    for letter in ("é", "О", "р", "Γ", "م", "נ", "伟", "さ", "민", "र", "ส"):
        assert letter in names, letter
    domains = ("@example.com", "@example.org", "@example.net", "@mail.example.com")
    assert all(person["email"].endswith(domains) for person in people)


def test_tags_are_few_big_ones_and_a_long_tail():
    people = World().account(FIRST).records["subscribers"].all()
    counts: dict[str, int] = {}
    for tag in (tag for person in people for tag in person["tags"]):
        counts[tag] = counts.get(tag, 0) + 1
    ranked = sorted(counts.values(), reverse=True)
    assert ranked[0] > len(people) / 3
    assert ranked[len(ranked) // 2] < ranked[0] / 10


@pytest.mark.parametrize("name", ["subscribers", "broadcasts", "campaigns", "conversions", "webhooks", "forms"])
def test_changes_to_records(name: str):
    world = World(sizes={SMALL: 240})
    rows = world.account(SMALL).records[name]
    everything = rows.all()
    first, second = everything[:2]
    rows.delete([first["id"], "nobody"])
    rows.update(second["id"], name="changed", extra={"new": True})
    rows.add({"id": "added", "status": "active"})
    assert len(rows) == len(everything) == len(rows.all())
    assert rows.get(second["id"]) == second | {"name": "changed", "extra": {"new": True}}
    assert rows.get("added") == rows.all()[-1]
    with pytest.raises(KeyError):
        rows.get(first["id"])
    rows.update("added", status="draft")
    world.move_to(AS_OF + timedelta(days=1))
    assert rows.get("added")["status"] == "draft"
    assert rows.get(second["id"])["name"] == "changed"
    rows.delete(["added"])
    rows.clear()
    assert rows.all() == []
    rows.add({"id": "alone"})
    assert rows.all() == [{"id": "alone"}]


@pytest.mark.parametrize("name", ["tags", "events", "custom_fields"])
def test_changes_to_lists_of_strings(name: str):
    rows = World(sizes={SMALL: 240}).account(SMALL).records[name]
    first, *others = rows.all()
    rows.delete([first])
    rows.add("added")
    assert rows.all() == [*others, "added"]
    assert rows.get("added") == "added"


def test_changed_people_are_found_by_their_new_values(open_client):
    client: Client = open_client()
    people = client.world.account(TINY).records["subscribers"]
    one = people.all()[3]["id"]
    people.update(one, status="undeliverable", tags=["brand new"])
    assert one in [person["id"] for person in client.rows(f"{TINY}/subscribers", status="undeliverable")]
    assert one not in [person["id"] for person in client.rows(f"{TINY}/subscribers")]
    assert [p["id"] for p in client.rows(f"{TINY}/subscribers", status="all", tags="brand new")] == [one]


def test_deleted_people_leave_their_campaigns(open_client):
    client: Client = open_client()
    campaign = max(client.rows(f"{SMALL}/campaigns"), key=lambda row: row["active_subscriber_count"])
    path = f"{SMALL}/campaigns/{campaign['id']}/subscribers"
    member = client.rows(path)[0]["id"]
    client.world.account(SMALL).records["subscribers"].delete([member])
    assert member not in [person["id"] for person in client.rows(path)]
    changed = client.world.account(SMALL).records["campaigns"].get(campaign["id"])
    assert changed["active_subscriber_count"] == campaign["active_subscriber_count"] - 1
