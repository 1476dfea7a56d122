"""Prefect accepts the example automations, and a failed sync sends the configured notification."""

import queue
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from typing import Any

import msgspec
import pytest
from prefect.blocks.notifications import CustomWebhookNotificationBlock
from prefect.client.orchestration import get_client

from flows.freshness import freshness
from flows.sandbox import World
from tests.conftest import PROJECT
from tests.deployment.commands import filled_in, prefect

EXAMPLE = PROJECT / "docs" / "automations.yaml"
FIRST = "1000001"
PATIENCE = 60
GONE = {"match": {"account": FIRST, "resource": "tags"}, "action": {"kind": "status", "status": 404}}

Told = queue.Queue[dict[str, str]]


@pytest.fixture
def sync(sync_flow: Any) -> Any:
    """The flow, because these tests are about Prefect."""
    return sync_flow


@pytest.fixture(scope="module")
def told() -> Iterator[tuple[str, Told]]:
    """A webhook receiver: its address, and the queue of received messages."""
    said: Told = queue.Queue()

    class Ear(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            said.put(msgspec.json.decode(self.rfile.read(int(self.headers["Content-Length"])), type=dict[str, str]))
            self.send_response(204)
            self.end_headers()

        def log_message(self, format: str, *args: Any) -> None:
            """Log nothing."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Ear) as server:
        Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}", said
        server.shutdown()


@pytest.fixture(scope="module")
def said(prefect_server: None, told: tuple[str, Told], tmp_path_factory: pytest.TempPathFactory) -> Iterator[Told]:
    """The messages of the automations, which are created from the example file."""
    url, messages = told
    block = CustomWebhookNotificationBlock(
        name="ear", url=url, json_data={"subject": "{{subject}}", "body": "{{body}}"}
    )
    filled = tmp_path_factory.mktemp("automations") / EXAMPLE.name
    filled.write_text(filled_in(block.save("ear", overwrite=True)))
    output = prefect("automation", "create", "--from-file", str(filled), cwd=PROJECT)
    assert "Created 4 automation(s)" in output
    yield messages
    with get_client(sync_client=True) as client:
        for automation in client.read_automations():
            client.delete_automation(automation.id)


def test_a_sync_that_fails_is_told_with_its_failed_list(sync: Any, world: World, said: Told) -> None:
    assert sync(resources=["tags"]).exit_code == 0
    world.faults = [GONE]
    assert sync(resources=["tags"]).exit_code == 1
    message = said.get(timeout=PATIENCE)
    assert message["subject"] == "drip-sync Failed"
    assert f"tags of {FIRST} (北の本屋 01): HTTP 404" in message["body"]
    assert said.empty(), "a successful sync sent a notification too"


def test_a_check_that_fails_is_told(sync: Any, world: World, said: Told) -> None:
    sync(resources=["accounts", "tags"])
    world.account(FIRST).records["tags"].clear()
    sync(resources=["accounts", "tags"])
    freshness(return_state=True)
    message = said.get(timeout=PATIENCE)
    assert message["subject"] == "drip-freshness Failed"
    assert f"tags of {FIRST} (北の本屋 01): shrank" in message["body"]
