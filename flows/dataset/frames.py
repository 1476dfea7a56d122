"""Arrow tables as pandas data frames, with nullable types, and with JSON columns decoded or without quotes."""

from collections.abc import Sequence
from typing import Any

import msgspec
import pandas as pd
import pyarrow as pa

from flows.pipeline import changes

PANDAS_TYPES: dict[Any, Any] = {
    pa.bool_(): pd.BooleanDtype(),
    **dict.fromkeys((pa.int8(), pa.int16(), pa.int32(), pa.int64(), pa.uint8(), pa.uint16(), pa.uint32()), "Int64"),
    pa.uint64(): pd.UInt64Dtype(),
    **dict.fromkeys((pa.float32(), pa.float64()), "Float64"),
    **dict.fromkeys((pa.string(), pa.large_string(), pa.string_view()), "string"),
}
"""Nullable types throughout: an integer column with a gap stays one of integers."""


JSON_MARK: dict[Any, Any] = {b"drip": b"json"}
"""The metadata of an Arrow field that is JSON in the database."""
POSTGRES_JSON = (114, 3802)
"""The ids of the types `json` and `jsonb` in PostgreSQL."""
CHANGE, CUSTOM_FIELD, CHANGED_VALUES = "change", "custom_field", ("from_value", "to_value")


def marked(rows: pa.Table, is_json: Sequence[bool]) -> pa.Table:
    """An Arrow table that knows which of its columns are JSON."""
    fields = [
        field.with_metadata(JSON_MARK) if json else field for field, json in zip(rows.schema, is_json, strict=True)
    ]
    return pa.Table.from_arrays(rows.columns, schema=pa.schema(fields))


def to_frame(rows: pa.Table, as_objects: Sequence[str] | bool = ()) -> pd.DataFrame:
    """An Arrow table as a frame.

    Args:
        rows: of `marked`.
        as_objects: JSON columns to decode, or whether all are. In the others, a JSON text loses its quotes.
    """
    frame: Any = to_pandas(rows)
    wanted = set() if isinstance(as_objects, bool) else set(as_objects)
    for place, field in enumerate(rows.schema):
        if (as_objects is True and field.metadata == JSON_MARK) or field.name in wanted:
            frame.isetitem(place, decoded(frame.iloc[:, place]))
        elif field.metadata == JSON_MARK:
            frame.isetitem(place, unquoted(frame.iloc[:, place]))
    return pd.DataFrame(frame)


def table_frame(rows: pa.Table, table: str, as_objects: Sequence[str] = ()) -> pd.DataFrame:
    """The rows of a table or view as a frame. The arguments are as in `to_frame`."""
    frame = to_frame(rows, as_objects)
    return unquoted_fields(frame) if table == changes.VIEW else frame


def unquoted(values: "pd.Series[Any]") -> "pd.Series[Any]":
    """JSON values as text, a JSON text as what it says; lists, objects and numbers stay JSON."""
    is_text = values.str.startswith('"').fillna(False).astype(bool)
    plain = values.astype("string").copy()
    plain[is_text] = decoded(values[is_text]).astype("string")
    return plain


def unquoted_fields(rows: pd.DataFrame) -> pd.DataFrame:
    """The view `subscriber_changes` with the values of custom fields, which are JSON, without quotes."""
    if CHANGE not in rows:
        return rows
    is_field = rows[CHANGE] == CUSTOM_FIELD
    values = {column: rows[column] for column in CHANGED_VALUES if column in rows}
    return rows.assign(**{column: old.mask(is_field, unquoted(old.where(is_field))) for column, old in values.items()})


def to_pandas(rows: pa.Table) -> pd.DataFrame:
    """An Arrow table with pandas' nullable types; whole decimals, such as DuckDB's sums, become integers."""
    types = [_plain_type(field.type) for field in rows.schema]
    fields = [pa.field(name, kind) for name, kind in zip(rows.schema.names, types, strict=True)]
    frame: pd.DataFrame = rows.cast(pa.schema(fields)).to_pandas(types_mapper=_pandas_type, date_as_object=False)
    return frame


def decoded(values: "pd.Series[Any]") -> "pd.Series[Any]":
    """The values of a JSON column as lists, dicts, numbers and texts."""
    decode = msgspec.json.Decoder().decode
    return pd.Series([None if pd.isna(text) else decode(text) for text in values], values.index, dtype="object")


def _plain_type(kind: Any) -> Any:
    if pa.types.is_decimal(kind):
        return pa.int64() if kind.scale == 0 else pa.float64()
    return kind


def _pandas_type(kind: Any) -> Any:
    found = PANDAS_TYPES.get(kind)
    return pd.api.types.pandas_dtype(found) if found is not None else None
