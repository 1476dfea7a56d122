"""Runs the command line in this process, to test output and exit codes without starting Python for each command."""

import io
import signal
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager, redirect_stdout
from pathlib import Path

import pytest
from click.testing import Result
from typer.testing import CliRunner

from flows.cli.app import app

NO_PREFECT: dict[str, str | None] = {"PREFECT_API_URL": ""}
"""Syncs run without Prefect, as they do if no Prefect API is configured."""


def drip_flows(*words: str, folder: Path | None = None, typed: str = "", **settings: str | None) -> Result:
    """Run `drip-flows` with `words`.

    Args:
        words: the command's arguments.
        folder: the working directory; the current one by default.
        typed: the input for its prompts.
        settings: environment variables; None removes one.
    """
    with pytest.MonkeyPatch.context() as patch, _signal_handlers_kept():
        if folder:
            patch.chdir(folder)
        return CliRunner().invoke(app, words, input=typed, env=NO_PREFECT | settings, prog_name="drip-flows")


def prefect(*words: str, folder: Path) -> str:
    """The output of a `prefect` command, other than serve and deploy, which has to succeed."""
    from prefect.cli import app as prefect_app  # imported late, after the tests have set the environment

    output = io.StringIO()
    with pytest.MonkeyPatch.context() as patch, redirect_stdout(output):
        patch.chdir(folder)
        patch.setattr(sys, "argv", ["prefect", *words])
        code = _exit_code(prefect_app)
    assert not code, output.getvalue()
    return output.getvalue()


def _exit_code(run: Callable[[], object]) -> object:
    try:
        run()
    except SystemExit as ended:
        return ended.code
    return 0


def assert_plain_error(result: Result, *words: str) -> None:
    """Check that the command could not start: exit code 2, and one line on stderr that contains each of `words`."""
    assert result.exit_code == 2, result.output
    lines = result.stderr.strip().splitlines()
    assert len(lines) == 1, result.stderr
    assert all(word in lines[0] for word in words), lines[0]
    assert "Traceback" not in result.output


@contextmanager
def _signal_handlers_kept() -> Iterator[None]:
    """Restore pytest's handlers of Ctrl-C and SIGTERM, which the command replaces."""
    before = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
