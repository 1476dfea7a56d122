"""What Prefect's pages show of the flows: parameters with titles, descriptions and choices, and names of runs."""

from typing import Any, get_args

import pytest
from prefect.flows import Flow
from prefect.utilities.callables import parameter_schema

from flows.common.errors import SettingsError
from flows.destinations.catalogue import DestinationName
from flows.freshness import freshness
from flows.load_events import load_events
from flows.orchestration import deployed_run, parameters
from flows.orchestration.deployed_run import CHOSEN_ACCOUNTS, check_accounts
from flows.source.endpoints import ENDPOINTS, HISTORIC
from flows.sync import sync
from tests.prefect_runs import newest_run

FLOWS: list[Flow[..., Any]] = [sync, freshness, load_events]


def properties(flow: Flow[..., Any]) -> dict[str, dict[str, Any]]:
    return parameter_schema(flow.fn).model_dump()["properties"]


@pytest.mark.parametrize("flow", FLOWS, ids=lambda flow: flow.name)
def test_every_parameter_is_described(flow: Flow[..., Any]) -> None:
    for name, shown in properties(flow).items():
        assert shown["title"] != name, f"{name} has no title of its own"
        assert shown["title"][0].isupper()
        assert shown["description"], name
        assert "type" in shown, f"{name} may be null or of several types, for which the page shows no choices"
        assert "default" in shown, name


def test_the_choices() -> None:
    shown = properties(sync)
    assert shown["resources"]["items"]["enum"] == list(ENDPOINTS)
    assert shown["history"]["items"]["enum"] == [parameters.AS_CONFIGURED, *HISTORIC]
    assert shown["destination"]["enum"] == list(get_args(DestinationName))
    assert shown["mode"]["enum"] == ["full", "incremental", "auto"]
    assert shown["accounts"]["items"]["pattern"] == r"^\d+$"
    assert properties(freshness)["resources"]["items"]["enum"] == list(ENDPOINTS)


def test_stored_parameters_of_an_earlier_version() -> None:
    stored = {"accounts": None, "resources": None, "history": None, "max_hours": None}
    validated = sync.validate_parameters({**stored, "destination": "duckdb", "dataset": "drip", "mode": "full"})
    assert [validated[name] for name in stored] == [[], [], ["as configured"], 0]
    assert parameters.history_of(validated["history"]) is None
    for history, expected in ((False, []), (["campaigns"], ["campaigns"]), ([], [])):
        assert parameters.history_of(sync.validate_parameters({"history": history})["history"]) == expected


def test_the_deployment_for_chosen_accounts(monkeypatch: pytest.MonkeyPatch) -> None:
    check_accounts([])
    monkeypatch.setattr(deployed_run.deployment, "name", CHOSEN_ACCOUNTS, raising=False)
    check_accounts(["1000001"])
    with pytest.raises(SettingsError, match="sync-account syncs chosen accounts: run it with their ids"):
        check_accounts([])


def test_names_of_runs(sync_flow: Any) -> None:
    first, second = "1000001", "1000002"
    sync_flow(resources=["tags"])
    sync_flow(resources=["tags"], accounts=[first, second], mode="auto")
    run = newest_run()
    name, _, moment = run.name.rpartition(", ")
    assert name == f"auto sync of {first}, {second} into duckdb drip"
    assert run.expected_start_time
    assert moment == f"{run.expected_start_time:%Y-%m-%d %H:%M:%S} UTC"
