"""Reads the email metrics of an account day by day, as far as the rate limit of the endpoint allows."""

import math
from collections.abc import Iterator
from datetime import UTC, date, datetime

import msgspec

from flows.source.client import DripClient
from flows.source.decoding.decoder import Decoder
from flows.source.email_metrics.asking import UNAVAILABLE, Questions
from flows.source.email_metrics.day import Candidates, DayOfEmails
from flows.source.email_metrics.placing import Places
from flows.source.email_metrics.plan import Span, days_due
from flows.source.email_metrics.replies import missing, remainder
from flows.source.endpoint_limit import EndpointLimit, LimitReached
from flows.source.errors import RequestFailed
from flows.source.landing.daily_list import DailyList, Day, DayMark, KnownDay
from flows.source.paginator import ListOutcome


class MetricsReader:
    """Reads the days of one account that are due. Iterate `days()`, then look at `outcome()`.

    Args:
        client: of the token.
        unit: where days land.
        decoder: of the endpoint.
        limit: of the endpoint, for this account.
        candidates: what may have sent emails.
        today: by the server's clock.
    """

    def __init__(
        self,
        client: DripClient,
        unit: DailyList,
        decoder: Decoder,
        limit: EndpointLimit,
        candidates: Candidates,
        today: date,
    ) -> None:
        settings, known = client.settings, unit.known()
        self.client, self.unit, self.decoder, self.limit, self.candidates = client, unit, decoder, limit, candidates
        self.today, self.span = today, Span(settings.email_metrics_days, settings.email_metrics_refresh_days)
        landed = {day: KnownDay(mark.read_at, mark.listed) for day, mark in unit.marks().items()}
        self.due = days_due(today, self.span, {**known.days, **landed})
        self.reached = {*known.days, *landed}
        self.failed: list[date] = []
        self.questions = Questions(client, unit, limit, self._may_wait)
        oldest = min([today, *self.due, *self.reached])
        self.places = Places({**known.placements, **unit.placements()}, candidates.workflows, oldest, today)
        for email, day in {**known.unplaced, **unit.unplaced()}.items():
            self.places.note([email], day)
        self.left = len(self.due)
        self._cost = 1

    def days(self) -> Iterator[Day]:
        """Read the days that are due. Yields each day once all its emails are known.

        Raises:
            RequestFailed, Unreachable, UnreadableReply, BudgetSpent, Stopped: see `DripClient.get`.
        """
        for day in self.due:
            if 0 < self.limit.left() <= self.places.requests:
                self._place()
            if 1 < self._cost <= self.limit.limit and self.limit.left() < self._cost:
                break
            try:
                yield self._day(day)
            except LimitReached:
                break
            except RequestFailed as error:
                if error.status != UNAVAILABLE:
                    raise
                self.failed.append(day)
            self.left -= 1
        self._place()

    def outcome(self) -> ListOutcome:
        """The verdict: complete in itself, whatever is still to come."""
        marks = self.unit.marks().values()
        return ListOutcome(
            complete=True,
            api_rows=sum(mark.api_rows for mark in marks),
            rows=sum(mark.rows for mark in marks),
            quarantined=sum(mark.quarantined for mark in marks),
            note="; ".join(filter(None, [self._progress(), self._not_ready(), self._cut_short()])),
        )

    def _day(self, day: date) -> Day:
        before = self.questions.requests
        found = DayOfEmails(self.questions, day, day)
        found.read(self.candidates)
        emails = found.emails.values()
        self.unit.place(self.places.learned(emails, day))
        self._cost = max(self.questions.requests - before, 1)
        self.places.see(emails, day)
        self.reached.add(day)
        return self._decoded(day, found)

    def _place(self) -> None:
        """Ask which steps the new emails belong to."""
        if self.places.pending:
            self.unit.place(self.places.ask(self.questions))

    def _decoded(self, day: date, found: DayOfEmails) -> Day:
        """The rows of a day, with one for what the summary has beyond them."""
        summary, emails = found.summary or {}, [*found.emails.values(), *found.odd]
        rest = missing(summary, found.emails.values())
        records = [one.record for one in [*emails, *([remainder(day, rest)] if rest else [])]]
        fields = {self.decoder.endpoint.selector: msgspec.Raw(msgspec.json.encode(records))}
        decoded = self.decoder.decode(msgspec.json.encode(fields), self.unit.account_id, "", fields)
        mark = DayMark(
            day=day,
            read_at=found.server_time or datetime.now(UTC),
            listed=found.listed,
            requests=self._cost,
            summary=summary,
            rows=decoded.table.num_rows,
            api_rows=len(emails),
            quarantined=len(decoded.quarantine),
        )
        return Day(mark, decoded.table, decoded.quarantine)

    def _may_wait(self, seconds: float) -> bool:
        """A refusal is waited for where all the rest can be read at once afterwards."""
        return self.left * self._cost <= self.limit.limit and seconds <= self.client.settings.max_wait

    def _progress(self) -> str:
        """How far back the figures go, and how many runs are to come."""
        if not self.left:
            return ""
        runs = math.ceil(self.left * self._cost / self.limit.limit)
        back = f"read back to {min(self.reached)}" if self.reached else "nothing read yet"
        days = f"{self.left} more day{'s' * (self.left != 1)} to ask for"
        return f"{back}; {days}, in {runs} more run{'s' * (runs != 1)} of {self.limit.limit} requests"

    def _not_ready(self) -> str:
        days = ", ".join(map(str, self.failed))
        return f"not ready, left for the next run: {days}" if days else ""

    def _cut_short(self) -> str:
        days = sum(not mark.listed for mark in self.unit.marks().values())
        return f"{days} days have emails that could not be told apart yet" if days else ""
