"""Requests to the metrics endpoint: within its rate limit, with retries, and never twice for the same parameters."""

import json
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, date, datetime

from flows.source.client import RETRIED_STATUSES, DripClient
from flows.source.endpoint_limit import EndpointLimit, LimitReached
from flows.source.endpoints import ENDPOINTS
from flows.source.errors import RequestFailed, UnreadableReply
from flows.source.landing.daily_list import Answer, DailyList

BAD_REQUEST, TOO_MANY, UNAVAILABLE = 400, 429, 503
BROADCASTS, WORKFLOWS = "broadcast_ids[]", "workflow_ids[]"
Filter = Mapping[str, Sequence[str]]
"""Ids by the parameter that they are sent in; empty for all emails."""


class NotReady(RequestFailed):
    """The report was not ready in time, after all retries."""


class Questions:
    """Asks for the figures of one account.

    Args:
        client: of the token.
        unit: keeps answers in the landing zone until their day is complete.
        limit: of the endpoint.
        may_wait: whether to wait that many seconds after a 429.
    """

    def __init__(
        self, client: DripClient, unit: DailyList, limit: EndpointLimit, may_wait: Callable[[float], bool]
    ) -> None:
        self.client, self.unit, self.limit, self.may_wait = client, unit, limit, may_wait
        self.path = ENDPOINTS["email_metrics"].url_path(unit.account_id)
        self.requests = 0

    def ask(self, first: date, last: date, only: Filter) -> Answer:
        """The answer for a range of days, from the landing zone if an earlier run received it.

        Raises:
            LimitReached: the endpoint grants no more requests for now.
            NotReady: the report of these days is not ready.
            RequestFailed, Unreachable, UnreadableReply, BudgetSpent, Stopped: see `DripClient.get`.
        """
        params = {"start_date": str(first), "end_date": str(last), **only}
        query = json.dumps(params, sort_keys=True)
        if (landed := self.unit.answer(last, query)) is not None:
            return landed
        answer = self._send(params)
        self.unit.keep_answer(last, query, answer)
        return answer

    def _send(self, params: Mapping[str, object]) -> Answer:
        settings = self.client.settings
        for attempt in range(settings.max_retries + 1):
            if attempt:
                self.client.stop.wait(settings.backoff_factor * 2 ** (attempt - 1))
            try:
                return self._once(params)
            except (RequestFailed, UnreadableReply) as error:
                if attempt == settings.max_retries or not self._may_help(error):
                    raise
        raise AssertionError("unreachable")

    def _once(self, params: Mapping[str, object]) -> Answer:
        while True:
            try:
                with self.limit.request():
                    self.requests += 1
                    reply = self.client.get(self.path, params, once=True)
                return Answer(reply.body.decode(), reply.server_time)
            except RequestFailed as error:
                if error.status == BAD_REQUEST:
                    return Answer(str(error), datetime.now(UTC), refused=True)
                if error.status != TOO_MANY:
                    raise
                self._refused(error)

    def _refused(self, error: RequestFailed) -> None:
        """Wait until the endpoint grants requests again, or raise LimitReached."""
        seconds = self.limit.window if error.retry_after is None else error.retry_after
        self.limit.close(seconds)
        if not self.may_wait(seconds):
            raise LimitReached(seconds) from None
        self.client.budget.say(f"the API grants no more requests for email metrics; going on in {seconds:.0f} s")
        self.client.stop.wait(seconds + 0.1)

    @staticmethod
    def _may_help(error: Exception) -> bool:
        return not isinstance(error, RequestFailed) or error.status in RETRIED_STATUSES
