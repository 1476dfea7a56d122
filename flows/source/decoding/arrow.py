"""Conversion of typed records to Arrow tables. Values that do not fit their column go into a column beside it."""

import hashlib
import re
from collections.abc import Iterable, Sequence
from typing import Any

import msgspec
import pyarrow as pa

from flows.source.decoding.column_names import ColumnNames
from flows.source.endpoints import ACCOUNT_ID, CONNECTION, ROW_HASH, Endpoint
from flows.source.records import Int, Json, Text, field_types, fields_of, is_json
from flows.source.schema import FIELD_NAME, LINKS, MISFIT_SUFFIX, arrow_schema, link_column

pa.array([])  # With its first array, pyarrow imports pandas, which is not safe once threads are running.

Columns = dict[str, Any]
"""Column values by name: a list with one value per row, or an Arrow array."""
NULL = b"null"
WHOLE_NUMBER = re.compile(rb"-?\d{1,40}")
"""Numbers that a text column takes as their text: some clients saw ids and versions without quotes."""
EXACT_IN_FLOAT = 2**53
"""Integers up to this value can be represented exactly as floats."""


def to_table(
    endpoint: Endpoint, rows: Sequence[msgspec.Struct], keys: list[str], account_id: str | None, names: ColumnNames
) -> pa.Table:
    """A table of the declared columns, then `__v_json` columns, then columns of unknown fields that have values.

    Args:
        endpoint: the endpoint of the rows.
        rows: records of one type, the endpoint's or a widened one. Nulls in fields that are kept as JSON are unset, so
            that they do not count in the row hash.
        keys: keys of the rows, in the same order.
        account_id: the account of the rows.
        names: chooses the column names of unknown fields.
    """
    fields = _by_field(endpoint, rows)
    columns: Columns = {ACCOUNT_ID: [account_id] * len(rows)} if account_id is not None else {}
    columns |= {CONNECTION: [endpoint.connection] * len(rows)} if endpoint.connection else {}
    for name, kind in field_types(endpoint.record).items():
        columns |= _column(endpoint, name, kind, fields.pop(name), account_id)
    columns[endpoint.key] = keys
    columns.pop(endpoint.key + MISFIT_SUFFIX, None)
    columns[ROW_HASH] = _fingerprints(rows, account_id or endpoint.connection)
    return _arrow(endpoint, columns, {name: column for name, column in fields.items() if any(column)}, names)


def as_kind(raw: msgspec.Raw | bytes, kind: Any) -> Any:
    """`raw` decoded as a `kind`, or None if it is not one."""
    try:
        return msgspec.json.decode(raw, type=kind)
    except msgspec.ValidationError:
        return None


def misfits(raw: msgspec.Raw | bytes, kind: Any) -> bool:
    """Whether `raw` cannot be decoded as a `kind`."""
    try:
        msgspec.json.decode(raw, type=kind)
    except msgspec.ValidationError:
        return True
    return False


def key_text(value: Any) -> str | None:
    """A key as text. Keys are strings; numbers are accepted too. None for anything else."""
    if not isinstance(value, msgspec.Raw | bytes):
        return value if isinstance(value, str) else None
    scalar = as_kind(value, str | int)
    return None if scalar is None else str(scalar)


class JsonValues(list[bytes | None]):
    """A field's values as JSON bytes from the API; None if absent or null."""


def _by_field(endpoint: Endpoint, rows: Sequence[msgspec.Struct]) -> dict[str, list[Any]]:
    """Values by the API's field names, one per row."""
    if not rows:
        return {name: [] for name in field_types(endpoint.record)}
    fields = fields_of(type(rows[0]))
    values = map(list, zip(*map(msgspec.structs.astuple, rows), strict=True))
    return {
        field.encode_name: _json_values(rows, field.name, column) if is_json(field) else column
        for field, column in zip(fields, values, strict=True)
    }


def _json_values(rows: Sequence[msgspec.Struct], name: str, values: list[Any]) -> JsonValues:
    """The values of a field that is kept as JSON. Nulls are unset in their rows."""
    if msgspec.UNSET in values:
        texts = JsonValues(None if value is msgspec.UNSET else bytes(value) for value in values)
    else:
        texts = JsonValues(map(bytes, values))
    while NULL in texts:
        place = texts.index(NULL)
        setattr(rows[place], name, msgspec.UNSET)
        texts[place] = None
    return texts


