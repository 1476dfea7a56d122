"""No value of a record is lost on the way to the table, whatever its type."""

import json
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from flows.source import ENDPOINTS
from flows.source.decoding.column_names import ColumnNames
from flows.source.decoding.decoder import Decoder
from flows.source.records import Text, field_types
from flows.source.schema import FIELD_NAME, MISFIT_SUFFIX, arrow_schema

SUBSCRIBERS = ENDPOINTS["subscribers"]
TYPES = field_types(SUBSCRIBERS.record)
FIELDS = [name for name in field_types(SUBSCRIBERS.record) if name not in ("id", "links")]

json_values = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**70), 2**70) | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(st.characters(exclude_categories=["Cs"]), max_size=20),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=8,
)  # fmt: skip
field_names = st.sampled_from(FIELDS) | st.text(st.characters(exclude_categories=["Cs"]), max_size=12)
records = st.fixed_dictionaries({"id": st.text("abcdef0123456789", min_size=1)}) | st.dictionaries(
    field_names, json_values, max_size=6
)


def decode(*items: Any, decoder: Decoder | None = None) -> Any:
    body = json.dumps({"subscribers": list(items)}).encode()
    return (decoder or Decoder(SUBSCRIBERS)).decode(body, "1")


def kept_in(row: dict[str, Any], column: str) -> str | None:
    """The JSON text of an unknown field, from its column or the one for values that not every database can store."""
    text: str | None = row.get(column)
    return row.get(column + MISFIT_SUFFIX) if text is None else text


def other_fields(row: dict[str, Any]) -> dict[str, Any]:
    """The unknown fields without a column of their own."""
    return dict(json.loads(kept_in(row, "_other_fields") or "{}"))


def value_of(row: dict[str, Any], columns: dict[str, str], others: dict[str, Any], name: str) -> Any:
    """The value of an API field in a row, from its column or the one for values that do not fit."""
    if name not in FIELDS:
        own = kept_in(row, columns[name]) if name in columns else None
        return json.loads(own) if own is not None else others.get(name)
    misfit = row.get(name + MISFIT_SUFFIX)
    if misfit is not None:
        return json.loads(misfit)
    value = row[name]
    if name in ("custom_fields", "tags"):
        return None if value is None else json.loads(value)
    return value.strftime("%Y-%m-%dT%H:%M:%SZ") if hasattr(value, "strftime") else value


def is_number_for_text(name: str, value: Any) -> bool:
    """Whether a text column takes the value as its text."""
    return type(value) is int and TYPES.get(name) == Text and len(str(abs(value))) <= 40


@settings(max_examples=60, suppress_health_check=[HealthCheck.too_slow])
@given(st.lists(st.dictionaries(field_names, json_values, max_size=6), max_size=5))
def test_every_value_of_every_record_is_found_again(drawn: list[dict[str, Any]]) -> None:
    items = [{**record, "id": f"person{number}"} for number, record in enumerate(drawn)]
    items = [{key: value for key, value in record.items() if key != "links"} for record in items]
    decoded = decode(*items)
    columns = {f.metadata[FIELD_NAME].decode(): f.name for f in decoded.table.schema if f.metadata}
    assert len(set(columns.values())) == len(columns)
    rows = decoded.table.to_pylist()
    assert len(rows) == len(items)
    for record, row in zip(items, rows, strict=True):
        others = other_fields(row)
        for name, value in record.items():
            found = row["id"] if name == "id" else value_of(row, columns, others, name)
            assert found == (str(value) if is_number_for_text(name, value) else value), name


@given(st.lists(json_values | records, max_size=8))
def test_what_comes_is_a_row_or_quarantined_or_a_repeat(items: list[Any]) -> None:
    decoded = decode(*items)
    assert decoded.received == len(items)
    assert decoded.table.num_rows + decoded.repeated + len(decoded.quarantine) == len(items)


@given(st.lists(st.text(max_size=15), unique=True, max_size=30))
def test_two_unknown_fields_never_share_a_column(fields: list[str]) -> None:
    names = ColumnNames(arrow_schema(SUBSCRIBERS).names)
    columns = [names.column(name) for name in fields]
    assert len(set(columns)) == len(columns)
    assert not set(columns) & set(arrow_schema(SUBSCRIBERS).names)
    assert [names.column(name) for name in fields] == columns


