"""Receivers and loads in processes of their own, which can be killed at any moment.

They are forked from a process that has imported everything: a start takes milliseconds instead of seconds, and the
code is that of the commands.
"""

import multiprocessing
import os
import signal
import socket
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from multiprocessing.process import BaseProcess
from pathlib import Path

import requests

from flows.source.dlt_run_context import in_project
from flows.webhooks import load
from flows.webhooks.secret_store import SecretStore
from flows.webhooks.server import serve

START_SECONDS = 60
PROCESSES = multiprocessing.get_context("forkserver")
PROCESSES.set_forkserver_preload(["flows.webhooks.server", "flows.webhooks.load", __name__])


def free_port() -> int:
    """A port that nobody listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def start_receiver(folder: Path, port: int) -> BaseProcess:
    """A receiver that accepts deliveries when this returns."""
    process = PROCESSES.Process(target=_receive, args=(folder, port), daemon=True)
    process.start()
    until = time.monotonic() + START_SECONDS
    while time.monotonic() < until:
        try:
            requests.get(f"http://127.0.0.1:{port}/health", timeout=2)
            return process
        except requests.RequestException:
            time.sleep(0.01)
    raise RuntimeError("the receiver did not start")


def start_load(destination: str, settings: Mapping[str, str]) -> BaseProcess:
    """A load, under way."""
    process = PROCESSES.Process(target=_load, args=(destination, dict(settings)), daemon=True)
    process.start()
    return process


def kill(process: BaseProcess) -> None:
    """`kill -9`, and wait until it is gone."""
    if process.pid and process.is_alive():
        os.kill(process.pid, signal.SIGKILL)
    process.join()


@contextmanager
def ended(process: BaseProcess) -> Iterator[BaseProcess]:
    """A process that is killed when the block ends, if it is still there."""
    try:
        yield process
    finally:
        kill(process)


def _receive(folder: Path, port: int) -> None:
    serve(folder, SecretStore(folder), "127.0.0.1", port, lambda url: None)


def _load(destination: str, settings: Mapping[str, str]) -> None:
    os.environ.update(settings)
    with in_project():
        load.load(destination)  # type: ignore[arg-type]  # checked by itself
