"""The demo syncs several days of the sandbox, one after the other, into one database."""

from pathlib import Path

import duckdb
import pytest

from flows.cli import demo
from flows.sandbox import World

SIZES = {"1000001": 300, "1000002": 5}


@pytest.fixture
def days(prefect_server: None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The database of a small demo of three days."""
    of_the_source = (f"SOURCES__DRIP__{name}" for name in ("BASE_URL", "API_KEY", "CONNECTIONS"))
    for name in (*of_the_source, "DESTINATION__DUCKDB__CREDENTIALS"):
        monkeypatch.setenv(name, "set by the demo")
    monkeypatch.setenv("SOURCES__DRIP__LANDING", str(tmp_path / "landing"))
    monkeypatch.setattr(demo, "DEMO_DAYS", 3)
    monkeypatch.setattr(demo, "World", lambda: World(sizes=SIZES))
    return tmp_path / "demo.duckdb"


def test_a_line_per_day_and_the_last_one_in_the_database(days: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert demo.run_demo(days) == 0
    lines = [line for line in capsys.readouterr().out.splitlines() if line.startswith("As of ")]
    assert [line[:16] for line in lines] == ["As of 2026-05-30", "As of 2026-05-31", "As of 2026-06-01"]
    with duckdb.connect(days, read_only=True) as con:
        runs = con.execute(
            "SELECT loaded_rows FROM drip._syncs WHERE resource = 'subscribers' ORDER BY started"
        ).fetchall()
        people = con.execute("SELECT count(*) FROM drip.subscribers").fetchall()
    assert len(runs) == 3 * len(SIZES)
    assert len(set(runs)) > len(SIZES)
    assert people == [(305,)]
    assert demo.run_demo(days) == 0
    lines = [line for line in capsys.readouterr().out.splitlines() if line.startswith("As of ")]
    assert [line[:16] for line in lines] == ["As of 2026-06-01"], "the demo went back in time in an existing database"
