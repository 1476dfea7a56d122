"""What the command line shows: a table of each list at the end of a sync, or of whatever was asked for."""

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, cast

from rich.table import Table
from rich.text import Text

from flows.cli.progress_bar import ProgressLine
from flows.common.console import marked, mute_dlt, plain_console
from flows.common.error_message import explain
from flows.common.errors import DripError, SettingsError, unknown
from flows.common.events import listening, tell
from flows.destinations.catalogue import DestinationName, warehouse
from flows.destinations.target import resolve_target
from flows.maintenance.forget import forget
from flows.pipeline import sync as pipeline
from flows.pipeline.load_errors import LoadFailed
from flows.pipeline.preparation import prepare
from flows.pipeline.report import ListReport, SyncReport
from flows.pipeline.sync_log import FULL
from flows.pipeline.sync_mode import MODES
from flows.reporting.summary import again, change, facts, number, signed, title
from flows.source.client import DripClient
from flows.source.decoding.decoder import Decoder, is_account_id
from flows.source.endpoints import ACCOUNTS, CONNECTION
from flows.source.list_reader import ListReader
from flows.source.settings import DripSettings, common_settings, every_settings

if TYPE_CHECKING:
    from flows.reporting.freshness import FreshnessReport, Limits  # imports pandas

CRASHED = 1
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
    with_prefect: bool = False,
) -> int:
    """Sync, showing progress, and show the report. Returns the exit code. Raises SettingsError."""
    asked, name = datetime.now(UTC), checked_destination(destination, accounts)
    if mode not in MODES:
        raise unknown("mode", mode, MODES)
    wanted: dict[str, Any] = {
        "accounts": list(accounts or []) or None,
        "resources": list(resources or []) or None,
        "history": history,
    }
    wanted |= {"destination": name, "dataset": dataset, "mode": mode}
    line = ProgressLine(console)
    try:
        with listening(line.on):
            result = _in_flow(wanted, verbose) if with_prefect else _plainly(wanted, verbose)
    except SettingsError:
        raise
    except Exception as error:
        if not line.lists:
            raise
        return _show_crash(error)
    if isinstance(result, SyncReport):
        result.asked = asked
    return show_result(result)


def _plainly(wanted: dict[str, Any], verbose: bool) -> object:
    """The report of a sync without Prefect. Raises SettingsError, LoadFailed."""
    if not verbose:
        mute_dlt()
    return pipeline.sync(**wanted)


def _in_flow(wanted: dict[str, Any], verbose: bool) -> object:
    """The report of a sync as a Prefect flow, or what ended it. Raises SettingsError."""
    from flows.orchestration.api_check import check_prefect
    from flows.orchestration.console_log import mute_console
    from flows.sync import sync

    prepare(wanted["resources"], wanted["destination"], wanted["dataset"], wanted["history"])
    check_prefect()
    if not verbose:
        mute_console()
    tell(STARTING)
    state: Any = sync(**wanted, return_state=True)
    return state.result(raise_on_failure=False)


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


def show_result(result: object) -> int:
    """Show how a sync ended. Returns the exit code. Raises what kept it from starting."""
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


def show_freshness(
    limits: "Limits", accounts: Sequence[str] | None, resources: Sequence[str] | None, destination: str, dataset: str
) -> int:
    """Check, and say what is wrong. Returns the exit code. Raises SettingsError."""
    from flows.reporting.freshness import check_freshness

    common_settings()  # refuses what is unknown or wrong, as the flow does
    name = checked_destination(destination, accounts)
    report = check_freshness(limits, accounts, resources, name, dataset)
    show_report(report)
    return 1 if report.problems else 0


def show_report(report: "FreshnessReport") -> None:
    """Every problem in a line, or that there is none."""
    for problem in report.problems:
        console.print(marked(f"{problem.resource} of {problem.account}", f": {problem.text}"), soft_wrap=True)
    if not report.problems:
        console.print(report.summary(), soft_wrap=True)
