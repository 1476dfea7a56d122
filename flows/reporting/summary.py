"""The text of a sync report, shared by the terminal, the artifacts and the flow run's state."""

from collections.abc import Mapping, Sequence

import msgspec

from flows.common.labels import account_label
from flows.common.scrubbing import scrub
from flows.pipeline.event_loss import AccountLoss
from flows.pipeline.events import EventsLoaded
from flows.pipeline.report import Spent, SyncReport, counted
from flows.pipeline.report_line import ListReport
from flows.pipeline.sync_log import NO_ACCOUNT
from flows.source.endpoints import ACCOUNTS, ENDPOINTS
from flows.source.quarantine import TABLE as QUARANTINE

MOST_NAMED = 3
"""Maximum number of failed lists named in a line; the report names all of them."""
MOST_WORDS = 8
"""Maximum number of options in a suggested command; beyond that, it repeats the whole sync."""
UNKNOWN = "?"
SHORTEST_WAIT = 1.0
"""Shortest wait, in seconds, that is reported."""


class TableSummary(msgspec.Struct):
    """A table, with the lists of all accounts together.

    Attributes:
        resource: the table.
        lists: number of lists.
        whole: number of complete lists.
        api_rows: rows according to the API, of the lists, or parts of lists, that were requested.
        loaded: rows in the destination, of the lists, or parts of lists, that were read.
        total: rows in the destination, of all these lists.
        change: change in rows since the last sync; None if no list can be compared.
        quarantined: records that fit no table.
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
    """Facts about the whole run, by label."""
    return {
        "Changed": changed(report),
        "Requests": requests(report),
        "Duration": duration(report),
        **({"Shared accounts": "; ".join(report.shared)} if report.shared else {}),
        **({"Not available": text} if (text := not_available(report)) else {}),
        **({"Still to come": text} if (text := still_to_come(report)) else {}),
        **({"Webhooks": webhooks(report)} if report.events or report.webhook_problems else {}),
        **({"Webhook audit": text} if (text := event_audit(report)) else {}),
        **({"Schema": "; ".join(one.text for one in report.drift)} if report.drift else {}),
        **({"Views": text} if (text := views(report)) else {}),
    }


def webhooks(report: SyncReport) -> str:
    """What was loaded of webhook deliveries, and what is wrong with webhooks."""
    loaded = [events(report.events)] if report.events else []
    return "; ".join([*loaded, *(f"account {account}: {text}" for account, text in report.webhook_problems.items())])


def views(report: SyncReport) -> str:
    """The views that could not be created or replaced, with the reason; empty if there are none."""
    return "; ".join(f"{name} is not up to date: {reason}" for name, reason in report.view_problems.items())


def events(loaded: EventsLoaded) -> str:
    """What was loaded of webhook deliveries."""
    text = f"{counted(loaded.deliveries, 'delivery', 'deliveries')} loaded, {counted(loaded.events, 'new event')}"
    text += f", {loaded.quarantined:,} in {QUARANTINE}" if loaded.quarantined else ""
    if loaded.missing:
        text += (
            f"; up to {loaded.missing:,} deliveries that were shipped are not in the landing zone, and later ones wait "
            "for them: run `drip-flows webhooks ship --again` on the receiver's machine"
        )
    return text


def event_audit(report: SyncReport) -> str:
    """The webhook events that are missing according to the history; empty if there was nothing to compare."""
    compared = [one for one in report.event_losses if one.changes or one.unconfirmed_events]
    bad = [one for one in compared if one.missing_events or one.unconfirmed_events]
    if bad or not compared:
        texts = [f"{account_label(one.account_id, report.account_names)}: {event_loss(one)}" for one in bad]
        more = [f"and {len(bad) - MOST_NAMED} more accounts"] if len(bad) > MOST_NAMED else []
        return "; ".join([*texts[:MOST_NAMED], *more])
    changes, since = sum(one.changes for one in compared), min(one.since for one in compared)
    return f"no event is missing for {counted(changes, 'change')} since {since:%Y-%m-%d %H:%M} UTC"


def event_loss(one: AccountLoss) -> str:
    """The events of an account that are missing."""
    changes = f"{counted(one.changes, 'change')} since {one.since:%Y-%m-%d %H:%M} UTC"
    text = f"no event for {one.missing_events:,} of {changes}"
    text += f", an estimated loss of {one.loss}" if one.missing_events else ""
    if one.first_missing_hour:
        text += f"; the first missing event is from the hour of {one.first_missing_hour:%Y-%m-%d %H:00} UTC"
    if one.unconfirmed_events:
        text += f"; {counted(one.unconfirmed_events, 'event')} contradicted by the list, so a later one must be missing"
    return text


def not_available(report: SyncReport) -> str:
    """The resources whose endpoint a token does not have, each once; empty where it has all."""
    named = list(dict.fromkeys(line.resource for line in report.lists if not line.available))
    return f"the API answered 404 for {', '.join(named)}; rows from before are kept" if named else ""


def still_to_come(report: SyncReport) -> str:
    """What is to be known of lists that arrived, such as how far back the figures of emails go."""
    lines = [line for line in report.lists if line.complete and line.available and line.note]
    more = [f"and {len(lines) - MOST_NAMED} more"] if len(lines) > MOST_NAMED else []
    return "; ".join([*(f"{title(line, report.account_names)}: {line.note}" for line in lines[:MOST_NAMED]), *more])


def tables(report: SyncReport) -> list[TableSummary]:
    """A summary of each table, in the order of the endpoints."""
    named = {name: [line for line in report.lists if line.resource == name] for name in ENDPOINTS}
    return [_table(name, lines) for name, lines in named.items() if lines]


def change(line: ListReport) -> int | None:
    """The change in rows of a list since the last sync; None if there was none, or nothing was loaded now."""
    if line.loaded is None or line.total is None or line.before is None:
        return None
    return line.total - line.before


def changed(report: SyncReport) -> str:
    """The tables whose number of rows changed since the last sync."""
    differences = {table.resource: table.change for table in tables(report)}
    if all(difference is None for difference in differences.values()):
        return "no earlier sync to compare with"
    words = [f"{signed(number)} {name}" for name, number in differences.items() if number]
    return f"{', '.join(words) or 'no row counts'} since the last sync"


def requests(report: SyncReport) -> str:
    """Requests used and left, for each token."""
    return "; ".join(map(_budget, report.budgets))


def duration(report: SyncReport) -> str:
    """The duration, including the initial wait if there was one, and the last sync's duration without its wait."""
    text = f"{report.seconds:.1f} s"
    if report.waited >= SHORTEST_WAIT:
        work = report.seconds - report.waited
        text += f": {report.waited:.1f} s before it could start, {work:.1f} s for the sync"
    before = report.seconds_before
    return text + (f"; last sync {before:.1f} s" if before is not None else "")


