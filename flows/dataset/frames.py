"""Arrow tables as pandas data frames, with nullable types."""

from typing import Any

import msgspec
import pandas as pd
import pyarrow as pa

PANDAS_TYPES: dict[Any, Any] = {
    pa.bool_(): pd.BooleanDtype(),
    **dict.fromkeys((pa.int8(), pa.int16(), pa.int32(), pa.int64(), pa.uint8(), pa.uint16(), pa.uint32()), "Int64"),
    pa.uint64(): pd.UInt64Dtype(),
    **dict.fromkeys((pa.float32(), pa.float64()), "Float64"),
    **dict.fromkeys((pa.string(), pa.large_string(), pa.string_view()), "string"),
}
"""Nullable types throughout: an integer column with a gap stays one of integers."""


def to_pandas(rows: pa.Table) -> pd.DataFrame:
    """An Arrow table with pandas' nullable types; whole decimals, such as DuckDB's sums, become integers."""
    types = [_plain_type(field.type) for field in rows.schema]
    fields = [pa.field(name, kind) for name, kind in zip(rows.schema.names, types, strict=True)]
    frame: pd.DataFrame = rows.cast(pa.schema(fields)).to_pandas(types_mapper=_pandas_type, date_as_object=False)
    return frame


def decoded(frame: pd.DataFrame, column: str) -> "pd.Series[Any]":
    """The values of a JSON column as lists, dicts, numbers and texts."""
    decode = msgspec.json.Decoder().decode
    return pd.Series([None if pd.isna(text) else decode(text) for text in frame[column]], frame.index, dtype="object")


def _plain_type(kind: Any) -> Any:
    if pa.types.is_decimal(kind):
        return pa.int64() if kind.scale == 0 else pa.float64()
    return kind


def _pandas_type(kind: Any) -> Any:
    found = PANDAS_TYPES.get(kind)
    return pd.api.types.pandas_dtype(found) if found is not None else None
