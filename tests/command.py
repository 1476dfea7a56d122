"""The command line in this process: what it printed and its exit code, without a start of Python for each command."""

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
"""Syncs run without Prefect, as they do for whoever has no Prefect API."""


def drip_flows(*words: str, folder: Path | None = None, typed: str = "", **settings: str | None) -> Result:
    """Run `drip-flows` with `words`.

    Args:
        words: the command's arguments.
        folder: the working directory; the present one by default.
        typed: what is typed at its prompts.
        settings: environment variables; None takes one away.
    """
    with pytest.MonkeyPatch.context() as patch, _signal_handlers_kept():
        if folder:
            patch.chdir(folder)
        return CliRunner().invoke(app, words, input=typed, env=NO_PREFECT | settings, prog_name="drip-flows")


def prefect(*words: str, folder: Path) -> str:
    """What a `prefect` command prints that neither serves nor deploys; it has to succeed."""
    from prefect.cli import app as prefect_app  # not before the settings of the tests are in the environment

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
    """Nothing could start: exit code 2 and one line on stderr, with each of `words` in it."""
    assert result.exit_code == 2, result.output
    lines = result.stderr.strip().splitlines()
    assert len(lines) == 1, result.stderr
    assert all(word in lines[0] for word in words), lines[0]
    assert "Traceback" not in result.output


@contextmanager
def _signal_handlers_kept() -> Iterator[None]:
    """The command takes over Ctrl-C and SIGTERM; pytest gets them back."""
    before = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
