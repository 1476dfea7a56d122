"""One-line messages for unexpected errors: the innermost cause, and the setting it is probably about."""

import os
from collections.abc import Iterator
from contextlib import contextmanager

from flows.common.errors import DripError, SettingsError

PREFIXES = ("SOURCES__", "DESTINATION__", "PREFECT_", "DLT_", "RUNTIME__", "XDG_", "SSL_CERT_", "REQUESTS_CA_")
NAMES = {"CURL_CA_BUNDLE", "HOME", "TMPDIR", "TMP", "TEMP"}
PROXIES = ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY")
SHORTEST = 4
"""Minimum length of a value that is searched for in a message; a shorter value has to be quoted there."""
LONGEST = 500


def explain(error: BaseException) -> str:
    """The innermost cause on one line, and the environment variable whose value it contains, if any.

    A `DripError` in the chain already has a complete message.
    """
    chain = list(causes(error))
    own = next((one for one in chain if isinstance(one, DripError)), None)
    if own is not None:
        return _one_line(str(own))
    text = innermost(error)
    return f"{text}; check {variable}" if (variable := _variable(chain)) else text


def innermost(error: BaseException) -> str:
    """The innermost cause on one line."""
    *_, last = causes(error)
    return _one_line(_words(last))


def causes(error: BaseException) -> Iterator[BaseException]:
    """The error and its causes, innermost last, following the same links as a traceback."""
    seen: set[int] = set()
    current: BaseException | None = error
    while current is not None and id(current) not in seen:
        seen.add(id(current))
        yield current
        if isinstance(current, BaseExceptionGroup):
            current = current.exceptions[0]
        else:
            current = current.__cause__ or (None if current.__suppress_context__ else current.__context__)


@contextmanager
def nothing_started() -> Iterator[None]:
    """Convert any error in the block into a SettingsError with a one-line message. For use before extraction starts."""
    try:
        yield
    except DripError:
        raise
    except Exception as error:
        raise SettingsError(explain(error)) from error


def _words(error: BaseException) -> str:
    if isinstance(error, OSError) and error.strerror and error.filename:
        return f"{error.strerror}: {error.filename}"
    text = str(error).strip()
    return f"{type(error).__name__}: {text}" if text else type(error).__name__


def _one_line(text: str) -> str:
    line = " ".join(text.split())
    return line if len(line) <= LONGEST else f"{line[:LONGEST]}..."


def _variable(chain: list[BaseException]) -> str | None:
    """The environment variable whose value the errors contain; the one with the longest value if there are several."""
    text = "\n".join(map(_words, chain))
    found = [
        (len(value), name)
        for name, value in os.environ.items()
        if (name in NAMES or name.startswith(PREFIXES) or name.upper() in PROXIES)
        and (value.rstrip("/") if len(value) >= SHORTEST else repr(value)) in text
    ]
    return max(found)[1] if found else None
