"""Charts of whether emails arrive. Each takes a frame of `flows.metrics.deliverability`."""

import altair as alt
import pandas as pd

from flows.charts.drawing import heat, named, sentence, shade
from flows.charts.theme import LABEL_WIDTH
from flows.metrics.deliverability import LOSSES

NO_DELIVERIES = "No deliveries here yet. They come by webhook only: docs/webhooks.md sets up the receiver."
NO_EMAILS = "No email has figures yet: they come by webhook, or with `drip-flows sync --resource email_metrics`."


def by_domain(rates: pd.DataFrame) -> alt.Chart:
    """Bounces, complaints and unsubscriptions per delivery, by mailbox domain. Args: `by_domain`."""
    if rates.empty:
        return sentence(NO_DELIVERIES)
    return _losses(rates, "mailbox_domain", "deliveries", "What is lost, by mailbox domain")


def by_email(rates: pd.DataFrame) -> alt.Chart:
    """The same per send, of the emails that lost most people. Args: `by_email`."""
    if rates.empty:
        return sentence(NO_EMAILS)
    shown = rates.assign(email=named(rates["title"], rates["email_id"]))
    return _losses(shown, "email", "sends", "Emails that lost most people")


def _losses(rates: pd.DataFrame, name: str, whole: str, title: str) -> alt.Chart:
    """A square per row and kind of loss."""
    kinds = {f"{kind}_rate": kind for kind in LOSSES}
    long = rates.melt([name, whole], list(kinds), "loss", "rate").assign(loss=lambda frame: frame["loss"].map(kinds))
    return heat(
        long,
        alt.Title(title, subtitle=f"Per {whole.removesuffix('s').replace('deliverie', 'delivery')}"),
        x=alt.X("loss:N", title=None, sort=list(LOSSES), axis=alt.Axis(labelAngle=0)),
        y=alt.Y(f"{name}:N", title=None, sort=list(rates[name]), axis=alt.Axis(labelLimit=LABEL_WIDTH)),
        color=shade("rate", "Rate", format=".1%"),
        tooltip=[f"{name}:N", f"{whole}:Q", "loss:N", alt.Tooltip("rate:Q", format=".2%")],
    )
