"""The secret of a delivery URL is in nothing that registration, receiver, sync, load and status leave behind."""

from pathlib import Path
from typing import Any

import pytest

from flows.sandbox import World
from flows.webhooks.secret_store import FILE
from tests.command import drip_flows
from tests.conftest import Warehouse
from tests.webhooks.conftest import ACCOUNT, Running

PUBLIC = "https://hooks.example.org/in"
BODY = b'{"event": "subscriber.opened_email", "data": {"account_id": "1000001", "subscriber": {"id": "a"}}}'


def test_no_file_and_no_output_has_the_secret(
    sync: Any, warehouse: Warehouse, world: World, receiver: Running, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SOURCES__DRIP__KEEP_LANDING", "true")
    words = ("webhooks", "register", "--account", ACCOUNT, "--public-url", PUBLIC, "--yes")
    outputs = [drip_flows(*words, folder=tmp_path).output]
    secret = receiver.secrets.current_or_new(ACCOUNT)
    posted = [str(hook["post_url"]) for hook in world.account(ACCOUNT).records["webhooks"].all()]
    assert any(secret in url for url in posted), "the webhook was registered with another secret"
    assert receiver.post(BODY).status_code == 200
    report = sync(resources=["accounts", "webhooks", "tags"])
    assert report.events.events == 1
    outputs += [
        str(report),
        *(drip_flows(*one, folder=tmp_path).output for one in (["webhooks", "status"], ["status"])),
    ]
    outputs.append(drip_flows("sync", "--resource", "webhooks", "--verbose", folder=tmp_path).output)
    files = [path for path in tmp_path.rglob("*") if path.is_file() and path.name != FILE]
    assert len(files) > 5
    for path in files:
        assert secret.encode() not in path.read_bytes(), path
    assert not [output for output in outputs if secret in output]
    assert warehouse.value("SELECT count(*) FROM webhooks WHERE post_url LIKE 'https://hooks.example.org%'") == 1
