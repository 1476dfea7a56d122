"""How a command ends where something goes wrong: with one line on stderr, and an exit code."""

import logging
import os
import shutil
import signal
import sys
import textwrap
import threading
import traceback
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, nullcontext
from typing import NoReturn

import typer

from flows.cli.output import activity
from flows.cli.startup import hide_pandas
from flows.common.project import PROJECT_SETTING, project_root
from flows.common.scrubbing import scrub

CANNOT_START = 2
INTERRUPTED, TERMINATED = 130, 143
GRACE_SECONDS = 5.0
"""For an interrupted run to tell Prefect of its end; its threads may wait for the network much longer."""
STOPPED = "stopped; run the same command again (a sync resumes from the pages that have landed)"

verbose = False
"""Whether an unexpected error shows its traceback, for all commands of this process."""


class Terminated(KeyboardInterrupt):
    """A SIGTERM came: it ends a run as Ctrl-C does."""


class Failed(SystemExit):
    """The command ends with an exit code; its line is on stderr already."""

    def __init__(self, exit_code: int) -> None:
        self.exit_code = exit_code
        super().__init__(exit_code)


@contextmanager
def plain_errors(
    with_traceback: bool = False, in_project: bool = True, starting: str = "", pandas: bool = True
) -> Iterator[None]:
    """The outermost handler of every command: one line on stderr whatever goes wrong, also on Ctrl-C and SIGTERM.

    What a command imports belongs into the block too: Prefect reads its settings as it is imported.

    Args:
        with_traceback: that of an unexpected error is shown before the line.
        in_project: settings and relative paths are those of the project in the block.
        starting: what is shown on stderr until the project has been entered, which imports dlt.
        pandas: whether the command uses pandas; if not, pyarrow does not import it.
    """
    # Prefect hands a SIGTERM on to whoever had it before.
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, _interrupt)
    try:
        with ExitStack() as stack:
            with activity(starting) if starting else nullcontext():
                if not pandas:
                    hide_pandas()
                if in_project:
                    _enter_project(stack)
            yield
    except KeyboardInterrupt as error:
        fail(STOPPED, TERMINATED if isinstance(error, Terminated) else INTERRUPTED)
    except (typer.Exit, typer.Abort, BrokenPipeError):
        raise  # typer ends the process
    except Exception as error:
        _fail_for(error, with_traceback or verbose)


def _enter_project(stack: ExitStack) -> None:
    """Have this process, and those that it starts, find the project; check what Prefect would trip over."""
    os.environ.setdefault(PROJECT_SETTING, str(project_root()))
    from flows.source.dlt_run_context import in_project
    from flows.source.environment_checks import check_certificates, check_home

    check_home()
    check_certificates()
    stack.enter_context(in_project())


def _fail_for(error: Exception, with_traceback: bool) -> NoReturn:
    from flows.common.error_message import explain
    from flows.common.errors import DripError

    if with_traceback and not isinstance(error, DripError):
        _write("".join(traceback.format_exception(error)))
    fail(explain(error))


def fail(message: str, code: int = CANNOT_START) -> NoReturn:
    """End with one line on stderr, which a terminal shows wrapped between words."""
    line = " ".join(message.split())
    if sys.stderr.isatty():
        width = shutil.get_terminal_size().columns
        line = textwrap.fill(line, width, break_long_words=False, break_on_hyphens=False)
    _write(line + "\n")
    raise Failed(code)


def _write(text: str) -> None:
    """Write to stderr, without secrets. Every line of a failure, and every traceback, passes through here."""
    sys.stderr.write(scrub(text))
    sys.stderr.flush()


def _interrupt(number: int, frame: object) -> NoReturn:
    terminated = number == signal.SIGTERM
    timer = threading.Timer(GRACE_SECONDS, _leave_stopped, (TERMINATED if terminated else INTERRUPTED,))
    timer.daemon = True
    timer.start()
    raise Terminated if terminated else KeyboardInterrupt


def _leave_stopped(code: int) -> None:
    _write(f"{STOPPED}\n")
    leave(code)


def leave(code: int) -> NoReturn:
    """End the process at once: threads of an interrupted run may still wait for the network."""
    sys.stdout.flush()
    _send_logs()
    _stop_prefect_server()
    os._exit(code)


def _send_logs() -> None:
    """Have Prefect's log handler send what it holds, as an orderly exit would; in a thread, since it may hang."""
    if "prefect" in sys.modules:
        sending = threading.Thread(target=logging.shutdown, daemon=True)
        sending.start()
        sending.join(GRACE_SECONDS)


def _stop_prefect_server() -> None:
    """Stop the server that Prefect started for this process, as it would itself at an orderly exit."""
    if module := sys.modules.get("prefect.server.api.server"):
        for server in list(module.SubprocessASGIServer._instances.values()):
            server.stop()
