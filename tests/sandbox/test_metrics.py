"""The figures of emails: they add up, fade, move while a day lasts, and come within the limits of the endpoint."""

from collections.abc import Callable
from datetime import date, datetime, timedelta
from typing import Any

import pytest

from flows.sandbox.generator.performance import COUNTS
from flows.sandbox.generator.steps import walk
from flows.sandbox.generator.timeline import AS_OF
from flows.sandbox.world import World

from .conftest import SMALL, Client

PATH = f"{SMALL}/metrics/email"
TODAY = (AS_OF - timedelta(hours=5)).date()
"""In the time zone of the account's owner."""


@pytest.fixture
def asking(open_client: Callable[..., Client]) -> Client:
    client = open_client(sizes={SMALL: 400})
    client.world.metrics.limit = 10_000
    return client


def ask(client: Client, first: date, last: date | None = None, **query: Any) -> Any:
    answer = client.get(PATH, start_date=str(first), end_date=str(last or first), **query)
    assert answer.status_code == 200, answer.text
    return answer.json()


def sums(emails: list[Any]) -> dict[str, int]:
    return {name: sum(one["email_metric"][name] for one in emails) for name in COUNTS}


def counts(metric: dict[str, Any]) -> dict[str, int]:
    return {name: metric[name] for name in COUNTS}


def test_emails_add_up_to_the_summary_and_days_to_the_range(asking: Client) -> None:
    first = TODAY - timedelta(days=20)
    days = [ask(asking, first + timedelta(days=number)) for number in range(21)]
    whole = ask(asking, first, TODAY)
    assert all(sums(day["emails"]) == counts(day["summary"]) for day in [*days, whole])
    assert sums([email for day in days for email in day["emails"]]) == counts(whole["summary"])
    assert counts(whole["summary"])["sends"] > 100
    assert all(counts(whole["summary"])[name] > 0 for name in ("opens", "clicks", "bot_clicks", "orders"))


def test_broadcasts_and_workflows_together_lack_what_rules_and_forms_send(asking: Client) -> None:
    first, records = TODAY - timedelta(days=60), asking.world.account(SMALL).records
    broadcasts = {"broadcast_ids[]": [one["id"] for one in records["broadcasts"].all()]}
    workflows = {"workflow_ids[]": [one["id"] for one in records["workflows"].all()]}
    whole, sent, steps = (
        ask(asking, first, TODAY),
        *(ask(asking, first, TODAY, **one) for one in (broadcasts, workflows)),
    )
    assert sent["emails"]
    assert steps["emails"]
    ids = {email["email_id"] for part in (sent, steps) for email in part["emails"]}
    others = [email for email in whole["emails"] if email["email_id"] not in ids]
    assert others
    assert sums(whole["emails"]) == sums([*sent["emails"], *steps["emails"], *others])
    both = ask(asking, first, TODAY, **broadcasts, **workflows)
    assert sums(both["emails"]) == sums([*sent["emails"], *steps["emails"]])
    assert all("broadcast_id" in email for email in sent["emails"])
    assert not [email for email in whole["emails"] if "workflow_placement" in email]


def test_the_placement_is_a_step_of_the_workflow(asking: Client) -> None:
    (workflow, *_) = [one["id"] for one in asking.rows(f"{SMALL}/workflows") if one["status"] == "active"]
    (details,) = asking.get(f"{SMALL}/workflows/{workflow}/details").json()["workflows"]
    steps = {one["id"]: one for one in walk(details["details"]["steps"])}
    assert details["node_count"] == len(steps)
    emails = ask(asking, TODAY - timedelta(days=30), TODAY, **{"workflow_ids[]": [workflow]})["emails"]
    assert emails
    for email in emails:
        place = email["workflow_placement"]
        assert place["workflow_id"] == workflow
        assert steps[place["node_id"]]["properties"]["automation_email_id"] == email["email_id"]


def test_opens_fade_and_the_rates_are_of_the_sends(asking: Client) -> None:
    broadcast = max(
        (one for one in asking.rows(f"{SMALL}/broadcasts", status="sent")), key=lambda one: str(one["send_at"])
    )
    sent = datetime.fromisoformat(broadcast["send_at"]).date() - timedelta(days=1)
    only = {"broadcast_ids[]": [broadcast["id"]]}
    days = [ask(asking, sent + timedelta(days=number), **only)["summary"] for number in range(12)]
    opens = [day["opens"] for day in days if day["opens"]]
    assert opens[0] > opens[1] > opens[2] > opens[4]
    assert opens[0] > 3 * opens[2]
    (day,) = [day for day in days if day["sends"]]
    assert day["open_rate"] == round(day["opens"] / day["sends"], 4)
    assert day["deliveries"] == day["sends"] - day["hard_bounces"]


