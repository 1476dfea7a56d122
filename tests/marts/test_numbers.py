"""The numbers of every mart equal a computation in pandas that shares no code with the SQL.

The comments of the database are tested here as well, since both need the same dataset, which takes seconds to fill.
"""

import math
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable
from datetime import UTC, date, datetime, timedelta
from typing import Any

import pandas as pd
import pytest

from flows.destinations.relations import Relation
from flows.pipeline.comments import outdated
from flows.pipeline.documentation import column_text, documented
from flows.pipeline.marts.files import marts
from flows.sandbox.generator.events import SCANNER_ADDRESS
from flows.source.endpoints import ENDPOINTS
from tests.conftest import Warehouse
from tests.marts.conftest import SIZES, records, there

Row = dict[str, Any]
SECOND = timedelta(seconds=1)


def happened(row: Row) -> datetime:
    found: datetime = row["occurred_at"] or row["received_at"]
    return found


def of_kind(events: Iterable[Row], *kinds: str) -> list[Row]:
    return [row for row in events if row["event"].removeprefix("subscriber.") in kinds]


def delivery(row: Row) -> tuple[str, str, str]:
    return row["account_id"], row["subscriber_id"], row["properties"]["delivery_id"]


@pytest.fixture(scope="session")
def tables(filled: Warehouse) -> dict[str, list[Row]]:
    """The tables that the marts are about."""
    names = ("subscribers", "subscribers_history", "subscriber_events", "email_metrics", "broadcasts", "_syncs")
    return {name: records(filled, name) for name in names}


def clicks_by_scanners(events: list[Row]) -> set[str]:
    """The ids of clicks that a scanner made, by its address in the sandbox."""
    return {
        row["event_id"]
        for row in of_kind(events, "clicked_email")
        if row["properties"]["ip_address"] == SCANNER_ADDRESS
    }


def test_scanners_are_recognized_and_people_are_not_taken_for_them(
    filled: Warehouse, tables: dict[str, list[Row]]
) -> None:
    clicks = of_kind(tables["subscriber_events"], "clicked_email")
    flagged = set(filled.column("SELECT event_id FROM email_clicks WHERE is_scanner"))
    scanners = clicks_by_scanners(clicks)
    human = {row["event_id"] for row in clicks} - scanners
    assert len(scanners) > 50 < len(human)
    assert len(flagged & scanners) >= 0.95 * len(scanners)
    assert len(flagged & human) <= 0.01 * len(human)
    assert filled.value("SELECT count(*) FROM email_clicks") == len(clicks)


def expected_recipients(events: list[Row], flagged: set[str]) -> dict[tuple[Any, ...], Row]:
    sent: dict[tuple[Any, ...], list[Row]] = defaultdict(list)
    for row in of_kind(events, "received_email", "opened_email", "clicked_email", "bounced", "complained"):
        sent[delivery(row)].append(row)
    found = {}
    for key, rows in sent.items():
        first: dict[str, datetime] = {}
        counts: dict[str, int] = defaultdict(int)
        for row in sorted(rows, key=happened):
            kind = "scanner" if row["event_id"] in flagged else row["event"].removeprefix("subscriber.")
            first.setdefault(kind, happened(row))
            counts[kind] += 1
        found[key] = {
            "email_id": rows[0]["properties"]["email_id"],
            "first_event_at": min(first.values()),
            "sent_at": first.get("received_email"),
            "first_open_at": first.get("opened_email"),
            "opens": counts["opened_email"],
            "first_click_at": first.get("clicked_email"),
            "clicks": counts["clicked_email"],
            "scanner_clicks": counts["scanner"],
            "bounced_at": first.get("bounced"),
            "complained_at": first.get("complained"),
            "unsubscribed_at": None,
        }
    for row in sorted(of_kind(events, "unsubscribed_all"), key=happened):
        mine = [
            (one["first_event_at"], key)
            for key, one in found.items()
            if key[:2] == (row["account_id"], row["subscriber_id"]) and one["first_event_at"] <= happened(row)
        ]
        if mine:
            last = found[max(mine)[1]]
            last["unsubscribed_at"] = min(filter(None, [last["unsubscribed_at"], happened(row)]))
    return found


