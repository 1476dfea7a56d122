"""From the bytes of a reply to an Arrow table in the shape of the record, losing nothing on the way.

The whole page is decoded at once into typed records. Where the API sends a field that the record does not
know, or a value that does not fit, the type is widened for good and the page decoded again, so the fast path
stays the rule. What is no record at all is quarantined.
"""

import hashlib
import json
import re
import threading
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

import msgspec
import pyarrow as pa

from flows.source.endpoints import ACCOUNT_ID, ROW_HASH, Endpoint
from flows.source.errors import UnreadableReply
from flows.source.names import ColumnNames
from flows.source.portable import NUL, portable
from flows.source.records import Int, Json
from flows.source.schema import (
    FIELD_NAME,
    LINKS,
    MISFIT_SUFFIX,
    arrow_schema,
    field_types,
    link_column,
)

Columns = dict[str, list[Any]]

NULL = b"null"
NOT_A_RECORD = "not a record"
NO_KEY = "no key"
NOT_UNICODE = "text that is not valid Unicode"
OTHER_FIELDS = "_other_fields"
"""The column, a JSON object, of unknown fields that get no column of their own."""
MOST_UNKNOWN = 100
"""Unknown fields that get a column each; more are no new fields of the API but data in their names."""
AWKWARD = re.compile(r'[\\"\x00-\x1f]|^\s*$|^_other_fields$|^.{200,}$')
"""Field names that no column can be named after."""
EXACT_IN_FLOAT = 2**53
"""Whole numbers up to here are the same number when written with a decimal point."""
TOO_DEEP = "nested too deep"
MOST_LEVELS = 200
"""Deeper records are taken out of a page that cannot be decoded for its depth."""
ITEM_LEVEL = 3
"""The reply, its list, an item of the list."""
BRACKETS = re.compile(rb'"(?:[^"\\]|\\.)*"|[\[\]{}]', re.DOTALL)
"""Strings, so that what stands in them is skipped, and brackets."""
NUL_KEY = "a key with a NUL character, which not every database can hold"
BAD_ACCOUNT = "an account id that is not digits"


class Meta(msgspec.Struct):
    """The counts of a paginated reply, None where the API left them out or wrote something else."""

    total_count: int | None = None
    total_pages: int | None = None


class Quarantined(msgspec.Struct):
    """A record that fits no table, as it came."""

    reason: str
    record: str


@dataclass
class Decoded:
    """One page: rows that fit, records that do not, and the counts that go with them.

    Attributes:
        table: one row per distinct key, the last one where a key repeats; declared columns, then extra ones.
        received: records in the reply.
        repeated: records whose key came again in the same page.
        meta: the API's own counts; None where the reply had none.
    """

    table: pa.Table
    received: int
    repeated: int
    meta: Meta | None
    quarantine: list[Quarantined] = field(default_factory=list)


