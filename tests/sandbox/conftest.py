"""Fixtures for the sandbox: worlds, and clients that use real HTTP."""

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from typing import Any

import pytest
import requests

from flows.sandbox import Server, World, serve

FIRST, SECOND, SMALL, TINY = "1000001", "1000002", "1000003", "1000004"
ENVELOPE = {"meta", "links"}


class Client:
    """A client of one sandbox, with the right key."""

    def __init__(self, world: World, server: Server) -> None:
        self.world = world
        self.server = server
        self.session = requests.Session()
        self.session.auth = (world.api_key, "")

    def get(self, path: str, **query: Any) -> requests.Response:
        return self.session.get(f"{self.server.url}/{path}", params=query, timeout=10, allow_redirects=False)

    def rows(self, path: str, **query: Any) -> list[Any]:
        """All records of a list, from all its pages."""
        records: list[Any] = []
        page, pages = 1, 1
        while page <= pages:
            body = self.get(path, page=page, **query).json()
            (selector,) = set(body) - ENVELOPE
            records += body[selector]
            page, pages = page + 1, body.get("meta", {}).get("total_pages", 1)
        return records


@pytest.fixture
def open_client() -> Iterator[Callable[..., Client]]:
    """A function that starts a sandbox for the test's own world."""
    with ExitStack() as stack:

        def start(*, latency: float = 0.0, **options: Any) -> Client:
            options.setdefault("sizes", {SMALL: 240, TINY: 25})
            world = World(**options)
            client = Client(world, stack.enter_context(serve(world, latency=latency)))
            stack.callback(client.session.close)
            return client

        yield start


@pytest.fixture(scope="session")
def client() -> Iterator[Client]:
    """The default world, for tests that change nothing."""
    world = World(rate_limit=100_000)
    with serve(world) as server:
        client = Client(world, server)
        yield client
        client.session.close()
