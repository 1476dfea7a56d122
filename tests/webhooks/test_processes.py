"""The receiver as the command that it is: how it ends, and what it leaves in its output."""

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
import requests

from flows.common.http_server import listen_on
from flows.webhooks.secret_store import SecretStore, delivery_url
from tests.command import assert_plain_error, drip_flows
from tests.webhooks.conftest import ACCOUNT, spooled


@contextmanager
def served(folder: Path, port: int = 0) -> Iterator[tuple[subprocess.Popen[str], str]]:
    """`drip-flows webhooks serve` in a process of its own, and its address."""
    words = [str(Path(sys.executable).with_name("drip-flows")), "webhooks", "serve", "--port", str(port)]
    settings = {"SOURCES__DRIP__WEBHOOKS": str(folder), "COLUMNS": "200"}
    with subprocess.Popen(
        words, env=os.environ | settings, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    ) as process:
        try:
            assert process.stdout is not None
            line = process.stdout.readline()
            assert "http://" in line, line + process.stdout.read()
            yield process, line.split(" at ")[1].split()[0]
        finally:
            process.kill()


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_it_ends_well_and_tells_no_secret(tmp_path: Path, number: signal.Signals) -> None:
    secret = SecretStore(tmp_path).current_or_new(ACCOUNT)
    with served(tmp_path) as (process, address):
        url = delivery_url(address, secret)
        codes = [requests.post(url, data=b"{}", timeout=10).status_code for url in (url, url + "x")]
        requests.get(url, timeout=10)
        commands = [Path(f"/proc/{process.pid}/{name}").read_bytes() for name in ("cmdline", "environ")]
        process.send_signal(number)
        output, _ = process.communicate(timeout=20)
    assert (codes, process.returncode) == ([200, 404], 0)
    assert "1 deliveries were kept" in output
    assert not [text for text in (output, *map(str, commands)) if secret in text]
    assert len(spooled(tmp_path)) == 1
    assert not [path for path in tmp_path.iterdir() if path.stat().st_mode & 0o077]


def test_a_port_that_is_taken(tmp_path: Path) -> None:
    with listen_on("127.0.0.1", 0) as taken:
        port = str(taken.getsockname()[1])
        result = drip_flows("webhooks", "serve", "--port", port, SOURCES__DRIP__WEBHOOKS=str(tmp_path))
    assert_plain_error(result, f"cannot listen on 127.0.0.1:{port}")