class Decoder:
    """Decodes the pages of one endpoint; safe to share between threads.

    Args:
        endpoint: whose pages.
        names: names the columns of unknown fields.
        known: unknown fields that have a column already; others get one while there are few enough.
    """

    def __init__(self, endpoint: Endpoint, names: ColumnNames | None = None, known: Iterable[str] = ()) -> None:
        self.endpoint = endpoint.alone
        self.names = names or ColumnNames(arrow_schema(endpoint).names)
        self._types = field_types(endpoint.record)
        self._unknown: set[str] = {*known} - {OTHER_FIELDS}
        self._loose: set[str] = set()
        self._widening = threading.Lock()
        self._record: type[msgspec.Struct] = endpoint.record

    def decode(self, body: bytes, account_id: str | None, url: str = "") -> Decoded:
        """The page in `body`. Raises UnreadableReply where there is no list."""
        try:
            return self._decode(body, account_id, url, [])
        except RecursionError:
            shallow, deep = _without_deep_records(body)
        try:
            return self._decode(shallow, account_id, url, deep)
        except RecursionError:
            raise UnreadableReply(f"a reply that is {TOO_DEEP} from {url}") from None

    def _decode(self, body: bytes, account_id: str | None, url: str, quarantine: list[Quarantined]) -> Decoded:
        envelope, no_unicode = _envelope(body, self.endpoint.selector)
        raw = envelope.get(self.endpoint.selector)
        if raw is None or not bytes(raw).lstrip().startswith(b"["):
            raise UnreadableReply(f"no list {self.endpoint.selector!r} in the reply from {url}")
        quarantine += no_unicode
        rows = self._strings(raw, quarantine) if self.endpoint.strings else self._records(raw, quarantine)
        received = len(rows) + len(quarantine)
        keyed = self._with_keys(rows, quarantine)
        last = dict(keyed)
        table = portable(self._table(list(last.values()), list(last), account_id), self.endpoint, raw)
        return Decoded(table, received, len(keyed) - len(last), _meta(envelope), quarantine)

    def _strings(self, raw: msgspec.Raw, quarantine: list[Quarantined]) -> list[Any]:
        """A list of strings as records of one field."""
        values, key = _each(raw, str, quarantine), self.endpoint.key
        return [self.endpoint.record(**{key: value}) for value in values]

    def _records(self, raw: msgspec.Raw, quarantine: list[Quarantined]) -> list[Any]:
        try:
            return _decode_list(raw, self._record)
        except msgspec.ValidationError:
            self._widen(raw)
            return _each(raw, self._record, quarantine, self._folded)

    def _widen(self, raw: msgspec.Raw) -> None:
        """Learn the page's unknown fields and misfit values, and build the record type that takes them."""
        with self._widening:
            for item in msgspec.json.decode(raw, type=list[msgspec.Raw]):
                if _as(item, self._record) is None:
                    self._learn(_as(item, dict[str, msgspec.Raw]) or {})
            self._record = self._wide_record()

    def _folded(self, item: msgspec.Raw) -> Any:
        """A record with the unknown fields that get no column of their own gathered in one; None if it is none."""
        fields = _as(item, dict[str, msgspec.Raw])
        if fields is None:
            return None
        known = {name: value for name, value in fields.items() if name in self._types or name in self._unknown}
        rest = {name: value for name, value in fields.items() if name not in known}
        return _as(msgspec.Raw(msgspec.json.encode(known | {OTHER_FIELDS: rest})), self._record)

    def _learn(self, record: dict[str, msgspec.Raw]) -> None:
        for name, value in record.items():
            if name not in self._types:
                if len(self._unknown) < MOST_UNKNOWN and not AWKWARD.search(name):
                    self._unknown.add(name)
            elif _misfits(value, self._types[name]):
                self._loose.add(name)

    def _wide_record(self) -> type[msgspec.Struct]:
        kinds = {name: Json if name in self._loose else kind for name, kind in self._types.items()}
        known: list[Any] = [(name, kind, msgspec.UNSET if kind == Json else None) for name, kind in kinds.items()]
        unknown = [
            (f"unknown_{i}", Json, msgspec.field(default=msgspec.UNSET, name=name))
            for i, name in enumerate([*sorted(self._unknown), OTHER_FIELDS])
        ]
        return msgspec.defstruct(self._record.__name__, known + unknown, omit_defaults=True, forbid_unknown_fields=True)

    def _with_keys(self, rows: Sequence[Any], quarantine: list[Quarantined]) -> list[tuple[str, Any]]:
        """Each row with its key; rows without one go to quarantine."""
        keyed = []
        for row in rows:
            key = _key_text(getattr(row, self.endpoint.key))
            problem = NO_KEY if not key else self._key_problem(key)
            if problem:
                quarantine.append(Quarantined(problem, msgspec.json.encode(row).decode()))
            else:
                keyed.append((key or "", row))
        return keyed

    def _key_problem(self, key: str) -> str:
        """Account ids go into paths and SQL, so they are what the reference says, or nothing; no key has a NUL."""
        if NUL in key:
            return NUL_KEY
        is_account = self.endpoint.record.__name__ == "Account"
        return BAD_ACCOUNT if is_account and not is_account_id(key) else ""

    def _table(self, rows: Sequence[Any], keys: list[str], account_id: str | None) -> pa.Table:
        columns: Columns = {}
        if account_id is not None:
            columns[ACCOUNT_ID] = [account_id] * len(rows)
        for name, kind in self._types.items():
            values = [getattr(row, name) for row in rows]
            columns |= self._column(name, kind, values, account_id)
        columns[self.endpoint.key] = keys
        columns.pop(self.endpoint.key + MISFIT_SUFFIX, None)
        columns[ROW_HASH] = _hashes(rows, account_id)
        return self._arrow(columns, self._unknown_columns(rows))

    def _column(self, name: str, kind: Any, values: list[Any], account_id: str | None) -> Columns:
        """The column of a declared field, and beside it one of the values that do not fit, if any."""
        if name == LINKS:
            return self._links(values, account_id)
        if kind == Json:
            return {name: [_json_text(value) for value in values]}
        if not any(isinstance(value, msgspec.Raw) or value is msgspec.UNSET for value in values):
            return {name: values}
        fitted = [_fit(value, kind) for value in values]
        misfits = [misfit for _, misfit in fitted]
        columns = {name: [value for value, _ in fitted]}
        return columns | ({name + MISFIT_SUFFIX: misfits} if any(misfits) else {})

    def _links(self, values: list[Any], account_id: str | None) -> Columns:
        """What the endpoint names gets a column, the account is known, anything else is a misfit."""
        parts = [_split_links(value, self.endpoint.linked, account_id) for value in values]
        columns: Columns = {
            link_column(name): [linked.get(name) for linked, _ in parts] for name in self.endpoint.linked
        }
        rest = [rest for _, rest in parts]
        return columns | ({LINKS + MISFIT_SUFFIX: rest} if any(rest) else {})

    def _unknown_columns(self, rows: Sequence[Any]) -> dict[str, list[str | None]]:
        """API field name to JSON texts, of the unknown fields that this page has."""
        if not rows:
            return {}
        fields = {f.encode_name: f.name for f in msgspec.structs.fields(type(rows[0]))}
        columns = {}
        for api_name in sorted(fields.keys() - self._types.keys()):
            texts = [_json_text(getattr(row, fields[api_name])) for row in rows]
            if any(text is not None for text in texts):
                columns[api_name] = texts
        return columns

    def _arrow(self, columns: Columns, unknown: dict[str, list[str | None]]) -> pa.Table:
        declared = arrow_schema(self.endpoint)
        misfits = [pa.field(name, pa.string()) for name in columns if name not in declared.names]
        extras = [
            pa.field(self.names.column(name), pa.string(), metadata={FIELD_NAME: name.encode()}) for name in unknown
        ]
        schema = pa.schema([*declared, *misfits, *extras])
        values = [columns[f.name] for f in [*declared, *misfits]] + list(unknown.values())
        arrays = [pa.array(v, type=f.type) for v, f in zip(values, schema, strict=True)]
        return pa.Table.from_arrays(arrays, schema=schema)


