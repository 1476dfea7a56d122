"""Run a command with a dot every two seconds in place of its output, which is printed only if it fails.

The Makefile runs this file before anything is installed, so it imports nothing but the standard library:
`python flows/cli/quietly.py TITLE COMMAND...`
"""

import re
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence

DOT_SECONDS = 2.0
INSTALLED = re.compile(rb"^Installed (\d+ packages?) in", re.MULTILINE)
"""The line in which uv says how many packages it installed."""
INTERRUPTED = 130


def run_quietly(title: str, command: Sequence[str], dot_seconds: float = DOT_SECONDS) -> int:
    """Print the title, a dot at intervals, and how long the command took, to stderr.

    Args:
        title: what the command does.
        command: its words.
        dot_seconds: the interval.

    Returns:
        The exit code of the command; 130 after Ctrl-C.
    """
    started = time.monotonic()
    _write(f"{title} ")
    with tempfile.TemporaryFile() as output:
        process = subprocess.Popen(command, stdout=output, stderr=subprocess.STDOUT)  # noqa: S603
        try:
            code = _wait(process, dot_seconds)
        except KeyboardInterrupt:
            process.wait()  # Ctrl-C reached it too
            _write(" interrupted\n")
            return INTERRUPTED
        output.seek(0)
        text = output.read()
    if code:
        _write(f" failed\n{text.decode(errors='replace')}")
    else:
        found = INSTALLED.search(text)
        _write(f" {found[1].decode() + ', ' if found else ''}{time.monotonic() - started:.0f} s\n")
    return code


def _wait(process: subprocess.Popen[bytes], dot_seconds: float) -> int:
    while True:
        try:
            return process.wait(dot_seconds)
        except subprocess.TimeoutExpired:
            _write(".")


def _write(text: str) -> None:
    sys.stderr.write(text)
    sys.stderr.flush()


if __name__ == "__main__":
    sys.exit(run_quietly(sys.argv[1], sys.argv[2:]))
