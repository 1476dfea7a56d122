"""Lossless decoding of a reply into an Arrow table with the columns of its record type.

A page is decoded into typed records at once. If the API sends an unknown field, or a value of another type, the record
type is widened permanently and the page is decoded again, so most pages take the fast path. Items that are not records
are quarantined.
"""

import functools
import re
import threading
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any

import msgspec
import pyarrow as pa

from flows.source.decoding.arrow import as_kind, key_text, misfits, to_table
from flows.source.decoding.column_names import ColumnNames
from flows.source.decoding.malformed_json import without_bad_unicode, without_deep_records
from flows.source.decoding.masking import NO_MASK, Mask
from flows.source.decoding.redaction import redacted_json, redacted_list
from flows.source.decoding.unportable_values import NUL, portable
from flows.source.endpoints import ACCOUNTS, Endpoint
from flows.source.errors import WRONG_BASE, UnreadableReply
from flows.source.records import OTHER_FIELDS, Json, field_types, fields_of
from flows.source.schema import arrow_schema

NULL = msgspec.Raw(b"null")
NOT_A_RECORD = "not a record"
NO_KEY = "no key"
NOT_UNICODE = "text that is not valid Unicode"
NO_UNICODE = (UnicodeDecodeError, msgspec.DecodeError, pa.ArrowInvalid)
"""Errors that invalid text in a page raises, depending on where it is decoded; the client has validated the JSON."""
MOST_UNKNOWN = 100
"""Maximum number of unknown fields with a column each. More of them are data used as field names, not API fields."""
AWKWARD = re.compile(r'[\\"\x00-\x1f]|^\s*$|^_other_fields$|^.{200,}$')
"""Field names that cannot be made into column names."""
TOO_DEEP = "nested too deep"
NUL_KEY = "a key with a NUL character, which not every database can hold"
BAD_ACCOUNT = "an account id that is not digits"


class RecordType:
    """A type of records, with a decoder of lists of them.

    Args:
        record: the type.
    """

    building = threading.Lock()

    def __init__(self, record: Any) -> None:
        self.record = record
        with self.building:  # msgspec crashes if one thread decodes a type that another has begun to describe to it
            self.decode_list: Callable[[msgspec.Raw], list[Any]] = msgspec.json.Decoder(list[record]).decode


STRINGS = RecordType(str)


class Meta(msgspec.Struct):
    """The counts of a paginated reply; None if the API omits a count or sends something else."""

    total_count: int | None = None
    total_pages: int | None = None


class Quarantined(msgspec.Struct):
    """A record that fits no table, as received."""

    reason: str
    record: str


@dataclass
class Decoded:
    """A decoded page: its rows, its quarantined records, and counts.

    Attributes:
        table: one row per key, the last one if a key repeats; declared columns, then extra ones.
        keys: keys of the rows.
        received: number of records in the reply.
        repeated: number of records whose key occurs again later in the page.
        meta: the API's counts; None if the reply has none.
        quarantine: records that fit no table.
    """

    table: pa.Table
    keys: list[str]
    received: int
    repeated: int
    meta: Meta | None
    quarantine: list[Quarantined] = field(default_factory=list)