def is_account_id(text: str) -> bool:
    """Whether `text` is what the reference calls an account id: ASCII digits."""
    return text.isascii() and text.isdigit()


def _envelope(body: bytes, selector: str) -> tuple[dict[str, msgspec.Raw], list[Quarantined]]:
    """The reply's top level. Records whose text is no Unicode are taken out of it and quarantined."""
    try:
        return msgspec.json.decode(body, type=dict[str, msgspec.Raw]), []
    except (msgspec.MsgspecError, UnicodeDecodeError):
        reply = json.loads(body)
    records = reply.get(selector)
    good: list[Any] = []
    bad: list[Any] = []
    for record in records if isinstance(records, list) else []:
        (good if _is_unicode(record) else bad).append(record)
    rest = {key: value for key, value in reply.items() if key == "meta" and _is_unicode(value)}
    quarantine = [Quarantined(NOT_UNICODE, json.dumps(record)) for record in bad]
    text = json.dumps({**rest, selector: good if isinstance(records, list) else None})
    return msgspec.json.decode(text, type=dict[str, msgspec.Raw]), quarantine


def _without_deep_records(body: bytes) -> tuple[bytes, list[Quarantined]]:
    """The page without the list items that are nested too deep, and these; found without recursion."""
    spans = [(start, end) for start, end, levels in _list_items(body) if levels > MOST_LEVELS]
    deep = [Quarantined(TOO_DEEP, body[start:end].decode(errors="replace")) for start, end in spans]
    for start, end in reversed(spans):
        before, after = body[:start].rstrip(), body[end:].lstrip()
        if after.startswith(b","):
            after = after[1:]
        elif before.endswith(b","):
            before = before[:-1]
        body = before + after
    return body, deep


