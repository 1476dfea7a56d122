"""`/metrics/email`: the performance of each email over a range of days, with the limits that the endpoint has."""

import math
import time
from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from typing import Any, NamedTuple
from zoneinfo import ZoneInfo

from flows.sandbox.generator.draws import Dice
from flows.sandbox.generator.performance import (
    TAIL_DAYS,
    Counts,
    added,
    counts_on,
    days_between,
    rates_of,
    sent_on,
    with_rates,
)
from flows.sandbox.generator.steps import email_id, emails
from flows.sandbox.generator.timeline import DAY, START
from flows.sandbox.messages import Answer, Call, Json, errors
from flows.sandbox.rate_limit import Budget

DAYS_BEFORE = 30
MOST_DAYS, MOST_WORKFLOWS, MOST_EMAILS = 366, 25, 1_000
SENT_STATUSES = ("sent", "sending")
STARTS_AFTER = 8 * DAY
BROADCASTS, WORKFLOWS = "broadcast_ids[]", "workflow_ids[]"


class Refused(Exception):
    """A request that is answered with something else than what it asked for."""

    def __init__(self, answer: Answer) -> None:
        super().__init__(str(answer.status))
        self.answer = answer


class MetricsRules:
    """What the endpoint grants: set an attribute to change it, before the first request of an account.

    Attributes:
        limit: requests of an account in a window.
        window: seconds.
        cap: most emails in an answer, those sent last; None for all.
        most_emails: that a filter may come to.
        clock: in seconds.
    """

    def __init__(self, limit: int = 20, window: float = 3_600.0, cap: int | None = None) -> None:
        self.limit, self.window = limit, window
        self.cap = cap
        self.most_emails = MOST_EMAILS
        self.clock = time.monotonic
        self._budgets: dict[str, Budget] = {}

    def take(self, account_id: str) -> None:
        """Count a request of an account. Raises Refused where its budget is spent."""
        budget = self._budgets.setdefault(account_id, Budget(self.limit, self.window, self.clock))
        if not budget.take():
            wait = max(math.ceil(budget.returns_at() - self.clock()), 1)
            refusal = errors(429, "rate_limit_exceeded", "Too many requests for email metrics")
            raise Refused(refusal.with_headers({"retry-after": str(wait)}))


class Email(NamedTuple):
    """An email that an account sends: once as a broadcast, or every day as a step of a workflow, or by a rule.

    `daily` is the most that is sent on a day, 0 for a broadcast, of which `once` are sent; `until` is None where
    sending goes on.
    """

    id: int
    title: str
    since: date
    until: date | None
    once: int = 0
    daily: int = 0
    broadcast_id: str = ""
    workflow_id: str = ""
    node_id: str = ""


def report(account: Any, now: datetime, zone: str, rules: MetricsRules, call: Call) -> Json:
    """The answer to a request. Raises Refused for one that is not granted or makes no sense."""
    rules.take(account.id)
    today = now.astimezone(ZoneInfo(zone))
    first, last = _range(call, today.date())
    chosen = _chosen(account, ZoneInfo(zone), rules, call)
    found = [(email, _counts(account, email, first, last, today)) for email in chosen]
    found = [(email, counts) for email, counts in found if any(counts.values())]
    found.sort(key=lambda one: (min(one[0].until or last, last), one[0].id), reverse=True)
    placed = bool(_ids(call, WORKFLOWS))
    summary = with_rates(added(counts for _, counts in found))
    return {"summary": summary, "emails": [_listed(email, counts, placed) for email, counts in found[: rules.cap]]}


def _range(call: Call, today: date) -> tuple[date, date]:
    try:
        first, last = (date.fromisoformat(call.query[name]) if name in call.query else None
                       for name in ("start_date", "end_date"))  # fmt: skip
    except ValueError:
        raise Refused(errors(400, "bad_request", "Dates are written YYYY-MM-DD")) from None
    last = last or today
    first = first or last - timedelta(days=DAYS_BEFORE)
    if not 0 <= (last - first).days < MOST_DAYS:
        raise Refused(errors(400, "bad_request", f"The range has to be 1 to {MOST_DAYS} days"))
    return first, last


def _ids(call: Call, name: str) -> set[str]:
    return set(filter(None, call.query.get(name, "").split(",")))


