"""Errors of requests to the API, with advice for the user."""

from flows.common.errors import DripError

ADVICE = {
    403: "ask an owner of the account to give this user access",
    404: "the account or its list does not exist for this token; check the account",
    422: "the API rejected the request; please report this with the message above",
    429: "run again later, or lower SOURCES__DRIP__PARALLEL",
}
NOT_HERE = (404, 405, 410, 501)
"""Statuses for an unknown path."""
WRONG_BASE = "check SOURCES__DRIP__BASE_URL: there is no API at this URL; Drip's ends in /v2"
SERVER_ADVICE = "the API has a problem; run again later to resume from the landed pages"


class RequestFailed(DripError):
    """The API returned an error status, after all retries.

    Attributes:
        status: the HTTP status.
        advice: what the user can do.
        retry_after: seconds to wait according to the API; None if it did not say.
    """

    def __init__(self, status: int, url: str, message: str, advice: str = "", retry_after: float | None = None) -> None:
        self.status, self.retry_after = status, retry_after
        self.advice = advice or ADVICE.get(status, SERVER_ADVICE)
        super().__init__(f"HTTP {status} at {url}: {message}; {self.advice}")


class Unauthorized(RequestFailed):
    """The API rejected the token in `setting`, so no other request can succeed."""

    def __init__(self, url: str, message: str, setting: str) -> None:
        super().__init__(401, url, message, f"check {setting}: the API does not accept it")


class Unreachable(DripError):
    """No response, or a broken connection, after all retries."""


class UnreadableReply(DripError):
    """The reply was incomplete, not JSON, or without the list that the API reference documents."""


class BudgetSpent(DripError):
    """The rate limit is used up, and the wait for it would exceed `SOURCES__DRIP__MAX_WAIT`."""


class Stopped(DripError):
    """The run was stopped. The landed pages are kept for the next one."""
