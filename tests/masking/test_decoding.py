"""Values are masked wherever they are in a reply, and nothing else changes."""

import json
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from flows.source.decoding.decoder import Decoder
from flows.source.decoding.masking import REDACTED, Mask
from flows.source.endpoints import ENDPOINTS
from flows.source.mask_setting import mask_of

KEY = "k" * 32
ADDRESS = "Ana@Example.com"
RULES = {"email": "hmac", "subscribers.first_name": "redact", "ip_address": "drop", "custom_fields.*phone*": "redact"}
MASK = mask_of(RULES, KEY)
TOKEN = MASK.token(ADDRESS)


def decoded(*records: Any, resource: str = "subscribers", mask: Mask = MASK) -> Any:
    endpoint = ENDPOINTS[resource]
    return Decoder(endpoint, mask=mask).decode(json.dumps({endpoint.selector: records}).encode(), "1")


def rows(*records: Any, resource: str = "subscribers", mask: Mask = MASK) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = decoded(*records, resource=resource, mask=mask).table.to_pylist()
    return found


def test_each_action_on_typed_and_json_columns() -> None:
    fields = {"Phone": 5, "mobile_phone": {"n": ["+1 555"]}, "size": "m", "email": f" {ADDRESS.upper()} "}
    (row,) = rows({"id": "a", "email": ADDRESS, "first_name": "Ana", "ip_address": "1.2.3.4", "custom_fields": fields})
    assert (row["email"], row["first_name"], row["ip_address"]) == (TOKEN, REDACTED, None)
    assert json.loads(row["custom_fields"]) == {
        "Phone": REDACTED, "mobile_phone": REDACTED, "size": "m", "email": TOKEN
    }  # fmt: skip
    (account,) = rows({"id": "1", "name": "first_name", "primary_email": ADDRESS}, resource="accounts")
    assert account["primary_email"] == ADDRESS  # only whole names match


def test_the_same_value_has_the_same_token_everywhere() -> None:
    (user,) = rows({"email": ADDRESS.lower(), "name": "x"}, resource="users")
    (person,) = rows({"id": "a", "email": ADDRESS.swapcase()}, resource="campaign_subscribers")
    assert user["email"] == person["email"] == TOKEN
    assert MASK.token("Ana") != MASK.token("ana")  # only addresses ignore letter case
    assert MASK.token("É@x.com") == MASK.token("e\u0301@X.com ")
    assert mask_of(RULES, "another key").token(ADDRESS) != TOKEN
    assert MASK.token("") == ""


def test_misfits_unknown_fields_and_hidden_names() -> None:
    body = b"""{"subscribers": [
        {"id": "a", "email": ["ana@example.com", null, 7]},
        {"id": "b", "\\u0065mail": "ana@example.com"},
        {"id": "c", "profile": {"Email": "ana@example.com", "deep": [{"ip_address": "1.2.3.4", "n": 1.50}]}}
    ]}"""
    found = Decoder(ENDPOINTS["subscribers"], mask=MASK).decode(body, "1").table.to_pylist()
    assert json.loads(found[0]["email__v_json"]) == [TOKEN, None, MASK.token("7")]
    assert found[1]["email"] == TOKEN
    assert found[2]["profile"] == f'{{"Email":"{TOKEN}","deep":[{{"n":1.50}}]}}'


def test_names_used_as_data_are_masked_in_the_column_for_the_rest() -> None:
    many = {f"field{number}": number for number in range(150)} | {"email": ADDRESS, "zz": {"email": ADDRESS}}
    found = decoded({"id": "a", **many}, {"id": "b", "email": None})
    assert ADDRESS not in str(found.table.to_pylist())
    assert "zz" in found.table.to_pylist()[0]["_other_fields"]


@pytest.mark.parametrize(
    "record",
    [
        ADDRESS,
        [ADDRESS, {"email": ADDRESS}],
        {"email": ADDRESS, "first_name": "Ana"},
        {"id": {"email": ADDRESS}, "email": ADDRESS},
        {"id": "a\0b", "email": ADDRESS},
        {"id": "a", "email": ADDRESS, "first_name": "\ud800"},
        {"id": "a", "email": f"\ud800{ADDRESS}"},
    ],
)
def test_quarantine(record: Any) -> None:
    found = decoded(record, {"id": "b", "email": ADDRESS})
    assert len(found.quarantine) == 1
    assert found.table.to_pylist()[0]["email"] == TOKEN
    assert ADDRESS not in str(found)


def test_records_that_cannot_be_parsed_are_a_digest() -> None:
    deep = "[" * 100_000 + "]" * 100_000
    body = f'{{"subscribers": [{{"id": "a", "email": "{ADDRESS}", "x": {deep}}}, {{"id": "b"}}]}}'.encode()
    found = Decoder(ENDPOINTS["subscribers"], mask=MASK).decode(body, "1")
    assert found.keys == ["b"]
    (bad,) = found.quarantine
    assert "cannot be read" in bad.record
    assert ADDRESS not in bad.record


VALUES = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**53), 2**53) | st.text(max_size=5) | st.just(ADDRESS),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(["email", "a", "x"]), inner, max_size=3)
    ),
    max_leaves=8,
)


@given(st.dictionaries(st.sampled_from(["email", "other", "custom_fields", "first_name"]), VALUES, max_size=4))
@example({"email": None, "other": {"email": None, "a": "\0"}})
def test_any_record(record: dict[str, Any]) -> None:
    """Without masked fields, rows are the same as without a mask; addresses in masked fields never remain."""

    def expected(value: Any, masked: bool = False) -> Any:
        if isinstance(value, dict):
            return {name: expected(one, masked or name == "email") for name, one in value.items()}
        if isinstance(value, list):
            return [expected(one, masked) for one in value]
        if not masked or value is None:
            return value
        return MASK.token(value if isinstance(value, str) else json.dumps(value))

    def compared(found: list[dict[str, Any]]) -> list[dict[str, Any]]:
        def value(name: str, one: Any) -> Any:
            is_json = name in ("other", "custom_fields") or name.endswith("__v_json")
            return json.loads(one) if is_json and one else one

        return [{name: value(name, one) for name, one in row.items()} | {"_row_hash": None} for row in found]

    mask = mask_of({"email": "hmac"}, KEY)
    assert compared(rows({**record, "id": "a"}, mask=mask)) == compared(
        rows({**expected(record), "id": "a"}, mask=mask_of({}, ""))
    )
