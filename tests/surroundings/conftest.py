"""Runs commands in this process, with an environment for each test."""

import signal
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from click.testing import Result
from typer.testing import CliRunner

from flows.cli.app import app

Run = Callable[..., Result]


@pytest.fixture
def run() -> Iterator[Run]:
    """Run a command with these environment variables, and restore the signal handlers afterwards."""
    before = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}
    yield lambda *words, **environment: CliRunner().invoke(app, words, env=environment)
    for number, handler in before.items():
        signal.signal(number, handler)


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A project without settings, found only through its folder; the working directory is inside it."""
    root = tmp_path / "project"
    for folder in ("notebooks", "src/deep", ".dlt"):
        (root / folder).mkdir(parents=True)
    (root / "pyproject.toml").touch()
    for name in ("DLT_PROJECT_DIR", "DESTINATION__DUCKDB__CREDENTIALS", "SOURCES__DRIP__LANDING"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.chdir(root / "notebooks")
    return root


def assert_one_line(result: Result, *words: str) -> None:
    """Check that the command could not start, with the reason in one line on stderr."""
    assert result.exit_code == 2, (result.exit_code, result.output, result.exception)
    (line,) = result.stderr.strip().splitlines()
    assert all(word in line for word in words), line
    assert "Traceback" not in result.output
