"""Running a command in this process, in surroundings of the test's own."""

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
    """Run a command with these variables in its environment; signals are handled as before afterwards."""
    before = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}
    yield lambda *words, **environment: CliRunner().invoke(app, words, env=environment)
    for number, handler in before.items():
        signal.signal(number, handler)


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A project without settings, which nothing but its folder tells of; the working directory is below it."""
    root = tmp_path / "project"
    for folder in ("notebooks", "src/deep", ".dlt"):
        (root / folder).mkdir(parents=True)
    (root / "pyproject.toml").touch()
    for name in ("DLT_PROJECT_DIR", "DESTINATION__DUCKDB__CREDENTIALS", "SOURCES__DRIP__LANDING"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.chdir(root / "notebooks")
    return root


def assert_one_line(result: Result, *words: str) -> None:
    """The command could not start, and said why in one line on stderr."""
    assert result.exit_code == 2, (result.exit_code, result.output, result.exception)
    (line,) = result.stderr.strip().splitlines()
    assert all(word in line for word in words), line
    assert "Traceback" not in result.output
