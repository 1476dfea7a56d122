"""Injected faults, as a real client sees them."""

import json
import time
from email.utils import parsedate_to_datetime
from pathlib import Path

import msgspec
import pytest
import requests

from flows.sandbox import World
from flows.sandbox.fault_actions import Slow
from flows.sandbox.faults import Match, Rule, When

from .conftest import SMALL, TINY, Client

PEOPLE = f"{TINY}/subscribers"
META = {"page": 1, "count": 25, "total_pages": 1, "total_count": 25}


def failing(kind: str, match: dict | None = None, when: dict | None = None, **options) -> dict:
    return {"action": {"kind": kind, **options}, "match": match or {}, "when": when or {}}


def statuses(client: Client, path: str, count: int) -> list[int]:
    return [client.get(path).status_code for _ in range(count)]


@pytest.mark.parametrize(
    ("when", "expected"),
    [
        ({}, [503] * 6),
        ({"times": 2}, [503, 503, 200, 200, 200, 200]),
        ({"after": 4}, [200, 200, 200, 200, 503, 503]),
        ({"every": 3}, [503, 200, 200, 503, 200, 200]),
        ({"after": 1, "every": 2, "times": 2}, [200, 503, 200, 503, 200, 200]),
    ],
)
def test_when_a_rule_fires(open_client, when, expected):
    client = open_client(faults=[failing("status", when=when, status=503)])
    assert statuses(client, "user", 6) == expected
    assert client.world.faults.fired == [expected.count(503)]


def test_a_chance_is_the_same_each_time(open_client):
    rule = failing("status", when={"probability": 0.5, "seed": 3}, status=500)
    runs = [statuses(open_client(faults=[rule]), "user", 40) for _ in range(2)]
    assert runs[0] == runs[1]
    assert 8 < runs[0].count(500) < 32


@pytest.mark.parametrize(
    ("match", "hit"),
    [
        ({"path": "subscribers$"}, {PEOPLE, f"{SMALL}/subscribers"}),
        ({"account": TINY}, {PEOPLE, f"{TINY}/goals"}),
        ({"resource": "conversions"}, {f"{TINY}/goals"}),
        ({"resource": "subscribers", "account": SMALL}, {f"{SMALL}/subscribers"}),
        ({"page": 2}, set()),
        ({"resource": "accounts", "page": 1}, {"accounts"}),
        ({"status": "all"}, set()),
    ],
)
def test_which_requests_match(open_client, match, hit):
    client = open_client(faults=[failing("status", match, status=500)])
    paths = (PEOPLE, f"{SMALL}/subscribers", f"{TINY}/goals", "accounts")
    assert {path for path in paths if client.get(path).status_code == 500} == hit
    client.world.faults = [failing("status", {"page": 2, "status": "all"}, status=500)]
    assert client.get(PEOPLE, page=2, status="all").status_code == 500
    assert client.get(PEOPLE, page=1, status="all").status_code == 200


@pytest.mark.parametrize(
    ("body", "kind", "text"),
    [
        ("errors", "application/json", '"errors"'),
        ("flat", "application/json", '"message"'),
        ("html", "text/html", "<html>"),
        ("empty", "text/plain", ""),
    ],
)
def test_a_status_and_its_body(open_client, body, kind, text):
    client = open_client(faults=[failing("status", status=429, body=body, retry_after=2)])
    answer = client.get("user")
    assert (answer.status_code, answer.headers["Retry-After"]) == (429, "2")
    assert answer.headers["Content-Type"].startswith(kind)
    assert text in answer.text
    assert bool(answer.text) == bool(text)
    assert answer.headers["X-RateLimit-Remaining"] == "3599"


def test_a_reset_connection(open_client):
    client = open_client(faults=[failing("reset", when={"after": 1, "times": 1})])
    assert client.get("user").status_code == 200
    with pytest.raises(requests.ConnectionError):
        client.get("user")
    assert client.get("user").status_code == 200
    assert [entry.status for entry in client.server.log] == [200, None, 200]


@pytest.mark.parametrize("share", [0.0, 0.5, 0.99])
def test_a_cut_body(open_client, share):
    client = open_client(faults=[failing("cut", when={"times": 1}, share=share)])
    with pytest.raises((requests.exceptions.ChunkedEncodingError, requests.ConnectionError)):
        client.get(PEOPLE)
    assert client.get(PEOPLE).status_code == 200


def test_a_truncated_body_is_valid_http(open_client):
    client = open_client(faults=[failing("truncate", share=0.9)])
    answer = client.get(PEOPLE)
    assert answer.status_code == 200
    assert len(answer.content) == int(answer.headers["Content-Length"])
    with pytest.raises(ValueError, match=r"."):
        answer.json()


def test_html_where_json_was_expected(open_client):
    answer = open_client(faults=[failing("html")]).get(PEOPLE)
    assert answer.status_code == 200
    assert answer.headers["Content-Type"].startswith("text/html")
    assert answer.text.startswith("<!DOCTYPE html>")


def test_a_slow_answer(open_client):
    client = open_client(faults=[failing("slow", {"resource": "users"}, seconds=0.3)])
    with pytest.raises(requests.Timeout):
        client.session.get(f"{client.server.url}/user", timeout=0.1)
    assert client.get("accounts").elapsed.total_seconds() < 0.2


def test_bytes_that_drip(open_client):
    client = open_client(faults=[failing("slow", seconds=0.4, drip=8)])
    start = time.monotonic()
    answer = client.session.get(f"{client.server.url}/{PEOPLE}", timeout=0.2)
    assert len(answer.json()["subscribers"]) > 10
    assert time.monotonic() - start >= 0.35