def test_thousands_of_unknown_fields_do_not_become_columns() -> None:
    record = {"id": "x"} | {f"field {number}": number for number in range(5_000)} | {'"awkward"': 1, "n" * 300: 2}
    decoded = decode(record)
    assert decoded.table.num_columns <= len(arrow_schema(SUBSCRIBERS)) + 101
    columns = {f.metadata[FIELD_NAME].decode(): f.name for f in decoded.table.schema if f.metadata}
    row = decoded.table.to_pylist()[0]
    others = other_fields(row)
    assert all(value_of(row, columns, others, name) == value for name, value in record.items() if name != "id")


def test_custom_fields_survive_exactly() -> None:
    custom = {"plan": 3, "Weird Field!": "a", "emoji 😀": "😀", "a": {"b": [1, "1", None, True, 1.5]}, "zip": "00501"}
    row = decode({"id": "x", "custom_fields": custom}).table.to_pylist()[0]
    assert row["custom_fields"] == json.dumps(custom)


def test_the_last_of_two_records_with_one_key_counts() -> None:
    decoded = decode({"id": "x", "first_name": "old"}, {"id": "x", "first_name": "new"})
    assert decoded.table["first_name"].to_pylist() == ["new"]
    assert decoded.repeated == 1


def test_the_hash_tells_rows_apart_and_does_not_mind_nulls() -> None:
    one, other, same = (
        decode(record).table["_row_hash"][0].as_py()
        for record in (
            {"id": "x", "zip": "1"},
            {"id": "x", "zip": "2"},
            {"city": None, "zip": "1", "id": "x"},
        )
    )
    assert one != other
    assert one == same


def test_a_null_never_changes_a_hash_whatever_else_the_list_holds() -> None:
    """An unknown field, or a value that does not fit, widens the type of all rows."""
    decoder = Decoder(SUBSCRIBERS)
    plain, nulls = {"id": "x", "zip": "1"}, {"id": "x", "zip": "1", "lead_score": None, "tags": None, "new": None}
    before = decode(plain, decoder=decoder).table["_row_hash"].to_pylist()
    decode({"id": "y", "lead_score": "many", "new": 1}, decoder=decoder)
    assert decode(plain, decoder=decoder).table["_row_hash"].to_pylist() == before
    assert decode(nulls, decoder=decoder).table["_row_hash"].to_pylist() == before


@pytest.mark.parametrize("account_id", ["1'; DROP TABLE x", "../../etc", "１２３", ""])
def test_an_account_id_that_is_not_digits_goes_no_further(account_id: str) -> None:
    body = json.dumps({"accounts": [{"id": account_id}, {"id": "12"}]}).encode()
    decoded = Decoder(ENDPOINTS["accounts"]).decode(body, None)
    assert decoded.table["id"].to_pylist() == ["12"]
    assert len(decoded.quarantine) == 1


def test_links_that_name_another_account_are_kept_for_all_to_see() -> None:
    row = decode({"id": "x", "links": {"account": "2"}}).table.to_pylist()[0]
    assert row["account_id"] == "1"
    assert json.loads(row["links__v_json"]) == {"account": "2"}


def test_text_that_is_no_unicode_is_quarantined_and_the_rest_is_read() -> None:
    body = b'{"meta": {"total_count": 2}, "subscribers": [{"id": "x", "email": "\\ud800"}, {"id": "y"}]}'
    decoded = Decoder(SUBSCRIBERS).decode(body, "1")
    assert decoded.table["id"].to_pylist() == ["y"]
    assert [bad.reason for bad in decoded.quarantine] == ["text that is not valid Unicode"]
    assert (decoded.received, decoded.meta.total_count if decoded.meta else None) == (2, 2)


@pytest.mark.parametrize("field", ["first_name", "custom_fields", "new"])
def test_bytes_that_are_no_unicode_are_quarantined_and_the_rest_is_read(field: str) -> None:
    body = b'{"subscribers": [{"id": "x", "%s": {"a": "\xff"}}, {"id": "y"}]}' % field.encode()
    decoded = Decoder(SUBSCRIBERS).decode(body, "1")
    assert decoded.table["id"].to_pylist() == ["y"]
    assert [bad.reason for bad in decoded.quarantine] == ["text that is not valid Unicode"]
