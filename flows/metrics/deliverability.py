"""Whether emails arrive: bounces, complaints and unsubscriptions by mailbox domain and by email."""

import pandas as pd

LOSSES = ("bounces", "complaints", "unsubscribes")


def by_domain(deliverability: pd.DataFrame, least: int = 0, most: int = 15) -> pd.DataFrame:
    """The deliveries to each mailbox domain and how many were lost; the domain with the most deliveries first.

    Args:
        deliverability: the view of that name.
        least: minimum number of deliveries of a domain that is shown.
        most: maximum number of rows.

    Returns:
        `mailbox_domain`, `deliveries`, `bounces`, `complaints`, `unsubscribes`, and a rate per delivery of each.
    """
    sums = deliverability.groupby("mailbox_domain")[["deliveries", *LOSSES]].sum().reset_index()
    enough = sums[sums["deliveries"] >= least].sort_values("deliveries", ascending=False, kind="stable").head(most)
    return _with_rates(enough, "deliveries")


def by_email(emails: pd.DataFrame, least_sends: int = 0, most: int = 15) -> pd.DataFrame:
    """The emails that lost most people, by the rate of bounces, complaints and unsubscriptions together.

    Args:
        emails: the view of that name.
        least_sends: minimum number of sends of an email that is shown.
        most: maximum number of rows.

    Returns:
        `account_id`, `email_id`, `title`, `source`, `sends`, the losses, a rate per send of each, and `loss_rate`.
    """
    sent = emails[emails["sends"].fillna(0) >= max(least_sends, 1)]
    shown = _with_rates(sent[["account_id", "email_id", "title", "source", "sends", *LOSSES]], "sends")
    shown["loss_rate"] = shown[[f"{name}_rate" for name in LOSSES]].sum(axis=1)
    return shown.sort_values("loss_rate", ascending=False, kind="stable").head(most)


def _with_rates(frame: pd.DataFrame, whole: str) -> pd.DataFrame:
    rates = {f"{name}_rate": frame[name].astype("Float64") / frame[whole].astype("Float64") for name in LOSSES}
    return frame.assign(**rates)
