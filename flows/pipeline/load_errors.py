"""Turns the error of a failed load into a message with its cause, and decides whether to retry."""

import errno
from collections.abc import Iterator

import duckdb
import requests

from flows.common.errors import DripError, first_line
from flows.common.scrubbing import scrub
from flows.destinations.target import Target

LONGEST = 400
"""Maximum number of characters of a cause, since some drivers repeat the failed statement."""
WRAPPED = ("client_exception", "dbapi_exception", "exception")
"""Attributes of dlt's errors with the wrapped error, in the order to look at them."""
TRANSIENT_STATES = ("08", "40", "53300", "55P03", "57P01", "57P02", "57P03")
"""Prefixes of SQLSTATEs: broken connection, deadlock, too many connections, lock, restart."""
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
"""Messages of libpq, whose own errors have no SQLSTATE."""
FULL_DISK = "free some disk space there"
ADVICE = {
    "53100": FULL_DISK,
    "53200": "give PostgreSQL more memory, or lower SOURCES__DRIP__WORK_MEM",
    "42501": "grant this user the privilege, or make it the owner of the dataset's tables and views",
    "25006": "connect to a server that is not read-only",
}
"""Advice by SQLSTATE."""
AFTERWARDS = (
    "Some tables may have their new rows already, others still have the old ones. The landed pages are kept: run the "
    "same command again to load them without requesting them again"
)


class LoadFailed(Exception):
    """The load failed. The message is for the user.

    Attributes:
        transient: whether the same load may succeed later.
    """

    def __init__(self, message: str, transient: bool) -> None:
        super().__init__(message)
        self.transient = transient

    def __reduce__(self) -> tuple[type["LoadFailed"], tuple[str, bool]]:
        """Pickle with both arguments, so that it can be raised in another process."""
        return type(self), (str(self), self.transient)


def load_failed(error: BaseException, target: Target) -> LoadFailed:
    """The LoadFailed for an error that ended a load into `target`."""
    cause = innermost(error)
    transient = is_transient(error)
    advice = _advice(cause) or ("try again in a few minutes" if transient else "fix the cause")
    message = f"the load into {target.location}, dataset {target.dataset}, failed: {_words(cause)}; {advice}."
    return LoadFailed(scrub(f"{message} {AFTERWARDS}"), transient)


def innermost(error: BaseException) -> BaseException:
    """The original error."""
    *_, last = _chain(error)
    return last


def is_transient(error: BaseException) -> bool:
    """Whether a retry can help: for broken connections and conflicts with others, not for permanent errors."""
    cause = innermost(error)
    if state := _sql_state(cause):
        return state.startswith(TRANSIENT_STATES)
    if isinstance(cause, TRANSIENT_TYPES):
        return True
    is_driver_error = "psycopg2" in type(cause).__module__ or "adbc" in type(cause).__module__
    return is_driver_error and any(words in str(cause).lower() for words in BROKEN_CONNECTION)


def _chain(error: BaseException | None) -> Iterator[BaseException]:
    """The error and the errors that it wraps. The context of an error is only followed if dlt raised it."""
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
    values = [getattr(error, name, None) for name in WRAPPED]
    wrapped = (value for value in values if isinstance(value, BaseException) and value is not error)
    return next(wrapped, error.__cause__ or error.__context__)


def _sql_state(error: BaseException) -> str:
    """The SQLSTATE of an error of psycopg2 or ADBC; empty if there is none."""
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
    """The cause on one line, with the type of Python's own errors, whose messages are often not enough."""
    line = " ".join(first_line(cause).split())[:LONGEST].rstrip(".")
    return f"{type(cause).__name__}: {line}" if type(cause).__module__ == "builtins" else line
