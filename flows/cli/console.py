"""What the command line shows: progress while a sync works, one table at the end."""

import logging
import os
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, cast

from prefect.logging.handlers import PrefectConsoleHandler
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, SpinnerColumn, TextColumn, TimeElapsedColumn
from rich.table import Table
from rich.text import Text

from flows.common.console import marked, plain_console
from flows.common.error_message import explain
from flows.common.errors import DripError, SettingsError, unknown
from flows.common.events import Event, ListRead, ListsPlanned, PageLanded, Said, listening, tell
from flows.common.project import project_path
from flows.destinations.catalogue import DestinationName, warehouse
from flows.destinations.target import resolve_target
from flows.maintenance.forget import forget
from flows.orchestration.api_check import check_prefect
from flows.orchestration.settings import quiet_server
from flows.pipeline.accounts import check_accounts
from flows.pipeline.context import prepare
from flows.pipeline.load_errors import LoadFailed
from flows.pipeline.report import ListReport, SyncReport
from flows.pipeline.sync_log import FULL, ListName
from flows.pipeline.sync_mode import MODES, Mode
from flows.reporting.summary import again, change, facts, number, signed, title
from flows.sandbox import World, serve
from flows.sandbox.generator.timeline import AS_OF
from flows.source.client import DripClient
from flows.source.decoding.decoder import Decoder, is_account_id
from flows.source.endpoints import ACCOUNTS, CONNECTION
from flows.source.list_reader import ListReader
from flows.source.settings import DripSettings, common_settings, every_settings
from flows.source.variables import PREFIX
from flows.sync import sync

CRASHED = 1
DEMO_DAYS = 7
STARTING = "starting Prefect (half a minute on the first run)"
console = plain_console()


def run_sync(
    accounts: Sequence[str] | None,
    resources: Sequence[str] | None,
    destination: str,
    dataset: str,
    history: bool | None = None,
    mode: str = FULL,
    verbose: bool = False,
) -> int:
    """Sync, showing progress, and show the report. Returns the exit code. Raises SettingsError."""
    asked, name = datetime.now(UTC), checked_destination(destination, accounts)
    if mode not in MODES:
        raise unknown("mode", mode, MODES)
    runs = prepare(resources, name, dataset, history)
    check_prefect()
    check_accounts(runs, accounts)
    if not verbose:
        _only_our_own_words()
    line = ProgressLine(console)
    try:
        with listening(line.on):
            tell(STARTING)
            state: Any = sync(
                accounts=list(accounts or []) or None,
                resources=list(resources or []) or None,
                destination=name,
                dataset=dataset,
                history=history,
                mode=cast(Mode, mode),
                return_state=True,
            )
    except Exception as error:  # Prefect's own
        if not line.lists:
            raise
        return _show_crash(error)
    result = state.result(raise_on_failure=False)
    if isinstance(result, SyncReport):
        result.asked = asked
    return _show_result(result)


def checked_destination(destination: str, accounts: Sequence[str] | None) -> DestinationName:
    """The destination, where it and the account ids are what they should be. Raises SettingsError."""
    warehouse(destination)
    for account in accounts or ():
        if not is_account_id(account):
            raise SettingsError(f"--account {account!r} is no account id: these are digits; see `drip-flows accounts`")
    return cast(DestinationName, destination)


def run_forget(email: str, destination: str, dataset: str) -> None:
    """Remove a person from the destination, and show what went. Raises SettingsError."""
    forgotten = forget(email, checked_destination(destination, ()), dataset)
    table = Table("from", "account", title="Forgotten", title_justify="left")
    table.add_column("removed", justify="right")
    for one in forgotten.removed:
        table.add_row(one.table, one.account, f"{one.rows:,}")
    console.print(table if forgotten.removed else f"Nobody has or had the address {email} here.", soft_wrap=True)
    for one in forgotten.mentions:
        text = marked(one.table, f" still mentions the address, in {one.rows:,} rows of others")
        console.print(text, soft_wrap=True)
    for sentence in forgotten.remains:
        console.print(sentence, soft_wrap=True)
    console.print("Whoever is still in Drip comes back with the next full sync: delete them there too.", soft_wrap=True)


def show_accounts() -> int:
    """List the accounts that the API key sees, or the keys of all connections. Returns the exit code.

    Raises:
        DripError: of the one key, or of the last connection where none can be asked.
    """
    every = every_settings()
    named = bool(every[0].connection)
    title = "Accounts that the keys see" if named else "Accounts that this key sees"
    table = Table(*[CONNECTION] * named, "account", "name", "url", "created", title=title, title_justify="left")
    failed: list[Text] = []
    for settings in every:
        try:
            for row in _accounts(settings):
                table.add_row(*[settings.connection] * named, *row)
        except DripError as error:
            failed.append(marked(f"accounts of {settings.connection}", f": {error}"))
            if len(failed) == len(every):
                raise
    console.print(table)
    for line in failed:
        console.print(line, soft_wrap=True)
    return 1 if failed else 0


def _accounts(settings: DripSettings) -> list[tuple[str, ...]]:
    """Id, name, URL and day of each account that a token sees."""
    reader = ListReader(DripClient(settings, say=console.print), ACCOUNTS, None, Decoder(ACCOUNTS))
    rows = [row for page in reader.pages() for row in page.table.to_pylist()]
    days = [f"{row['created_at']:%Y-%m-%d}" if row["created_at"] else "" for row in rows]
    return [(row["id"], row["name"], row["url"], day) for row, day in zip(rows, days, strict=True)]