def _column(endpoint: Endpoint, name: str, kind: Any, values: list[Any], account_id: str | None) -> Columns:
    """The column of a declared field and, if some values do not fit, its `__v_json` column."""
    if name == LINKS:
        return _links(endpoint, values, account_id)
    if kind == Json or not isinstance(values, JsonValues):
        return {name: values}
    fitted = [_fit(value, kind) for value in values]
    unfit = JsonValues(misfit for _, misfit in fitted)
    return {name: [value for value, _ in fitted]} | ({name + MISFIT_SUFFIX: unfit} if any(unfit) else {})


def _fit(value: bytes | None, kind: Any) -> tuple[Any, bytes | None]:
    """A value kept as JSON, as (value, None) if it fits its column, otherwise as (None, its JSON)."""
    if value is None:
        return None, None
    if not misfits(value, kind):
        return msgspec.json.decode(value, type=kind), None
    if kind == Text and WHOLE_NUMBER.fullmatch(value):
        return value.decode(), None
    number = as_kind(value, float)
    if kind == Int and number is not None and number.is_integer() and abs(number) <= EXACT_IN_FLOAT:
        return int(number), None
    return None, value


def _links(endpoint: Endpoint, values: list[bytes | None], account_id: str | None) -> Columns:
    """A column for each link that the endpoint declares, and a `__v_json` column for unexpected links."""
    split = {text: _split_links(text, endpoint.linked, account_id) for text in set(values)}
    columns: Columns = {
        link_column(name): JsonValues(split[text][0].get(name) for text in values) for name in endpoint.linked
    }
    rest = JsonValues(split[text][1] for text in values)
    return columns | ({LINKS + MISFIT_SUFFIX: rest} if any(rest) else {})


def _split_links(
    text: bytes | None, linked: Iterable[str], account_id: str | None
) -> tuple[dict[str, bytes | None], bytes | None]:
    if text is None:
        return {}, None
    links = as_kind(text, dict[str, msgspec.Raw])
    if links is None:
        return {}, text
    taken = {name: bytes(links.pop(name)) for name in linked if name in links}
    account = links.pop("account", msgspec.Raw(NULL))
    as_expected = not links and key_text(account) in (None, account_id)
    given = {name: None if value == NULL else value for name, value in taken.items()}
    return given, None if as_expected else text


def _arrow(endpoint: Endpoint, columns: Columns, unknown: Columns, names: ColumnNames) -> pa.Table:
    declared = arrow_schema(endpoint)
    unfit = [pa.field(name, pa.string()) for name in columns if name not in declared.names]
    extras = [pa.field(names.column(name), pa.string(), metadata={FIELD_NAME: name.encode()}) for name in unknown]
    schema = pa.schema([*declared, *unfit, *extras])
    values = [*(columns[field.name] for field in [*declared, *unfit]), *unknown.values()]
    arrays = [_array(column, field.type) for column, field in zip(values, schema, strict=True)]
    return pa.Table.from_arrays(arrays, schema=schema)


def _array(values: list[Any], kind: Any) -> Any:
    """An Arrow array of the values. The cast of JSON from bytes to text checks that it is valid UTF-8."""
    return pa.array(values, pa.binary()).cast(kind) if isinstance(values, JsonValues) else pa.array(values, kind)


def _fingerprints(rows: Sequence[msgspec.Struct], owner: str) -> list[str]:
    """A hash of each row's owner and non-null values, which a new column that is null in a row does not change."""
    salt, blake2b = owner.encode(), hashlib.blake2b
    return [blake2b(line, key=salt, digest_size=16).hexdigest() for line in _lines(rows)]


def _lines(rows: Sequence[msgspec.Struct]) -> list[bytes]:
    """Each row as JSON. Values kept as JSON may contain line breaks; rows are then encoded one at a time."""
    encoder = msgspec.json.Encoder()
    lines = encoder.encode_lines(rows).split(b"\n")[:-1]
    return lines if len(lines) == len(rows) else [encoder.encode(row) for row in rows]
