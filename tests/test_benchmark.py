"""Runs the benchmarks end to end at their smallest size, and checks what they measure."""

import io
import sys
from pathlib import Path

import msgspec
import pytest
from rich.console import Console

from benchmarks import published, scale, targets, unit_costs
from benchmarks.api import encode
from benchmarks.comparison import Comparison
from benchmarks.contenders import GUIDE, LIMIT, SYNC, Contender
from benchmarks.findings import Finding
from benchmarks.measuring import Run
from benchmarks.speed import Bench
from flows.sandbox import World

SIZE = 120
ABSENT = Contender("nobody", (), "", missing="it is not there")
FAILING = Contender("a failing one", (sys.executable, "-c", "raise SystemExit('it cannot')"), "")


@pytest.fixture(scope="module")
def found(prefect_server: None) -> dict[str, Run | str]:
    """Results of a run of each contender that needs no separate environment."""
    bench = Bench(runs=1, console=Console(file=io.StringIO()))
    return bench.in_turns([LIMIT, SYNC, GUIDE, ABSENT, FAILING], {SIZE: {"1000001": SIZE}})[SIZE]


def test_each_is_measured_with_the_rows_that_arrived(found: dict[str, Run | str]) -> None:
    limit, ours, guide = (found[one.name] for one in (LIMIT, SYNC, GUIDE))
    assert isinstance(limit, Run), limit
    assert isinstance(ours, Run), ours
    assert isinstance(guide, Run), guide
    active = World(1, {"1000001": SIZE}).account("1000001").subscribers.all()
    assert limit.rows == ours.rows == SIZE
    assert guide.rows == sum(one["status"] == "active" for one in active)
    assert (limit.requests, limit.pages) == (2, 1)
    assert (ours.pages, guide.pages) == (1, 2)
    assert all(
        one.seconds > 0 and one.cpu_seconds > 0 and one.peak_mb > 10 and one.api_seconds >= 0
        for one in (limit, ours, guide)
    )


def test_who_cannot_be_measured_is_told_with_the_reason(found: dict[str, Run | str]) -> None:
    assert found[ABSENT.name] == "it is not there"
    assert found[FAILING.name] == "exit 1: it cannot"
    rows = dict(row for row in Comparison({100: found, SIZE: found}).rows(SIZE) if len(row) == 2)
    assert rows == {name: found[name] for name in (ABSENT.name, FAILING.name)}


def test_ratios_are_of_work_without_what_starting_costs() -> None:
    def run(seconds: float, rows: float = 1_000) -> Run:
        return Run(seconds, seconds, 100.0, 0.1, 12, 1, 0.0, rows)

    start: dict[str, Run | str] = {LIMIT.name: run(1), SYNC.name: run(5), GUIDE.name: run(2)}
    large: dict[str, Run | str] = {LIMIT.name: run(3), SYNC.name: run(9), GUIDE.name: run(52, rows=500)}
    findings = list(targets.beside_others(Comparison({100: start, 1_000: large}), 1_000))
    assert [one.figures for one in findings] == ["2.00, at most 2", "25.00, at least 45", "1.00, at most 1"]
    assert [one.holds for one in findings] == [True, False, True]


def test_the_chart_and_the_section_show_everybody(found: dict[str, Run | str], tmp_path: Path) -> None:
    figures = published.Published("a machine", ["dlt 1"], 0.1, 1, {100: found, SIZE: found}, [Finding("a", "1", True)])
    copy = msgspec.json.decode(msgspec.json.encode(figures), type=published.Published)
    text = "\n".join(published.section(copy))
    assert all(f"| {one.name} |" in text for one in (LIMIT, SYNC, GUIDE))
    assert "nobody was not measured: it is not there." in text
    published.chart(copy).save(tmp_path / "chart.svg")
    assert GUIDE.name in (tmp_path / "chart.svg").read_text()


def test_encoded_people_are_the_sandboxs_own() -> None:
    plain, encoded = (World(1, {"1000001": 60}) for _ in range(2))
    encode(encoded)
    people = encoded.account("1000001").subscribers.all()
    assert msgspec.json.decode(msgspec.json.encode(people)) == plain.account("1000001").subscribers.all()


def test_the_page_shows_the_figures_that_are_committed() -> None:
    text, figures = published.PAGE.read_text(), published.read()
    assert published.with_section(text, figures) == text, "run `python -m benchmarks.published`"
    assert figures.machine in text
    assert published.CHART.is_file()


@pytest.mark.parametrize("scenario", scale.SCENARIOS[:2])
def test_the_page_on_scaling_shows_what_is_simulated(scenario: scale.Scenario) -> None:
    cells = [*scale.line(scenario, unit_costs.read())]
    assert f"| {' | '.join(cells)} |" in scale.PAGE.read_text(), "run `python -m benchmarks.scale --write`"


def test_a_list_that_takes_longer_than_a_sync_is_never_read() -> None:
    assert scale.Reading(scale.Scenario(1, 40_000_000, 1), unit_costs.read()).syncs(most=2) == 0
