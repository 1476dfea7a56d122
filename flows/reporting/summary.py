"""A sync in words: the same facts for the terminal, the artifacts and the state of the flow run."""

from collections.abc import Sequence

import msgspec

from flows.common.scrubbing import scrub
from flows.pipeline.report import ListReport, Spent, SyncReport
from flows.pipeline.sync_log import NO_ACCOUNT
from flows.source.endpoints import ACCOUNTS, ENDPOINTS

MOST_NAMED = 3
"""Failed lists that a line names; the report has all of them."""
MOST_WORDS = 8
"""Options of a command that can still be read; beyond that the whole sync is repeated."""
UNKNOWN = "?"
WORTH_SAYING = 1.0
"""Seconds of a wait."""


class TableSummary(msgspec.Struct):
    """One table, its lists of all accounts together.

    Attributes:
        lists: of the accounts, `whole` of them arrived whole.
        api_rows: by the API, of the lists, or parts of lists, that it was asked for.
        loaded: rows in the destination, of what was read.
        total: rows in the destination, of all these lists.
        change: more rows (or fewer) than the last time; None where no list can be compared.
        quarantined: records that fitted no table.
    """

    resource: str
    lists: int
    whole: int
    api_rows: int
    loaded: int
    total: int
    change: int | None
    quarantined: int


def facts(report: SyncReport) -> dict[str, str]:
    """What holds for the run as a whole, by its name."""
    return {
        "Changed": changed(report),
        "Requests": requests(report),
        "Took": took(report),
        **({"Seen by several": "; ".join(report.shared)} if report.shared else {}),
    }


def tables(report: SyncReport) -> list[TableSummary]:
    """A summary per table, in the order of the endpoints."""
    named = {name: [line for line in report.lists if line.resource == name] for name in ENDPOINTS}
    return [_table(name, lines) for name, lines in named.items() if lines]


def change(line: ListReport) -> int | None:
    """How many more rows a list has than the last time; None where there was none, or nothing was loaded now."""
    if line.loaded is None or line.total is None or line.before is None:
        return None
    return line.total - line.before


def changed(report: SyncReport) -> str:
    """The tables that have more or fewer rows than the last time."""
    differences = {table.resource: table.change for table in tables(report)}
    if all(difference is None for difference in differences.values()):
        return "nothing to compare with yet"
    words = [f"{signed(number)} {name}" for name, number in differences.items() if number]
    return f"{', '.join(words) or 'no number of rows'} since the last time"


def requests(report: SyncReport) -> str:
    """Requests spent and left, of each token."""
    return "; ".join(map(_budget, report.budgets))


def took(report: SyncReport) -> str:
    """The duration, with the wait before it if there was one, against the last time, which is without."""
    text = f"{report.seconds:.1f} s"
    if report.waited >= WORTH_SAYING:
        work = report.seconds - report.waited
        text += f": {report.waited:.1f} s until it could begin, {work:.1f} s for the sync"
    before = report.seconds_before
    return text + (f"; {before:.1f} s the last time" if before is not None else "")


def state_message(report: SyncReport) -> str:
    """The run in one line, failed lists named: what a notification can show."""
    named = [f"{title(line)}: {line.note}" for line in report.failures[:MOST_NAMED]]
    more = len(report.failures) - len(named)
    return scrub("; ".join([report.summary(), *named, *([f"and {more} more"] if more else [])]))


def again(report: SyncReport) -> str:
    """What becomes of the lists that failed, and how to try them alone."""
    accounts = sorted({line.account for line in report.failures if line.account})
    resources = list(dict.fromkeys(line.resource for line in report.failures))
    words = [f"--account {one}" for one in accounts] + [f"--resource {one}" for one in resources]
    all_is_missing = any(line.resource == ACCOUNTS.resource and line.landed is None for line in report.failures)
    narrow = " ".join(words) if len(words) <= MOST_WORDS and not all_is_missing else ""
    return f"No row of theirs was deleted. To try again: {f'drip-flows sync {narrow}'.strip()}"


def title(line: ListReport) -> str:
    """A list by its name."""
    if line.account and line.connection:
        return f"{line.resource} of {line.account} ({line.connection})"
    return f"{line.resource} of {line.account or line.connection or NO_ACCOUNT}"


def number(value: int | None) -> str:
    """A number of rows, which may be unknown."""
    return UNKNOWN if value is None else f"{value:,}"


def signed(value: int | None) -> str:
    """A change, with its sign; empty where there is nothing to compare."""
    return "" if value is None else f"{value:+,}" if value else "0"


def _budget(budget: Spent) -> str:
    left = "it is not known how many are left" if budget.left is None else f"{budget.left:,} left"
    return f"{budget.connection} {budget.spent:,} spent, {left}".lstrip()


def _table(resource: str, lines: Sequence[ListReport]) -> TableSummary:
    differences = [one for one in map(change, lines) if one is not None]
    return TableSummary(
        resource=resource,
        lists=len(lines),
        whole=sum(line.complete for line in lines),
        api_rows=sum(line.api_rows or 0 for line in lines),
        loaded=sum(line.loaded or 0 for line in lines),
        total=sum(line.total or 0 for line in lines),
        change=sum(differences) if differences else None,
        quarantined=sum(line.quarantined for line in lines),
    )
