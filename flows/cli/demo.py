"""The demo: several days of the sandbox, each synced on its day into one DuckDB file, through the Prefect flow.

A webhook receiver takes the events of one account, which each sync loads. The last sync also reads email metrics.
"""

import os
import shlex
import shutil
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import duckdb

from flows.cli.commands import STARTING, show_result
from flows.cli.output import remark, remarks, say
from flows.cli.progress_bar import ProgressLine
from flows.common.clock import clock_set_to
from flows.common.events import listening
from flows.common.program import LAB, make, program
from flows.common.project import project_path, project_root
from flows.dataset.files import DEMO_DUCKDB
from flows.orchestration.api_check import check_prefect
from flows.orchestration.console_log import mute_console
from flows.pipeline.preparation import prepare
from flows.pipeline.report import SyncReport
from flows.sandbox import World, serve
from flows.sandbox.deliveries import Sender, bodies
from flows.sandbox.generator.timeline import AS_OF
from flows.source.setting_names import PREFIX
from flows.sync import sync
from flows.webhooks.registration import Registrar
from flows.webhooks.secret_store import SecretStore, delivery_url
from flows.webhooks.server import serving

DEMO_DAYS = 7
WITH_EVENTS = "1000001"
"""The account whose events are delivered."""
METRICS_DAYS = 31
PLENTY = 10_000
"""Requests for the metrics of emails. The API grants 20 an hour, too few to fill a database within a minute."""
DELIVERIES_PER_SECOND, LATE_SECONDS = 5_000.0, 0.5
LAST_SYNC = "SELECT max(started) FROM drip._syncs"


def run_demo(database: Path) -> int:
    """Sync days of the sandbox into `database`, and say what to do next. Returns the exit code.

    A new file gets a week, one that is there the day after its last sync.
    """
    database = project_path(database)
    world = World()
    world.metrics.limit = PLENTY
    days = _days(database)
    folder = database.with_name(f"{database.stem}-webhooks")
    if not database.exists():
        shutil.rmtree(folder, ignore_errors=True)
    with serve(world) as server:
        _leave_out_connections()
        os.environ.update(_settings(server.url, world.api_key, database, folder))
        remark(f"Sandbox API with invented people at {server.url}")
        prepare(None, "duckdb", "drip")
        check_prefect()
        mute_console()
        remark(STARTING)
        with _receiver(world, folder, days[0]) as url, ThreadPoolExecutor(1) as pool:
            # While Prefect starts, which takes a process of its own.
            told = {day: pool.submit(_bodies, world, url, day) for day in (days[1:] or days)}
            code = show_result(_demo_days(world, days, url, told))
    if code == 0:
        say("")
        say(_next_steps(database))
    return code


def _days(database: Path) -> list[datetime]:
    if not database.exists():
        return [AS_OF - timedelta(days=ago) for ago in reversed(range(DEMO_DAYS))]
    with duckdb.connect(database, read_only=True) as connection:
        ((last,),) = connection.execute(LAST_SYNC).fetchall()
    day: datetime = last.astimezone(UTC).replace(hour=0, minute=0, second=0, microsecond=0)
    return [day + timedelta(days=1)]


def _settings(url: str, key: str, database: Path, webhooks: Path) -> dict[str, str]:
    """The environment of the demo, which leaves the user's own settings aside."""
    return {
        "SOURCES__DRIP__BASE_URL": url,
        "SOURCES__DRIP__API_KEY": key,
        "SOURCES__DRIP__CONNECTIONS": "[]",
        "SOURCES__DRIP__OPTIONAL_RESOURCES": "[]",
        "SOURCES__DRIP__EMAIL_METRICS_DAYS": str(METRICS_DAYS),
        "SOURCES__DRIP__EMAIL_METRICS_RATE_LIMIT": str(PLENTY),
        "SOURCES__DRIP__WEBHOOKS": str(webhooks),
        "SOURCES__DRIP__WEBHOOK_SECRETS": "{}",
        "DESTINATION__DUCKDB__CREDENTIALS": str(database),
    }


@contextmanager
def _receiver(world: World, folder: Path, day: datetime) -> Iterator[str]:
    """Receive webhooks, and register the receiver on the first day. Returns the delivery URL of the account."""
    secrets = SecretStore(folder)
    with serving(folder, secrets) as address:
        world.move_to(day)
        with clock_set_to(day):
            Registrar(folder, secrets, WITH_EVENTS, lambda question: True).register(address, received=True)
        yield delivery_url(address, secrets.current_or_new(WITH_EVENTS))


def _next_steps(database: Path) -> str:
    ask = f'{program()} query "SELECT status, count(*) FROM subscribers GROUP BY status"'
    if database != project_path(DEMO_DUCKDB):
        ask = f"DESTINATION__DUCKDB__CREDENTIALS={shlex.quote(str(database))} {ask}"
    lab = make("lab", project_root(), LAB)
    return f"Next, on these invented people:\n  {lab}\n  {ask}\nThe README says how to sync your own accounts."


def _leave_out_connections() -> None:
    """Remove the variables of named connections, which the demo has none of, from this process's environment."""
    for name in [name for name in os.environ if name.startswith(PREFIX) and "__" in name.removeprefix(PREFIX)]:
        del os.environ[name]


def _demo_days(world: World, days: Sequence[datetime], url: str, told: Mapping[datetime, Future[list[Any]]]) -> object:
    """Sync the sandbox on each day, a line each; the result of the last one, or of the first that went wrong.

    Args:
        world: the sandbox's accounts.
        days: in order.
        url: where events are delivered.
        told: by day, the bodies of the events since the day before.
    """
    result: object = None
    for day in days:
        world.move_to(day)
        with clock_set_to(day):
            if day in told:
                _deliver(url, told[day].result())
            if day == days[-1]:
                os.environ["SOURCES__DRIP__OPTIONAL_RESOURCES"] = '["email_metrics"]'
            line = ProgressLine(remarks, f"as of {day:%Y-%m-%d}")
            with line, listening(line.on):
                state: Any = sync(return_state=True)
        result = state.result(raise_on_failure=False)
        if not isinstance(result, SyncReport) or result.exit_code:
            break
        say(f"As of {day:%Y-%m-%d}: {result.summary()}")
    return result


def _bodies(world: World, url: str, day: datetime) -> list[Any]:
    moments = (int(moment.timestamp()) for moment in (day - timedelta(days=1), day))
    return bodies(world.account(WITH_EVENTS), url, *moments)


def _deliver(url: str, told: Sequence[Any]) -> None:
    sender = Sender(url, DELIVERIES_PER_SECOND, late=LATE_SECONDS)
    sender.put(told)
    sender.finish()
