"""However few emails the API lists, and whatever it refuses: a day ends with all emails that can be told apart."""

from collections.abc import Sequence
from datetime import UTC, date, datetime
from typing import Any
from zoneinfo import ZoneInfo

import msgspec
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from flows.sandbox import World
from flows.sandbox.messages import Call
from flows.sandbox.metrics import Refused, report
from flows.source.email_metrics.asking import BROADCASTS, WORKFLOWS
from flows.source.email_metrics.day import Candidates, DayOfEmails
from flows.source.email_metrics.replies import missing, remainder, summary_of, totals
from flows.source.landing.daily_list import Answer

ACCOUNT = "1000001"
NOON = datetime(2026, 6, 1, 12, tzinfo=UTC)
WORLD = World(seed=7, sizes={ACCOUNT: 900}, as_of=NOON)
RECORDS = WORLD.account(ACCOUNT).records
BROADCAST_IDS = [one["id"] for one in RECORDS["broadcasts"].all()]
WORKFLOW_IDS = [one["id"] for one in RECORDS["workflows"].all()]


class Asking:
    """Asks the sandbox without a server in between."""

    path = "/metrics/email"
    requests = 0

    def ask(self, first: date, last: date, only: dict[str, Sequence[str]]) -> Answer:
        self.requests += 1
        query = {"start_date": str(first), "end_date": str(last), **{name: ",".join(ids) for name, ids in only.items()}}
        assert len(only.get(WORKFLOWS, ())) <= 25
        assert len(only.get(BROADCASTS, ())) <= 200
        WORLD.metrics._budgets.clear()
        try:
            body = report(WORLD.account(ACCOUNT), NOON, "America/Chicago", WORLD.metrics, Call("GET", "", query))
        except Refused:
            return Answer("", NOON, refused=True)
        return Answer(msgspec.json.encode(body).decode(), NOON)


def read(day: date, cap: int | None, most_emails: int = 1_000) -> tuple[DayOfEmails, int]:
    WORLD.metrics.cap, WORLD.metrics.most_emails = cap, most_emails
    asking: Any = Asking()
    found = DayOfEmails(asking, day, day)
    found.read(Candidates(lambda until: BROADCAST_IDS[::-1], WORKFLOW_IDS))
    return found, asking.requests


@settings(max_examples=25, suppress_health_check=[HealthCheck.too_slow])
@given(st.dates(date(2025, 9, 1), NOON.date()), st.integers(1, 12), st.sampled_from([1, 2, 5, 1_000]))
def test_all_emails_of_broadcasts_and_small_workflows_are_found(day: date, cap: int, most_emails: int) -> None:
    whole, requests = read(day, None)
    assert requests == 1
    found, _ = read(day, cap, most_emails)
    assert found.listed
    emails = WORLD.account(ACCOUNT).emails(ZoneInfo("America/Chicago"))
    broadcasts = {str(one.id) for one in emails if one.broadcast_id}
    assert found.emails.keys() & broadcasts == whole.emails.keys() & broadcasts
    assert found.emails.keys() <= whole.emails.keys()
    assert all(found.emails[one].counts == whole.emails[one].counts for one in found.emails)
    assert found.summary == whole.summary
    rest = remainder(day, missing(found.summary or {}, found.emails.values()))
    assert totals([*found.emails.values(), rest]) == {k: v for k, v in (whole.summary or {}).items() if v is not None}


def test_a_summary_that_lacks_a_count_is_no_reason_to_split() -> None:
    summary = summary_of(b'{"summary": {"sends": 3, "opens": "many"}, "emails": []}')
    assert (summary["sends"], summary["opens"], summary["clicks"]) == (3, None, None)
    assert missing(summary, []) == {"sends": 3}
