"""A receiver's machine that ships its deliveries until it is killed, in a process of its own."""

import time
from multiprocessing.connection import Connection
from multiprocessing.process import BaseProcess
from pathlib import Path

from benchmarks.webhook_processes import PROCESSES
from flows.source.deliveries.spool import Spool
from flows.source.landing.storage import Folder, folder_at
from flows.webhooks.ship import ship

BATCH = (7, 1 << 20)
"""Deliveries and bytes of a file."""


def start_shipping(folder: Path, landing: Folder) -> BaseProcess:
    """A process that ships what the spool in a folder holds, over and over."""
    ours, theirs = PROCESSES.Pipe()
    process = PROCESSES.Process(target=_ship, args=(folder, str(landing), theirs), daemon=True)
    process.start()
    ours.recv()
    ours.close()
    theirs.close()
    return process


def _ship(folder: Path, landing: str, started: Connection) -> None:
    Spool.read.__defaults__ = BATCH
    started.send("started")
    while True:
        ship(folder, folder_at(landing), 14)
        time.sleep(0.001)
