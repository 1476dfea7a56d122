"""Output, log records and errors contain no secrets."""

import io
import logging
import subprocess
import sys
import traceback
from base64 import b64encode
from typing import Any
from urllib.parse import quote

import pytest
import requests

from flows.common.errors import SettingsError
from flows.common.output_guard import ScrubbedStream, scrub_logs, scrubbed_error, without_secrets
from flows.source.errors import RequestFailed
from tests.conftest import PROJECT

KEY = "k3y of-nobody/7781"
IN_HEADER = b64encode(f"{KEY}:".encode()).decode()
TELLTALES = (KEY, quote(KEY), quote(KEY, safe=""), IN_HEADER[:-4])
ALL = f"{KEY!r}, {quote(KEY)}, {quote(KEY, safe='')}, Basic {IN_HEADER}"


@pytest.fixture(autouse=True)
def _key(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SOURCES__DRIP__API_KEY", KEY)


@pytest.fixture
def log() -> Any:
    """The formatted records of a logger with the scrubbing record factory."""
    factory, stream = logging.getLogRecordFactory(), io.StringIO()
    logger, handler = logging.getLogger("somebody.else"), logging.StreamHandler(stream)
    logger.addHandler(handler)
    logger.setLevel(logging.WARNING)  # Prefect may have raised that of the root logger
    scrub_logs()
    yield logger, stream
    logger.removeHandler(handler)
    logging.setLogRecordFactory(factory)


def assert_clean(text: str) -> None:
    assert "***" in text
    assert_no_key(text)


def assert_no_key(text: str) -> None:
    assert not [word for word in TELLTALES if word in text], text


class Odd(Exception):
    """An error whose message does not come from its arguments."""

    def __init__(self, place: str, *, reason: str) -> None:
        self.reason = reason
        super().__init__(place)

    def __str__(self) -> str:
        return f"odd: {self.reason}"


def test_a_stream(capsys: pytest.CaptureFixture[str]) -> None:
    stream: Any = ScrubbedStream(sys.stdout)
    print(ALL, file=stream)
    stream.writelines([f"{KEY}\n", "plain\n"])
    out = capsys.readouterr().out
    assert_clean(out)
    assert out.endswith("***\nplain\n")
    assert stream.encoding == sys.stdout.encoding


@pytest.mark.parametrize("words", [("refused: " + ALL,), ("refused: %s for %d", ALL, 3), (Odd("x", reason=ALL),)])
def test_a_log_record(log: Any, words: tuple[Any, ...]) -> None:
    logger, stream = log
    logger.warning(*words)
    assert_clean(stream.getvalue())


def test_a_log_record_with_a_traceback(log: Any) -> None:
    logger, stream = log
    try:
        try:
            raise ValueError(ALL)
        except ValueError:
            raise Odd("x", reason="plain") from None
    except Odd:
        logger.exception("it broke")
    assert stream.getvalue().endswith("odd: plain\n")
    try:
        raise ValueError(ALL)
    except ValueError:
        logger.exception("it broke")
    assert_clean(stream.getvalue())
    assert "ValueError" in stream.getvalue()


def test_a_log_record_that_nothing_is_wrong_with(log: Any) -> None:
    logger, stream = log
    logger.warning("%s of %s", 3, "tags")
    assert stream.getvalue() == "3 of tags\n"


@pytest.mark.parametrize(
    "error",
    [
        ValueError(ALL),
        KeyError(KEY),
        OSError(13, "denied", f"/data/{KEY}"),
        UnicodeEncodeError("latin-1", f"{KEY}\u200b", 18, 19, "out of range"),
        Odd("x", reason=ALL),
        Odd(KEY, reason="its arguments are secret"),
        SettingsError(f"check {ALL}"),
        RequestFailed(403, f"https://api/{quote(KEY)}", ALL),
        requests.exceptions.InvalidHeader(f"Invalid return character in header value: {KEY!r}"),
        ExceptionGroup(KEY, [ValueError(KEY)]),
    ],
    ids=lambda error: type(error).__name__,
)
def test_an_error_of_a_task(error: Exception) -> None:
    @without_secrets
    def task() -> None:
        try:
            raise error
        except Exception as inner:
            raise RuntimeError(f"the load broke: {inner}") from inner

    with pytest.raises(RuntimeError) as caught:
        task()
    shown = "".join(traceback.format_exception(caught.value))
    assert_no_key(shown + repr(caught.value.__cause__))
    assert caught.value.__cause__ is not error


def test_an_error_keeps_its_type_and_what_it_says_beside_secrets() -> None:
    error = RequestFailed(403, "https://api/tags", f"bad header {KEY}")
    clean = scrubbed_error(error)
    assert isinstance(clean, RequestFailed)
    assert (clean.status, clean.advice) == (error.status, error.advice)
    assert str(clean) == str(error).replace(KEY, "***")


def test_an_error_without_secrets_is_left_alone() -> None:
    error = ValueError("plain")
    assert scrubbed_error(error) is error


def test_a_traceback_of_the_command() -> None:
    """Uncaught errors, in the main thread and in another thread."""
    code = """
import threading
import flows.cli.app as cli
def broken():
    raise ValueError("broken: " + key)
key = __import__("os").environ["SOURCES__DRIP__API_KEY"]
def broken_twice():
    thread = threading.Thread(target=broken)
    thread.start()
    thread.join()
    broken()
cli.app = broken_twice
cli.main()
"""
    words = [sys.executable, "-c", code]
    result = subprocess.run(words, cwd=PROJECT, capture_output=True, text=True, timeout=60, check=False)
    assert result.returncode == 1
    assert result.stderr.count("ValueError: broken: ***") == 2
    assert KEY not in result.stderr
