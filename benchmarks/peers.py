"""Public tools that do the same, each in an environment of its own that is made once.

`python -m benchmarks.peers` makes them; what does not install is told, and the benchmark goes on without it.
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
    "target-duckdb": ("target-duckdb==0.8.0", "duckdb<1.2"),  # with a later one each table lacks its first row
}


def python_of(name: str) -> str:
    """The Python of a peer's environment."""
    return str(PEERS / name / "bin" / "python")


def absent(name: str) -> str:
    """Why a peer cannot be run; empty where it can."""
    return "" if (PEERS / name / "installed").exists() else f"{name} is not installed: python -m benchmarks.peers"


def version_of(name: str) -> str:
    """The installed version of a peer."""
    code = f"from importlib.metadata import version; print(version({name!r}))"
    words = [python_of(name), "-c", code]
    return subprocess.run(words, capture_output=True, text=True, check=True).stdout.strip()  # noqa: S603 - our own


def install(name: str) -> str:
    """Make a peer's environment where there is none; the last line of what went wrong, or nothing."""
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
    """Make what is missing, and say of each how that went."""
    for name in REQUIREMENTS:
        sys.stdout.write(f"{name}: {install(name) or version_of(name)}\n")


if __name__ == "__main__":
    main()
