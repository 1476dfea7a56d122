"""The demo syncs several days of the sandbox, one after the other, into one database."""

import json
import shlex
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import duckdb
import pytest

from flows.cli import demo
from flows.sandbox import World
from tests.command import drip_flows
from tests.test_readme import commands

SIZES = {"1000001": 300, "1000002": 5}
LAST = datetime(2026, 5, 31, tzinfo=UTC)
"""The last day of the demo; a query of the README asks about the day before."""


@pytest.fixture
def days(prefect_server: None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The database of a small demo of two days."""
    for name in demo._settings("", "", tmp_path, tmp_path):
        monkeypatch.setenv(name, "set by the demo")
    monkeypatch.setenv("SOURCES__DRIP__LANDING", str(tmp_path / "landing"))
    monkeypatch.setattr(demo, "DEMO_DAYS", 2)
    monkeypatch.setattr(demo, "AS_OF", LAST)
    monkeypatch.setattr(demo, "World", lambda: World(sizes=SIZES))
    return tmp_path / "demo.duckdb"


def rows(database: Path, query: str) -> list[tuple[Any, ...]]:
    with duckdb.connect(database, read_only=True) as con:
        return con.execute(query).fetchall()


def days_of(output: str) -> list[str]:
    return [line[6:16] for line in output.splitlines() if line.startswith("As of ")]


def test_the_demo_has_a_history(days: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert demo.run_demo(days) == 0
    output = capsys.readouterr().out
    assert days_of(output) == ["2026-05-30", "2026-05-31"]
    columns = "loaded_rows, CAST(started AT TIME ZONE 'UTC' AS DATE)::TEXT, finished - started < INTERVAL '1 hour'"
    runs = rows(days, f"SELECT {columns} FROM drip._syncs WHERE resource = 'subscribers' ORDER BY started")
    assert [day for _, day, _ in runs] == [day for day in days_of(output) for _ in SIZES]
    assert all(quick for *_, quick in runs)
    assert len({number for number, *_ in runs}) > len(SIZES)
    versions = "SELECT count(DISTINCT CAST(valid_from AT TIME ZONE 'UTC' AS DATE)) FROM drip.subscribers_history"
    assert rows(days, versions) == [(2,)]
    told = "SELECT count(*), min(CAST(occurred_at AT TIME ZONE 'UTC' AS DATE))::TEXT FROM drip.subscriber_events"
    ((events, first_day),) = rows(days, told)
    assert (events > 5, first_day) == (True, "2026-05-30")
    audited = "SELECT count(*), sum(missing_events), sum(unconfirmed_events), sum(changes) > 0 FROM drip._event_audit"
    assert rows(days, audited) == [(1, 0, 0, True)]
    (metrics,) = rows(days, "SELECT sum(sends) > 0, max(date)::TEXT >= '2026-05-30' FROM drip.email_metrics")
    assert metrics == (True, True)
    (shown,) = commands("valid_from")
    asked = drip_flows(*shlex.split(shown)[1:], "--json", DESTINATION__DUCKDB__CREDENTIALS=str(days))
    there = sum(number for _, number in (row.values() for row in json.loads(asked.stdout)))
    that_day = "resource = 'subscribers' AND CAST(started AT TIME ZONE 'UTC' AS DATE) = '2026-05-30'"
    assert rows(days, f"SELECT sum(loaded_rows) FROM drip._syncs WHERE {that_day}") == [(there,)]
    assert demo.run_demo(days) == 0
    output = capsys.readouterr().out
    assert days_of(output) == ["2026-06-01"], "the demo did not go on with the next day"
    assert "webhook of the receiver" not in output
    assert rows(days, audited) == [(2, 0, 0, True)]
    assert rows(days, "SELECT count(*) FROM drip.subscribers") == [(305,)]