def test_a_day_that_is_not_over_still_moves_and_others_do_not(asking: Client) -> None:
    world = asking.world
    world.move_to(AS_OF + timedelta(hours=12))
    morning, before = ask(asking, AS_OF.date()), ask(asking, AS_OF.date() - timedelta(days=1))
    world.move_to(AS_OF + timedelta(hours=28))
    evening = ask(asking, AS_OF.date())
    assert evening["summary"]["opens"] > morning["summary"]["opens"]
    assert ask(asking, AS_OF.date() - timedelta(days=1)) == before


def test_nothing_is_a_summary_of_zeros(asking: Client) -> None:
    body = ask(asking, date(2019, 1, 1))
    assert body["emails"] == []
    assert set(body["summary"].values()) == {0}


@pytest.mark.parametrize(
    "query",
    [
        {"start_date": "2025-01-01", "end_date": "2026-01-02"},
        {"start_date": "2026-02-30"},
        {"start_date": "2026-05-02", "end_date": "2026-05-01"},
        {"workflow_ids[]": [str(number) for number in range(26)]},
    ],
)
def test_what_makes_no_sense_is_a_bad_request(asking: Client, query: dict[str, Any]) -> None:
    answer = asking.get(PATH, **query)
    assert (answer.status_code, answer.json()["errors"][0]["code"]) == (400, "bad_request")


def test_more_emails_than_a_filter_may_come_to_is_a_bad_request(asking: Client) -> None:
    asking.world.metrics.most_emails = 3
    broadcasts = [one["id"] for one in asking.rows(f"{SMALL}/broadcasts", status="sent")]
    assert asking.get(PATH, **{"broadcast_ids[]": broadcasts[:4]}).status_code == 400
    assert asking.get(PATH, **{"broadcast_ids[]": broadcasts[:3]}).status_code == 200
    assert asking.get(PATH).status_code == 200


def test_a_cap_keeps_the_emails_sent_last_and_the_whole_summary(asking: Client) -> None:
    first = TODAY - timedelta(days=90)
    whole = ask(asking, first, TODAY)
    asking.world.metrics.cap = 10
    capped = ask(asking, first, TODAY)
    assert capped["emails"] == whole["emails"][:10]
    assert capped["summary"] == whole["summary"]
    assert sums(capped["emails"])["sends"] < counts(capped["summary"])["sends"]


def test_twenty_requests_of_an_account_in_a_window(open_client: Callable[..., Client]) -> None:
    client = open_client(sizes={SMALL: 30, "1000009": 30})
    client.world.metrics.window = 60.0
    answers = [client.get(PATH, start_date="2026-05-01", end_date="2026-05-01") for _ in range(21)]
    assert [answer.status_code for answer in answers] == [200] * 20 + [429]
    assert answers[-1].json()["errors"][0]["code"] == "rate_limit_exceeded"
    assert 1 <= int(answers[-1].headers["retry-after"]) <= 60
    assert client.get("1000009/metrics/email").status_code == 200
    assert client.get(f"{SMALL}/tags").status_code == 200


def test_details_that_the_client_has_cost_no_body(client: Client) -> None:
    workflow = client.rows(f"{SMALL}/workflows")[0]["id"]
    first = client.get(f"{SMALL}/workflows/{workflow}/details")
    url = f"{client.server.url}/{SMALL}/workflows/{workflow}/details"
    again = client.session.get(url, headers={"If-None-Match": first.headers["etag"]}, timeout=10)
    assert (again.status_code, again.content) == (304, b"")
    assert client.session.get(url, headers={"If-None-Match": 'W/"x"'}, timeout=10).json() == first.json()


def test_segments_have_pages_and_a_search(client: Client) -> None:
    body = client.get(f"{SMALL}/segments", per_page=2).json()
    assert body["meta"]["per_page"] == 2
    segments = client.rows(f"{SMALL}/segments", per_page=2)
    assert len(segments) == body["meta"]["total_count"] == len({one["id"] for one in segments})
    word = segments[0]["name"]
    assert segments[0] in client.rows(f"{SMALL}/segments", q=word.upper())


def test_an_audience_is_a_filter_or_what_is_known_of_one(client: Client) -> None:
    kinds = set()
    for broadcast in client.rows(f"{SMALL}/broadcasts"):
        audience = client.get(f"{SMALL}/broadcasts/{broadcast['id']}/audience").json()["audience"]
        kinds.add(frozenset(audience))
    assert kinds == {frozenset({"filter"}), frozenset({"message", "summary", "unsupported_types"})}
    assert client.get(f"{SMALL}/broadcasts/1/audience").status_code == 404


def test_the_emails_of_a_world_are_the_same_ones_again() -> None:
    one, other = (World(sizes={SMALL: 100}).account(SMALL) for _ in range(2))
    assert [one.details(w) for w in one.records["workflows"].all()] == [
        other.details(w) for w in other.records["workflows"].all()
    ]
