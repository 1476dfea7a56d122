"""Masking of personal data while a page is decoded, before anything is written.

`hmac` replaces a value by a token, the same for the same value everywhere, `redact` by a constant, and `drop` removes
it. Nulls stay null and field names stay as they are.
"""

import hashlib
import hmac
import json
import unicodedata
from collections.abc import Mapping, Sequence
from functools import cached_property, lru_cache
from typing import Any

import msgspec

from flows.source.decoding.mask_rules import Action, FieldPath, Rules
from flows.source.endpoints import Endpoint
from flows.source.records import OTHER_FIELDS, fields_of, is_json

REDACTED = "[redacted]"
TOKEN_CHARS = 32
"""Hexadecimal digits of a token: 128 bits, so that no two values share one."""
FINGERPRINT_CHARS = 16
MOST_FREQUENT = 1 << 16
"""Tokens to keep of values that are no addresses: names and places occur often."""
NULL = b"null"
UNREADABLE = "*** {size} bytes that cannot be read, and so cannot be masked: {digest}"


class Mask:
    """The masking of one sync.

    Args:
        actions: by pattern, what is done with the fields that it matches.
        key: the secret for tokens; empty if no action is hmac.
    """

    def __init__(self, actions: Mapping[str, Action], key: str = "") -> None:
        self.actions, self.rules = dict(actions), Rules(actions)
        self._hmac = hmac.new(key.encode() or b"\0", digestmod=hashlib.sha256)
        self._frequent = lru_cache(MOST_FREQUENT)(self._token)
        self._plans: dict[tuple[str, type], list[tuple[str, Action | None, FieldPath, bool]]] = {}

    @cached_property
    def fingerprint(self) -> str:
        """Identifies the mask and its key, without revealing them; empty if nothing is masked."""
        if not self.actions:
            return ""
        return self._digest(b"mask\0" + msgspec.json.encode(list(self.actions.items())))[:FINGERPRINT_CHARS]

    def token(self, value: str) -> str:
        """The token of a value. Email addresses have the same one in any letter case; blank text stays as it is."""
        return self._token(canonical_address(value)) if "@" in value else self._frequent(value)

    def secret_digest(self, value: bytes) -> str:
        """A keyed digest of bytes that must not be stored themselves."""
        return self._digest(b"digest\0" + value)

    def mask_rows(self, endpoint: Endpoint, rows: Sequence[msgspec.Struct]) -> None:
        """Mask the records of a page in place; all have the same type, the endpoint's or a widened one."""
        for name, action, place, as_json in self._plan(endpoint, type(rows[0])) if rows else ():
            if as_json:
                self._mask_json_field(rows, name, action, place)
            elif action == "hmac":
                token = self.token
                for row in rows:
                    if value := getattr(row, name):
                        setattr(row, name, token(value))
            else:
                masked = REDACTED if action == "redact" else None
                for row in rows:
                    if getattr(row, name) is not None:
                        setattr(row, name, masked)

    def value(self, raw: msgspec.Raw | bytes, place: FieldPath) -> msgspec.Raw | bytes:
        """A JSON value with the fields in it masked; the same object if there are none.

        Raises:
            msgspec.DecodeError, UnicodeDecodeError: a masked text is not valid Unicode.
            RecursionError: it is nested too deep.
        """
        text = bytes(raw)
        if text[:1] not in (b"{", b"[") or not self.rules.may_match(text):
            return raw
        if text[:1] == b"[":
            items = msgspec.json.decode(text, type=list[msgspec.Raw])
            masked: Any = [self.value(item, place) for item in items]
            changed = any(new is not old for new, old in zip(masked, items, strict=True))
        else:
            fields = msgspec.json.decode(text, type=dict[str, msgspec.Raw])
            masked = self.fields(fields, place)
            changed = masked is not fields
        return msgspec.Raw(msgspec.json.encode(masked)) if changed else raw

    def fields(self, fields: dict[str, msgspec.Raw], place: FieldPath) -> dict[str, msgspec.Raw]:
        """The fields of a JSON object, masked; the same object if none is."""
        changed: dict[str, msgspec.Raw] | None = None
        for name, old in fields.items():
            action, below = place.field(name)
            new = self.apply(action, old) if action else self.value(old, below)
            if new is not old:
                changed = changed if changed is not None else dict(fields)
                changed[name] = msgspec.Raw(new) if new is not None else changed[name]
                if new is None:
                    del changed[name]
        return fields if changed is None else changed

    def apply(self, action: Action, raw: msgspec.Raw | bytes) -> msgspec.Raw | None:
        """A JSON value after the action; None if it is dropped. Tokens replace each value in a list or an object."""
        text = bytes(raw)
        if action == "drop":
            return None
        if text == NULL:
            return msgspec.Raw(text)
        if action == "redact":
            return msgspec.Raw(msgspec.json.encode(REDACTED))
        if text[:1] == b"[":
            return msgspec.Raw(msgspec.json.encode([self.apply(action, one) for one in _decoded(text, list)]))
        if text[:1] == b"{":
            masked = {name: self.apply(action, one) for name, one in _decoded(text, dict).items()}
            return msgspec.Raw(msgspec.json.encode(masked))
        plain = msgspec.json.decode(text, type=str) if text[:1] == b'"' else text.decode()
        return msgspec.Raw(msgspec.json.encode(self.token(plain)))

    def text(self, text: str, place: FieldPath) -> str:
        """JSON that could not be decoded into a row, masked. Text outside of any field is redacted.

        If it cannot be parsed, only its size and a digest are kept.
        """
        try:
            return bytes(self.outside_fields(text.encode(), place)).decode()
        except (ValueError, msgspec.MsgspecError, RecursionError):
            pass
        try:
            return json.dumps(self._lenient(json.loads(text), place, None))
        except (ValueError, RecursionError):
            encoded = text.encode(errors="surrogatepass")
            return UNREADABLE.format(size=len(encoded), digest=self.secret_digest(encoded)[:FINGERPRINT_CHARS])

    def outside_fields(self, text: bytes, place: FieldPath) -> msgspec.Raw | bytes:
        """A JSON value in place of an object: text in it is redacted, objects in it are masked. Raises as `value`."""
        value = msgspec.json.decode(text)
        if isinstance(value, str):
            return msgspec.json.encode(REDACTED)
        if isinstance(value, list):
            return msgspec.json.encode([msgspec.Raw(self.outside_fields(one, place)) for one in _decoded(text, list)])
        return self.value(text, place)

    def _lenient(self, value: Any, place: FieldPath, action: Action | None) -> Any:
        """As `apply` and `value`, for JSON with text that is not valid Unicode."""
        if isinstance(value, dict):
            found = {name: (place.field(name), one) for name, one in value.items()}
            kept = {name: one for name, one in found.items() if one[0][0] != "drop"}
            return {name: self._lenient(one, below, own or action) for name, ((own, below), one) in kept.items()}
        if isinstance(value, list):
            return [self._lenient(one, place, action) for one in value]
        if action is None or value is None:
            return value
        return REDACTED if action == "redact" else self.token(value if isinstance(value, str) else json.dumps(value))

    def _plan(self, endpoint: Endpoint, record: type) -> list[tuple[str, Action | None, FieldPath, bool]]:
        """The attributes of a record type that have to be looked at: name, action, place below, whether it is JSON."""
        known = self._plans.get((endpoint.resource, record))
        if known is None:
            root, known = self.rules.root_of(endpoint), []
            for field in fields_of(record):
                folded = field.encode_name == OTHER_FIELDS
                action, below = (None, root) if folded else root.field(field.encode_name)
                if action or is_json(field):
                    known.append((field.name, action, below, is_json(field)))
            self._plans[endpoint.resource, record] = known
        return known

    def _mask_json_field(
        self, rows: Sequence[msgspec.Struct], name: str, action: Action | None, place: FieldPath
    ) -> None:
        values = [getattr(row, name) for row in rows]
        given = b" ".join([bytes(one) for one in values if one is not msgspec.UNSET])
        if action is None and not self.rules.may_match(given):
            return
        for row, old in zip(rows, values, strict=True):
            if old is not msgspec.UNSET:
                new = self.apply(action, old) if action else self.value(old, place)
                if new is not old:
                    setattr(row, name, msgspec.UNSET if new is None else new)

    def _token(self, value: str) -> str:
        if not value or value.isspace():
            return value
        return self._digest(value.encode(errors="surrogatepass"))[:TOKEN_CHARS]

    def _digest(self, value: bytes) -> str:
        own = self._hmac.copy()
        own.update(value)
        return own.hexdigest()


def canonical_address(text: str) -> str:
    """An email address without surrounding blanks, in one letter case, as the API compares addresses."""
    if text.isascii():
        return text.strip().lower()
    return unicodedata.normalize("NFC", unicodedata.normalize("NFC", text.strip()).casefold())


def _decoded(text: bytes, kind: Any) -> Any:
    return msgspec.json.decode(text, type=list[msgspec.Raw] if kind is list else dict[str, msgspec.Raw])


NO_MASK = Mask({})
"""Masks nothing."""
