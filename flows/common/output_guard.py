"""Removes secrets from everything that leaves the process: output, log records, and errors of flows and tasks."""

import functools
import logging
import sys
import traceback
from collections.abc import Callable, Iterator
from typing import Any, ParamSpec, TextIO, TypeVar

from flows.common.scrubbing import scrub

P = ParamSpec("P")
R = TypeVar("R")


class ScrubbedError(RuntimeError):
    """Replaces an error of another type whose message contained a secret."""


class ScrubbedStream:
    """Wraps a text stream and removes secrets from everything written to it."""

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream

    def write(self, text: str) -> int:
        """Write the text with secrets removed."""
        self._stream.write(scrub(text))
        return len(text)

    def writelines(self, lines: Any) -> None:
        """Write the lines with secrets removed."""
        for line in lines:
            self.write(line)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._stream, name)


def scrub_output() -> None:
    """Remove secrets from everything that this process prints, tracebacks included."""
    for name in ("stdout", "stderr"):
        stream = getattr(sys, name)
        if stream is not None and not isinstance(stream, ScrubbedStream):
            setattr(sys, name, ScrubbedStream(stream))


def print_with_secrets(text: str) -> None:
    """Print a line that the user asked for because of the secret in it."""
    stream = sys.stdout
    while isinstance(stream, ScrubbedStream):
        stream = stream._stream
    stream.write(f"{text}\n")
    stream.flush()


def scrub_logs() -> None:
    """Remove secrets from every log record created from now on, whichever handler receives it."""
    make = logging.getLogRecordFactory()
    if getattr(make, "scrubs", False):
        return

    @functools.wraps(make)
    def scrubbed(*args: Any, **kwargs: Any) -> logging.LogRecord:
        return _scrubbed_record(make(*args, **kwargs))

    scrubbed.scrubs = True  # type: ignore[attr-defined]
    logging.setLogRecordFactory(scrubbed)


def without_secrets(function: Callable[P, R]) -> Callable[P, R]:
    """Decorator for a flow or task function: Prefect receives its errors and log records without secrets."""

    @functools.wraps(function)
    def guarded(*args: P.args, **kwargs: P.kwargs) -> R:
        scrub_logs()
        try:
            return function(*args, **kwargs)
        except Exception as raised:
            error = scrubbed_error(raised)
        # Not raised in the handler, since Python would attach the original error as its context.
        raise error

    return guarded


def scrubbed_error(error: BaseException) -> BaseException:
    """The error itself if its traceback contains no secret; otherwise a copy, causes included, with secrets removed."""
    shown = "\n".join([*traceback.format_exception(error), *_reprs(error)])
    if scrub(shown) == shown:
        return error
    clean = _copy(error)
    clean.__traceback__ = error.__traceback__
    clean.__cause__ = scrubbed_error(error.__cause__) if error.__cause__ else None
    clean.__context__ = scrubbed_error(error.__context__) if error.__context__ else None
    clean.__suppress_context__ = error.__suppress_context__
    return clean


def _reprs(error: BaseException | None) -> Iterator[str]:
    """The reprs of an error and its causes. A repr may show more than the message, for example all arguments."""
    if error is not None:
        yield repr(error)
        yield from _reprs(error.__cause__)
        yield from _reprs(error.__context__)


def _copy(error: BaseException) -> BaseException:
    """A copy of the error with secrets removed; a ScrubbedError if its message does not come from its arguments."""
    text = scrub(str(error))
    try:
        clean = type(error).__new__(type(error))
        clean.args = tuple(scrub(one) if isinstance(one, str) else one for one in error.args)
        plain = {name: value for name, value in vars(error).items() if isinstance(value, str | int | float | None)}
        clean.__dict__.update({name: scrub(v) if isinstance(v, str) else v for name, v in plain.items()})
        if str(clean) == text and scrub(repr(clean)) == repr(clean):
            return clean
    except Exception:  # noqa: S110 - a type that cannot be copied this way
        pass
    return ScrubbedError(f"{type(error).__name__}: {text}")


def _scrubbed_record(record: logging.LogRecord) -> logging.LogRecord:
    try:
        message = record.getMessage()
    except Exception:  # wrong arguments: logging reports them itself
        return record
    if (text := scrub(message)) != message:
        record.msg, record.args = text, ()
    if record.exc_info and record.exc_info[0]:
        shown = logging.Formatter().formatException(record.exc_info)
        if (text := scrub(shown)) != shown:
            record.exc_text, record.exc_info = text, None
    return record
