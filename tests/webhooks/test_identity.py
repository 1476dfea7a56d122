"""The identity of an event: what makes no difference, and what does."""

import hashlib
import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from flows.source.deliveries.events import event_of
from flows.source.deliveries.spool import Delivery
from tests.webhooks.conftest import event

NUMBERS = st.integers() | st.floats(allow_nan=False, allow_infinity=False)
VALUES = st.recursive(
    st.none() | st.booleans() | NUMBERS | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=8,
)
PROPERTIES = st.dictionaries(st.text(), VALUES, max_size=4)


def identity(body: Any, account: str = "1000001", **options: Any) -> str:
    raw = body if isinstance(body, bytes) else json.dumps(body, **options).encode("utf-8", "surrogatepass")
    return str(event_of(Delivery(1, account, 0, raw))["event_id"])


def with_properties(properties: Any) -> dict[str, Any]:
    body = event()
    body["data"]["properties"] = properties
    return body


def reordered(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: reordered(value[key]) for key in reversed(value)}
    return [reordered(one) for one in value] if isinstance(value, list) else value


@given(PROPERTIES)
def test_the_way_it_is_written_makes_no_difference(properties: dict[str, Any]) -> None:
    body = with_properties(properties)
    written = {identity(reordered(body), indent=3), identity(body, ensure_ascii=False), identity(body)}
    assert len(written) == 1


@given(PROPERTIES, PROPERTIES)
def test_what_differs_is_another_event(one: dict[str, Any], other: dict[str, Any]) -> None:
    assert (identity(with_properties(one)) == identity(with_properties(other))) == same(one, other)


def same(one: Any, other: Any) -> bool:
    """Whether two JSON values are equal; Python takes true for 1."""
    if isinstance(one, bool) or isinstance(other, bool):
        return one is other
    if isinstance(one, list) and isinstance(other, list):
        return len(one) == len(other) and all(map(same, one, other))
    if isinstance(one, dict) and isinstance(other, dict):
        return one.keys() == other.keys() and all(same(one[key], other[key]) for key in one)
    return bool(one == other)


@pytest.mark.parametrize(
    ("one", "other", "equal"),
    [
        ("1", "1.0", True),
        ("100", "1e2", True),
        ("0", "-0.00", True),
        ("12345678901234567890.1", "12345678901234567890.10", True),
        ("12345678901234567890.1", "12345678901234567890.2", False),
        ("9007199254740993", "9007199254740992", False),
        ("1", '"1"', False),
        ("1e400", "1e401", False),
        ("1e99999999999999999999", "1E99999999999999999999", True),
        ("[1,2]", "[2,1]", False),
        ('"é"', r'"\u00e9"', True),
        ('{"a":null}', "{}", False),
    ],
)
def test_values(one: str, other: str, equal: bool) -> None:
    bodies = [b'{"event":"e","data":{"properties":{"p":%s}}}' % value.encode() for value in (one, other)]
    assert (identity(bodies[0]) == identity(bodies[1])) == equal


def test_what_it_is_made_of() -> None:
    base = event()
    other_person, other_second = event(person="p2"), event(occurred_at="2026-05-01T12:00:01Z")
    ids = [identity(one) for one in (base, event("bounced"), other_person, other_second, with_properties({}))]
    assert len({*ids, identity(event(account=None), account="1000002")}) == len(ids) + 1
    snapshot = {**base, "data": {**base["data"], "subscriber": {"id": "p1", "tags": []}, "more": 1}}
    assert identity(snapshot) == ids[0]
    assert identity(event(occurred_at="2026-05-01T14:00:00.000+02:00")) == ids[0]
    assert len({identity(with_properties(one)) for one in ({}, None)} | {ids[-1]}) == 1
    del base["data"]["properties"]
    assert identity(base) == ids[-1]


def test_it_stays_what_it_is() -> None:
    """A change of the canonical form would make a second row of every event that is delivered again."""
    canonical = (
        '["1000001","subscriber.opened_email","p1","2026-05-01T12:00:00Z",'
        '{"delivery_id":"1","email_id":"2","email_subject":"News"}]'
    )
    assert identity(event()) == hashlib.sha256(canonical.encode()).hexdigest()
