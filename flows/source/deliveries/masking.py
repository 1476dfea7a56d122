"""Masking of webhook deliveries, before they are written to the spool."""

from contextlib import suppress

import msgspec

from flows.source.decoding.mask_rules import Action, FieldPath
from flows.source.decoding.masking import Mask
from flows.source.deliveries.events import NoEvent, event_of
from flows.source.deliveries.spool import Arrived, Delivery, Spool
from flows.source.mask_setting import EVENTS

Fields = dict[str, msgspec.Raw]
PEOPLE = "subscribers"
VALUES = ("value", "previous_value")
FIELD_OF = {
    "subscriber.updated_email_address": "email",
    "subscriber.updated_time_zone": "time_zone",
    "subscriber.updated_lifetime_value": "lifetime_value",
}
"""By event, the field of the subscriber whose values are in its properties."""
IDENTIFIER = "identifier"
"""The property with the name of the field, for events about custom fields and aliases."""


def masked_delivery(mask: Mask, account: str, received: int, body: bytes) -> Arrived:
    """A delivery as it may be written: its body masked, with the id of its event, which depends on all of the body."""
    if not mask.actions:
        return Arrived(account, received, body)
    event = ""
    with suppress(NoEvent):
        event = event_of(Delivery(0, account, received, body))["event_id"]
        event = mask.secret_digest(event.encode())
    return Arrived(account, received, _masked_body(mask, body), mask.fingerprint, event)


def mask_spool(spool: Spool, mask: Mask) -> int:
    """Mask the deliveries that came before the mask was set. Returns their number."""
    last = total = 0
    while mask.actions and (found := spool.unmasked(last)):
        masked = [Delivery(one.id, *masked_delivery(mask, one.account, one.received, one.body)) for one in found]
        spool.replace(masked)
        last, total = found[-1].id, total + len(found)
    if total:
        spool.compact()
    return total


def _masked_body(mask: Mask, body: bytes) -> bytes:
    try:
        fields = msgspec.json.decode(body, type=Fields)
        msgspec.json.decode(body)  # checks the text of all values
        return msgspec.json.encode(_masked_fields(mask, fields))
    except (msgspec.MsgspecError, ValueError, RecursionError):
        return mask.text(body.decode(errors="surrogateescape"), mask.rules.root(EVENTS, PEOPLE)).encode()


def _masked_fields(mask: Mask, fields: Fields) -> Fields:
    """The fields of a delivery, masked: those of its subscriber as in the table of subscribers."""
    root = mask.rules.root(EVENTS)
    masked = mask.fields({name: one for name, one in fields.items() if name != "data"}, root)
    if (raw := fields.get("data")) is None:
        return masked
    data = _object(raw)
    if data is None:
        return masked | {"data": msgspec.Raw(mask.outside_fields(bytes(raw), root))}
    return masked | {"data": _raw(_masked_data(mask, data, fields.get("event"), root))}


def _masked_data(mask: Mask, data: Fields, event: msgspec.Raw | None, root: FieldPath) -> Fields:
    masked = mask.fields({name: one for name, one in data.items() if name not in ("subscriber", "properties")}, root)
    if (raw := data.get("subscriber")) is not None:
        people = mask.rules.root(EVENTS, PEOPLE)
        person = _object(raw)
        one = mask.outside_fields(bytes(raw), people) if person is None else _raw(mask.fields(person, people))
        masked |= {"subscriber": msgspec.Raw(one)}
    if (raw := data.get("properties")) is not None:
        action, below = root.field("properties")
        given = _object(raw)
        if action or given is None:
            kept = mask.apply(action, raw) if action else mask.outside_fields(bytes(raw), below)
            return masked if kept is None else masked | {"properties": msgspec.Raw(kept)}
        masked |= {"properties": _raw(_masked_properties(mask, event, given, below))}
    return masked


def _masked_properties(mask: Mask, event: msgspec.Raw | None, properties: Fields, place: FieldPath) -> Fields:
    """Properties, masked. Old and new values of a field are masked as the field of the subscriber is."""
    people = mask.rules.root(EVENTS, PEOPLE)
    name = _text(properties.get(IDENTIFIER)) or FIELD_OF.get(_text(event) or "")
    found = [people.field(name)[0], people.field("custom_fields")[1].field(name)[0]] if name else [None]
    whole = people.field("custom_fields")[0] if IDENTIFIER in properties else None
    action: Action | None = next((one for one in [*found, whole] if one), None)
    masked = mask.fields(properties, place)
    if action is None:
        return masked
    values = {name: mask.apply(action, properties[name]) for name in VALUES if name in masked}
    kept = {name: one for name, one in values.items() if one is not None}
    return {name: kept.get(name, one) for name, one in masked.items() if name in kept or name not in values}


def _object(value: msgspec.Raw | None) -> Fields | None:
    try:
        return None if value is None else msgspec.json.decode(value, type=Fields)
    except msgspec.ValidationError:
        return None


def _text(value: msgspec.Raw | None) -> str | None:
    try:
        return None if value is None else msgspec.json.decode(value, type=str)
    except msgspec.ValidationError:
        return None


def _raw(fields: Fields) -> msgspec.Raw:
    return msgspec.Raw(msgspec.json.encode(fields))
