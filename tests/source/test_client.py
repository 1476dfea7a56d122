"""How the client handles unusual replies: a decimal Retry-After, and a wrong base URL."""

import io
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from typing import Any

import pytest
import requests
import urllib3

from flows.common.errors import DripError
from flows.sandbox import Server, World
from flows.source import client, response_body
from flows.source.client import DripClient
from flows.source.decoding.decoder import Decoder
from flows.source.endpoints import ACCOUNTS
from flows.source.errors import RequestFailed
from flows.source.list_reader import ListReader
from flows.source.settings import load_settings


@pytest.mark.parametrize("remaining", [None, "0", "7"])
def test_a_flat_refusal_without_retry_after_is_a_spent_budget(remaining: str | None) -> None:
    """In the reference's own sample it comes without any header."""
    assert is_spent(429, '{"message": "API rate limit exceeded.", "documentation": "x"}', remaining)


def test_only_a_flat_refusal_or_nothing_remaining_is_a_spent_budget() -> None:
    usual = '{"errors": [{"code": "rate_limit_error", "message": "x"}]}'
    assert not is_spent(429, usual, None)
    assert is_spent(429, usual, "0")
    assert not is_spent(429, '{"message": "x"}', "0", retry_after="5")
    assert not is_spent(429, "<html>", None)
    assert not is_spent(503, '{"message": "x"}', "0")


def is_spent(status: int, body: str, remaining: str | None, retry_after: str | None = None) -> bool:
    """What the client makes of a reply."""
    response = requests.Response()
    response.status_code, response.raw = status, urllib3.HTTPResponse(io.BytesIO(body.encode()), preload_content=False)
    response.headers.update({"X-RateLimit-Remaining": remaining} if remaining else {})
    response.headers.update({"Retry-After": retry_after} if retry_after else {})
    response_body.read_body(response, 1 << 20, 10)
    return client._is_spent(response)


def read_accounts() -> list[Any]:
    reader = ListReader(DripClient(load_settings()), ACCOUNTS, None, Decoder(ACCOUNTS))
    return [row for page in reader.pages() for row in page.table.to_pylist()]


@pytest.mark.parametrize("seconds", [0.9, 1.4])
def test_a_decimal_retry_after_is_waited_for(seconds: float, world: World, server: Server) -> None:
    refusal = {"kind": "status", "status": 429, "retry_after": seconds}
    world.faults = [{"when": {"times": 1}, "action": refusal}]
    began = time.monotonic()
    assert len(read_accounts()) == len(world.account_ids)
    assert time.monotonic() - began >= seconds, "the client did not wait as long as Retry-After says"


@pytest.mark.parametrize("end", ["", "/v3", "/v2/accounts", "/V2"])
def test_a_base_url_without_the_api(end: str, server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SOURCES__DRIP__BASE_URL", server.url.removesuffix("/v2") + end)
    with pytest.raises(RequestFailed, match=r"404 at .*SOURCES__DRIP__BASE_URL.*/v2") as caught:
        read_accounts()
    assert "gone for this token" not in str(caught.value)


@pytest.mark.parametrize(
    ("status", "body"), [(405, b"{}"), (200, b"<html>Welcome</html>"), (200, b'{"status": "ok"}'), (200, b"{}")]
)
def test_a_base_url_of_something_else(status: int, body: bytes, monkeypatch: pytest.MonkeyPatch) -> None:
    class Other(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(status)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, format: str, *args: Any) -> None:
            """Log nothing."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Other) as there:
        Thread(target=there.serve_forever, daemon=True).start()
        monkeypatch.setenv("SOURCES__DRIP__BASE_URL", f"http://127.0.0.1:{there.server_port}/v2")
        monkeypatch.setenv("SOURCES__DRIP__API_KEY", "of nobody")
        monkeypatch.setenv("SOURCES__DRIP__BACKOFF_FACTOR", "0.01")
        with pytest.raises(DripError, match="SOURCES__DRIP__BASE_URL"):
            read_accounts()
        there.shutdown()


def test_an_account_that_is_gone_is_still_told_as_such(world: World, server: Server) -> None:
    with pytest.raises(RequestFailed, match="check the account"):
        DripClient(load_settings()).get("/9999999/tags", {})
