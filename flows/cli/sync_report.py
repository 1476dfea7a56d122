"""The report of a sync: tables and sentences for people, a document for programs."""

from typing import Any

import msgspec
from rich.text import Text

from flows.cli.output import console, plain_table, say, show_json
from flows.common.console import marked
from flows.pipeline.report import SyncReport
from flows.pipeline.report_line import ListReport
from flows.pipeline.sync_log import NO_ACCOUNT
from flows.reporting.summary import again, change, facts, number, owner, signed, tables, title

NUMBERS = ("API has", "loaded", "rows now", "change", "seconds")


def show_sync(report: SyncReport, every_list: bool, command: str) -> None:
    """Print a line per resource, the lists that failed or changed, and what the sync took.

    Args:
        report: of the sync.
        every_list: print a line per list, account by account, in place of the lists that changed.
        command: that syncs to the same place, for what has to be tried again.
    """
    console.print(_by_resource(report))
    if every_list:
        _show_every_list(report)
    else:
        _show_changes(report)
    for line in report.failures:
        say(marked(title(line, report.account_names), f": {line.note}"))
    if report.failures:
        say(again(report, command))
    for name, text in facts(report).items():
        say(f"{name}: {text}")
    say(report.summary())


def show_failures(report: SyncReport, command: str) -> None:
    """Print nothing but the lists that failed and how to try them again."""
    for line in report.failures:
        say(marked(title(line, report.account_names), f": {line.note}"))
    if report.failures:
        say(again(report, command))
    for one in report.refused:
        say(one.text)


def show_report_json(report: SyncReport) -> None:
    """Print the report as one JSON object."""
    show_json(
        {
            "run": report.run,
            "started": report.started,
            "finished": report.finished,
            "seconds": round(report.seconds, 3),
            "exit_code": report.exit_code,
            "location": report.location,
            "dataset": report.dataset,
            "summary": report.summary(),
            "stopped": report.stopped or None,
            "requests": report.requests,
            "budgets": [msgspec.to_builtins(one) for one in report.budgets],
            "shared_accounts": report.shared,
            "schema_drift": [msgspec.to_builtins(one) for one in report.drift],
            "view_problems": report.view_problems,
            "resources": [msgspec.to_builtins(one) for one in tables(report)],
            "lists": [_as_json(line, report) for line in report.lists],
        }
    )


def _as_json(line: ListReport, report: SyncReport) -> dict[str, Any]:
    name = report.account_names.get(line.account or "")
    return {"account_name": name, **msgspec.to_builtins(line), "change": change(line)}


def _by_resource(report: SyncReport) -> Any:
    quarantined = any(line.quarantined for line in report.lists)
    headings = ("lists", "API has", "loaded", "rows now", "change", *["quarantined"] * quarantined)
    table = plain_table("resource", right=headings, title="Sync")
    for one in tables(report):
        whole = f"{one.whole} of {one.lists}"
        numbers = [number(value) for value in (one.api_rows, one.loaded, one.total)]
        last = [number(one.quarantined)] * quarantined
        lists = whole if one.whole == one.lists else marked(whole)
        table.add_row(one.resource, lists, *numbers, signed(one.change), *last)
    return table


def _show_changes(report: SyncReport) -> None:
    """Of several accounts, the lists with more or fewer rows than the last time; and what is odd about any list."""
    several = len({line.account for line in report.lists if line.account}) > 1
    for line in report.lists:
        words = [f"{signed(change(line))} row{'s' * (abs(change(line) or 0) != 1)}"] * bool(several and change(line))
        words += [_remark(line)] * bool(line.repeated or line.quarantined or (line.why and not several))
        if words:
            say(f"{title(line, report.account_names)}: {', '.join(words)}")


def _show_every_list(report: SyncReport) -> None:
    owners = {_owner_key(line): owner(line, report.account_names) for line in report.lists}
    for key, name in owners.items():
        table = plain_table("resource", right=NUMBERS, title=name)
        table.add_column("")
        for line in report.lists:
            if _owner_key(line) == key:
                table.add_row(*_cells(line))
        console.print(table)


def _owner_key(line: ListReport) -> tuple[str, str]:
    return line.connection, line.account or NO_ACCOUNT


def _cells(line: ListReport) -> list[str | Text]:
    rows = [number(value) for value in (line.api_rows, line.loaded, line.total)]
    remark = _remark(line)
    last = remark if line.complete else marked("incomplete", f", {remark}" if remark else "")
    return [line.resource, *rows, signed(change(line)), f"{line.seconds:.2f}", last]


def _remark(line: ListReport) -> str:
    """What was unusual about reading a list; empty if nothing was."""
    words = [f"{line.mode} ({line.why})"] if line.why else []
    words += [f"{line.saved} requests saved"] if line.saved else []
    words += [f"{line.repeated} repeated"] if line.repeated else []
    words += [f"{line.quarantined} in _quarantine"] if line.quarantined else []
    return ", ".join(words)
