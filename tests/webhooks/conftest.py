"""A receiver in a thread of this process, and what tests post to it."""

import asyncio
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
import requests

from flows.common.http_server import listen_on
from flows.source.decoding.masking import NO_MASK, Mask
from flows.source.deliveries.spool import Delivery, opened
from flows.webhooks.receiver import Receiver
from flows.webhooks.secret_store import SecretStore, delivery_url
from flows.webhooks.server import ReceiverServer, receiver_server

ACCOUNT = "1000001"


class Running:
    """A receiver that serves: its address, and the delivery URL of an account."""

    def __init__(self, server: ReceiverServer, port: int, folder: Path, secrets: SecretStore) -> None:
        self.server, self.port, self.folder, self.secrets = server, port, folder, secrets
        self.address = f"http://127.0.0.1:{port}"

    @property
    def receiver(self) -> Receiver:
        """The application."""
        return self.server.receiver

    def url(self, account: str = ACCOUNT) -> str:
        """Where the deliveries of an account go."""
        return delivery_url(self.address, self.secrets.current_or_new(account))

    def post(self, body: bytes, account: str = ACCOUNT) -> requests.Response:
        """One delivery."""
        return requests.post(self.url(account), data=body, timeout=20)

    def spooled(self) -> list[Delivery]:
        """What the spool holds."""
        return spooled(self.folder)


def spooled(folder: Path) -> list[Delivery]:
    """What the spool in a folder holds."""
    with opened(folder) as spool:
        return spool.read(0, 1 << 60, 1 << 30, 1 << 40) if spool else []


@contextmanager
def receiving(folder: Path, mask: Mask = NO_MASK) -> Iterator[Running]:
    """Serve a receiver that keeps deliveries in a folder, masked."""
    secrets = SecretStore(folder)
    server = receiver_server(folder, secrets, mask)
    with listen_on("127.0.0.1", 0) as listener:
        thread = threading.Thread(target=lambda: asyncio.run(server.serve([listener])), daemon=True)
        thread.start()
        until = time.monotonic() + 20
        while not server.started and time.monotonic() < until:
            time.sleep(0.005)
        try:
            yield Running(server, listener.getsockname()[1], folder, secrets)
        finally:
            server.should_exit = True
            thread.join(20)
            assert not thread.is_alive()


@pytest.fixture
def spool_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where the settings have deliveries spooled."""
    folder = tmp_path / "webhooks"
    monkeypatch.setenv("SOURCES__DRIP__WEBHOOKS", str(folder))
    return folder


@pytest.fixture
def receiver(spool_folder: Path) -> Iterator[Running]:
    """A receiver that serves."""
    with receiving(spool_folder) as running:
        yield running


def event(name: str = "opened_email", account: Any = ACCOUNT, person: Any = "p1", **changes: Any) -> dict[str, Any]:
    """A delivery as the reference describes it."""
    body = {
        "event": f"subscriber.{name}",
        "data": {
            "account_id": account,
            "subscriber": {"id": person, "email": f"{person}@example.com", "tags": ["vip"]},
            "properties": {"delivery_id": "1", "email_id": "2", "email_subject": "News"},
        },
        "occurred_at": "2026-05-01T12:00:00Z",
    }
    return body | changes