def run_copy(dataset: str, replace: bool) -> int:
    """Copy a dataset from DuckDB to PostgreSQL, and show how both compare. Returns the exit code."""
    resolve_target("postgres", dataset)  # says so where PostgreSQL's driver, an extra, is missing
    from flows.maintenance.copy_to_postgres import copy_to_postgres

    common_settings()  # refuses what is unknown or wrong

    with listening(ProgressLine(console).on):
        compared = copy_to_postgres(dataset, replace)
    table = Table("table", "", title="Copied from DuckDB to PostgreSQL", title_justify="left")
    table.add_column("rows", justify="right")
    for one in compared:
        verdict = Text("the same") if one.same else marked("not the same", f": {one.before[0]:,} rows before")
        table.add_row(one.table, verdict, f"{one.after[0]:,}")
    console.print(table)
    return 0 if all(one.same for one in compared) else 1


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
        console.print(f"Sandbox API with invented people at {server.url}")
        prepare(None, "duckdb", "drip")
        check_prefect()
        _only_our_own_words()
        console.print(STARTING)
        code = _show_result(_demo_days(world, days))
    if code == 0:
        next_step = marked("make lab", " opens the notebooks on it; the README has your own accounts.", style="bold")
        console.print("\nNext:", next_step)
    return code


def _leave_out_connections() -> None:
    """Remove the variables of named connections, which the demo has none of, from this process's environment."""
    for name in [name for name in os.environ if name.startswith(PREFIX) and "__" in name.removeprefix(PREFIX)]:
        del os.environ[name]


def _demo_days(world: World, days: Sequence[datetime]) -> object:
    """Sync the sandbox as of each day, a line each; the result of the last one, or of the first that went wrong."""
    result: object = None
    for day in days:
        world.move_to(day)
        state: Any = sync(return_state=True)
        result = state.result(raise_on_failure=False)
        if not isinstance(result, SyncReport) or result.exit_code:
            break
        console.print(f"As of {day:%Y-%m-%d}: {result.summary()}", soft_wrap=True)
    return result


class ProgressLine:
    """Turns events into one moving line on a terminal, or a line per stage where there is none."""

    def __init__(self, target: Console) -> None:
        self.console = target
        self.rows: dict[ListName, int] = {}
        self.lists = 0
        self.progress = Progress(
            SpinnerColumn(),
            TextColumn("{task.description}", markup=False),
            BarColumn(),
            MofNCompleteColumn(),
            TextColumn("lists, {task.fields[rows]:,} rows", markup=False),
            TimeElapsedColumn(),
            console=target,
            transient=True,
        )
        self.bar = self.progress.add_task("reading", total=None, rows=0)

    def on(self, event: Event) -> None:
        """Show an event; called from any thread."""
        match event:
            case ListsPlanned(lists, accounts):
                self.console.print(f"reading {lists} lists of {accounts} account{'s' * (accounts != 1)}")
                self.lists = lists
                self.progress.update(self.bar, total=lists)
                self.progress.start()
            case PageLanded(resource, account, rows, connection=connection):
                self.rows[connection, resource, account] = rows
                self.progress.update(self.bar, rows=sum(self.rows.values()))
            case ListRead():
                self.progress.advance(self.bar)
                if self.progress.finished:
                    self.progress.stop()
            case Said(text):
                self.console.print(text)


def _only_our_own_words() -> None:
    """Keep the logs of Prefect and dlt, tracebacks included, off the console; Prefect's API still gets its own."""
    quiet_server()
    logging.getLogger("dlt").addFilter(_nothing)  # an error that ends the load is shown by itself, in one line
    for handler in logging.getLogger().handlers:
        if isinstance(handler, PrefectConsoleHandler):
            handler.addFilter(_nothing)


def _nothing(record: logging.LogRecord) -> bool:
    return False


def _show_result(result: object) -> int:
    if isinstance(result, DripError):
        raise result
    return _show(result) if isinstance(result, SyncReport) else _show_crash(cast(BaseException, result))


def _show(result: SyncReport) -> int:
    if result.stopped:
        raise SettingsError(result.stopped)
    named = any(line.connection for line in result.lists)
    table = Table(*[CONNECTION] * named, "account", "resource", title="Sync", title_justify="left")
    for heading in ("API has", "loaded", "rows now", "change", "seconds"):
        table.add_column(heading, justify="right")
    table.add_column("")
    for line in result.lists:
        table.add_row(*[line.connection] * named, *_cells(line))
    console.print(table)
    for line in result.failures:
        console.print(marked(title(line), f": {line.note}"), soft_wrap=True)
    if result.failures:
        console.print(again(result), soft_wrap=True)
    for name, text in facts(result).items():
        console.print(f"{name}: {text}", soft_wrap=True)
    console.print(result.summary(), soft_wrap=True)
    return result.exit_code


def _cells(line: ListReport) -> list[str | Text]:
    words = [f"{line.mode} ({line.why})"] if line.why else []
    words += [f"{line.saved} requests saved"] if line.saved else []
    words += [f"{line.repeated} repeated"] if line.repeated else []
    words += [f"{line.quarantined} in _quarantine"] if line.quarantined else []
    rows = [number(value) for value in (line.api_rows, line.loaded, line.total)]
    numbers = [*rows, signed(change(line)), f"{line.seconds:.2f}"]
    remark = ", ".join(words)
    last = remark if line.complete else marked("incomplete", f", {remark}" if remark else "")
    return [line.account or "", line.resource, *numbers, last]


def _show_crash(error: BaseException) -> int:
    if isinstance(error, LoadFailed):
        console.print(marked("The sync failed", f": {error}"), soft_wrap=True)
        return CRASHED
    console.print(marked("The sync broke off", f": {explain(error)}"), soft_wrap=True)
    console.print("What landed is kept: run the same command again. With --verbose it says more.")
    return CRASHED
