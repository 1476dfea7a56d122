"""Frames as tables that can be read: times to the minute, long text wrapped, cents that say so."""

import html
from collections.abc import Callable
from typing import Any

import pandas as pd
from pandas.io.formats.style import Styler

from flows.charts.accounts import shortened
from flows.metrics.counting import IN_CENTS

MOST_ROWS = 200
TEXT_WIDTH = 260
"""Pixels over which text wraps, between words; only a word that is longer, such as a URL, is broken."""
WRAPPED = f"text-align: left; white-space: normal; max-width: {TEXT_WIDTH}px; overflow-wrap: break-word"
NUMBER = "text-align: right; white-space: nowrap"
MOMENT = "white-space: nowrap"


def table(frame: pd.DataFrame, most: int = MOST_ROWS) -> Styler:
    """A frame as a table: times in UTC to the minute, shares in per cent, cents marked, long text wrapped.

    Accounts are shortened as in the charts.

    Args:
        frame: any frame; its values stay as they are.
        most: the rows that are shown; a line above the table says so where there are more.
    """
    shown = frame.head(most).reset_index(drop=True)
    forms: dict[Any, Any] = {column: _form(shown[column], str(column)) for column in shown.columns}
    numeric: Any = [column for column in shown.columns if pd.api.types.is_numeric_dtype(shown[column])]
    styles: Any = {column: [{"selector": "td, th", "props": NUMBER}] for column in numeric}
    styles |= {column: [{"selector": "td", "props": MOMENT}] for column in shown.columns if _is_moment(shown[column])}
    styled = (
        shown.style.format(forms, na_rep="")
        .hide(axis="index")
        .relabel_index([_heading(shown[column], str(column)) for column in shown.columns], axis="columns")
        .set_table_styles([{"selector": "td, th", "props": f"{WRAPPED}; vertical-align: top"}])
        .set_table_styles(styles, overwrite=False)
    )
    if frame.empty:
        return styled.set_caption("No rows")
    return styled.set_caption(f"The first {most:,} of {len(frame):,} rows") if len(frame) > most else styled


def _is_moment(values: "pd.Series[Any]") -> bool:
    return isinstance(values.dtype, pd.DatetimeTZDtype) or pd.api.types.is_datetime64_dtype(values)


def _heading(values: "pd.Series[Any]", column: str) -> str:
    """The name of a column, with its unit."""
    if column in IN_CENTS:
        return f"{column} (cents)"
    return f"{column} (UTC)" if isinstance(values.dtype, pd.DatetimeTZDtype) else column


def _form(values: "pd.Series[Any]", column: str) -> Callable[[Any], str]:
    """How a value of a column is written. A missing one is left out by pandas."""
    if isinstance(values.dtype, pd.DatetimeTZDtype):
        return lambda moment: f"{moment.tz_convert('UTC'):%Y-%m-%d %H:%M}"
    if pd.api.types.is_datetime64_dtype(values):
        return "{:%Y-%m-%d}".format
    if pd.api.types.is_float_dtype(values):
        return "{:.1%}".format if column == "share" or column.endswith("_rate") else "{:,.2f}".format
    if pd.api.types.is_integer_dtype(values):
        return "{:,}".format
    return _account if column == "account" else _text


def _account(value: Any) -> str:
    return _text(shortened(str(value)))


def _text(value: Any) -> str:
    """A value as text that HTML shows as it is."""
    return html.escape(str(value))
