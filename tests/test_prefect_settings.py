"""Prefect's settings are the same in both places: for the command line, and for everything else."""

import logging
import subprocess
import sys
import tomllib
from typing import Any

import pytest
from prefect.logging.handlers import APILogHandler
from prefect.settings import PREFECT_LOGGING_TO_API_WHEN_MISSING_FLOW, Settings, temporary_settings

from flows.orchestration.settings import DEFAULTS, SLOW_TO_IMPORT
from tests.conftest import PROJECT


def in_pyproject() -> dict[str, str]:
    """`[tool.prefect]` as environment variables."""
    settings = tomllib.loads((PROJECT / "pyproject.toml").read_text())["tool"]["prefect"]
    return {f"PREFECT_{name.upper()}": as_text(value) for name, value in flat(settings).items()}


def flat(table: dict[str, Any], prefix: str = "") -> dict[str, Any]:
    found: dict[str, Any] = {}
    for name, value in table.items():
        found |= flat(value, f"{prefix}{name}_") if isinstance(value, dict) else {prefix + name: value}
    return found


def as_text(value: object) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)


def test_both_places_say_the_same() -> None:
    assert {name: value for name, value in DEFAULTS.items() if name.startswith("PREFECT_")} == in_pyproject()


def test_prefect_knows_every_setting_and_takes_its_value() -> None:
    taken = Settings().to_environment_variables()
    for name, value in in_pyproject().items():
        assert as_text(taken[name]).lower() == value, name


def test_the_command_line_does_without_what_is_slow_to_import() -> None:
    """Flow parameters are still validated, since their formats in jsonschema do not need the slow module."""
    code = """
from flows.orchestration.settings import apply_prefect_settings
apply_prefect_settings()
import sys, prefect, jsonschema
print([name for name in sys.modules if name.startswith(sys.argv[1]) and sys.modules[name]])
print("date-time" in jsonschema.FormatChecker.checkers)
"""
    words = [sys.executable, "-c", code, SLOW_TO_IMPORT]
    said = subprocess.run(words, cwd=PROJECT, capture_output=True, text=True, check=True).stdout
    assert said.split() == ["[]", "True"]


@pytest.mark.parametrize("name", ["flows.source.client", "flows.orchestration.coordinator"])
@pytest.mark.parametrize("setting", ["warn", None])
def test_records_that_belong_to_no_run(name: str, setting: str | None, recwarn: pytest.WarningsRecorder) -> None:
    """Prefect warns of each by default. The project's settings turn that off."""
    updates = {PREFECT_LOGGING_TO_API_WHEN_MISSING_FLOW: setting} if setting else {}
    with temporary_settings(updates):
        APILogHandler().emit(logging.makeLogRecord({"name": name, "levelno": logging.WARNING, "msg": "waiting"}))
    warned = [one for one in recwarn if "without a flow run id" in str(one.message)]
    assert bool(warned) == (setting == "warn")
