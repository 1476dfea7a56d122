"""`drip-flows query`: the result of a SELECT as a table that fits the terminal, as CSV or as JSON."""

import sys
from collections.abc import Sequence
from typing import Any, Literal

import pandas as pd
from rich.cells import cell_len, set_cell_size

from flows.cli.commands import checked_destination
from flows.cli.output import console, plain_table, remark, show_json
from flows.common.console import plain_console
from flows.common.errors import SettingsError
from flows.dataset import query
from flows.pipeline.report import counted

Form = Literal["table", "csv", "json"]
WIDEST = 40
"""Characters of a cell in a table."""
GAP = 3
"""Characters between two columns."""


def parameters(words: Sequence[str]) -> dict[str, str]:
    """Parameters by name, from `NAME=VALUE`. Raises SettingsError for any other form."""
    found = {}
    for word in words:
        name, sign, value = word.partition("=")
        if not (sign and name.isidentifier()):
            raise SettingsError(f"--param {word!r} is not of the form NAME=VALUE")
        found[name] = value
    return found


def show_query(sql: str, params: dict[str, str], form: Form, limit: int, destination: str, dataset: str) -> None:
    """Run a SELECT and print its rows. Raises DatasetError."""
    name = checked_destination(destination, ())
    frame = query(sql, params or None, name, dataset, as_objects=form == "json")
    if form == "csv":
        frame.to_csv(sys.stdout, index=False, lineterminator="\n")
    elif form == "json":
        show_json(_records(frame))
    else:
        _show_table(frame, limit)


def _records(frame: pd.DataFrame) -> list[dict[str, Any]]:
    """The rows as plain values: null where there is none, timestamps as ISO 8601, lists and JSON as they are."""
    columns = [[_plain(value) for value in frame.iloc[:, place]] for place in range(frame.shape[1])]
    return [dict(zip(map(str, frame.columns), row, strict=True)) for row in zip(*columns, strict=True)]


def _plain(value: Any) -> Any:
    if isinstance(value, list | tuple) or type(value).__name__ == "ndarray":
        return [_plain(one) for one in value]
    if isinstance(value, dict):
        return {str(key): _plain(one) for key, one in value.items()}
    if pd.isna(value):
        return None
    if isinstance(value, pd.Timestamp):
        return value.isoformat()
    if hasattr(value, "item"):
        return value.item()
    return value if isinstance(value, str | int | float | bool) else str(value)


def _show_table(frame: pd.DataFrame, limit: int) -> None:
    shown = frame.head(limit) if limit else frame
    cells = [[_text(value) for value in shown.iloc[:, place]] for place in range(shown.shape[1])]
    names = [str(name) for name in frame.columns]
    widths = [max(map(cell_len, [name, *column])) for name, column in zip(names, cells, strict=True)]
    whole = sum(widths) + GAP * len(widths)
    fit = _columns_that_fit(widths, console.width if console.is_terminal else whole)
    numeric = [pd.api.types.is_numeric_dtype(kind) for kind in frame.dtypes]
    table = plain_table()
    for place in range(fit):
        table.add_column(names[place], justify="right" if numeric[place] else "left", no_wrap=True)
    for row in zip(*cells[:fit], strict=True):
        table.add_row(*row)
    # Rich limits the width of a table to that of its console, and would cut the columns of a file or a pipe.
    target = console if console.is_terminal else plain_console(highlight=False, width=max(whole + GAP, console.width))
    target.print(table, crop=False)
    _tell_what_is_left_out(len(frame), len(shown), names[fit:])


def _columns_that_fit(widths: Sequence[int], most: int) -> int:
    """How many of the first columns fit into a line; at least one."""
    used, fit = 0, 0
    for width in widths:
        used += width + GAP
        if used - GAP > most:
            break
        fit += 1
    return max(fit, 1)


def _tell_what_is_left_out(rows: int, shown: int, hidden: Sequence[str]) -> None:
    left = [f"{shown:,} of {counted(rows, 'row')}"] if shown < rows else [counted(rows, "row")]
    left += [f"without {', '.join(hidden)}, for which the terminal is too narrow"] if hidden else []
    remark("; ".join(left) + (". --csv and --json print everything." if shown < rows or hidden else ""))


def _text(value: Any) -> str:
    plain = _plain(value)
    if plain is None:
        return ""
    text = " ".join(str(plain).split())
    return text if cell_len(text) <= WIDEST else set_cell_size(text, WIDEST - 1) + "…"
