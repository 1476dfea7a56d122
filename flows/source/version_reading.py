"""Reads single records only if they have changed, judging by their ETag or by the row of their parent."""

import hashlib
import json
import re
from collections.abc import Callable, Iterator, Mapping

import msgspec
import pyarrow as pa

from flows.source.client import DripClient, Reply
from flows.source.decoding.arrow import as_kind
from flows.source.decoding.decoder import Decoder
from flows.source.endpoints import ACCOUNT_ID, ROW_HASH, VERSION, Endpoint
from flows.source.errors import RequestFailed, UnreadableReply
from flows.source.landing.landed_list import DependentList
from flows.source.landing.versioned_lists import VersionedLists
from flows.source.list_reader import Page, PageMark, marked, page_counts
from flows.source.paginator import ListOutcome
from flows.source.schema import MISFIT_SUFFIX, texts

GONE = 404
SEVERAL = 3
"""Records in a row that are not there, and none that is: the token does not have the endpoint."""
ETAG = re.compile(r'(W/)?"[\x21\x23-\x7e]*"')
"""What may be sent back to the server as a header."""
NULL = msgspec.Raw(b"null")
Fields = dict[str, msgspec.Raw]


class VersionReader:
    """Reads the records of one account that have changed. Iterate `pages()`, then look at `outcome()`.

    Args:
        client: of the token.
        unit: where they land.
        decoder: of the endpoint.
        read_parents: reads the list of those that each have one, which has landed before, once more.
    """

    def __init__(
        self, client: DripClient, unit: VersionedLists, decoder: Decoder, read_parents: Callable[[], None]
    ) -> None:
        self.client, self.unit, self.decoder, self.read_parents = client, unit, decoder, read_parents
        self._missing: dict[str, RequestFailed] = {}
        self._found = 0

    def pages(self) -> Iterator[tuple[DependentList, Page]]:
        """Each record that has changed, as a page of its own.

        Raises:
            RequestFailed, Unreachable, UnreadableReply, BudgetSpent, Stopped: see `DripClient.get`.
        """
        versions = self._versions()
        for member in self.unit.unread():
            if versions and versions[member.parent_id] == self.unit.known().get(member.parent_id):
                self.unit.keep(member)
            elif (reply := self._ask(member)) is not None:
                yield member, self._page(member, reply, versions.get(member.parent_id) or reply.etag)
            if len(self._missing) >= SEVERAL and not self._found:
                break
        self._judge_missing()

    def outcome(self) -> ListOutcome:
        """The verdict: whole where every record was read, or found to be unchanged."""
        read = [one for member in self.unit.members() if (one := member.landed.outcome())]
        if self._missing:
            (first, *_) = self._missing.values()
            return ListOutcome(True, 0, 0, note=f"not available: {first}", available=False)
        rows = sum(one.rows for one in read) + sum(1 for _ in self.unit.kept())
        problems = self.unit.problems()
        return ListOutcome(
            complete=not problems,
            api_rows=rows,
            rows=rows,
            quarantined=sum(one.quarantined for one in read),
            note="; ".join(problems[:SEVERAL]),
        )

    def _ask(self, member: DependentList) -> Reply | None:
        """The record, None where it has not changed or is not there."""
        version = self.unit.known().get(member.parent_id, "")
        etag = version if self.unit.endpoint.version == "etag" and ETAG.fullmatch(version) else ""
        try:
            reply = self.client.get(member.landed.endpoint.url_path(self.unit.account_id), {}, etag)
        except RequestFailed as error:
            if error.status != GONE:
                raise
            self._missing[member.parent_id] = error
            return None
        self._found += 1
        if reply.unchanged:
            self.unit.keep(member)
        return None if reply.unchanged else reply

    def _judge_missing(self) -> None:
        """A record may be missing because its parent is no longer listed, or because the token has no such endpoint."""
        if not self._missing:
            return
        self.unit.parents.clear()
        self.read_parents()
        listed = set(self.unit.parent_ids())
        self._missing = {name: error for name, error in self._missing.items() if name in listed}
        if self._missing and self._found:
            raise next(iter(self._missing.values()))

    def _page(self, member: DependentList, reply: Reply, version: str) -> Page:
        fields = {self.decoder.endpoint.selector: self._record(member, reply)}
        decoded = self.decoder.decode(reply.body, self.unit.account_id, reply.url, fields)
        mark = PageMark(1, page_counts(1, decoded), None, reply.server_time)
        return Page(mark, marked(_versioned(decoded.table, version), mark), decoded.quarantine)

    def _record(self, member: DependentList, reply: Reply) -> msgspec.Raw:
        """The list of the one record; an object stands for itself, with the id of its parent where it is its key."""
        endpoint = self.decoder.endpoint
        raw = (reply.fields or as_kind(reply.body, Fields) or {}).get(endpoint.selector, NULL)
        record = as_kind(raw, Fields)
        if record is None and (endpoint.single or as_kind(raw, list[msgspec.Raw]) is None):
            raise UnreadableReply(f"no {endpoint.selector!r} in the reply from {reply.url}")
        if record is None:
            return raw
        key = {endpoint.key: msgspec.Raw(msgspec.json.encode(member.parent_id))} if endpoint.single else {}
        return msgspec.Raw(msgspec.json.encode([record | key]))

    def _versions(self) -> Mapping[str, str]:
        """By id, a fingerprint of each parent's row; empty where the ETag tells."""
        if self.unit.endpoint.version != "parent":
            return {}
        parents = self.unit.parents
        return {
            row[parents.endpoint.key]: _fingerprint(row, parents.endpoint)
            for table in parents.tables()
            for row in table.to_pylist()
        }


def _fingerprint(row: Mapping[str, object], endpoint: Endpoint) -> str:
    """A hash of the columns that mean something."""
    ignored = {ROW_HASH, *endpoint.ignored_in_history}
    kept = {
        name: value
        for name, value in sorted(row.items())
        if value is not None and name.removesuffix(MISFIT_SUFFIX) not in ignored
    }
    return hashlib.blake2b(json.dumps(kept, default=str).encode(), digest_size=16).hexdigest()


def _versioned(table: pa.Table, version: str) -> pa.Table:
    """The row with its version, a change of which is a change of the row."""
    hashed = pa.array([f"{text}-{version}" for text in texts(table, ROW_HASH)], pa.string())
    table = table.set_column(table.column_names.index(ROW_HASH), table.field(ROW_HASH), hashed)
    at = table.column_names.index(ACCOUNT_ID) + 1
    return table.add_column(
        at, pa.field(VERSION, pa.string()), pa.array([version or None] * table.num_rows, pa.string())
    )
