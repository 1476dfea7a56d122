"""Lands lists: drives a `ListReader` and writes its pages to a `LandedList`.

Either a single list, or the lists that belong to the records of a parent list.
"""

from collections.abc import Callable, Generator, Iterator
from contextlib import closing
from typing import NamedTuple, TypeVar, cast

import pyarrow as pa
from dlt.extract.exceptions import ResourceExtractionError
from dlt.extract.pipe_iterator import PipeIterator

from flows.common.errors import DripError
from flows.source.client import DripClient
from flows.source.decoding.decoder import Decoder
from flows.source.email_metrics.landing import days_of
from flows.source.endpoints import ACCOUNT_ID, ROW_HASH, Endpoint
from flows.source.errors import RequestFailed, Stopped
from flows.source.landing.daily_list import DailyList
from flows.source.landing.landed_list import DependentList, DependentLists, LandedList
from flows.source.landing.versioned_lists import VersionedLists
from flows.source.list_reader import ListReader, Page
from flows.source.paginator import ListOutcome
from flows.source.schema import placing_columns, texts
from flows.source.tables import table_resource
from flows.source.version_reading import VersionReader

GONE = 404
MOST_NOTES = 3

T = TypeVar("T")
DecoderOf = Callable[[str], Decoder]
"""Returns the decoder of a resource, which all of its lists share."""


class Progress(NamedTuple):
    """Rows landed so far, and `of` rows in total; None if the API did not return a count."""

    rows: int
    of: int | None


def land(client: DripClient, landed: LandedList, decoder_of: DecoderOf) -> Iterator[Progress]:
    """Read a list, or a set of dependent lists, to its end, resuming from the pages that have landed.

    Once the iterator is exhausted, `landed.outcome()` returns the outcome.

    Raises:
        RequestFailed, Unreachable, UnreadableReply, BudgetSpent, Stopped: see `DripClient.get`. The landed pages are
            kept.
    """
    try:
        yield from _land(client, landed, decoder_of)
    except RequestFailed as error:
        if not (landed.endpoint.newer and error.status == GONE and landed.age() == float("inf")):
            raise
        landed.finish(ListOutcome(True, 0, 0, note=f"not available: {error}", available=False))


def _land(client: DripClient, landed: LandedList, decoder_of: DecoderOf) -> Iterator[Progress]:
    if isinstance(landed, DailyList):
        return _land_days(client, landed, decoder_of)
    if isinstance(landed, VersionedLists):
        return _land_versions(client, landed, decoder_of)
    if isinstance(landed, DependentLists):
        return _land_dependent_lists(client, landed, decoder_of)
    reader = ListReader(client, landed.endpoint, landed.account_id, decoder_of(landed.endpoint.resource))
    return _land_list(reader, landed, reader.pages())


def _land_versions(client: DripClient, landed: VersionedLists, decoder_of: DecoderOf) -> Iterator[Progress]:
    decoder = decoder_of(landed.endpoint.resource)
    _land_parents(client, landed, decoder_of)
    reader = VersionReader(client, landed, decoder, lambda: _read_parents(client, landed, decoder_of))
    rows = 0
    for member, page in _through_dlt(landed.endpoint, reader.pages()):
        member.landed.write(page)
        facts = page.mark.facts
        rows += facts.rows
        member.landed.finish(ListOutcome(True, facts.received, facts.rows, quarantined=facts.quarantined))
        yield Progress(rows, None)
    landed.finish(reader.outcome())


def _land_days(client: DripClient, landed: DailyList, decoder_of: DecoderOf) -> Iterator[Progress]:
    def read(one: LandedList) -> None:
        if not one.may_resume(client.settings.resume_max_age):
            one.clear()
        _read_whole(client, one, decoder_of)

    days = days_of(client, landed, decoder_of(landed.endpoint.resource), read)
    for day, number, of in _through_dlt(landed.endpoint, days):
        landed.write_day(day)
        yield Progress(number, of)


def _land_list(reader: ListReader, landed: LandedList, pages: Iterator[Page]) -> Iterator[Progress]:
    """Iterate the dlt resource of the list, page by page, and land each page."""
    reader.resume(landed.landed())
    for page in _through_dlt(landed.endpoint, pages):
        landed.write(page)
        yield Progress(reader.rows(), page.mark.facts.total_count)
    if reader.outcome is None:
        raise Stopped("the list was not read to its end")
    landed.finish(reader.outcome)


def _through_dlt(endpoint: Endpoint, pages: Iterator[T]) -> Iterator[T]:
    """The items of the list's dlt resource. Errors that dlt wraps are raised unwrapped.

    Reads the pipe of the resource, since iterating the resource itself makes a schema first, for each list.
    """
    try:
        pipe = table_resource(endpoint, pages)._pipe
        with closing(cast(Generator[T], pages)), PipeIterator.from_pipe(pipe) as items:
            yield from cast(Iterator[T], (item.item for item in items))
        return
    except ResourceExtractionError as error:
        raised = error.__cause__ if isinstance(error.__cause__, DripError) else error
    # Raised outside the handler: with the wrapper as its context, the error would be a cycle, which cannot be pickled.
    raise raised