def _list_items(body: bytes) -> Iterator[tuple[int, int, int]]:
    """Start, end and levels of every object or list that is an item of a list in the reply's top level."""
    open_brackets, start, levels = bytearray(), 0, 0
    for found in BRACKETS.finditer(body):
        if found[0] in (b"[", b"{"):
            open_brackets += found[0]
            start, levels = (found.start(), 0) if len(open_brackets) == ITEM_LEVEL else (start, levels)
            levels = max(levels, len(open_brackets))
        elif found[0] in (b"]", b"}"):
            is_item = len(open_brackets) == ITEM_LEVEL and open_brackets[-2:-1] == b"["
            del open_brackets[-1:]
            if is_item:
                yield start, found.end(), levels


def _is_unicode(value: Any) -> bool:
    try:
        json.dumps(value, ensure_ascii=False, allow_nan=False).encode()
    except ValueError:
        return False
    return True


def _meta(envelope: dict[str, msgspec.Raw]) -> Meta | None:
    """The counts in `meta`; a count that is no number is None, no `meta` object at all is None."""
    counts = _as(envelope.get("meta", msgspec.Raw(NULL)), dict[str, msgspec.Raw])
    if counts is None:
        return None
    found = {name: _as(counts[name], int) for name in Meta.__struct_fields__ if name in counts}
    return Meta(**{name: value if value is None or value >= 0 else None for name, value in found.items()})


def _decode_list(raw: msgspec.Raw, kind: Any) -> list[Any]:
    return msgspec.json.decode(raw, type=list[kind])


def _each(
    raw: msgspec.Raw,
    kind: Any,
    quarantine: list[Quarantined],
    otherwise: Callable[[msgspec.Raw], Any] = lambda item: None,
) -> list[Any]:
    """The items of the list that are a `kind`, or become one `otherwise`; the rest goes to quarantine."""
    try:
        return _decode_list(raw, kind)
    except msgspec.ValidationError:
        items = msgspec.json.decode(raw, type=list[msgspec.Raw])
    good = []
    for item in items:
        value = _as(item, kind)
        if value is None:
            value = otherwise(item)
        if value is None:
            quarantine.append(Quarantined(NOT_A_RECORD, bytes(item).decode()))
        else:
            good.append(value)
    return good


def _as(raw: msgspec.Raw, kind: Any) -> Any:
    """`raw` as a `kind`, or None."""
    try:
        return msgspec.json.decode(raw, type=kind)
    except msgspec.ValidationError:
        return None


def _misfits(raw: msgspec.Raw, kind: Any) -> bool:
    try:
        msgspec.json.decode(raw, type=kind)
    except msgspec.ValidationError:
        return True
    return False


def _fit(value: Any, kind: Any) -> tuple[Any, str | None]:
    """A loosely decoded value as (value, None) where it fits its column, else as (None, its JSON)."""
    if value is msgspec.UNSET or value is None:
        return None, None
    if not _misfits(value, kind):
        return msgspec.json.decode(value, type=kind), None
    number = _as(value, float)
    if kind == Int and number is not None and number.is_integer() and abs(number) <= EXACT_IN_FLOAT:
        return int(number), None
    return None, bytes(value).decode()


def _json_text(value: Any) -> str | None:
    if value is msgspec.UNSET or bytes(value) == NULL:
        return None
    return bytes(value).decode()


def _key_text(value: Any) -> str | None:
    """A key as text: ids are strings, but a bare number names its record just as well."""
    if not isinstance(value, msgspec.Raw):
        return value if isinstance(value, str) else None
    scalar = _as(value, str | int)
    return None if scalar is None else str(scalar)


def _split_links(value: Any, linked: Iterable[str], account_id: str | None) -> tuple[dict[str, str | None], str | None]:
    text = _json_text(value)
    if text is None:
        return {}, None
    links = _as(value, dict[str, msgspec.Raw])
    if links is None:
        return {}, text
    taken = {name: _json_text(links.pop(name)) for name in linked if name in links}
    account = links.pop("account", msgspec.Raw(NULL))
    as_expected = not links and _key_text(account) in (None, account_id)
    return taken, None if as_expected else text


def _hashes(rows: Iterable[Any], account_id: str | None) -> list[str]:
    """A fingerprint of each row's account and non-null values: a new all-null column does not change it."""
    salt = (account_id or "").encode()
    encode: Callable[[Any], bytes] = msgspec.json.Encoder().encode
    return [hashlib.blake2b(encode(row), key=salt, digest_size=16).hexdigest() for row in rows]
