"""A deployed run that cannot start fails with a one-line message in its state."""

import itertools
from typing import Any

import pytest

from flows.common.error_message import explain, nothing_started
from flows.common.errors import SettingsError
from flows.freshness import freshness
from flows.source.errors import Unauthorized
from flows.sync import sync as flow
from tests.conftest import Warehouse

SURROUNDINGS = [
    ("SOURCES__DRIP__API_KEY", "", "SOURCES__DRIP__API_KEY"),
    ("SOURCES__DRIP__API_KEY", "k\u200bey", "SOURCES__DRIP__API_KEY"),
    ("REQUESTS_CA_BUNDLE", "/nowhere/bundle.pem", "REQUESTS_CA_BUNDLE"),
    ("RUNTIME__LOG_LEVEL", "nonsense", "check RUNTIME__LOG_LEVEL"),
    ("SOURCES__DRIP__LANDING", "~nobody-has-this-name/x", "SOURCES__DRIP__LANDING"),
]


@pytest.mark.usefixtures("prefect_server", "server", "warehouse")
@pytest.mark.parametrize(("variable", "value", "word"), SURROUNDINGS)
def test_a_sync(monkeypatch: pytest.MonkeyPatch, variable: str, value: str, word: str) -> None:
    monkeypatch.setenv(variable, value)
    state: Any = flow(return_state=True)
    assert state.is_failed()
    assert word in state.message
    assert "\n" not in state.message
    assert "Traceback" not in state.message


@pytest.mark.usefixtures("prefect_server")
@pytest.mark.parametrize("parameters", [{}, {"hours": 1.0, "dataset": "other"}])
def test_a_freshness_check(warehouse: Warehouse, parameters: dict[str, Any]) -> None:
    state: Any = freshness(**parameters, return_state=True)
    assert state.is_failed()
    assert state.message.startswith(f"no data in {warehouse.path} yet")
    assert isinstance(state.result(raise_on_failure=False), SettingsError)


def raised(*errors: BaseException) -> BaseException:
    """The last error of a chain, in which each was caused by the previous one."""
    for cause, error in itertools.pairwise(errors):
        error.__cause__ = cause
    return errors[-1]


@pytest.mark.parametrize(
    ("error", "line"),
    [
        (raised(OSError(13, "Permission denied", "/x"), RuntimeError("a\nb")), "Permission denied: /x"),
        (raised(ValueError("one\n  two"), RuntimeError("outer")), "ValueError: one two"),
        (raised(KeyError(), RuntimeError("outer")), "KeyError"),
        (raised(ValueError("inner"), Unauthorized("/v2", "no", "THE_KEY"), RuntimeError("outer")), "HTTP 401 at /v2"),
        (ExceptionGroup("several", [ValueError("first"), ValueError("second")]), "ValueError: first"),
        (ValueError("x" * 5_000), "ValueError: xxx"),
    ],
)
def test_an_error_in_one_line(error: BaseException, line: str) -> None:
    assert explain(error).startswith(line)
    assert "\n" not in explain(error)
    assert len(explain(error)) < 600


def test_a_context_that_was_suppressed_is_not_the_cause() -> None:
    def fails() -> None:
        try:
            raise ValueError("internal")
        except ValueError:
            raise RuntimeError("said instead") from None

    with pytest.raises(SettingsError, match="RuntimeError: said instead"), nothing_started():
        fails()


@pytest.mark.parametrize(("variable", "value"), [("PREFECT_LOGGING_LEVEL", "LOUD"), ("XDG_DATA_HOME", "/no/such/")])
def test_the_variable_that_the_error_repeats_is_named(
    monkeypatch: pytest.MonkeyPatch, variable: str, value: str
) -> None:
    monkeypatch.setenv(variable, value)
    error = raised(ValueError("inner"), RuntimeError(f"cannot use {value.rstrip('/')}"))
    assert explain(error) == f"ValueError: inner; check {variable}"
    assert explain(ValueError("something else")) == "ValueError: something else"
