"""Each resource replayed from a cassette, single-threaded, with the network blocked.

The cassettes were recorded from the sandbox (`make cassettes`). With RECORD_KEY and RECORD_ACCOUNT in the
environment, they are recorded from the real API and scrubbed.
"""

import json
import os
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import yaml

from flows.sandbox import World, serve
from flows.source import ENDPOINTS, Endpoint
from flows.source.client import DripClient
from flows.source.decoding.decoder import Decoder
from flows.source.decoding.redaction import redacted_url
from flows.source.landing.kinds import landed_list_in
from flows.source.landing.landed_list import LandedList
from flows.source.landing.storage import folder_at
from flows.source.list_landing import land
from flows.source.settings import load_settings
from tests.conftest import Warehouse
from tests.scrubbing import HOST, scrub_request, scrub_response

CASSETTES = Path(__file__).parent / "cassettes" / Path(__file__).stem
FULL, EMPTY = os.environ.get("RECORD_ACCOUNT", "1000001"), "1000002"
SMALL_PAGES = {"subscribers": 3, "broadcasts": 2, "events": 2, "campaign_subscribers": 1, "segments": 2}
"""Rows a page while recording, where the API lets us choose: several pages in a file one can read."""
FLOW_TEST = "test_a_whole_flow_run"
ODD_FIELDS = {"plan": 3, "Weird Field!": "😀", "nested": {"a": [1, "1", None, True]}, "zip": "00501"}


def recording_world(resource: str) -> World:
    """A small account with more than one page of each paginated list, and an empty account.

    There are only a few campaigns and workflows if each has a separate list.
    """
    world = World(seed=11, sizes={FULL: 7, EMPTY: 1})
    account = world.account(FULL)
    people = account.records["subscribers"]
    people.update(people.all()[0]["id"], custom_fields=ODD_FIELDS, first_name=None)
    few = resource in ENDPOINTS and (ENDPOINTS[resource].parent or ENDPOINTS[resource].daily)
    for kind in () if few else ("campaigns", "workflows"):
        for number in range(101 - len(account.records[kind])):
            account.records[kind].add({"id": str(5000 + number), "name": f"More {number}", "status": "draft"})
    for records in world.account(EMPTY).records.values():
        records.clear()
    return world


@pytest.fixture(scope="module")
def vcr_config() -> dict[str, Any]:
    return {
        "before_record_request": scrub_request,
        "before_record_response": scrub_response,
        "decode_compressed_response": True,
        "match_on": ["method", "scheme", "host", "port", "path", "query"],
    }