def state_message(report: SyncReport) -> str:
    """The run on one line, naming failed lists, for notifications."""
    named = [f"{title(line, report.account_names)}: {line.note}" for line in report.failures[:MOST_NAMED]]
    more = len(report.failures) - len(named)
    return scrub("; ".join([report.summary(), *named, *([f"and {more} more"] if more else [])]))


def again(report: SyncReport, command: str = "drip-flows sync") -> str:
    """What happened to the rows of failed lists, and the command that retries these lists.

    Args:
        report: the report of the sync.
        command: the command that syncs to the same place.
    """
    accounts = sorted({line.account for line in report.failures if line.account})
    resources = list(dict.fromkeys(line.resource for line in report.failures))
    words = [f"--account {one}" for one in accounts] + [f"--resource {one}" for one in resources]
    all_is_missing = any(line.resource == ACCOUNTS.resource and line.landed is None for line in report.failures)
    narrow = " ".join(words) if len(words) <= MOST_WORDS and not all_is_missing else ""
    return f"None of their rows were deleted. To retry: {f'{command} {narrow}'.strip()}"


def title(line: ListReport, names: Mapping[str, str]) -> str:
    """The display name of a list; `names` are the accounts' names by id."""
    return f"{line.resource} of {owner(line, names)}"


def owner(line: ListReport, names: Mapping[str, str]) -> str:
    """The account of a list, with its connection if that has a name; or else the connection, or else `NO_ACCOUNT`."""
    if not line.account:
        return line.connection or NO_ACCOUNT
    label = account_label(line.account, names)
    return f"{label}, {line.connection}" if line.connection else label


def number(value: int | None) -> str:
    """A row count; `?` if unknown."""
    return UNKNOWN if value is None else f"{value:,}"


def signed(value: int | None) -> str:
    """A change with its sign; empty if unknown."""
    return "" if value is None else f"{value:+,}" if value else "0"


def _budget(budget: Spent) -> str:
    left = "remaining unknown" if budget.left is None else f"{budget.left:,} left"
    return f"{budget.connection} {budget.spent:,} used, {left}".lstrip()


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
