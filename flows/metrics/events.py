"""Webhook events that are missing, judging by the history of subscribers."""

import pandas as pd

from flows.pipeline.event_loss import loss

SUMS = ["changes", "missing_events", "unconfirmed_events"]


def event_losses(audit: pd.DataFrame) -> pd.DataFrame:
    """How many webhook events each account lost.

    Args:
        audit: the table `_event_audit`.

    Returns:
        A row per account with changes, the greatest loss first: `account_id`, `intervals` that were audited, `changes`,
        `missing_events`, `unconfirmed_events`, `first_missing_hour` (UTC, missing where no event is), and the estimated
        `loss` between 0 and 1 with its 95 % confidence interval, `low` and `high`.
    """
    grouped = audit.groupby("account_id")
    frame = (
        grouped[SUMS]
        .sum()
        .assign(intervals=grouped.size().astype("Int64"), first_missing_hour=grouped["first_missing_hour"].min())
    )
    frame = frame[frame["changes"] > 0].reset_index()
    losses = [loss(int(changes), int(missing)) for changes, missing in zip(frame["changes"], frame["missing_events"],
              strict=True)]  # fmt: skip
    for column, field in (("loss", "share"), ("low", "low"), ("high", "high")):
        frame[column] = pd.Series([getattr(one, field) for one in losses], dtype="Float64")
    columns = ["account_id", "intervals", *SUMS, "first_missing_hour", "loss", "low", "high"]
    return frame[columns].sort_values(["loss", "account_id"], ascending=[False, True], ignore_index=True)
