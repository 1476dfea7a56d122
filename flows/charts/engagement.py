"""Charts of who still reads. Each takes a frame of `flows.metrics.engagement`."""

import altair as alt
import pandas as pd
from pandas.io.formats.style import Styler

from flows.charts.accounts import with_accounts
from flows.charts.drawing import account_bars, heat, named, plain_bars, sentence, shade
from flows.charts.tables import table
from flows.charts.theme import BLUE, LABEL_WIDTH, LINE_HEIGHT, MONTH_TOOLTIP, WHOLE
from flows.metrics.engagement import BANDS

NO_EVENTS = "No clicks here yet. They come by webhook only: docs/webhooks.md sets up the receiver."
NO_ORDERS = "No custom event with a value followed a click within the window."
NOBODY_LAPSED = (
    "Nobody who can be reached clicked last 90 days ago or more. Clicks before the receiver's first day are not known."
)
NO_SENDING_TIMES = (
    "No delivery here has the time of sending, so there is nothing to measure from. "
    "`drip-flows webhooks register --received-email` has Drip deliver it."
)
BAND_TITLE = "Days since the last click"
BAND_NAMES = dict(
    zip(BANDS, ("up to 30", "31 to 60", "61 to 90", "91 to 180", "more than 180", "no click known"), strict=True)
)


def recency(counts: pd.DataFrame) -> alt.Chart:
    """People by the recency of their clicks. Args: `recency`."""
    if counts.empty or set(counts["recency_band"]) == {"never"}:
        return sentence(NO_EVENTS)
    return account_bars(
        _with_band_names(with_accounts(counts, "people")),
        alt.Title("When people clicked last", subtitle="People who can be reached, without clicks of scanners"),
        height=LINE_HEIGHT,
        x=alt.X("days:N", title=BAND_TITLE, sort=list(BAND_NAMES.values()), axis=alt.Axis(labelAngle=0)),
        y=alt.Y("sum(people):Q", title="People", axis=WHOLE),
        tooltip=["legend:N", "days:N", alt.Tooltip("sum(people):Q", format=",", title="people")],
    )


def recency_by_cohort(shares: pd.DataFrame) -> alt.Chart:
    """Recency of clicks by the month of arrival. Args: `recency_by_cohort`."""
    if shares.empty or set(shares["recency_band"]) == {"never"}:
        return sentence(NO_EVENTS)
    return heat(
        _with_band_names(shares),
        alt.Title("Who still clicks, by month of arrival", subtitle=BAND_TITLE),
        x=alt.X("yearmonth(month):O", title="Month of arrival (UTC)"),
        y=alt.Y("days:N", title=None, sort=list(BAND_NAMES.values())),
        color=shade("share", "Share of the month", 1, format=".0%"),
        tooltip=[MONTH_TOOLTIP, "days:N", "people:Q", alt.Tooltip("share:Q", format=".1%")],
    )


def _with_band_names(frame: pd.DataFrame) -> pd.DataFrame:
    return frame.assign(days=frame["recency_band"].map(BAND_NAMES).astype("string"))


def win_back(lapsed: pd.DataFrame) -> Styler | alt.Chart:
    """Whom to win back, as a table. Args: `win_back` with `metrics.name_accounts`."""
    return sentence(NOBODY_LAPSED) if lapsed.empty else table(lapsed.drop(columns="account_id"))


def reaction_times(quartiles: pd.DataFrame) -> Styler | alt.Chart:
    """How fast people react, as a table. Args: `reaction_times` with `metrics.name_accounts`."""
    return sentence(NO_SENDING_TIMES) if quartiles.empty else table(quartiles.drop(columns="account_id"))


def links(clicked: pd.DataFrame) -> alt.Chart:
    """The links that most people clicked. Args: `links`."""
    if clicked.empty:
        return sentence(NO_EVENTS)
    return plain_bars(
        clicked,
        alt.Title("Links clicked by most people"),
        color=alt.value(BLUE),
        x=alt.X("people:Q", title="People", axis=WHOLE),
        y=alt.Y("url:N", title=None, sort=list(clicked["url"]), axis=alt.Axis(labelLimit=LABEL_WIDTH)),
        tooltip=["url:N", "people:Q", "clicks:Q"],
    )


def earnings(emails: pd.DataFrame) -> alt.Chart:
    """What emails earned by last touch. Args: `earnings`."""
    if emails.empty:
        return sentence(NO_ORDERS)
    shown = emails.assign(email=named(emails["title"], emails["email_id"]))
    return plain_bars(
        shown,
        alt.Title("What emails earned", subtitle="Custom events with a value, by the last click before them"),
        color=alt.value(BLUE),
        x=alt.X("revenue:Q", title="Value (currency units)"),
        y=alt.Y("email:N", title=None, sort=list(shown["email"]), axis=alt.Axis(labelLimit=LABEL_WIDTH)),
        tooltip=["email:N", "orders:Q", alt.Tooltip("revenue:Q", format=",.2f")],
    )
