"""Moves values that not every database can store, so that the tables are the same in every destination.

PostgreSQL cannot store NUL characters in text or `jsonb`, and limits the numbers in `jsonb`. Such a value is NULL in
its column and kept, as JSON text, in `<column>__v_json`.
"""

import re
from typing import Any

import msgspec
import pyarrow as pa
import pyarrow.compute as pc

from flows.source.endpoints import ACCOUNT_ID, ROW_HASH, Endpoint
from flows.source.schema import FIELD_NAME, MISFIT_SUFFIX, json_columns

NUL = "\0"
NUL_IN_JSON = re.compile(rb"\\u0000")
MOST_DIGITS = 10_000
"""Below PostgreSQL's limits for numbers: 131,072 digits before the decimal point and 16,383 after it."""
LARGE_EXPONENT = r"[0-9][eE][+-]?0*[1-9][0-9]{4}"
NUL_ESCAPE = re.compile(r"(?<!\\)(?:\\\\)*\\u0000")
STRINGS = re.compile(r'"(?:[^"\\]|\\.)*"', re.DOTALL)
HUGE_NUMBER = re.compile(rf"{LARGE_EXPONENT}|[0-9]{{{MOST_DIGITS}}}")


def portable(table: pa.Table, endpoint: Endpoint, reply: bytes) -> pa.Table:
    """The page with values that some database cannot store moved to `__v_json` columns, except in keys.

    Args:
        table: the page, with the endpoint's columns and extra ones.
        endpoint: the endpoint of the page.
        reply: the reply that it was decoded from. Searched first, so that most texts need not be checked.
    """
    nul = bool(NUL_IN_JSON.search(reply))
    for field in _text_fields(table, endpoint):
        is_json = field.name in json_columns(endpoint) or FIELD_NAME in (field.metadata or {})
        if nul or (is_json and _may_be_large(table[field.name])):
            table = _moved(table, field, is_json)
    return table


def _text_fields(table: pa.Table, endpoint: Endpoint) -> list["pa.Field[Any]"]:
    """The text and JSON columns, except for keys, which cannot be NULL, and `__v_json` columns."""
    kept = {ACCOUNT_ID, ROW_HASH, *endpoint.primary_key}
    texts = [field for field in table.schema if pa.types.is_string(field.type) and field.name not in kept]
    return [f for f in texts if FIELD_NAME in (f.metadata or {}) or not f.name.endswith(MISFIT_SUFFIX)]


def _may_be_large(column: Any) -> bool:
    """Whether a JSON column may contain a number that is too large, so that its values have to be checked."""
    longest = pc.max(pc.binary_length(column)).as_py() or 0
    return longest > MOST_DIGITS or bool(pc.any(pc.match_substring_regex(column, LARGE_EXPONENT)).as_py())


def _moved(table: pa.Table, field: "pa.Field[Any]", is_json: bool) -> pa.Table:
    values = table[field.name].to_pylist()
    odd = [unfit_json(value) if is_json else NUL in (value or "") for value in values]
    if not any(odd):
        return table
    fit = [None if is_odd else value for value, is_odd in zip(values, odd, strict=True)]
    table = table.set_column(table.schema.get_field_index(field.name), field, pa.array(fit, pa.string()))
    texts = [_kept(value, is_json) if is_odd else None for value, is_odd in zip(values, odd, strict=True)]
    return _with_misfits(table, field.name + MISFIT_SUFFIX, pa.array(texts, pa.string()))


def unfit_json(text: str | None) -> bool:
    """Whether JSON text contains a NUL character, in a string or a key, or a number that is too large."""
    return bool(text) and bool(NUL_ESCAPE.search(text or "") or HUGE_NUMBER.search(STRINGS.sub("", text or "")))


def _kept(value: str | None, is_json: bool) -> str | None:
    return value if is_json else msgspec.json.encode(value).decode()


def _with_misfits(table: pa.Table, name: str, texts: Any) -> pa.Table:
    """The table with `texts` merged into the column `name`, which may already contain other misfits."""
    if name not in table.schema.names:
        return table.append_column(pa.field(name, pa.string()), texts)
    index = table.schema.get_field_index(name)
    return table.set_column(index, table.schema.field(index), pc.coalesce(table[name], texts))
