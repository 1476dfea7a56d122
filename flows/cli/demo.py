"""The demo: several days of the sandbox, synced one after the other into one DuckDB file, through the Prefect flow."""

import os
import shlex
from collections.abc import Sequence
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

from flows.cli.commands import STARTING, show_result
from flows.cli.output import remark, remarks, say
from flows.cli.progress_bar import ProgressLine
from flows.common.events import listening
from flows.common.program import LAB, make, program
from flows.common.project import project_path, project_root
from flows.dataset.files import DEMO_DUCKDB
from flows.orchestration.api_check import check_prefect
from flows.orchestration.console_log import mute_console
from flows.pipeline.preparation import prepare
from flows.pipeline.report import SyncReport
from flows.sandbox import World, serve
from flows.sandbox.generator.timeline import AS_OF
from flows.source.setting_names import PREFIX
from flows.sync import sync

DEMO_DAYS = 7


def run_demo(database: Path) -> int:
    """Sync the sandbox into `database`, day after day, and say what to do next. Returns the exit code."""
    database = project_path(database)
    world = World()
    days = [AS_OF] if database.exists() else [AS_OF - timedelta(days=ago) for ago in reversed(range(DEMO_DAYS))]
    with serve(world) as server:
        _leave_out_connections()
        os.environ.update(
            SOURCES__DRIP__BASE_URL=server.url,
            SOURCES__DRIP__API_KEY=world.api_key,
            SOURCES__DRIP__CONNECTIONS="[]",
            DESTINATION__DUCKDB__CREDENTIALS=str(database),
        )
        remark(f"Sandbox API with invented people at {server.url}")
        prepare(None, "duckdb", "drip")
        check_prefect()
        mute_console()
        remark(STARTING)
        code = show_result(_demo_days(world, days))
    if code == 0:
        say("")
        say(_next_steps(database))
    return code


def _next_steps(database: Path) -> str:
    ask = f'{program()} query "SELECT status, count(*) FROM subscribers GROUP BY ALL"'
    if database != project_path(DEMO_DUCKDB):
        ask = f"DESTINATION__DUCKDB__CREDENTIALS={shlex.quote(str(database))} {ask}"
    lab = make("lab", project_root(), LAB)
    return f"Next, on these invented people:\n  {lab}\n  {ask}\nThe README says how to sync your own accounts."


def _leave_out_connections() -> None:
    """Remove the variables of named connections, which the demo has none of, from this process's environment."""
    for name in [name for name in os.environ if name.startswith(PREFIX) and "__" in name.removeprefix(PREFIX)]:
        del os.environ[name]


def _demo_days(world: World, days: Sequence[datetime]) -> object:
    """Sync the sandbox as of each day, a line each; the result of the last one, or of the first that went wrong."""
    result: object = None
    for day in days:
        world.move_to(day)
        line = ProgressLine(remarks, f"as of {day:%Y-%m-%d}")
        with line, listening(line.on):
            state: Any = sync(return_state=True)
        result = state.result(raise_on_failure=False)
        if not isinstance(result, SyncReport) or result.exit_code:
            break
        say(f"As of {day:%Y-%m-%d}: {result.summary()}")
    return result