@pytest.fixture
def api(record_mode: str, request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Settings for the cassette during replay, or for the sandbox or a real key while recording."""
    monkeypatch.setenv("SOURCES__DRIP__PARALLEL", "1")
    monkeypatch.setenv("SOURCES__DRIP__EMAIL_METRICS_DAYS", "3")
    monkeypatch.setenv("SOURCES__DRIP__API_KEY", os.environ.get("RECORD_KEY", "sandbox-key"))
    if record_mode == "none" or "RECORD_KEY" in os.environ:
        yield
        return
    resource = request.node.callspec.params["resource"] if hasattr(request.node, "callspec") else ""
    with serve(recording_world(resource)) as server:
        monkeypatch.setenv("SOURCES__DRIP__BASE_URL", server.url)
        yield


def recorded(name: str) -> list[dict[str, Any]]:
    """The URI and decoded body of each exchange in a cassette."""
    text = (CASSETTES / f"{name}.yaml").read_text()
    exchanges = yaml.safe_load(text)["interactions"]
    return [{"uri": e["request"]["uri"], "body": json.loads(e["response"]["body"]["string"])} for e in exchanges]


def read(endpoint: Endpoint, account: str | None, folder: Path) -> LandedList:
    """Land a list, or all lists of a family."""
    landed = landed_list_in(folder_at(str(folder)), endpoint, account)
    for _ in land(DripClient(load_settings()), landed, lambda name: Decoder(ENDPOINTS[name])):
        pass
    return landed


@pytest.mark.vcr
@pytest.mark.block_network
@pytest.mark.parametrize("resource", ENDPOINTS)
def test_resource(api: None, resource: str, tmp_path: Path) -> None:
    endpoint = ENDPOINTS[resource]
    small = replace(endpoint, per_page=SMALL_PAGES[resource]) if resource in SMALL_PAGES else endpoint
    landed = read(small, FULL if endpoint.per_account else None, tmp_path)
    if endpoint.per_account and "RECORD_KEY" not in os.environ:
        empty = read(small, EMPTY, tmp_path).outcome()
        assert empty is not None
        assert (empty.complete, empty.rows, empty.api_rows) == (True, 0, 0)
    outcome = landed.outcome()
    assert outcome is not None
    assert outcome.complete
    assert outcome.rows == sum(table.num_rows for table in landed.tables()) > 0
    assert len(landed.files()) > 1 or not endpoint.paginated


@pytest.mark.parametrize("resource", ENDPOINTS)
def test_every_recorded_value_arrives(resource: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Compares the rows of a replay with the bodies in the cassette, which are parsed independently."""
    endpoint, decoder = ENDPOINTS[resource], Decoder(ENDPOINTS[resource])
    lists = [one for one in recorded(f"test_resource[{resource}]") if endpoint.selector in one["body"]]
    assert lists
    assert all(any(f"status={status}" in one["uri"] for one in lists) for status in endpoint.sweep)
    for exchange in lists:
        records = flat(endpoint, exchange["body"][endpoint.selector])
        rows = decoder.decode(json.dumps({endpoint.selector: records}).encode(), "1").table.to_pylist()
        assert len(rows) == len(records)
        for record, row in zip(records, rows, strict=True):
            assert_same(endpoint, record, row)


def flat(endpoint: Endpoint, found: Any) -> list[Any]:
    """The records of a reply: an object for itself, an email with its figures beside it."""
    if endpoint.single:
        return [found | {endpoint.key: "1"}]
    if endpoint.daily:
        places = [one.pop("workflow_placement", {}) for one in found]
        figures = [one.pop("email_metric") for one in found]
        return [one | place | figure | {"email_id": str(one["email_id"])}
                for one, place, figure in zip(found, places, figures, strict=True)]  # fmt: skip
    return list(found)


def assert_same(endpoint: Endpoint, record: Any, row: dict[str, Any]) -> None:
    fields = {endpoint.key: record} if endpoint.strings else {k: v for k, v in record.items() if k != "links"}
    for name, value in fields.items():
        loaded = row[name]
        if hasattr(loaded, "isoformat"):
            loaded = loaded.strftime("%Y-%m-%dT%H:%M:%SZ")
        elif isinstance(value, dict | list):
            loaded = json.loads(loaded)
        assert loaded == (redacted_url(value) if name == "post_url" else value), name


@pytest.mark.vcr
def test_a_whole_flow_run(prefect_server: None, api: None, warehouse: Warehouse, record_mode: str) -> None:
    """Run one task at a time, since a cassette cannot be shared between threads."""
    from prefect.task_runners import ThreadPoolTaskRunner

    from flows.sync import sync

    state: Any = sync.with_options(task_runner=ThreadPoolTaskRunner(max_workers=1))(
        accounts=[FULL], resources=["accounts", "tags", "webhooks", "custom_fields", "users"], return_state=True
    )
    assert state.is_completed(), state.message
    assert warehouse.value("SELECT count(*) FROM tags") > 0
    if record_mode != "none":
        return  # nothing has been written and scrubbed yet
    tags = next(e["body"]["tags"] for e in recorded(FLOW_TEST) if e["uri"].endswith("/tags"))
    assert set(warehouse.column("SELECT tag FROM tags")) == set(tags)


def test_cassettes_and_resources_belong_together() -> None:
    expected = {f"test_resource[{resource}]" for resource in ENDPOINTS} | {FLOW_TEST}
    found = {path.stem for path in CASSETTES.glob("*.yaml")}
    assert not expected - found, "run `make cassettes`: these resources have none"
    assert not found - expected, "no test plays these: delete them"
    assert {path.parent for path in CASSETTES.parent.rglob("*.yaml")} == {CASSETTES}


@pytest.mark.parametrize("path", sorted(CASSETTES.glob("*.yaml")), ids=lambda path: path.stem)
def test_a_cassette_holds_no_secret_and_no_address_of_this_machine(path: Path) -> None:
    text = path.read_text()
    assert "sandbox-key" not in text
    assert "uthorization" not in text
    assert "127.0.0.1" not in text
    assert "localhost" not in text
    assert all(HOST in exchange["uri"] for exchange in recorded(path.stem))
