"""What a reply says: its emails as flat records, and whether they add up to its summary."""

from collections.abc import Iterable, Mapping
from datetime import date
from typing import Any

import msgspec

from flows.source.decoding.arrow import WHOLE_NUMBER, as_kind, key_text
from flows.source.email_records import COUNTS
from flows.source.errors import UnreadableReply

METRIC, PLACEMENT = "email_metric", "workflow_placement"
REST = "other"
"""The email id of the row with what a day has beyond its listed emails. Ids of emails are digits."""
NULL = msgspec.Raw(b"null")
Fields = dict[str, msgspec.Raw]
Summary = dict[str, int | None]


class Email(msgspec.Struct):
    """An email of a reply: its record with all fields flattened, or the list item that is not an email."""

    record: msgspec.Raw
    id: str = ""
    broadcast_id: str = ""
    workflow_id: str = ""
    node_id: str = ""
    counts: dict[str, int] = {}


def emails_of(body: bytes, day: date, url: str) -> list[Email]:
    """The emails of a reply. Raises UnreadableReply: there is no list."""
    emails = as_kind(as_kind(body, Fields).get("emails", NULL), list[msgspec.Raw])
    if emails is None:
        raise UnreadableReply(f"no list 'emails' in the reply from {url}")
    return [_email(raw, day) for raw in emails]


def summary_of(body: bytes) -> Summary:
    """The API's own counts over all emails of a reply; None where it gives none."""
    summary = as_kind(as_kind(body, Fields).get("summary", NULL), Fields) or {}
    return {name: _count(summary.get(name, NULL)) for name in COUNTS}


def missing(summary: Summary, emails: Iterable[Email]) -> dict[str, int]:
    """By count, what the summary has beyond the emails; below zero where it has less."""
    listed = totals(emails)
    return {
        name: value - listed[name] for name, value in summary.items() if value is not None and value != listed[name]
    }


def totals(emails: Iterable[Email]) -> dict[str, int]:
    """The counts of emails added up."""
    total = dict.fromkeys(COUNTS, 0)
    for email in emails:
        for name, value in email.counts.items():
            total[name] += value
    return total


def remainder(day: date, counts: Mapping[str, int]) -> Email:
    """The row of what a day has beyond its listed emails."""
    record = {"email_id": REST, "date": str(day), **dict.fromkeys(COUNTS, 0), **counts}
    return Email(msgspec.Raw(msgspec.json.encode(record)), REST, counts=dict(counts))


def _email(raw: msgspec.Raw, day: date) -> Email:
    fields = as_kind(raw, Fields)
    if fields is None:
        return Email(raw)
    metric, placement = _taken(fields, METRIC), _taken(fields, PLACEMENT)
    fields = {**metric, **placement, **fields, "date": msgspec.Raw(msgspec.json.encode(str(day)))}
    if WHOLE_NUMBER.fullmatch(bytes(fields.get("email_id", NULL))):
        fields["email_id"] = msgspec.Raw(b'"%s"' % bytes(fields["email_id"]))
    names = {name: key_text(fields.get(name, NULL)) or "" for name in ("email_id", *PLACES)}
    counts = {name: value for name in COUNTS if (value := _count(fields.get(name, NULL))) is not None}
    places = {name: names[name] for name in PLACES}
    return Email(msgspec.Raw(msgspec.json.encode(fields)), names["email_id"], counts=counts, **places)


PLACES = ("broadcast_id", "workflow_id", "node_id")


def _count(raw: msgspec.Raw) -> int | None:
    """A count, as its column takes it."""
    number = as_kind(raw, int | float)
    return int(number) if number is not None and float(number).is_integer() else None


def _taken(fields: Fields, name: str) -> Fields:
    """The object in a field, which is taken out; nothing where it is none, which stays."""
    inner: Any = as_kind(fields.get(name, NULL), Fields)
    if inner is not None or bytes(fields.get(name, NULL)) == b"null":
        fields.pop(name, None)
    return inner or {}
