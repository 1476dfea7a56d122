"""Describes the machine and the versions that figures were measured with."""

import os
import platform
import re
from collections.abc import Iterator
from importlib.metadata import version
from pathlib import Path

import psutil

from benchmarks.peers import REQUIREMENTS, absent, version_of

PACKAGES = ("drip-flows", "dlt", "prefect", "duckdb", "pyarrow", "requests")
GIGABYTE = 1 << 30


def machine() -> str:
    """Processor, cores, memory, operating system and Python version."""
    memory = psutil.virtual_memory().total / GIGABYTE
    python = f"Python {platform.python_version()}"
    return f"{_processor()}, {os.cpu_count()} cores, {memory:.0f} GB, {platform.system()}, {python}"


def versions(peers: bool) -> Iterator[str]:
    """A line with the versions of this project, and one for each other tool."""
    yield ", ".join(f"{name} {version(name)}" for name in PACKAGES)
    for name in REQUIREMENTS if peers else ():
        yield absent(name) or f"{name} {version_of(name)}"


def _processor() -> str:
    cpuinfo = Path("/proc/cpuinfo")
    found = re.search(r"^model name\s*: (.+)$", cpuinfo.read_text(), re.M) if cpuinfo.exists() else None
    return found[1] if found else platform.processor() or platform.machine()