@pytest.fixture(scope="session")
def recipients(filled: Warehouse, tables: dict[str, list[Row]]) -> dict[tuple[Any, ...], Row]:
    """The expected recipients by key, given the clicks that are flagged."""
    flagged = set(filled.column("SELECT event_id FROM email_clicks WHERE is_scanner"))
    return expected_recipients(tables["subscriber_events"], flagged)


def test_recipients(filled: Warehouse, recipients: dict[tuple[Any, ...], Row]) -> None:
    rows = {(r["account_id"], r["subscriber_id"], r["delivery_id"]): r for r in records(filled, "recipients")}
    assert rows.keys() == recipients.keys()
    assert any(row["unsubscribed_at"] for row in recipients.values())
    for key, row in recipients.items():
        assert {name: rows[key][name] for name in row} == row, key
        for name in ("open", "click"):
            first, minutes = row[f"first_{name}_at"], rows[key][f"minutes_to_{name}"]
            assert (minutes is None) == (first is None or row["sent_at"] is None)
            assert minutes is None or math.isclose(minutes, (first - row["sent_at"]).total_seconds() / 60)


def expected_touches(events: list[Row], flagged: set[str]) -> dict[str, tuple[int, str | None, float | None]]:
    """By event: its value, the email clicked last before, and the days since."""
    found = {}
    for row in of_kind(events, "performed_custom_event"):
        value = row["properties"].get("value", row["properties"].get("amount"))
        if value is None:
            continue
        before = [
            (happened(click), click["event_id"], click["properties"]["email_id"])
            for click in of_kind(events, "clicked_email")
            if (click["account_id"], click["subscriber_id"]) == (row["account_id"], row["subscriber_id"])
            and happened(click) <= happened(row) and click["event_id"] not in flagged
        ]  # fmt: skip
        at, _, email = max(before, default=(None, None, None), key=lambda one: (one[0], one[1]))
        days = None if at is None else (happened(row) - at) / timedelta(days=1)
        found[row["event_id"]] = (round(value), email, days)
    return found


def test_attributed_events(filled: Warehouse, tables: dict[str, list[Row]]) -> None:
    events = tables["subscriber_events"]
    flagged = set(filled.column("SELECT event_id FROM email_clicks WHERE is_scanner"))
    expected = expected_touches(events, flagged)
    rows = {row["event_id"]: row for row in records(filled, "attributed_events")}
    assert rows.keys() == expected.keys()
    for key, (value, email, days) in expected.items():
        assert (rows[key]["value_in_cents"], rows[key]["email_id"]) == (value, email)
        assert (days is None) == (rows[key]["days_since_click"] is None)
        assert days is None or math.isclose(days, rows[key]["days_since_click"])
        assert rows[key]["is_attributed"] == (days is not None and days <= 5)
    assert any(row["is_attributed"] for row in rows.values())


def expected_emails(
    tables: dict[str, list[Row]], recipients: dict[tuple[Any, ...], Row], touches: dict[str, Any], events: list[Row]
) -> dict[tuple[str, str], Row]:
    told = pd.DataFrame([{"account_id": key[0], **row} for key, row in recipients.items()])
    account_of = {row["event_id"]: row["account_id"] for row in events}
    figures = pd.DataFrame(tables["email_metrics"])
    sums = {
        "sends": "sends", "opens": "opens", "clicks": "clicks", "scanner_clicks": "bot_clicks",
        "bounces": "hard_bounces", "complaints": "complaints", "unsubscribes": "unsubscribes", "orders": "orders",
        "revenue_in_cents": "revenue_in_cents",
    }  # fmt: skip
    found: dict[tuple[str, str], Row] = {}
    for (account, email), rows in figures.groupby(["account_id", "email_id"]):
        found[account, email] = {"source": "email_metrics"} | {to: int(rows[of].sum()) for to, of in sums.items()}
    for (account, email), rows in told.groupby(["account_id", "email_id"]):
        mine = [
            value
            for event, (value, touched, days) in touches.items()
            if (account_of[event], touched) == (account, email) and days <= 5
        ]
        sends = int(rows["sent_at"].notna().sum()) or found.get((account, email), {}).get("sends")
        found[account, email] = {
            "source": "webhooks", "sends": sends, "opens": int((rows["opens"] > 0).sum()),
            "clicks": int((rows["clicks"] > 0).sum()), "scanner_clicks": int((rows["scanner_clicks"] > 0).sum()),
            "bounces": int(rows["bounced_at"].notna().sum()), "complaints": int(rows["complained_at"].notna().sum()),
            "unsubscribes": int(rows["unsubscribed_at"].notna().sum()), "orders": len(mine),
            "revenue_in_cents": sum(mine),
        }  # fmt: skip
    return found