def _land_dependent_lists(client: DripClient, lists: DependentLists, decoder_of: DecoderOf) -> Iterator[Progress]:
    """Read the parents, then their lists one by one. If a parent was deleted meanwhile, read the parents again."""
    scans = 0
    while lists.outcome() is None:
        scans += 1
        member = None
        try:
            _land_parents(client, lists, decoder_of)
            unread, rows = lists.unread(), 0
            for place, member in enumerate(unread, start=1):
                progress = Progress(0, None)
                for progress in _land_member(client, lists, member, decoder_of):
                    yield Progress(rows + progress.rows, None)
                rows += progress.rows
                client.budget.plan(f"{lists.endpoint.resource} of {lists.account_id}", len(unread) - place)
            lists.finish(_combined_outcome(lists, scans))
        except RequestFailed as error:
            if not _parent_was_deleted(client, lists, member, error, decoder_of) or scans >= client.settings.max_scans:
                raise error from None


def _land_parents(client: DripClient, lists: DependentLists, decoder_of: DecoderOf) -> None:
    """Copy the list of parents, or read it from the API if it has not landed."""
    if lists.parents.outcome() is None and not lists.copy_parents(client.settings.resume_max_age):
        _read_parents(client, lists, decoder_of)


def _read_parents(client: DripClient, lists: DependentLists, decoder_of: DecoderOf) -> None:
    _read_whole(client, lists.parents, decoder_of)


def _read_whole(client: DripClient, landed: LandedList, decoder_of: DecoderOf) -> None:
    """Read a list that others depend on, unless it has landed."""
    if landed.outcome() is None:
        reader = ListReader(client, landed.endpoint, landed.account_id, decoder_of(landed.endpoint.resource))
        for _ in _land_list(reader, landed, reader.pages()):
            pass


def _parent_was_deleted(
    client: DripClient,
    lists: DependentLists,
    member: DependentList | None,
    error: RequestFailed,
    decoder_of: DecoderOf,
) -> bool:
    """Whether the list is missing because its parent was deleted. Reads the parents again to find out."""
    if member is None or error.status != GONE:
        return False
    lists.parents.clear()
    _read_parents(client, lists, decoder_of)
    return member.parent_id not in lists.parent_ids()


def _land_member(
    client: DripClient, lists: DependentLists, member: DependentList, decoder_of: DecoderOf
) -> Iterator[Progress]:
    landed, decoder = member.landed, decoder_of(lists.endpoint.resource)
    reader = ListReader(client, landed.endpoint, landed.account_id, decoder)
    return _land_list(reader, landed, (_with_placing_columns(page, lists.endpoint, member) for page in reader.pages()))


def _with_placing_columns(page: Page, endpoint: Endpoint, member: DependentList) -> Page:
    """Add the columns for the parent and the status, which is added to the row hash, so that it counts as a change."""
    table = page.table
    values = dict(zip(placing_columns(endpoint), (member.parent_id, member.status), strict=False))
    columns = {name: pa.array([value] * table.num_rows, pa.string()) for name, value in values.items()}
    if member.status:
        hashed = pa.array([f"{text}-{member.status}" for text in texts(table, ROW_HASH)], pa.string())
        table = table.set_column(table.column_names.index(ROW_HASH), table.field(ROW_HASH), hashed)
    at = table.column_names.index(ACCOUNT_ID) + 1
    for name, column in reversed(columns.items()):
        table = table.add_column(at, pa.field(name, pa.string()), column)
    return Page(page.mark, table, page.quarantine)


def _combined_outcome(lists: DependentLists, scans: int) -> ListOutcome:
    """The combined outcome: complete only if the list of parents and the lists of all parents are complete."""
    read = [(member.name, outcome) for member in lists.members() if (outcome := member.landed.outcome())]
    notes = [*lists.problems(), *(f"{name}: {outcome.note}" for name, outcome in read if outcome.note)]
    outcomes = [outcome for _, outcome in read]
    rows = sum(table.num_rows for table in lists.tables())
    return ListOutcome(
        complete=not lists.problems() and all(outcome.complete for outcome in outcomes),
        api_rows=sum(outcome.api_rows for outcome in outcomes),
        rows=rows,
        repeated=sum(outcome.repeated + outcome.rows for outcome in outcomes) - rows,
        quarantined=sum(outcome.quarantined for outcome in outcomes),
        overlap=sum(outcome.overlap for outcome in outcomes),
        attempts=max([scans, *(outcome.attempts for outcome in outcomes)]),
        note="; ".join(notes[:MOST_NOTES])
        + (f"; and {len(notes) - MOST_NOTES} more" if len(notes) > MOST_NOTES else ""),
    )
