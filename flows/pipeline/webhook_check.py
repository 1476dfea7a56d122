"""Whether the webhooks that were registered for our receiver are still there, by the table of webhooks."""

from collections.abc import Collection, Iterable, Mapping
from typing import Any

from flows.source.deliveries.registrations import Registration

WEBHOOKS = "webhooks"
QUERY = "SELECT account_id, id, post_url, {state} AS state FROM {table}"
STATES = ("enabled", "status")
"""Columns that might tell of a disabled webhook. The reference names none; an unknown field becomes a column."""
DISABLED = ("false", '"disabled"', '"inactive"')
GONE = "the webhook of the receiver ({id}) is gone: no events arrive; drip-flows webhooks register makes it again"
MOVED = "the webhook of the receiver ({id}) posts elsewhere now: no events arrive; see drip-flows webhooks status"
OFF = "Drip has disabled the webhook of the receiver ({id}): unregister it and register it again"


def webhook_query(table: str, columns: Collection[str]) -> str:
    """A row per webhook: account, id, redacted URL, and what might tell that it is disabled.

    Args:
        table: of webhooks, qualified.
        columns: that it has.
    """
    state = next((f"CAST({name} AS VARCHAR)" for name in STATES if name in columns), "NULL")
    return QUERY.format(table=table, state=state)


def webhook_problems(
    known: Mapping[str, Registration], rows: Iterable[tuple[Any, ...]], accounts: Collection[str]
) -> dict[str, str]:
    """By account, what is wrong with the webhook that was registered for it.

    Args:
        known: what was registered, by account.
        rows: of `webhook_query`.
        accounts: whose list of webhooks is complete; nothing is said of others.
    """
    there = {(account, webhook): (url, state) for account, webhook, url, state in rows}
    found = {}
    for account, one in known.items():
        url, state = there.get((account, one.webhook), (None, None))
        if account not in accounts:
            continue
        if (account, one.webhook) not in there:
            found[account] = GONE.format(id=one.webhook)
        elif url != one.post_url:
            found[account] = MOVED.format(id=one.webhook)
        elif str(state).lower() in DISABLED:
            found[account] = OFF.format(id=one.webhook)
    return found