def test_emails(filled: Warehouse, tables: dict[str, list[Row]], recipients: dict[tuple[Any, ...], Row]) -> None:
    events = tables["subscriber_events"]
    flagged = set(filled.column("SELECT event_id FROM email_clicks WHERE is_scanner"))
    expected = expected_emails(tables, recipients, expected_touches(events, flagged), events)
    rows = {(row["account_id"], row["email_id"]): row for row in records(filled, "emails")}
    assert rows.keys() == expected.keys()
    for key, row in expected.items():
        assert {name: rows[key][name] for name in row} == row, key
    assert {row["source"] for row in rows.values()} == {"webhooks", "email_metrics"}
    assert {row["kind"] for row in rows.values()} >= {"broadcast", "workflow"}
    subjects = {(row["account_id"], row["id"]): row["subject"] for row in tables["broadcasts"]}
    placed = {row["automation_email_id"]: row["node_id"] for row in records(filled, "workflow_emails")}
    for row in rows.values():
        if row["kind"] == "broadcast" and row["broadcast_id"]:
            assert row["title"] == subjects[row["account_id"], row["broadcast_id"]]
        if row["kind"] == "workflow":
            assert row["node_id"] == placed[row["email_id"]]


def test_subscribers_all(filled: Warehouse, tables: dict[str, list[Row]]) -> None:
    now = {(row["account_id"], row["id"]): row for row in tables["subscribers"]}
    versions: dict[tuple[str, str], list[Row]] = defaultdict(list)
    for row in tables["subscribers_history"]:
        versions[row["account_id"], row["id"]].append(row)
    rows = {(row["account_id"], row["id"]): row for row in records(filled, "subscribers_all")}
    assert rows.keys() == versions.keys() == versions.keys() | now.keys()
    assert len(versions) > len(now)
    for key, row in rows.items():
        last = max(versions[key], key=lambda one: one["valid_from"])
        assert row["first_seen"] == min(one["valid_from"] for one in versions[key])
        assert row["deleted_at"] == (None if key in now else last["valid_to"])
        fields = row.keys() - {"first_seen", "deleted_at"}
        assert {name: row[name] for name in fields} == {name: now.get(key, last)[name] for name in fields}


def band(days: int | None) -> str:
    bands = [str(limit) for limit in (30, 60, 90, 180) if days is not None and days < limit]
    return "never" if days is None else [*bands, "older"][0]


def test_people(filled: Warehouse, tables: dict[str, list[Row]]) -> None:
    events = tables["subscriber_events"]
    flagged = set(filled.column("SELECT event_id FROM email_clicks WHERE is_scanner"))
    rows = {(row["account_id"], row["subscriber_id"]): row for row in records(filled, "people")}
    newest = {account: max(happened(row) for row in events if row["account_id"] == account) for account in SIZES}

    def last(kind: str, skip: Iterable[str] = ()) -> dict[tuple[str, str], datetime]:
        found: dict[tuple[str, str], datetime] = {}
        for row in of_kind(events, kind):
            key = (row["account_id"], row["subscriber_id"])
            if row["event_id"] not in skip:
                found[key] = max(found.get(key, happened(row)), happened(row))
        return found

    opened, clicked, complained = last("opened_email"), last("clicked_email", flagged), last("complained")
    assert rows.keys() == {(row["account_id"], row["id"]) for row in tables["subscribers"]}
    for person in tables["subscribers"]:
        key = (person["account_id"], person["id"])
        row = rows[key]
        days = (newest[key[0]] - clicked[key]).days if key in clicked else None
        assert (row["last_open_at"], row["last_click_at"]) == (opened.get(key), clicked.get(key))
        assert (row["days_since_click"], row["recency_band"]) == (days, band(days))
        assert row["is_reachable"] == (person["status"] == "active" and key not in complained)
        assert (row["tags"], row["lifetime_value"]) == (person["tags"], person["lifetime_value"])
    assert {"30", "never"} < {row["recency_band"] for row in rows.values()}


