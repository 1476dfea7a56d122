"""Which step of which workflow an email belongs to. The API says so only where it is asked by workflow."""

import math
from collections.abc import Collection, Iterable, Mapping, Sequence
from datetime import date, timedelta

from flows.source.email_metrics.asking import WORKFLOWS, NotReady, Questions
from flows.source.email_metrics.day import AT_ONCE, DayOfEmails
from flows.source.email_metrics.replies import REST, Email
from flows.source.endpoint_limit import LimitReached
from flows.source.landing.daily_list import Placement

LONGEST = 366
"""Days in one request."""
UNSETTLED = timedelta(days=2)
"""At the end of a range that was asked for, emails may still have appeared."""
FEWEST = 5
"""Requests that a placing may take, beside one for each so many workflows."""


class Places:
    """The steps of emails as far as they are known.

    Args:
        known: by email id, from earlier runs.
        workflows: ids of all workflows of the account.
        oldest: the first day that is synced.
        today: the last one.
    """

    def __init__(self, known: Mapping[str, Placement], workflows: Sequence[str], oldest: date, today: date) -> None:
        self.known = dict(known)
        self.workflows, self.oldest, self.today = workflows, oldest, today
        self.pending: dict[str, date] = {}

    @property
    def requests(self) -> int:
        """That it takes to ask for the pending emails; 0 where there is none."""
        return math.ceil(len(self.workflows) / AT_ONCE[WORKFLOWS]) if self.pending else 0

    def see(self, emails: Iterable[Email], day: date) -> None:
        """Note the emails of a day of which nobody has asked yet whether a workflow sends them."""
        found = (one.id for one in emails if one.id and not one.broadcast_id and not one.workflow_id)
        self.note(found, day)

    def note(self, emails: Iterable[str], day: date) -> None:
        """As `see`, of emails that are neither broadcasts nor placed yet."""
        if self.workflows and not self._is_covered(day):
            for one in emails:
                if one not in self.known and one != REST:
                    self.pending[one] = max(day, self.pending.get(one, day))

    def learned(self, emails: Collection[Email], day: date) -> dict[str, Placement]:
        """What the emails of a day, asked for by workflow, say themselves."""
        return {
            one.id: Placement(day, day, one.workflow_id, one.node_id)
            for one in emails
            if one.workflow_id and one.id not in self.known
        }

    def ask(self, questions: Questions) -> dict[str, Placement]:
        """Ask for the steps of pending emails, over as many days as may have others; what came, by email id."""
        first, last = self._range(max(self.pending.values()))
        wanted = {one for one, day in self.pending.items() if day >= first}
        emails, most = DayOfEmails(questions, first, last), questions.requests + self._most_requests()
        asked: set[str] = set()
        try:
            for start in range(0, len(self.workflows), AT_ONCE[WORKFLOWS]):
                if wanted <= emails.emails.keys() or questions.requests >= most:
                    break
                emails.split(WORKFLOWS, self.workflows[start : start + AT_ONCE[WORKFLOWS]])
            asked = wanted
        except (LimitReached, NotReady):
            pass  # asked for again by the next run
        placed = {one.id: Placement(first, last, one.workflow_id, one.node_id) for one in emails.emails.values()}
        found = {one: Placement(first, last) for one in asked} | {k: p for k, p in placed.items() if p.workflow_id}
        self.known |= found
        self.pending = {}
        return found

    def _is_covered(self, day: date) -> bool:
        """Whether all emails of workflows of that day were asked for: another one is of none."""
        ranges = [(one.asked_from, one.asked_to) for one in self.known.values() if one.asked_from < one.asked_to]
        return any(first <= day <= last - UNSETTLED for first, last in set(ranges))

    def _range(self, day: date) -> tuple[date, date]:
        """All days at first; then those around a new email that no request has covered."""
        last = min(self.today, day + timedelta(days=LONGEST // 2)) if self.known else self.today
        return max(self.oldest, last - timedelta(days=LONGEST - 1)), last

    def _most_requests(self) -> int:
        return FEWEST + len(self.workflows) // AT_ONCE[WORKFLOWS]