def _chosen(account: Any, zone: ZoneInfo, rules: MetricsRules, call: Call) -> list[Email]:
    """The emails that the filters come to; those of rules and forms only where there is no filter."""
    broadcasts, workflows = _ids(call, BROADCASTS), _ids(call, WORKFLOWS)
    if len(workflows) > MOST_WORKFLOWS:
        raise Refused(errors(400, "bad_request", f"At most {MOST_WORKFLOWS} workflow_ids"))
    every = account.emails(zone)
    if not broadcasts | workflows:
        return list(every)
    chosen = [one for one in every if one.broadcast_id in broadcasts or one.workflow_id in workflows]
    if len(chosen) > rules.most_emails:
        raise Refused(errors(400, "bad_request", f"The filters come to more than {rules.most_emails} emails"))
    return chosen


def _counts(account: Any, email: Email, first: date, last: date, now: datetime) -> Counts:
    rates = rates_of(account.book.seed, account.id, email.id)
    over = (now.hour * 3_600 + now.minute * 60 + now.second) / DAY
    until = min(last, now.date(), *([email.until + timedelta(days=TAIL_DAYS)] if email.until else []))
    days = days_between(max(first, email.since), until)
    return added(counts_on(rates, _sent(account, email, day), day, over if day == now.date() else 1.0) for day in days)


def _sent(account: Any, email: Email, day: date) -> list[tuple[date, int]]:
    """What was sent of an email on the days that still count on this one."""
    if email.once:
        return [(email.since, email.once)]
    days = [one for one in days_between(day - timedelta(days=TAIL_DAYS), day) if one >= email.since]
    days = [one for one in days if email.until is None or one <= email.until]
    return [(one, sent_on(account.book.seed, email.id, one.toordinal(), email.daily)) for one in days]


def _listed(email: Email, counts: Counts, placed: bool) -> Json:
    record: Json = {"email_id": email.id, "title": email.title, "email_metric": with_rates(counts)}
    if email.broadcast_id:
        record["broadcast_id"] = email.broadcast_id
    if placed and email.workflow_id:
        record["workflow_placement"] = {"workflow_id": email.workflow_id, "node_id": email.node_id}
    return record


def emails_of(account: Any, zone: ZoneInfo) -> list[Email]:
    """Every email that an account has sent so far, or sends."""
    return [*_broadcasts(account, zone), *_steps(account, zone), *_notices(account, zone)]


def _broadcasts(account: Any, zone: ZoneInfo) -> Iterator[Email]:
    for one in account.records["broadcasts"].all():
        if isinstance(one, dict) and one.get("status") in SENT_STATUSES and one.get("send_at"):
            moment = datetime.fromisoformat(one["send_at"])
            reached = account.subscribers.people.population.timeline.reach(int(moment.timestamp()))
            share = Dice(account.book.seed, "recipients", one["id"]).between(40, 80) / 100
            day = moment.astimezone(zone).date()
            title = one.get("subject") or one.get("name") or ""
            recipients = max(int(reached * share), 1)
            yield Email(email_id(account.id, one["id"]), title, day, day, recipients, broadcast_id=one["id"])


def _steps(account: Any, zone: ZoneInfo) -> Iterator[Email]:
    for one in account.records["workflows"].all():
        if not isinstance(one, dict) or one.get("status") not in ("active", "paused"):
            continue
        since, until = account.running(one)
        first = datetime.fromtimestamp(since, UTC).astimezone(zone).date()
        last = datetime.fromtimestamp(until, UTC).astimezone(zone).date() if until else None
        for node_id, number, subject in emails(account.book, one["id"]):
            daily = max(account.size // 200, 3)
            yield Email(number, subject, first, last, daily=daily, workflow_id=one["id"], node_id=node_id)


def _notices(account: Any, zone: ZoneInfo) -> Iterator[Email]:
    """What rules and forms send, where there are forms."""
    if not account.records["forms"].all():
        return
    first = datetime.fromtimestamp(START + STARTS_AFTER, UTC).astimezone(zone).date()
    for title in ("Your guide is here", "We got your message"):
        yield Email(email_id(account.id, title), title, first, None, daily=max(account.size // 500, 1))