def day_of(moment: datetime) -> date:
    return moment.astimezone(UTC).date()


def expected_growth(history: list[Row]) -> dict[tuple[str, date], dict[str, int]]:
    """By account and day, the movements of the versions."""
    expected: dict[tuple[str, date], dict[str, int]] = defaultdict(lambda: defaultdict(int))
    versions: dict[tuple[str, str], list[Row]] = defaultdict(list)
    for row in sorted(history, key=lambda one: one["valid_from"]):
        versions[row["account_id"], row["id"]].append(row)
    for (account, _), life in versions.items():
        for before, row in zip([None, *life], life, strict=False):
            cell = expected[account, day_of(row["valid_from"])]
            if before is None or before["valid_to"] != row["valid_from"]:
                cell["arrived"] += row["opened_as"] != "first"
            elif before["status"] != row["status"]:
                cell[{"unsubscribed": "unsubscribed", "undeliverable": "bounced"}.get(row["status"], "")] += 1
        if life[-1]["valid_to"] is not None:
            expected[account, day_of(life[-1]["valid_to"])]["left"] += 1
    return expected


def test_list_growth(filled: Warehouse, tables: dict[str, list[Row]]) -> None:
    expected = expected_growth(tables["subscribers_history"])
    size = Counter(row["account_id"] for row in tables["subscribers"])
    rows = records(filled, "list_growth")
    names = ("arrived", "left", "unsubscribed", "bounced")
    for row in rows:
        assert {name: row[name] for name in names} == {
            name: expected[row["account_id"], row["day"]][name] for name in names
        }
        assert row["net"] == row["arrived"] - row["left"]
    assert {(row["account_id"], row["day"]) for row in rows} >= {
        key for key, cell in expected.items() if any(cell.values())
    }
    assert sum(row["left"] for row in rows) > 0 < sum(row["arrived"] for row in rows)
    for account, people in size.items():
        assert max((row["day"], row["size"]) for row in rows if row["account_id"] == account)[1] == people


def test_deliverability(
    filled: Warehouse, tables: dict[str, list[Row]], recipients: dict[tuple[Any, ...], Row]
) -> None:
    addresses = {(row["account_id"], row["subscriber_id"]): row["email"] for row in tables["subscriber_events"]}
    told = pd.DataFrame(
        {
            "account_id": key[0], "day": day_of(row["sent_at"] or row["first_event_at"]),
            "mailbox_domain": addresses[key[:2]].rpartition("@")[2].lower(), "deliveries": 1,
            "bounces": row["bounced_at"] is not None, "complaints": row["complained_at"] is not None,
            "unsubscribes": row["unsubscribed_at"] is not None, "opens": row["opens"] > 0, "clicks": row["clicks"] > 0,
        }
        for key, row in recipients.items()
    )  # fmt: skip
    keys = ["account_id", "day", "mailbox_domain"]
    expected = {
        tuple(row[name] for name in keys): row for row in told.groupby(keys).sum().reset_index().to_dict("records")
    }
    rows = {tuple(row[name] for name in keys): row for row in records(filled, "deliverability")}
    assert rows.keys() == expected.keys()
    for key, row in expected.items():
        assert {name: rows[key][name] for name in row} == row
        assert math.isclose(rows[key]["bounce_rate"], row["bounces"] / row["deliveries"])
        assert math.isclose(rows[key]["complaint_rate"], row["complaints"] / row["deliveries"])


