"""`drip-flows status`: the last sync of each list, how old it is, the history, the rate limit."""

import copy
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import msgspec

from flows.cli.commands import checked_destination
from flows.cli.output import console, plain_table, say, show_json
from flows.common.console import marked
from flows.common.duration import duration
from flows.common.errors import DripError, SettingsError
from flows.common.labels import account_label
from flows.dataset.files import database_file
from flows.pipeline.report import counted
from flows.pipeline.sync_log import NO_ACCOUNT, ListTimes
from flows.reporting.status import Status, status
from flows.reporting.summary import number
from flows.source.client import DripClient
from flows.source.endpoints import ACCOUNTS, ENDPOINTS
from flows.source.settings import DripSettings, every_settings

ASK_SECONDS = 10.0
"""That the API may take to say what is left of the rate limit."""
TITLE = "Last complete sync of each list"
BEHIND = timedelta(days=1)
"""After the newest list, from which on a list is named."""
MB = 1_000_000


def show_status(destination: str, dataset: str, verbose: bool, offline: bool, as_json: bool) -> None:
    """Print the state of a dataset. Raises SettingsError where there is no data."""
    found = status(checked_destination(destination, ()), dataset)
    place = database_file() if destination == "duckdb" else None
    limits = [] if offline else rate_limits()
    if as_json:
        show_json(_as_json(found, place, limits))
        return
    newest = max((one.whole for one in found.lists if one.whole), default=found.now)
    console.print(_every_list(found) if verbose else _by_resource(found))
    for one in found.lists:
        if one.whole is None or one.whole < newest - BEHIND:
            say(marked(_title(one, found), f": {_behind(one, found)}"))
    for name, text in _facts(found, place, limits).items():
        say(f"{name}: {text}")


def rate_limits() -> list[tuple[str, str]]:
    """What is left of the rate limit of each connection, by its name, in words; one request for each."""
    try:
        return [(settings.connection, _left(settings)) for settings in every_settings()]
    except SettingsError as error:
        return [("", f"not known: {error}")]


def _left(settings: DripSettings) -> str:
    once = copy.copy(settings)
    once.max_retries, once.timeout, once.reply_timeout = 0, ASK_SECONDS, ASK_SECONDS
    client = DripClient(once)
    try:
        client.get(ACCOUNTS.path, {})
    except DripError as error:
        return f"not known: {error}"
    left = client.budget.remaining
    return "the API does not say" if left is None else f"{left:,} requests left of {settings.rate_limit:,}"


def _by_resource(found: Status) -> Any:
    table = plain_table("resource", right=("lists", "complete", "oldest", "rows"), title=TITLE)
    for resource in ENDPOINTS:
        lists = [one for one in found.lists if one.resource == resource]
        if lists:
            whole = [one.whole for one in lists if one.whole]
            oldest = age(min(whole), found.now) if whole else "never"
            rows = f"{sum(one.rows or 0 for one in lists):,}"
            table.add_row(resource, f"{len(lists):,}", f"{len(whole):,}", oldest, rows)
    return table


def _every_list(found: Status) -> Any:
    table = plain_table("account", "resource", right=("age", "rows", "before"), title=TITLE)
    for one in found.lists:
        when = age(one.whole, found.now) if one.whole else "never"
        table.add_row(_owner(one, found), one.resource, when, number(one.rows), number(one.rows_before))
    return table


def _facts(found: Status, place: Path | None, limits: Sequence[tuple[str, str]]) -> dict[str, str]:
    last = found.last
    facts = {
        "Last sync": f"{age(last.finished, found.now)} ago, {last.whole} of {counted(last.lists, 'list')} complete"
    }
    for one in found.history:
        since = f" since {one.since:%Y-%m-%d}" if one.since else ""
        facts[one.table] = f"{counted(one.versions, 'version')}{since}, {one.current:,} of them current"
    if found.deliveries:
        newest = f", the newest {age(found.deliveries.newest, found.now)} ago" if found.deliveries.newest else ""
        facts["Webhooks"] = f"{counted(found.deliveries.events, 'event')}{newest}"
    facts |= {f"Rate limit{f' of {name}' if name else ''}": text for name, text in limits}
    return facts | ({"Database": f"{place}, {place.stat().st_size / MB:,.1f} MB"} if place else {})


def _as_json(found: Status, place: Path | None, limits: Sequence[tuple[str, str]]) -> dict[str, Any]:
    return {
        "database": str(place) if place else None,
        "bytes": place.stat().st_size if place else None,
        "last_sync": found.last,
        "lists": [
            {"account_name": found.names.get(one.account or ""), **msgspec.to_builtins(one)} for one in found.lists
        ],
        "history": found.history,
        "webhooks": found.deliveries,
        "rate_limits": [{"connection": name, "text": text} for name, text in limits],
    }


def _title(one: ListTimes, found: Status) -> str:
    return f"{one.resource} of {_owner(one, found)}"


def _owner(one: ListTimes, found: Status) -> str:
    return account_label(one.account, found.names) if one.account else one.connection or NO_ACCOUNT


def _behind(one: ListTimes, found: Status) -> str:
    return f"last complete {age(one.whole, found.now)} ago" if one.whole else "never complete in the log of syncs"


def age(moment: datetime, now: datetime | None = None) -> str:
    """How long ago a moment was."""
    return duration(((now or datetime.now(UTC)) - moment).total_seconds())
