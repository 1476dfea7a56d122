"""Values from users, the API and the file system are printed literally, even if they look like Rich markup."""

from datetime import UTC, datetime
from typing import Any

import duckdb
import pytest

from flows.cli import commands as terminal
from flows.cli.exits import Failed
from flows.cli.progress_bar import ProgressLine
from flows.common.events import Said
from flows.pipeline.report import SyncReport
from flows.pipeline.report_line import ListReport
from flows.reporting.freshness import FreshnessReport
from flows.reporting.problem import Problem
from flows.sandbox import Server, World
from tests.conftest import PROJECT, Warehouse

ODD = ["[/]", "Shop [test]", "[red]sale[/red]", "[link=https://example.com]x", ":warning: shop"]
odd_values = pytest.mark.parametrize("odd", ODD)


@pytest.fixture(autouse=True)
def _wide(monkeypatch: pytest.MonkeyPatch) -> None:
    """Make the console wide enough that nothing is wrapped or truncated."""
    monkeypatch.setenv("COLUMNS", "400")


def report(**line: Any) -> SyncReport:
    now = datetime.now(UTC)
    whole = {"account": "1000001", "resource": "tags", "loaded": 3, "complete": True} | line
    return SyncReport("a run", now, now, "place", "drip", [ListReport(**whole)])


@odd_values
def test_an_address_that_nobody_has(
    odd: str, warehouse: Warehouse, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("SOURCES__DRIP__API_KEY", "of nobody")
    duckdb.connect(warehouse.path).close()
    terminal.run_forget(f"{odd}@x.com", "duckdb", "drip")
    assert f"{odd}@x.com" in capsys.readouterr().out


@odd_values
def test_the_name_of_an_account(odd: str, world: World, server: Server, capsys: pytest.CaptureFixture[str]) -> None:
    world.accounts[0]["name"] = odd
    assert terminal.show_accounts() == 0
    assert f" {odd} " in capsys.readouterr().out


@odd_values
def test_a_report(odd: str, capsys: pytest.CaptureFixture[str]) -> None:
    result = report(note=odd, why=odd, connection=odd, complete=False)
    result.location, result.shared = f"/{odd}/x.duckdb", [odd]
    assert terminal.show_result(result) == 1
    shown = capsys.readouterr().out
    assert shown.count(odd) >= 6
    assert f"/{odd}/x.duckdb" in shown


@odd_values
def test_what_broke_off(odd: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(Failed) as failed:
        terminal.show_result(ValueError(odd))
    assert failed.value.exit_code == 1
    assert f"ValueError: {odd}" in capsys.readouterr().err


@odd_values
def test_a_stale_list(odd: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    found = FreshnessReport([Problem(odd, "tags", odd)], [], datetime.now(UTC), None)
    terminal.show_problems(found)
    assert f"tags of {odd}: {odd}" in capsys.readouterr().out


@odd_values
def test_progress(odd: str, capsys: pytest.CaptureFixture[str]) -> None:
    ProgressLine(terminal.console).on(Said(f"copying {odd}"))
    assert f"copying {odd}" in capsys.readouterr().out


def test_every_console_of_the_project_takes_values_as_they_are() -> None:
    makers = [path for path in (PROJECT / "flows").rglob("*.py") if " Console(" in path.read_text()]
    assert [path.relative_to(PROJECT / "flows").as_posix() for path in makers] == ["common/console.py"]
