"""`drip-flows plan`: what a sync would do, as a table or as JSON."""

from collections.abc import Sequence
from typing import Any

import msgspec
from rich.table import Table

from flows.cli.commands import checked_destination
from flows.cli.output import console, plain_table, say, show_json
from flows.common.console import marked, mute_dlt
from flows.common.errors import unknown
from flows.common.labels import account_label
from flows.pipeline.planning.changes import compare
from flows.pipeline.planning.plan import ListPlan, SyncPlan, TokenPlan, make_plan
from flows.pipeline.report import counted
from flows.pipeline.sync_log import NO_ACCOUNT
from flows.pipeline.sync_mode import MODES
from flows.reporting.summary import number

MB, MINUTE = 1_000_000, 60
SUMS = ("api_rows", "rows", "requests", "bytes")
CHANGES = ("added", "changed", "removed")
"""Fields of a list that are added up for a resource."""


def show_plan(
    accounts: Sequence[str] | None,
    resources: Sequence[str] | None,
    destination: str,
    dataset: str,
    mode: str,
    changes: bool,
    every_list: bool,
    as_json: bool,
) -> int:
    """Print what a sync would do. Returns 1 if some list cannot be read. Raises SettingsError, DripError."""
    name = checked_destination(destination, accounts)
    if mode not in MODES:
        raise unknown("mode", mode, MODES)
    mute_dlt()
    wanted: Any = {"mode": mode, "compare": compare if changes else None}
    plan = make_plan(list(accounts or []) or None, list(resources or []) or None, name, dataset, **wanted)
    if as_json:
        show_json(plan_as_json(plan))
    else:
        _show(plan, changes, every_list)
    return 1 if plan.failures else 0


def plan_as_json(plan: SyncPlan) -> dict[str, Any]:
    """The plan as one JSON object."""
    document: dict[str, Any] = msgspec.to_builtins(plan)
    return {**document, "requests": plan.requests, "exact": plan.exact}


def _show(plan: SyncPlan, changes: bool, every_list: bool) -> None:
    if every_list:
        for owner in dict.fromkeys(_owner(line, plan) for line in plan.lists):
            console.print(_table([line for line in plan.lists if _owner(line, plan) == owner], changes, owner))
    else:
        console.print(_table(_by_resource(plan), changes, "Lists that a sync would read"))
        _show_changed(plan)
    for line in plan.failures:
        say(marked(f"{line.resource} of {_owner(line, plan)}", f": {line.note}"))
    size = sum(line.bytes for line in plan.lists)
    about = "" if plan.exact else "about "
    say(
        f"A sync into {plan.location}, dataset {plan.dataset}, takes {about}{counted(plan.requests, 'request')} "
        f"and reads about {size / MB:,.1f} MB."
    )
    for token in plan.tokens:
        say(_of_token(token))


def _of_token(token: TokenPlan) -> str:
    """What a token's requests mean for its rate limit."""
    name = f"{token.connection}: " if token.connection else ""
    waits = f"it waits {counted(token.waits, 'time')} for the rate limit" if token.waits else "without waiting"
    minutes = token.seconds / MINUTE
    time = f"{minutes:,.0f} min" if minutes >= 2 else f"{token.seconds:,.0f} s"
    return f"{name}{token.requests:,} requests, {token.left:,} are left of the rate limit: about {time}, {waits}."


def _by_resource(plan: SyncPlan) -> list[ListPlan]:
    """A line per resource, with the lists of all accounts together. A sum is unknown if one of its numbers is."""
    lines = []
    for resource in dict.fromkeys(line.resource for line in plan.lists):
        lists = [line for line in plan.lists if line.resource == resource]
        line = ListPlan(None, resource, mode=", ".join(dict.fromkeys(one.mode for one in lists)))
        for name in (*SUMS, *CHANGES):
            numbers = [getattr(one, name) for one in lists]
            setattr(line, name, None if None in numbers else sum(numbers))
        lines.append(line)
    return lines


def _show_changed(plan: SyncPlan) -> None:
    """Of several accounts, the lists that a sync would change."""
    if len({line.account for line in plan.lists if line.account}) < 2:
        return
    for line in plan.lists:
        if words := [f"{count:,} {name}" for name in CHANGES if (count := getattr(line, name))]:
            say(f"{line.resource} of {_owner(line, plan)}: {', '.join(words)}")


def _table(lines: Sequence[ListPlan], changes: bool, title: str) -> Table:
    titles = ("API has", "rows now", "requests", *(CHANGES if changes else ("MB",)))
    table = plain_table("resource", "mode", right=titles, title=title)
    for line in lines:
        numbers = [line.api_rows, line.rows, line.requests]
        differences = [number(getattr(line, name)) for name in CHANGES]
        last = differences if changes else [f"{line.bytes / MB:,.1f}"]
        table.add_row(line.resource, line.mode + (f": {line.why}" if line.why else ""), *map(number, numbers), *last)
    return table


def _owner(line: ListPlan, plan: SyncPlan) -> str:
    return account_label(line.account, plan.account_names) if line.account else line.connection or NO_ACCOUNT