TIES: dict[str, tuple[str, str]] = {
    "email_clicks": (
        "SELECT count(*) FROM email_clicks",
        "SELECT count(*) FROM subscriber_events WHERE event = 'subscriber.clicked_email'",
    ),
    "recipients": (
        "SELECT CAST(sum(opens + clicks + scanner_clicks) AS BIGINT) FROM recipients",
        "SELECT count(*) FROM subscriber_events WHERE event IN ('subscriber.opened_email', 'subscriber.clicked_email')",
    ),
    "emails": (
        "SELECT CAST(sum(sends) AS BIGINT) FROM emails WHERE source = 'webhooks'",
        "SELECT count(DISTINCT (subscriber_id, properties ->> 'delivery_id')) FROM subscriber_events "
        "WHERE event = 'subscriber.received_email'",
    ),
    "people": ("SELECT count(*) FROM people", "SELECT count(*) FROM subscribers"),
    "subscribers_all": (
        "SELECT count(*) FROM subscribers_all WHERE deleted_at IS NULL",
        "SELECT count(*) FROM subscribers",
    ),
    "list_growth": (
        'SELECT CAST(sum(arrived - "left") AS BIGINT) FROM list_growth',
        "SELECT count(*) FILTER (WHERE change IN ('arrived', 'returned')) - count(*) FILTER (WHERE change = 'left') "
        "FROM subscriber_changes",
    ),
    "deliverability": ("SELECT CAST(sum(deliveries) AS BIGINT) FROM deliverability", "SELECT count(*) FROM recipients"),
    "attributed_events": (
        "SELECT count(*) FROM attributed_events",
        "SELECT count(*) FROM subscriber_events WHERE event = 'subscriber.performed_custom_event'",
    ),
}
"""By view, a count or sum of it, and the same of the tables that it is made of."""


@pytest.mark.parametrize("view", sorted(TIES))
def test_a_view_adds_up_to_its_sources(filled: Warehouse, view: str) -> None:
    ours, theirs = map(filled.value, TIES[view])
    assert ours == theirs > 0


def test_every_view_is_tied_to_its_sources() -> None:
    assert TIES.keys() == marts().keys()


def test_the_files_describe_the_columns_as_they_are(filled: Warehouse) -> None:
    types: dict[str, Callable[[str], bool]] = {
        "text": lambda kind: kind.lower() in ("varchar", "text", "character varying"),
        "json": lambda kind: kind.lower() in ("json", "jsonb"),
        "double": lambda kind: kind.lower() in ("double", "double precision"),
        "bool": lambda kind: kind.lower() == "boolean",
        "timestamp": lambda kind: kind.lower() == "timestamp with time zone",
    }
    for mart in marts().values():
        there = filled.columns(mart.name)
        assert list(there) == list(mart.columns), mart.name
        for name, column in mart.columns.items():
            fits = types.get(column.data_type, lambda kind, same=column.data_type: kind.lower() == same)
            assert fits(there[name]), (mart.name, name, there[name])


def test_the_database_has_it_as_a_comment(filled: Warehouse) -> None:
    found = {name: one for name, one in there(filled).items() if not name.startswith("_dlt")}
    assert {*ENDPOINTS} & found.keys()
    assert found.keys() <= documented().keys()
    for name, relation in found.items():
        assert relation.comment.startswith(documented()[name].description)
        for column, one in relation.columns.items():
            assert one.comment == column_text(name, column) != "", f"{name}.{column}"
    assert list(outdated(found, filled.dataset)) == [], "a comment would be written again"


def test_a_comment_that_differs_is_replaced(filled: Warehouse) -> None:
    found = there(filled)
    found["tags"] = Relation(False, "", "", {"tag": found["subscribers"].columns["id"]})
    statements = list(outdated(found, "drip"))
    assert [statement.partition(" IS ")[0] for statement in statements] == [
        'COMMENT ON TABLE "drip"."tags"',
        'COMMENT ON COLUMN "drip"."tags"."tag"',
    ]
