"""What can go wrong between us and the API, each with what to do about it."""

from flows.common.errors import DripError

ADVICE = {
    403: "ask an owner of the account to let this user see it",
    404: "the account or this list of it is gone for this token; check the account",
    422: "the API refused the request; please report this with the message above",
    429: "run again later, or lower SOURCES__DRIP__PARALLEL",
}
NOT_HERE = (404, 405, 410, 501)
"""Statuses of a path that a server does not know."""
WRONG_BASE = "check SOURCES__DRIP__BASE_URL: the API is not there; Drip's ends in /v2"
SERVER_ADVICE = "the API has trouble; run again later, it goes on from the pages that landed"


class RequestFailed(DripError):
    """The API answered a status that retries did not cure.

    Attributes:
        status: the HTTP status.
        advice: what an operator can do.
    """

    def __init__(self, status: int, url: str, message: str, advice: str = "") -> None:
        self.status = status
        self.advice = advice or ADVICE.get(status, SERVER_ADVICE)
        super().__init__(f"HTTP {status} at {url}: {message}; {self.advice}")


class Unauthorized(RequestFailed):
    """The token, which is in this `setting`, is not accepted (any more): nothing else can succeed."""

    def __init__(self, url: str, message: str, setting: str) -> None:
        super().__init__(401, url, message, f"check {setting}: the API does not accept it")


class Unreachable(DripError):
    """Nobody answered, or the connection broke, after all retries."""


class UnreadableReply(DripError):
    """The reply was cut, was not JSON, or had no list where the reference puts it."""


class BudgetSpent(DripError):
    """The request budget is spent and comes back later than the longest wait allowed."""


class Stopped(DripError):
    """The run was told to stop; what landed stays for the next one."""
