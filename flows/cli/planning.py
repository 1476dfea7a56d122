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


def show_plan(
    accounts: Sequence[str] | None,
    resources: Sequence[str] | None,
    destination: str,
    dataset: str,
    mode: str,
    changes: bool,
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
        _show(plan, changes)
    return 1 if plan.failures else 0


def plan_as_json(plan: SyncPlan) -> dict[str, Any]:
    """The plan as one JSON object."""
    document: dict[str, Any] = msgspec.to_builtins(plan)
    return {**document, "requests": plan.requests, "exact": plan.exact}


def _show(plan: SyncPlan, changes: bool) -> None:
    console.print(_table(plan, changes))
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


def _table(plan: SyncPlan, changes: bool) -> Table:
    titles = ("API has", "rows here", "requests", "MB", *(("added", "changed", "removed") if changes else ()))
    table = plain_table("account", "resource", "mode", right=titles, title="Lists that a sync would read")
    for line in plan.lists:
        numbers = [line.api_rows, line.rows, line.requests]
        differences = [line.added, line.changed, line.removed] if changes else []
        shown = [*map(number, numbers), f"{line.bytes / MB:,.1f}", *map(number, differences)]
        table.add_row(_owner(line, plan), line.resource, line.mode + (f": {line.why}" if line.why else ""), *shown)
    return table


def _owner(line: ListPlan, plan: SyncPlan) -> str:
    return account_label(line.account, plan.account_names) if line.account else line.connection or NO_ACCOUNT
