"""Other processes that tests need: the command where it has to be one, a program that has a database open."""

import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

TIMEOUT = 240
"""Seconds that a command may take."""
HOLD = """
import duckdb, sys
con = duckdb.connect(sys.argv[1], read_only=sys.argv[2] == "read-only")
print("held", flush=True)
sys.stdin.read()
"""


def command(*words: str, folder: Path | None = None, **settings: str) -> subprocess.CompletedProcess[str]:
    """Run `drip-flows` in a process of its own: for exit codes, signals, and what two processes do to each other.

    Without Prefect, unless `settings` name its API.
    """
    return subprocess.run(
        [str(Path(sys.executable).with_name("drip-flows")), *words],
        cwd=folder,
        env=os.environ | {"PREFECT_API_URL": ""} | settings,
        capture_output=True,
        text=True,
        timeout=TIMEOUT,
        check=False,
    )


@contextmanager
def holding(path: Path, read_only: bool = False) -> Iterator[subprocess.Popen[str]]:
    """A process that has a DuckDB file open, until the block ends or the process is killed."""
    words = [sys.executable, "-c", HOLD, str(path), "read-only" if read_only else "writing"]
    with subprocess.Popen(words, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "held\n"
        yield process
