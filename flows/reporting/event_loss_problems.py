"""The part of the freshness check that reads `_event_audit`: accounts that lose too many webhook events."""

from collections.abc import Mapping, Sequence
from typing import Any

import pandas as pd

from flows.common.labels import account_label
from flows.dataset.reader import query
from flows.destinations.catalogue import DestinationName
from flows.pipeline.event_audit import COLUMNS, DAYS, TABLE
from flows.pipeline.event_batch import TABLE as EVENTS
from flows.pipeline.event_loss import AuditedInterval, by_account
from flows.reporting.problem import Problem
from flows.reporting.summary import event_loss

EXISTS = "SELECT 1 AS found FROM information_schema.tables WHERE table_schema = $dataset AND table_name = $table"
FIELDS = [name for name in COLUMNS if name in AuditedInterval.__struct_fields__]
LATEST = f"""
    SELECT {", ".join(FIELDS)} FROM {TABLE}
    WHERE interval_end > (SELECT max(interval_end) FROM {TABLE}) - INTERVAL '{DAYS:g} days'
"""


def lost_events(
    limit: float, accounts: Sequence[str] | None, names: Mapping[str, str], destination: DestinationName, dataset: str
) -> list[Problem]:
    """The accounts that lost more than a share of their events in the last week of the audit.

    Args:
        limit: the share, between 0 and 1.
        accounts: ids of the accounts to check; all of them if empty.
        names: names of the accounts by id.
        destination: the dlt destination.
        dataset: the schema that the tables are in.
    """
    there = query(EXISTS, {"dataset": dataset, "table": TABLE}, destination, dataset, or_demo=False)
    if there.empty:
        return []
    frame = query(LATEST, None, destination, dataset, or_demo=False)
    plain = frame.astype(object).where(frame.notna(), None)
    intervals = [AuditedInterval(*map(_plain, row)) for row in plain.itertuples(index=False)]
    return [
        Problem(account_label(one.account_id, names), EVENTS, event_loss(one))
        for one in by_account(intervals)
        if (not accounts or one.account_id in accounts) and one.exceeds(limit)
    ]


def _plain(value: Any) -> Any:
    return value.to_pydatetime() if isinstance(value, pd.Timestamp) else value