def test_the_budget_is_spent_at_once(open_client):
    rule = failing("spend_budget", when={"after": 1, "times": 1})
    client = open_client(faults=[rule], rate_limit=100, rate_window=0.5)
    assert statuses(client, "user", 3) == [200, 429, 429]
    time.sleep(0.55)
    assert client.get("user").status_code == 200


def test_people_are_deleted_under_way(open_client):
    client = open_client(faults=[failing("delete", {"resource": "subscribers", "page": 2}, {"times": 1}, count=5)])
    totals = [
        client.get(f"{SMALL}/subscribers", status="all", page=page).json()["meta"]["total_count"] for page in (1, 2, 2)
    ]
    assert totals == [240, 235, 235]


def test_deleting_the_oldest_moves_every_page(open_client):
    client = open_client(faults=[failing("delete", {"page": 2}, {"times": 1}, count=3, first=True)])
    before = [person["id"] for person in client.world.account(SMALL).records["subscribers"].all()]
    pages = [client.get(f"{SMALL}/subscribers", status="all", page=page).json()["subscribers"] for page in (1, 2, 3)]
    assert [person["id"] for page in pages for person in page] == before[:100] + before[103:]


def test_people_arrive_under_way(open_client):
    client = open_client(faults=[failing("arrive", {"page": 2}, {"times": 1}, count=4)])
    day = parsedate_to_datetime(client.get("user").headers["Date"]).isoformat()
    path = f"{SMALL}/subscribers"
    assert client.get(path, status="all", page=2).json()["meta"]["total_count"] == 244
    assert client.get(path, status="all", subscribed_before=day).json()["meta"]["total_count"] == 240
    last = client.get(path, status="all", per_page=1000).json()["subscribers"][-4:]
    assert len({person["id"] for person in last}) == 4
    assert {person["status"] for person in last} == {"active"}
    assert set(last[0]) == set(last[1])


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        ({"values": {"total_pages": "many"}}, META | {"total_pages": "many"}),
        ({"values": {"total_pages": 9}}, META | {"total_pages": 9}),
        ({"remove": ["total_pages", "count"]}, {"page": 1, "total_count": 25}),
        ({"absent": True}, None),
    ],
)
def test_a_wrong_meta(open_client, options, expected):
    client = open_client(faults=[failing("meta", **options)])
    assert client.get(PEOPLE, status="all").json().get("meta") == expected


def test_records_that_are_none(open_client):
    strange = [{"id": None}, "text", 7, None, []]
    rules = [failing("inject", {"page": 1}, records=strange, position=0)]
    client = open_client(faults=[*rules, failing("duplicate", position=6), failing("replace_record", position=30)])
    records = client.get(PEOPLE, status="all").json()["subscribers"]
    assert records[:5] == strange
    assert len(records) == 31
    assert records[-1] is None
    assert records[5]["id"]


def test_a_duplicate(open_client):
    records = open_client(faults=[failing("duplicate", position=2)]).get(PEOPLE).json()["subscribers"]
    assert records[-1] == records[2]


def test_an_exact_body(open_client):
    answer = open_client(faults=[failing("raw", body='{"subscribers": null}')]).get(PEOPLE)
    assert (answer.status_code, answer.text) == (200, '{"subscribers": null}')


def test_a_redirect(open_client):
    client = open_client(faults=[failing("redirect", location="http://localhost:1/elsewhere")])
    answer = client.get("user")
    assert (answer.status_code, answer.headers["Location"]) == (302, "http://localhost:1/elsewhere")


def test_page_is_ignored(open_client):
    client = open_client(faults=[failing("repeat_first_page")])
    first, second = (client.get(f"{SMALL}/subscribers", page=page).json() for page in (1, 2))
    assert first == second


def test_a_whole_list_that_pages_after_all(open_client):
    client = open_client(faults=[failing("paginate_100", {"resource": "tags"})])
    tags = client.world.account(TINY).records["tags"]
    for number in range(240 - len(tags)):
        tags.add(f"tag {number}")
    pages = [client.get(f"{TINY}/tags", page=page).json() for page in (1, 2, 3, 4)]
    assert [len(page["tags"]) for page in pages] == [100, 100, 40, 0]
    assert [tag for page in pages for tag in page["tags"]] == tags.all()
    assert "meta" not in pages[0]


def test_rules_of_different_kinds_add_up(open_client):
    client = open_client(
        faults=[
            failing("meta", values={"total_count": 1}),
            failing("slow", seconds=0.1),
            failing("status", {"page": 2}, status=502),
            failing("status", {"page": 2}, status=500),
        ]
    )
    answer = client.get(PEOPLE)
    assert answer.json()["meta"]["total_count"] == 1
    assert answer.elapsed.total_seconds() >= 0.1
    assert client.get(PEOPLE, page=2).status_code == 502


def test_refused_requests_match_no_rule(open_client):
    client = open_client(faults=[failing("status", status=500)], rate_limit=1)
    requests.get(f"{client.server.url}/user", timeout=5)
    assert statuses(client, "user", 2) == [500, 429]
    assert client.world.faults.fired == [1]


def test_a_plan_from_a_file(tmp_path: Path):
    file = tmp_path / "plan.json"
    file.write_text(json.dumps([failing("slow", {"account": TINY}, {"times": 3}, seconds=2)]))
    rule = Rule(Slow(seconds=2), Match(account=TINY), When(times=3))
    for plan in (file, [rule]):
        assert World(faults=plan).faults.rules == [rule]


@pytest.mark.parametrize(
    "rule",
    [
        {"action": {"kind": "explode"}},
        {"action": {"kind": "slow"}},
        failing("reset", {"colour": "red"}),
        failing("reset", {"path": "("}),
        failing("reset", when={"every": 0}),
    ],
)
def test_a_plan_that_is_not_understood(rule):
    with pytest.raises(msgspec.ValidationError):
        World(faults=[rule])