class Decoder:
    """Decodes the pages of an endpoint. Thread-safe.

    Args:
        endpoint: the endpoint.
        names: chooses the column names of unknown fields.
        known: unknown fields that already have a column; others get one, up to `MOST_UNKNOWN` in all.
        mask: masks personal data before it is returned.
    """

    def __init__(
        self,
        endpoint: Endpoint,
        names: ColumnNames | None = None,
        known: Iterable[str] = (),
        mask: Mask = NO_MASK,
    ) -> None:
        self.endpoint, self.mask = endpoint.alone, mask
        self.names = names or ColumnNames(arrow_schema(endpoint).names)
        self._types = field_types(endpoint.record)
        self._unknown: set[str] = {*known} - {OTHER_FIELDS, *self._types}
        self._loose: set[str] = set()
        self._widening = threading.Lock()
        self._kind = RecordType(endpoint.record)
        self._is_accounts = endpoint.record is ACCOUNTS.record

    def decode(
        self, body: bytes, account_id: str | None, url: str = "", fields: dict[str, msgspec.Raw] | None = None
    ) -> Decoded:
        """Decode the page in `body`, or in `fields` if already split. Raises UnreadableReply if it has no list."""
        try:
            return self._decode(body, account_id, url, [], fields)
        except RecursionError:
            shallow, deep = without_deep_records(body)
            quarantine = [Quarantined(TOO_DEEP, self._shown(one)) for one in deep]
        except NO_UNICODE:
            shallow, bad = without_bad_unicode(body, self.endpoint.selector)
            quarantine = [Quarantined(NOT_UNICODE, self._shown(one)) for one in bad]
        try:
            return self._decode(shallow, account_id, url, quarantine)
        except RecursionError:
            raise UnreadableReply(f"a reply that is {TOO_DEEP} from {url}") from None

    def _shown(self, record: str) -> str:
        """A record as it may be kept in quarantine."""
        shown = redacted_json(record) if self.endpoint.secret_urls else record
        return self.mask.text(shown, self.mask.rules.root_of(self.endpoint)) if self.mask.actions else shown

    def _advice(self) -> str:
        """Advice for a reply without a list. If it is the list of accounts, the base URL is probably wrong."""
        return f"; {WRONG_BASE}" if self.endpoint.resource == ACCOUNTS.resource else ""

    def _decode(
        self,
        body: bytes,
        account_id: str | None,
        url: str,
        quarantine: list[Quarantined],
        fields: dict[str, msgspec.Raw] | None = None,
    ) -> Decoded:
        envelope = fields or msgspec.json.decode(body, type=dict[str, msgspec.Raw])
        raw = envelope.get(self.endpoint.selector)
        if raw is None or not bytes(memoryview(raw)[:1]) == b"[":
            raise UnreadableReply(f"no list {self.endpoint.selector!r} in the reply from {url}{self._advice()}")
        raw = redacted_list(raw) if self.endpoint.secret_urls else raw
        odd: list[Quarantined] = []
        rows = self._strings(raw, odd) if self.endpoint.strings else self._records(raw, odd)
        quarantine += self._masked(rows, odd)
        received = len(rows) + len(quarantine)
        keyed = self._with_keys(rows, quarantine)
        last = dict(keyed)
        keys = list(last)
        table = to_table(self.endpoint, list(last.values()), keys, account_id, self.names)
        table = portable(table, self.endpoint, body)
        return Decoded(table, keys, received, len(keyed) - len(last), _meta(envelope), quarantine)

    def _masked(self, rows: Sequence[Any], odd: list[Quarantined]) -> list[Quarantined]:
        """Mask the records of a page in place. Returns the other items, masked."""
        if not self.mask.actions:
            return odd
        self.mask.mask_rows(self.endpoint, rows)
        return [Quarantined(one.reason, self._shown(one.record)) for one in odd]

    def _strings(self, raw: msgspec.Raw, quarantine: list[Quarantined]) -> list[Any]:
        """Convert a list of strings to records with one field."""
        values, key = _each(raw, STRINGS, quarantine), self.endpoint.key
        return [self.endpoint.record(**{key: value}) for value in values]

    def _records(self, raw: msgspec.Raw, quarantine: list[Quarantined]) -> list[Any]:
        try:
            return self._kind.decode_list(raw)
        except msgspec.ValidationError:
            wide = self._widen(raw)
            return _each(raw, wide, quarantine, functools.partial(self._folded, wide.record))

    def _widen(self, raw: msgspec.Raw) -> "RecordType":
        """Add the page's unknown fields and misfit types to the record type, and return it."""
        with self._widening:
            for item in msgspec.json.decode(raw, type=list[msgspec.Raw]):
                if as_kind(item, self._kind.record) is None:
                    self._learn(as_kind(item, dict[str, msgspec.Raw]) or {})
            self._kind = RecordType(self._wide_record())
            return self._kind

    def _folded(self, wide: type[msgspec.Struct], item: msgspec.Raw) -> Any:
        """A record with the unknown fields that have no column moved into `_other_fields`; None if not a record."""
        fields = as_kind(item, dict[str, msgspec.Raw])
        if fields is None:
            return None
        columns = {field.encode_name for field in fields_of(wide)} - {OTHER_FIELDS}
        known = {name: value for name, value in fields.items() if name in columns}
        rest = {name: value for name, value in fields.items() if name not in known}
        return as_kind(msgspec.Raw(msgspec.json.encode(known | {OTHER_FIELDS: rest})), wide)

    def _learn(self, record: dict[str, msgspec.Raw]) -> None:
        for name, value in record.items():
            if name not in self._types:
                if len(self._unknown) < MOST_UNKNOWN and not AWKWARD.search(name):
                    self._unknown.add(name)
            elif misfits(value, self._types[name]):
                self._loose.add(name)

    def _wide_record(self) -> type[msgspec.Struct]:
        kinds = {name: Json if name in self._loose else kind for name, kind in self._types.items()}
        known: list[Any] = [(name, kind, msgspec.UNSET if kind == Json else None) for name, kind in kinds.items()]
        unknown = [
            (f"unknown_{i}", Json, msgspec.field(default=msgspec.UNSET, name=name))
            for i, name in enumerate([*sorted(self._unknown), OTHER_FIELDS])
        ]
        return msgspec.defstruct(
            self._kind.record.__name__, known + unknown, omit_defaults=True, forbid_unknown_fields=True, gc=False
        )

    def _with_keys(self, rows: Sequence[Any], quarantine: list[Quarantined]) -> list[tuple[str, Any]]:
        """Rows with their keys; rows without a valid key are quarantined."""
        found = [getattr(row, self.endpoint.key) for row in rows]
        if not self._is_accounts and _are_plain(found):
            return list(zip(found, rows, strict=True))
        keyed = []
        for row, value in zip(rows, found, strict=True):
            key = key_text(value) or ""
            if problem := self._key_problem(key):
                quarantine.append(Quarantined(problem, msgspec.json.encode(row).decode()))
            else:
                keyed.append((key, row))
        return keyed

    def _key_problem(self, key: str) -> str:
        """Why a key is invalid; empty if it is valid. Account ids must be digits, since they go into paths and SQL."""
        if not key:
            return NO_KEY
        if NUL in key:
            return NUL_KEY
        return BAD_ACCOUNT if self._is_accounts and not is_account_id(key) else ""


