"""The freshness check, after real syncs, names lists that are too old or have shrunk.

Some tests check PostgreSQL, the others DuckDB: the limits are the same in both.
"""

from collections.abc import Callable
from typing import Any

import pytest

from flows.common.errors import SettingsError
from flows.freshness import ARTIFACT_KEY, freshness
from flows.reporting.freshness import FreshnessReport, Limits, check_freshness
from flows.sandbox import World
from tests.command import drip_flows
from tests.conftest import Warehouse
from tests.pipeline.conftest import GONE
from tests.prefect_runs import artifacts, newest_run

FIRST, SECOND = "1000001", "1000002"
RESOURCES = ["subscribers", "tags"]
on_postgres = pytest.mark.parametrize("warehouse", ["postgres"], indirect=True)
Problems = Callable[..., list[tuple[str, str, str]]]


def age(warehouse: Warehouse, hours: float) -> None:
    """Make all syncs so far older by this number of hours."""
    warehouse.execute(f"UPDATE drip._syncs SET finished = finished - INTERVAL '{int(hours * 60)} minutes'")


def texts(report: FreshnessReport) -> list[tuple[str, str, str]]:
    return [(one.account, one.resource, one.text) for one in report.problems]


@pytest.fixture
def problems(warehouse: Warehouse) -> Problems:
    """Check the warehouse, and return what is wrong."""
    return lambda limits, **chosen: texts(check_freshness(limits, destination=warehouse.destination, **chosen))  # type: ignore[arg-type]


@on_postgres
def test_a_list_that_fails_grows_old(sync: Any, warehouse: Warehouse, world: World, problems: Problems) -> None:
    sync(resources=RESOURCES)
    assert problems(Limits()) == []
    age(warehouse, 4)
    world.faults = [GONE]
    assert sync(resources=RESOURCES).exit_code == 1
    ((account, resource, text),) = problems(Limits(hours=3))
    assert (account, resource) == (FIRST, "tags")
    assert "4.0 h ago" in text
    assert problems(Limits(hours=5)) == []
    assert problems(Limits(hours=3), accounts=[SECOND]) == []
    assert problems(Limits(hours=3), resources=["subscribers"]) == []
    age(warehouse, 24 * 365)
    assert len(problems(Limits(hours=3))) == 4, "lists of a sync that stopped long ago were not reported"
    result = drip_flows("freshness", "--hours", "3", "--account", FIRST, "--destination", "postgres")
    assert result.exit_code == 1
    assert f"tags of {FIRST}" in result.stdout
    assert f"subscribers of {FIRST}" in result.stdout


@on_postgres
def test_a_list_that_never_arrived(sync: Any, world: World, problems: Problems) -> None:
    world.faults = [GONE]
    sync(resources=RESOURCES)
    ((account, resource, text),) = problems(Limits())
    assert (account, resource) == (FIRST, "tags")
    assert "was never complete" in text
    assert [name for _, name, _ in problems(Limits(), resources=["webhooks"])] == ["webhooks"]
    assert [name for name, _, _ in problems(Limits(), accounts=["1000009"])] == ["1000009"]


@pytest.mark.usefixtures("prefect_server")
def test_a_list_that_shrinks(sync: Any, warehouse: Warehouse, world: World) -> None:
    sync(resources=RESOURCES)
    people = world.account(FIRST).records["subscribers"]
    before = len(people)
    people.delete([person["id"] for person in people.all()[:40]])
    sync(resources=RESOURCES)
    share = 40 / before

    state: Any = freshness(shrink=share - 0.01, return_state=True)
    assert state.is_failed()
    assert f"subscribers of {FIRST}: shrank" in str(state.message)
    report = state.result(raise_on_failure=False)
    assert isinstance(report, FreshnessReport)
    ((account, resource, text),) = texts(report)
    assert (account, resource) == (FIRST, "subscribers")
    assert f"from {before} to {before - 40} rows" in text
    assert "shrank from" in str(artifacts(newest_run("drip-freshness"))[ARTIFACT_KEY].data)
    state = freshness(shrink=share, return_state=True)
    assert state.is_completed()
    assert texts(state.result()) == []

    sync(resources=RESOURCES)
    result = drip_flows("freshness", "--shrink", "0")
    assert result.exit_code == 0, f"compared with an older sync than the previous one: {result.output}"
    assert "4 lists are fresh" in result.stdout


@on_postgres
def test_the_sync_of_one_account_shrinks_no_list_of_accounts(
    sync: Any, warehouse: Warehouse, problems: Problems
) -> None:
    for chosen in (None, [FIRST]):
        assert sync(accounts=chosen, resources=["accounts", "tags"]).exit_code == 0
        assert warehouse.value("SELECT count(*) FROM accounts") == 2
    assert problems(Limits(shrink=0)) == []


def test_what_cannot_be_checked(warehouse: Warehouse) -> None:
    result = drip_flows("freshness")
    assert result.exit_code == 2
    assert len(result.stderr.splitlines()) == 1
    assert str(warehouse.path) in result.stderr
    for limits in (Limits(hours=0), Limits(hours=float("nan")), Limits(shrink=1.5), Limits(shrink=float("nan"))):
        with pytest.raises(SettingsError):
            check_freshness(limits)
    with pytest.raises(SettingsError, match="did you mean 'tags'"):
        check_freshness(Limits(), resources=["tag"])
