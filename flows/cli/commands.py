"""What the commands do, and what they show of it: results on stdout, progress and remarks on stderr."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, NoReturn, cast

from rich.text import Text

from flows.cli.exits import fail
from flows.cli.output import console, plain_table, remark, remarks, say, show_json
from flows.cli.progress_bar import ProgressLine
from flows.cli.sync_report import show_failures, show_report_json, show_sync
from flows.common.clock import now
from flows.common.console import marked, mute_dlt
from flows.common.error_message import explain
from flows.common.errors import DripError, SettingsError, unknown
from flows.common.events import listening, tell
from flows.common.program import program
from flows.destinations.catalogue import DestinationName, warehouse
from flows.destinations.target import resolve_target
from flows.maintenance.forget import forget
from flows.pipeline import sync as pipeline
from flows.pipeline.context import DEFAULT_DATASET
from flows.pipeline.load_errors import LoadFailed
from flows.pipeline.preparation import prepare
from flows.pipeline.report import SyncReport
from flows.pipeline.sync_log import FULL
from flows.pipeline.sync_mode import MODES
from flows.source.client import DripClient
from flows.source.decoding.decoder import Decoder, is_account_id
from flows.source.endpoints import ACCOUNTS, CONNECTION
from flows.source.list_reader import ListReader
from flows.source.settings import DEFAULT_HISTORY, DripSettings, common_settings, every_settings

if TYPE_CHECKING:
    from flows.reporting.freshness import FreshnessReport, Limits  # imports pandas

CRASHED = 1
STARTING = "starting Prefect (half a minute on the first run)"


@dataclass(frozen=True)
class Shown:
    """What a sync prints.

    Attributes:
        every_list: a line per list in place of one per resource, and the logs of dlt and Prefect.
        as_json: the report as JSON, and nothing else on stdout.
        quiet: only lists that failed.
        command: that syncs to the same place.
    """

    every_list: bool = False
    as_json: bool = False
    quiet: bool = False
    command: str = "drip-flows sync"


def run_sync(
    accounts: Sequence[str] | None,
    resources: Sequence[str] | None,
    destination: str,
    dataset: str,
    history: bool | None = None,
    mode: str = FULL,
    shown: Shown | None = None,
    with_prefect: bool = False,
    rebuild: bool = False,
) -> int:
    """Sync, showing progress, and show the report. Returns the exit code. Raises SettingsError."""
    asked, name = now(), checked_destination(destination, accounts)
    shown = replace(shown or Shown(), command=_sync_command(destination, dataset, history))
    if mode not in MODES:
        raise unknown("mode", mode, MODES)
    wanted: dict[str, Any] = {
        "accounts": list(accounts or []) or None,
        "resources": list(resources or []) or None,
        "history": history,
    }
    wanted |= {"destination": name, "dataset": dataset, "mode": mode, "rebuild": rebuild}
    line = ProgressLine(remarks)
    try:
        with line, listening(line.on):
            result = _in_flow(wanted, shown.every_list) if with_prefect else _plainly(wanted, shown.every_list)
    except SettingsError:
        raise
    except Exception as error:
        if not line.lists:
            raise
        return _show_crash(error)
    if isinstance(result, SyncReport):
        result.asked = asked
    return show_result(result, shown)


def _sync_command(destination: str, dataset: str, history: bool | None) -> str:
    """A sync to the same place, as the user can type it where they are."""
    words = [program(), "sync"]
    words += [f"--destination {destination}"] if destination != "duckdb" else []
    words += [f"--dataset {dataset}"] if dataset != DEFAULT_DATASET else []
    words += ["--history" if history else "--no-history"] if history is not None else []
    return " ".join(words)


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
    if wanted["history"]:
        wanted["history"] = common_settings().history or list(DEFAULT_HISTORY)
    check_prefect()
    if not verbose:
        mute_console()
    tell(STARTING)
    state: Any = sync(**wanted, return_state=True)
    return state.result(raise_on_failure=False)


def checked_account(account: str) -> str:
    """The id of an account. Raises SettingsError if it is not one."""
    if not is_account_id(account):
        raise SettingsError(
            f"--account {account!r} is not an account id: ids consist of digits; see `{program()} accounts`"
        )
    return account


def checked_destination(destination: str, accounts: Sequence[str] | None) -> DestinationName:
    """The destination, where it and the account ids are what they should be. Raises SettingsError."""
    warehouse(destination)
    for account in accounts or ():
        checked_account(account)
    return cast(DestinationName, destination)


def run_forget(email: str, destination: str, dataset: str) -> None:
    """Remove a person from the destination, and show what went. Raises SettingsError."""
    forgotten = forget(email, checked_destination(destination, ()), dataset)
    table = plain_table("from", "account", right=("removed",), title="Forgotten")
    for one in forgotten.removed:
        table.add_row(one.table, one.account, f"{one.rows:,}")
    if forgotten.removed:
        console.print(table)
    else:
        say(f"Nobody has or had the address {email} here.")
    for one in forgotten.mentions:
        say(marked(one.table, f" still mentions the address, in {one.rows:,} rows of other people"))
    for sentence in forgotten.remains:
        say(sentence)
    say("If this person is still in Drip, the rows come back with the next full sync: delete the person there too.")


def show_accounts(as_json: bool = False) -> int:
    """List the accounts that the API key sees, or the keys of all connections. Returns the exit code.

    Raises:
        DripError: of the one key, or of the last connection where none can be asked.
    """
    every = every_settings()
    found: list[dict[str, str]] = []
    failed: list[Text] = []
    for settings in every:
        try:
            found += _accounts(settings)
        except DripError as error:
            failed.append(marked(f"accounts of {settings.connection}", f": {error}"))
            if len(failed) == len(every):
                raise
    if as_json:
        show_json(found)
    else:
        named = bool(every[0].connection)
        title = "Accounts that the keys see" if named else "Accounts that this key sees"
        table = plain_table(*[CONNECTION] * named, "account", "name", "created", "url", title=title)
        for row in found:
            table.add_row(*list(row.values())[not named :])
        console.print(table)
    for line in failed:
        say(line, remarks if as_json else console)
    return 1 if failed else 0


def _accounts(settings: DripSettings) -> list[dict[str, str]]:
    """The accounts that a token sees: connection, account, name, day of creation, URL."""
    reader = ListReader(DripClient(settings, say=remark), ACCOUNTS, None, Decoder(ACCOUNTS, mask=settings.masking))
    rows = [row for page in reader.pages() for row in page.table.to_pylist()]
    return [
        {
            CONNECTION: settings.connection,
            "account": row["id"],
            "name": row["name"] or "",
            "created": f"{row['created_at']:%Y-%m-%d}" if row["created_at"] else "",
            "url": row["url"] or "",
        }
        for row in rows
    ]


def run_copy(dataset: str, replace_tables: bool) -> int:
    """Copy a dataset from DuckDB to PostgreSQL, and show how both compare. Returns the exit code."""
    resolve_target("postgres", dataset)  # says so where PostgreSQL's driver, an extra, is missing
    from flows.maintenance.copy_to_postgres import copy_to_postgres

    common_settings()  # refuses what is unknown or wrong

    with ProgressLine(remarks, "copying") as line, listening(line.on):
        compared = copy_to_postgres(dataset, replace_tables)
    table = plain_table("table", "", right=("rows",), title="Copied from DuckDB to PostgreSQL")
    for one in compared:
        verdict = Text("the same") if one.same else marked("not the same", f": {one.before[0]:,} rows before")
        table.add_row(one.table, verdict, f"{one.after[0]:,}")
    console.print(table)
    return 0 if all(one.same for one in compared) else 1


def show_result(result: object, shown: Shown | None = None) -> int:
    """Show how a sync ended. Returns the exit code. Raises what kept it from starting."""
    shown = shown or Shown(command=_sync_command("duckdb", DEFAULT_DATASET, None))
    if isinstance(result, DripError):
        raise result
    if not isinstance(result, SyncReport):
        return _show_crash(cast(BaseException, result))
    if result.stopped:
        raise SettingsError(result.stopped)
    if shown.as_json:
        show_report_json(result)
    elif shown.quiet:
        show_failures(result, shown.command)
    else:
        show_sync(result, shown.every_list, shown.command)
    return result.exit_code


def _show_crash(error: BaseException) -> NoReturn:
    if isinstance(error, LoadFailed):
        fail(f"The sync failed: {error}", CRASHED)
    fail(f"The sync was interrupted: {explain(error)}. The landed pages are kept: run the same command again.", CRASHED)


def show_freshness(
    limits: "Limits",
    accounts: Sequence[str] | None,
    resources: Sequence[str] | None,
    destination: str,
    dataset: str,
    as_json: bool = False,
) -> int:
    """Check, and say what is wrong. Returns the exit code. Raises SettingsError."""
    from flows.reporting.freshness import check_freshness

    common_settings()  # refuses what is unknown or wrong, as the flow does
    name = checked_destination(destination, accounts)
    report = check_freshness(limits, accounts, resources, name, dataset)
    if as_json:
        show_json({"fresh": not report.problems, "oldest_hours": report.oldest, "lists": len(report.lists),
                   "problems": report.problems})  # fmt: skip
    else:
        show_problems(report)
    return 1 if report.problems else 0


def show_problems(report: "FreshnessReport") -> None:
    """Every problem in a line, or that there is none."""
    for problem in report.problems:
        say(marked(f"{problem.resource} of {problem.account}", f": {problem.text}"))
    if not report.problems:
        say(report.summary())
