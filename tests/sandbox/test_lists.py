"""Every list: its path, selector, pages and filters."""

from datetime import datetime

import pytest

from .conftest import ENVELOPE, FIRST, SMALL, TINY, Client

PAGED = {
    "broadcasts": ("broadcasts", 100),
    "campaigns": ("campaigns", 100),
    "workflows": ("workflows", 100),
    "subscribers": ("subscribers", 1000),
    "event_actions": ("event_actions", 1000),
}
WHOLE = {
    "custom_field_identifiers": "custom_fields",
    "goals": "conversions",
    "tags": "tags",
    "webhooks": "webhooks",
    "forms": "forms",
}
RESOURCES = {"event_actions": "events", **WHOLE}


def selector_of(body):
    (selector,) = set(body) - ENVELOPE
    return selector


@pytest.mark.parametrize(("path", "selector", "most"), [(path, *row) for path, row in PAGED.items()])
def test_a_paged_list_tells_its_pages(client: Client, path: str, selector: str, most: int):
    body = client.get(f"{FIRST}/{path}", status="all", per_page=5).json()
    total = len(client.world.account(FIRST).records[RESOURCES.get(path, path)])
    assert selector_of(body) == selector
    assert body["meta"] == {"page": 1, "count": 5, "total_pages": -(-total // 5), "total_count": total}
    assert "links" in body
    whole = client.get(f"{FIRST}/{path}", status="all", per_page=most * 50).json()
    assert len(whole[selector]) == min(total, most)


@pytest.mark.parametrize("path", PAGED)
def test_the_default_page_has_a_hundred(client: Client, path: str):
    body = client.get(f"{FIRST}/{path}", status="all").json()
    assert body["meta"]["count"] == min(100, body["meta"]["total_count"])


@pytest.mark.parametrize(("path", "resource"), WHOLE.items())
def test_a_whole_list_ignores_page(client: Client, path: str, resource: str):
    first, second = client.get(f"{FIRST}/{path}").json(), client.get(f"{FIRST}/{path}", page=2).json()
    assert first == second
    assert "meta" not in first
    assert first[selector_of(first)] == client.world.account(FIRST).records[resource].all()


@pytest.mark.parametrize("path", PAGED)
def test_pages_hold_every_record_once(client: Client, path: str):
    records = client.rows(f"{FIRST}/{path}", status="all", per_page=70)
    assert records == client.world.account(FIRST).records[RESOURCES.get(path, path)].all()
    assert len({str(record) for record in records}) == len(records)


def test_a_page_beyond_the_last_is_empty(client: Client):
    body = client.get(f"{FIRST}/subscribers", page=99).json()
    assert body["subscribers"] == []
    assert body["meta"]["page"] == 99
    assert body["meta"]["count"] == 0
    assert body["meta"]["total_pages"] > 1


@pytest.mark.parametrize("name", ["page", "per_page"])
@pytest.mark.parametrize("value", ["0", "-1", "two", "1.5", ""])
def test_a_page_must_be_a_number(client: Client, name: str, value: str):
    answer = client.get(f"{FIRST}/subscribers", **{name: value})
    assert answer.status_code == 422
    (error,) = answer.json()["errors"]
    assert (error["code"], error["attribute"]) == ("validation_error", name)


def test_accounts_and_the_user(client: Client):
    accounts = client.get("accounts").json()["accounts"]
    assert [account["id"] for account in accounts] == client.world.account_ids
    assert client.get("user").json() == {"users": [client.world.user]}


def test_subscribers_are_active_unless_told_otherwise(client: Client):
    everyone = client.rows(f"{FIRST}/subscribers", status="all", per_page=1000)
    active = client.rows(f"{FIRST}/subscribers", per_page=1000)
    assert len(everyone) == 2_600
    assert {person["status"] for person in everyone} == {"active", "unsubscribed", "undeliverable"}
    assert active == [person for person in everyone if person["status"] == "active"]


@pytest.mark.parametrize("status", ["unsubscribed", "undeliverable"])
def test_subscribers_by_status(client: Client, status: str):
    people = client.rows(f"{FIRST}/subscribers", status=status, per_page=1000)
    assert {person["status"] for person in people} == {status}


def test_subscribers_by_time_of_creation(client: Client):
    path = f"{SMALL}/subscribers"
    everyone = client.rows(path, status="all", per_page=1000)
    middle = everyone[100]["created_at"]
    before = client.rows(path, status="all", per_page=1000, subscribed_before=middle)
    after = client.rows(path, status="all", per_page=1000, subscribed_after=middle)
    at = [person for person in everyone if person["created_at"] == middle]
    assert before == [person for person in everyone if person["created_at"] < middle]
    assert after == [person for person in everyone if person["created_at"] > middle]
    assert len(before) + len(at) + len(after) == len(everyone)


def test_subscribers_by_tags(client: Client):
    path = f"{FIRST}/subscribers"
    everyone = client.rows(path, status="all", per_page=1000)
    chosen = client.rows(path, status="all", per_page=1000, tags="VIP,Lead")
    assert chosen == [person for person in everyone if {"VIP", "Lead"} & set(person["tags"])]
    assert 0 < len(chosen) < len(everyone)
    assert client.rows(path, tags="nobody has this") == []


@pytest.mark.parametrize(
    ("path", "query"),
    [
        ("subscribers", {"status": "asleep"}),
        ("subscribers", {"subscribed_before": "yesterday"}),
        ("broadcasts", {"status": "asleep"}),
        ("broadcasts", {"sort": "shoe_size"}),
        ("broadcasts", {"direction": "sideways"}),
        ("campaigns", {"status": "asleep"}),
        ("workflows", {"status": "asleep"}),
        ("goals", {"status": "asleep"}),
    ],
)
def test_an_unknown_filter_value_is_refused(client: Client, path: str, query: dict[str, str]):
    answer = client.get(f"{FIRST}/{path}", **query)
    assert answer.status_code == 422
    assert answer.json()["errors"][0]["attribute"] == next(iter(query))


def test_deleted_broadcasts_are_left_out_by_default(client: Client):
    everything = client.rows(f"{FIRST}/broadcasts", status="all")
    usual = client.rows(f"{FIRST}/broadcasts")
    assert "deleted" in {broadcast["status"] for broadcast in everything}
    assert usual == [broadcast for broadcast in everything if broadcast["status"] != "deleted"]
    assert {row["status"] for row in client.rows(f"{FIRST}/broadcasts", status="sent")} == {"sent"}


@pytest.mark.parametrize("sort", ["created_at", "send_at", "name"])
def test_broadcasts_in_order(client: Client, sort: str):
    up = client.rows(f"{FIRST}/broadcasts", status="all", sort=sort)
    down = client.rows(f"{FIRST}/broadcasts", status="all", sort=sort, direction="desc")
    values = [broadcast[sort] for broadcast in up if broadcast[sort] is not None]
    assert values == sorted(values)
    assert [b[sort] for b in down if b[sort] is not None] == values[::-1]


@pytest.mark.parametrize("path", ["campaigns", "workflows", "goals"])
def test_every_status_unless_told_otherwise(client: Client, path: str):
    everything = client.rows(f"{FIRST}/{path}")
    active = client.rows(f"{FIRST}/{path}", status="active")
    assert active == [record for record in everything if record["status"] == "active"]
    assert len(active) < len(everything)


def test_campaign_subscribers_match_the_campaigns_counts(client: Client):
    campaign = client.rows(f"{FIRST}/campaigns", status="active")[0]
    path = f"{FIRST}/campaigns/{campaign['id']}/subscribers"
    people = {
        status: client.rows(path, status=status, per_page=1000) for status in ("active", "unsubscribed", "removed")
    }
    assert client.rows(path, per_page=1000) == people["active"]
    assert len(people["active"]) == campaign["active_subscriber_count"] > 0
    assert len(people["unsubscribed"]) == campaign["unsubscribed_subscriber_count"] > 0
    ids = [person["id"] for part in people.values() for person in part]
    assert len(ids) == len(set(ids))
    assert set(ids) <= {person["id"] for person in client.world.account(FIRST).records["subscribers"].all()}
    assert client.get(path, status="all").status_code == 422


def test_workflow_triggers(client: Client):
    workflow = client.rows(f"{TINY}/workflows")[0]
    triggers = client.rows(f"{TINY}/workflows/{workflow['id']}/triggers")
    assert triggers
    assert {trigger["links"]["workflow"] for trigger in triggers} == {workflow["id"]}


def test_nothing_is_empty_in_the_default_world(client: Client):
    for account_id in client.world.account_ids:
        records = client.world.account(account_id).records
        assert all(len(records[name]) for name in records), account_id


def test_timestamps_are_utc_with_z(client: Client):
    for path in ("subscribers", "broadcasts", "campaigns", "workflows", "goals", "webhooks", "forms"):
        stamps = [record["created_at"] for record in client.rows(f"{SMALL}/{path}", status="all")]
        assert all(datetime.fromisoformat(stamp).tzinfo and stamp.endswith("Z") for stamp in stamps)
        assert stamps == sorted(stamps)


def test_the_people_of_a_campaign_come_newest_first_unless_asked_otherwise(client: Client) -> None:
    campaigns = [one["id"] for one in client.rows(f"{FIRST}/campaigns")]
    path = max((f"{FIRST}/campaigns/{one}/subscribers" for one in campaigns), key=lambda path: len(client.rows(path)))
    oldest_first = client.rows(path, direction="asc", per_page=7)
    assert len(oldest_first) > 7
    assert client.rows(path, per_page=7) == client.rows(path, direction="desc", per_page=7) == oldest_first[::-1]
    assert client.get(path, direction="up").status_code == 422
