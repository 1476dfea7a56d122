"""From deliveries to rows of `subscriber_events`: each event once, with the number of its deliveries.

Nothing is dropped: unknown events and properties are kept as they came, a value that does not fit its column is kept
in `<column>__v_json`, and a body that is no event of its account goes to quarantine.
"""

import re
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

import msgspec

from flows.source.decoding.decoder import NOT_UNICODE, TOO_DEEP, Quarantined
from flows.source.decoding.unportable_values import NUL, unfit_json
from flows.source.deliveries.canonical import event_id
from flows.source.deliveries.spool import Delivery
from flows.source.schema import MISFIT_SUFFIX

Fields = dict[str, msgspec.Raw]
NULL, NOTHING = b"null", (b"null", b"{}")
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
NOT_JSON, NOT_AN_OBJECT, NO_EVENT = "not JSON", "not a JSON object", "no event"
OTHER_ACCOUNT = "of another account than the secret"
OTHER_MASK = "masked in another way than the dataset"
NUL_IN_EVENT = "an event or id with a NUL character, which not every database can hold"
SURROGATE = re.compile(rb"\\u[dD][89a-fA-F]")
JSON_COLUMNS = ("properties", "subscriber", "other_fields")
MISFITS = tuple(name + MISFIT_SUFFIX for name in ("email", "occurred_at", *JSON_COLUMNS))
COLUMNS: dict[str, str] = {
    "account_id": "text",
    "event_id": "text",
    "event": "text",
    "subscriber_id": "text",
    "email": "text",
    "occurred_at": "timestamp",
    "received_at": "timestamp",
    "last_received_at": "timestamp",
    "properties": "json",
    "subscriber": "json",
    "other_fields": "json",
    "deliveries": "bigint",
    **dict.fromkeys(MISFITS, "json"),
}
"""By name, dlt's type of each column. Those of misfits are made when one comes."""
KEYS = ("account_id", "event_id")

Row = dict[str, Any]


class NoEvent(Exception):
    """A body that goes to quarantine; the message says why."""


@dataclass
class Events:
    """What some deliveries are.

    Attributes:
        rows: one per event, by its id, in the columns of COLUMNS.
        quarantine: account and body of the deliveries that are no event.
    """

    rows: dict[str, Row] = field(default_factory=dict)
    quarantine: list[tuple[str, Quarantined]] = field(default_factory=list)


def events_of(deliveries: Iterable[Delivery], mask: str = "") -> Events:
    """The events of deliveries.

    Args:
        deliveries: in the order in which they came.
        mask: fingerprint of the mask of the dataset; deliveries with another one go to quarantine.
    """
    found = Events()
    for delivery in deliveries:
        try:
            row = event_of(delivery) if delivery.mask == mask else _refuse(OTHER_MASK)
        except NoEvent as problem:
            body = delivery.body.decode(errors="backslashreplace")
            found.quarantine.append((delivery.account, Quarantined(str(problem), body)))
            continue
        first = found.rows.setdefault(row["event_id"], row)
        first["deliveries"] += 1
        first["last_received_at"] = row["last_received_at"]
    return found


def _refuse(reason: str) -> Row:
    raise NoEvent(reason)


def event_of(delivery: Delivery) -> Row:
    """The row of a delivery, with no delivery counted yet. Raises NoEvent."""
    try:
        return _row(delivery, _fields(delivery.body))
    except RecursionError:
        raise NoEvent(TOO_DEEP) from None
    except UnicodeError:
        raise NoEvent(NOT_UNICODE) from None


def _fields(body: bytes) -> Fields:
    """The fields of a body, whose text is valid Unicode."""
    body.decode()
    may_be_half = bool(SURROGATE.search(body))
    try:
        fields = msgspec.json.decode(body, type=Fields)
        if may_be_half:
            msgspec.json.decode(body)  # the type above takes values as they are, this reads their text
    except msgspec.ValidationError:
        raise NoEvent(NOT_AN_OBJECT) from None
    except msgspec.DecodeError:
        raise NoEvent(NOT_UNICODE if may_be_half else NOT_JSON) from None
    return fields


