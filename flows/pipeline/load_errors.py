"""Why a load failed: the cause, without the errors that dlt wraps it in, and whether trying again can help."""

import errno
from collections.abc import Iterator

import duckdb
import requests

from flows.common.errors import DripError, first_line
from flows.common.scrubbing import scrub
from flows.destinations.target import Target

LONGEST = 400
"""Characters of a cause; some drivers repeat the statement that failed."""
WRAPPED = ("client_exception", "dbapi_exception", "exception")
"""Attributes in which dlt's errors hold what they wrap, in the order in which they are to be followed."""
TRANSIENT_STATES = ("08", "40", "53300", "55P03", "57P01", "57P02", "57P03")
"""SQLSTATEs, by their beginning: the connection broke, a deadlock, too many connections, a lock, a restart."""
TRANSIENT_TYPES = (
    ConnectionError,
    TimeoutError,
    requests.ConnectionError,
    requests.Timeout,
    duckdb.ConnectionException,
    duckdb.HTTPException,
    duckdb.TransactionException,
)
BROKEN_CONNECTION = ("server closed the connection", "could not receive data", "connection reset", "connection refused")
"""Words of libpq, which has no SQLSTATE for what did not come from the server."""
FULL_DISK = "free some disk space there"
ADVICE = {
    "53100": FULL_DISK,
    "53200": "give PostgreSQL more memory, or lower SOURCES__DRIP__WORK_MEM",
    "42501": "grant this user the right, or make it the owner of the dataset's tables and views",
    "25006": "connect to a server that takes writes",
}
"""By SQLSTATE."""
AFTERWARDS = (
    "Some tables may hold their new rows already, the others hold their old ones. What was read is kept: run the same "
    "command again, and it is loaded without asking the API for it again"
)


class LoadFailed(Exception):
    """The destination did not take what was read. The message is for the user.

    Attributes:
        transient: whether the same load may succeed a little later.
    """

    def __init__(self, message: str, transient: bool) -> None:
        super().__init__(message)
        self.transient = transient

    def __reduce__(self) -> tuple[type["LoadFailed"], tuple[str, bool]]:
        """Both arguments, to be raised in another process."""
        return type(self), (str(self), self.transient)


def load_failed(error: BaseException, target: Target) -> LoadFailed:
    """What to tell the user of an error that ended a load into `target`."""
    cause = innermost(error)
    transient = is_transient(error)
    advice = _advice(cause) or ("try again in a few minutes" if transient else "put this right")
    message = f"the load into {target.location}, dataset {target.dataset}, failed: {_words(cause)}; {advice}."
    return LoadFailed(scrub(f"{message} {AFTERWARDS}"), transient)


def innermost(error: BaseException) -> BaseException:
    """The error that was there first."""
    *_, last = _chain(error)
    return last


def is_transient(error: BaseException) -> bool:
    """Whether waiting can help: a broken connection or a conflict with others, not what stays as it is."""
    cause = innermost(error)
    if state := _sql_state(cause):
        return state.startswith(TRANSIENT_STATES)
    if isinstance(cause, TRANSIENT_TYPES):
        return True
    is_driver_error = "psycopg2" in type(cause).__module__ or "adbc" in type(cause).__module__
    return is_driver_error and any(words in str(cause).lower() for words in BROKEN_CONNECTION)


def _chain(error: BaseException | None) -> Iterator[BaseException]:
    """The error and what it wraps. The context of an error counts only where dlt raised it while handling that."""
    seen: set[int] = set()
    while error is not None and id(error) not in seen:
        seen.add(id(error))
        yield error
        if isinstance(error, DripError):
            return
        error = _wrapped(error)


def _wrapped(error: BaseException) -> BaseException | None:
    if not type(error).__module__.startswith("dlt."):
        return error.__cause__
    held = [getattr(error, name, None) for name in WRAPPED]
    found = (one for one in held if isinstance(one, BaseException) and one is not error)
    return next(found, error.__cause__ or error.__context__)


def _sql_state(error: BaseException) -> str:
    """The five characters with which PostgreSQL names an error, as psycopg2 or ADBC passes them on."""
    return str(getattr(error, "pgcode", None) or getattr(error, "sqlstate", None) or "")


def _advice(cause: BaseException) -> str:
    if isinstance(cause, OSError) and cause.errno in (errno.ENOSPC, errno.EDQUOT):
        return FULL_DISK
    if "no space left" in str(cause).lower():
        return FULL_DISK
    if isinstance(cause, duckdb.OutOfMemoryException):
        return "raise SOURCES__DRIP__MEMORY_LIMIT"
    return ADVICE.get(_sql_state(cause), "")


def _words(cause: BaseException) -> str:
    """The cause in a line; with its kind where that is Python's own, whose words are often not enough."""
    line = " ".join(first_line(cause).split())[:LONGEST].rstrip(".")
    return f"{type(cause).__name__}: {line}" if type(cause).__module__ == "builtins" else line
