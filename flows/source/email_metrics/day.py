"""All emails of one day. If the API lists fewer than its summary counts, the reader splits the request."""

from collections.abc import Callable, Sequence
from datetime import date, datetime
from typing import NamedTuple

from flows.source.email_metrics.asking import BROADCASTS, WORKFLOWS, Questions
from flows.source.email_metrics.replies import Email, Summary, emails_of, missing, summary_of
from flows.source.email_records import COUNTS
from flows.source.endpoint_limit import LimitReached
from flows.source.landing.daily_list import Answer

AT_ONCE = {BROADCASTS: 200, WORKFLOWS: 25}
"""Ids in one request: a URL has room for so many broadcasts; the API takes no more workflows."""


class Candidates(NamedTuple):
    """The ids of what may have sent an email: asked for where a list of emails is not complete."""

    broadcasts: Callable[[date], Sequence[str]]
    workflows: Sequence[str]


class DayOfEmails:
    """The emails of a day, or of a range of days.

    Args:
        questions: asks the API.
        first: day of the range.
        last: day of the range.

    Attributes:
        emails: that are listed, by id.
        odd: list items that are not emails.
        summary: of the API, over all emails; of the parts where it gives none for all.
        listed: nothing is left to ask for.
        server_time: of the newest answer.
    """

    def __init__(self, questions: Questions, first: date, last: date) -> None:
        self.questions, self.first, self.last = questions, first, last
        self.emails: dict[str, Email] = {}
        self.odd: list[Email] = []
        self.summary: Summary | None = None
        self.listed = True
        self.server_time: datetime | None = None
        self._parts: list[Summary] = []

    def read(self, candidates: Candidates) -> None:
        """Ask for all emails, then for those that are missing, as far as the limit of the endpoint allows.

        Raises:
            LimitReached, NotReady and all of `Questions.ask`: nothing is known of the day.
        """
        whole = self._ask({})
        self.summary = None if whole.refused else summary_of(whole.body.encode())
        if self.is_whole():
            return
        try:
            self.split(BROADCASTS, candidates.broadcasts(self.last))
            self.split(WORKFLOWS, candidates.workflows)
        except LimitReached:
            self.listed = False
            if self.summary is None and not self._parts:
                raise
        if self.summary is None:
            self.summary = {name: sum(part[name] or 0 for part in self._parts) for name in COUNTS}

    def is_whole(self) -> bool:
        """Whether the emails account for all that the summary counts."""
        return self.summary is not None and max(missing(self.summary, self.emails.values()).values(), default=0) <= 0

    def split(self, kind: str, ids: Sequence[str]) -> None:
        """Ask for emails of broadcasts or workflows, until nothing is missing."""
        listed = {email.broadcast_id for email in self.emails.values()}
        wanted = [one for one in ids if one not in listed]
        for start in range(0, len(wanted), AT_ONCE[kind]):
            if self.is_whole():
                return
            if part := self._part(kind, wanted[start : start + AT_ONCE[kind]]):
                self._parts.append(part)

    def _part(self, kind: str, ids: Sequence[str]) -> Summary | None:
        """The emails of these broadcasts or workflows, and their summary; None where not even that is given."""
        answer = self._ask({kind: ids})
        if answer.refused:
            return None if len(ids) == 1 else self._halves(kind, ids)
        summary = summary_of(answer.body.encode())
        came = [one for one in emails_of(answer.body.encode(), self.last, "") if one.id]
        if max(missing(summary, came).values(), default=0) > 0 and not self.is_whole():
            self._rest(kind, ids, {one.broadcast_id for one in came})
        return summary

    def _rest(self, kind: str, ids: Sequence[str], listed: set[str]) -> None:
        """Ask for what a list has left out: the other broadcasts; of workflows, which send many emails, each half."""
        rest = [one for one in ids if one not in listed]
        if kind == WORKFLOWS and len(ids) > 1:
            self._halves(kind, ids)
        elif kind == BROADCASTS and 0 < len(rest) < len(ids):
            self._part(kind, rest)

    def _halves(self, kind: str, ids: Sequence[str]) -> Summary | None:
        middle = (len(ids) + 1) // 2
        parts = [self._part(kind, half) for half in (ids[:middle], ids[middle:])]
        known = [part for part in parts if part]
        return {name: sum(part[name] or 0 for part in known) for name in COUNTS} if known else None

    def _ask(self, only: dict[str, Sequence[str]]) -> Answer:
        answer = self.questions.ask(self.first, self.last, only)
        self.server_time = answer.server_time
        if not answer.refused:
            for email in emails_of(answer.body.encode(), self.last, self.questions.path):
                self._add(email, alone=not only)
        return answer

    def _add(self, email: Email, alone: bool) -> None:
        """An email that comes again, of a workflow that was asked for, brings its step with it."""
        if not email.id:
            self.odd += [email] if alone else []
        elif email.id not in self.emails or email.workflow_id:
            self.emails[email.id] = email
