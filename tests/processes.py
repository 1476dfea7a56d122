"""Child processes for tests: the command, if it has to be a process, and a program that keeps a database open."""

import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

TIMEOUT = 240
"""Maximum seconds for a command."""
HOLD = """
import duckdb, sys
con = duckdb.connect(sys.argv[1], read_only=sys.argv[2] == "read-only")
print("held", flush=True)
sys.stdin.read()
"""


def command(*words: str, folder: Path | None = None, **settings: str) -> subprocess.CompletedProcess[str]:
    """Run `drip-flows` in a child process, to test exit codes, signals and interaction between processes.

    Runs without Prefect, unless `settings` has the URL of its API.
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
    """A process that keeps a DuckDB file open until the block ends or the process is killed."""
    words = [sys.executable, "-c", HOLD, str(path), "read-only" if read_only else "writing"]
    with subprocess.Popen(words, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "held\n"
        yield process
