"""Installs other public tools for the same task, each in its own virtual environment.

`python -m benchmarks.peers` installs them and names those that fail; the benchmark then runs without them.
"""

import subprocess
import sys
import venv
from pathlib import Path

PEERS = Path(__file__).parent / ".peers"
"""Ignored by git."""
REQUIREMENTS = {
    "airbyte": ("airbyte==0.71.3",),
    "tap-drip": ("tap-drip==0.0.2",),
    "target-duckdb": ("target-duckdb==0.8.0", "duckdb<1.2"),  # later versions omit the first row of each table
}


def python_of(name: str) -> str:
    """The Python of a tool's virtual environment."""
    return str(PEERS / name / "bin" / "python")


def absent(name: str) -> str:
    """Why a tool cannot run; empty if it can."""
    return "" if (PEERS / name / "installed").exists() else f"{name} is not installed: python -m benchmarks.peers"


def version_of(name: str) -> str:
    """The installed version of a tool."""
    code = f"from importlib.metadata import version; print(version({name!r}))"
    words = [python_of(name), "-c", code]
    return subprocess.run(words, capture_output=True, text=True, check=True).stdout.strip()  # noqa: S603 - our own


def install(name: str) -> str:
    """Install a tool unless it is installed. Returns the last line of the error, or an empty string."""
    if not absent(name):
        return ""
    venv.create(PEERS / name, with_pip=True)
    words = [python_of(name), "-m", "pip", "install", "--quiet", "--disable-pip-version-check", *REQUIREMENTS[name]]
    result = subprocess.run(words, capture_output=True, text=True, check=False)  # noqa: S603 - our own
    if result.returncode:
        return result.stderr.strip().splitlines()[-1]
    (PEERS / name / "installed").touch()
    return ""


def main() -> None:
    """Install missing tools, and print the version or the error of each."""
    for name in REQUIREMENTS:
        sys.stdout.write(f"{name}: {install(name) or version_of(name)}\n")


if __name__ == "__main__":
    main()