def _row(delivery: Delivery, fields: Fields) -> Row:
    event = _text(fields.pop("event", None))
    if not event:
        raise NoEvent(NO_EVENT)
    data = _object(fields.get("data"))
    if data is not None:
        del fields["data"]
    data = data or {}
    account = _id(data.pop("account_id", None))
    if account not in (None, delivery.account):
        raise NoEvent(OTHER_ACCOUNT)
    subscriber, properties = data.pop("subscriber", None), data.pop("properties", None)
    occurred = fields.pop("occurred_at", None)
    person = _object(subscriber) or {}
    if NUL in event or NUL in (_id(person.get("id")) or ""):
        raise NoEvent(NUL_IN_EVENT)
    row: Row = dict.fromkeys(COLUMNS) | {"account_id": delivery.account, "event": event, "deliveries": 0}
    row["event_id"] = delivery.event or _identity(delivery.account, event, person.get("id"), occurred, properties)
    row["subscriber_id"] = _id(person.get("id"))
    row["received_at"] = row["last_received_at"] = EPOCH + timedelta(microseconds=delivery.received)
    _put_email(row, person.get("email"))
    _put_moment(row, occurred)
    _put_json(row, "subscriber", subscriber)
    _put_json(row, "properties", properties)
    if others := fields | ({"data": msgspec.Raw(msgspec.json.encode(data))} if data else {}):
        _put_json(row, "other_fields", msgspec.Raw(msgspec.json.encode(others)))
    return row


def _identity(
    account: str,
    event: str,
    person: msgspec.Raw | None,
    occurred: msgspec.Raw | None,
    properties: msgspec.Raw | None,
) -> str:
    """The event's id. No properties, null and an empty object are the same."""
    moment = _moment(occurred)
    when = msgspec.json.encode(moment) if moment else _raw(occurred)
    own = _raw(properties)
    who = _id(person)
    parts = [msgspec.json.encode(event), msgspec.json.encode(who) if who else _raw(person), when]
    return event_id(account, [*parts, b"{}" if own.strip() in NOTHING else own])


def _raw(value: msgspec.Raw | None) -> bytes:
    return NULL if value is None else bytes(value)


def _text(value: msgspec.Raw | None) -> str | None:
    found: str | None = _as(value, str)
    return found


def _object(value: msgspec.Raw | None) -> Fields | None:
    found: Fields | None = _as(value, Fields)
    return found


def _id(value: msgspec.Raw | None) -> str | None:
    """An id, which the reference has as text; a whole number is taken as well."""
    number: int | None = _as(value, int)
    return str(number) if number is not None else _text(value)


def _moment(value: msgspec.Raw | None) -> datetime | None:
    """A moment in UTC; one without a zone is in UTC."""
    found: datetime | None = _as(value, datetime)
    if found is None:
        return None
    try:
        return (found if found.tzinfo else found.replace(tzinfo=UTC)).astimezone(UTC)
    except OverflowError:
        return None


def _as(value: msgspec.Raw | None, kind: Any) -> Any:
    """A JSON value as a type; None where there is none, or it is of another one."""
    if value is None:
        return None
    try:
        return msgspec.json.decode(value, type=kind)
    except msgspec.ValidationError:
        return None


def _put_email(row: Row, value: msgspec.Raw | None) -> None:
    address = _text(value)
    if address is not None and NUL not in address:
        row["email"] = address
    elif _raw(value) != NULL:
        row["email" + MISFIT_SUFFIX] = _raw(value).decode()


def _put_moment(row: Row, value: msgspec.Raw | None) -> None:
    row["occurred_at"] = _moment(value)
    if row["occurred_at"] is None and _raw(value) != NULL:
        row["occurred_at" + MISFIT_SUFFIX] = _raw(value).decode()


def _put_json(row: Row, column: str, value: msgspec.Raw | None) -> None:
    if value is not None:
        text = bytes(value).decode()
        row[column + MISFIT_SUFFIX if unfit_json(text) else column] = text