def _are_plain(keys: Sequence[Any]) -> bool:
    """Whether all keys are non-empty strings without NUL. Checks the page at once, which is faster than each key."""
    return set(map(type, keys)) == {str} and "" not in keys and NUL not in "".join(keys)


def is_account_id(text: str) -> bool:
    """Whether `text` is an account id as in the API reference: ASCII digits."""
    return text.isascii() and text.isdigit()


def _meta(envelope: dict[str, msgspec.Raw]) -> Meta | None:
    """The counts in `meta`, each None unless it is a number of at least 0; None if there is no `meta` object."""
    counts = as_kind(envelope.get("meta", NULL), dict[str, msgspec.Raw])
    if counts is None:
        return None
    found = {name: as_kind(counts[name], int) for name in Meta.__struct_fields__ if name in counts}
    return Meta(**{name: value if value is None or value >= 0 else None for name, value in found.items()})


def _each(
    raw: msgspec.Raw,
    kind: RecordType,
    quarantine: list[Quarantined],
    otherwise: Callable[[msgspec.Raw], Any] = lambda item: None,
) -> list[Any]:
    """The items decoded as a `kind`, or else converted by `otherwise`; the rest are quarantined."""
    try:
        return kind.decode_list(raw)
    except msgspec.ValidationError:
        items = msgspec.json.decode(raw, type=list[msgspec.Raw])
    good = []
    for item in items:
        value = as_kind(item, kind.record)
        if value is None:
            value = otherwise(item)
        if value is None:
            quarantine.append(Quarantined(NOT_A_RECORD, bytes(item).decode()))
        else:
            good.append(value)
    return good
