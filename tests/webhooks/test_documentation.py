"""docs/webhooks.md: its commands, files and settings are those that there are."""

import configparser
import re
import shlex

import pytest

from flows.source.deliveries.events import COLUMNS, MISFITS
from flows.source.settings import DripSettings
from tests.command import drip_flows
from tests.conftest import PROJECT

PAGE = (PROJECT / "docs" / "webhooks.md").read_text()
COMMANDS = sorted(
    {found.strip("`") for found in re.findall(r"drip-flows (?:webhooks|sandbox|forget)[^`\n|)\"]*", PAGE)}
)


@pytest.mark.parametrize("command", COMMANDS)
def test_each_command_is_one(command: str) -> None:
    _, *words = shlex.split(command)
    value = ["x"] * (words[-1] == "--deliver")  # the page has another command in its place
    assert drip_flows(*words, *value, "--help").exit_code == 0


def test_every_column_is_there() -> None:
    table = PAGE.partition("## The table")[2].partition("##")[0]
    named = {name for line in re.findall(r"^\| ([a-z_, ]+) \|", table, re.MULTILINE) for name in line.split(", ")}
    assert named - {"column"} == {*COLUMNS} - {*MISFITS}


def test_every_setting_is_one() -> None:
    named = {name.lower() for name in re.findall(r"SOURCES__DRIP__(\w+)", PAGE)}
    assert named
    assert named <= set(DripSettings.get_resolvable_fields())


def test_the_unit_starts_the_receiver() -> None:
    unit = configparser.ConfigParser(strict=True)
    unit.optionxform = str  # type: ignore[assignment,method-assign]
    unit.read_string(PAGE.partition("```ini\n")[2].partition("```")[0])
    assert unit["Service"]["ExecStart"].endswith("/drip-flows webhooks serve")
