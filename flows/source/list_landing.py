"""Reading a list, or all lists that the records of another list have one of, into the landing zone."""

from collections.abc import Callable, Iterator
from typing import NamedTuple

import pyarrow as pa
from dlt.extract.exceptions import ResourceExtractionError

from flows.common.errors import DripError
from flows.source.client import DripClient
from flows.source.decoding.decoder import Decoder
from flows.source.endpoints import ACCOUNT_ID, ROW_HASH, Endpoint
from flows.source.errors import RequestFailed, Stopped
from flows.source.landing.landed_list import DependentList, DependentLists, LandedList
from flows.source.list_reader import ListReader, Page
from flows.source.paginator import ListOutcome
from flows.source.schema import placing_columns, texts
from flows.source.tables import table_resource

GONE = 404
MOST_NOTES = 3

DecoderOf = Callable[[str], Decoder]
"""The decoder of a resource, shared between its lists."""


class Progress(NamedTuple):
    """A page has landed: `rows` so far, of `of` rows if the API said."""

    rows: int
    of: int | None


def land(client: DripClient, landed: LandedList, decoder_of: DecoderOf) -> Iterator[Progress]:
    """Read a list, or a family of lists, to its end, going on from the pages that are there.

    Once the iterator is exhausted, `landed.outcome()` is the verdict.

    Raises:
        RequestFailed, Unreachable, UnreadableReply, BudgetSpent, Stopped: see `DripClient.get`; what landed stays.
    """
    if isinstance(landed, DependentLists):
        return _land_family(client, landed, decoder_of)
    reader = ListReader(client, landed.endpoint, landed.account_id, decoder_of(landed.endpoint.resource))
    return _land_list(reader, landed, reader.pages())


def _land_list(reader: ListReader, landed: LandedList, pages: Iterator[Page]) -> Iterator[Progress]:
    """Iterate the dlt resource of the list, page by page, and land each page."""
    reader.resume(landed.landed())
    for page in _through_dlt(landed.endpoint, pages):
        landed.write(page)
        yield Progress(reader.rows(), page.mark.facts.total_count)
    if reader.outcome is None:
        raise Stopped("the list was not read to its end")
    landed.finish(reader.outcome)


def _through_dlt(endpoint: Endpoint, pages: Iterator[Page]) -> Iterator[Page]:
    """The items of the list's dlt resource. What dlt wraps our errors in is taken off."""
    try:
        yield from table_resource(endpoint, pages)
        return
    except ResourceExtractionError as error:
        raised = error.__cause__ if isinstance(error.__cause__, DripError) else error
    # Outside the handler: as the context of its own cause, the wrapper would make a circle that cannot be pickled.
    raise raised


def _land_family(client: DripClient, family: DependentLists, decoder_of: DecoderOf) -> Iterator[Progress]:
    """Parents first, then list after list. A parent that is gone by its turn has the parents read again."""
    walks = 0
    while family.outcome() is None:
        walks += 1
        member = None
        try:
            _land_parents(client, family, decoder_of)
            unread, rows = family.unread(), 0
            for place, member in enumerate(unread, start=1):
                progress = Progress(0, None)
                for progress in _land_member(client, family, member, decoder_of):
                    yield Progress(rows + progress.rows, None)
                rows += progress.rows
                client.budget.plan(f"{family.endpoint.resource} of {family.account_id}", len(unread) - place)
            family.finish(_verdict(family, walks))
        except RequestFailed as error:
            if not _vanished(client, family, member, error, decoder_of) or walks >= client.settings.max_scans:
                raise error from None


def _land_parents(client: DripClient, family: DependentLists, decoder_of: DecoderOf) -> None:
    """Copy the list of parents, or read it from the API if it has not landed."""
    if family.parents.outcome() is None and not family.copy_parents(client.settings.resume_max_age):
        _read_parents(client, family, decoder_of)


def _read_parents(client: DripClient, family: DependentLists, decoder_of: DecoderOf) -> None:
    reader = ListReader(client, family.parents.endpoint, family.account_id, decoder_of(family.endpoint.parent))
    for _ in _land_list(reader, family.parents, reader.pages()):
        pass


def _vanished(
    client: DripClient,
    family: DependentLists,
    member: DependentList | None,
    error: RequestFailed,
    decoder_of: DecoderOf,
) -> bool:
    """Whether the list is missing because its parent is no longer listed; the parents are read again to see."""
    if member is None or error.status != GONE:
        return False
    family.parents.clear()
    _read_parents(client, family, decoder_of)
    return member.parent_id not in family.parent_ids()


def _land_member(
    client: DripClient, family: DependentLists, member: DependentList, decoder_of: DecoderOf
) -> Iterator[Progress]:
    landed, decoder = member.landed, decoder_of(family.endpoint.resource)
    reader = ListReader(client, landed.endpoint, landed.account_id, decoder)
    return _land_list(reader, landed, (_placed(page, family.endpoint, member) for page in reader.pages()))


def _placed(page: Page, endpoint: Endpoint, member: DependentList) -> Page:
    """The page with columns that say which list it is of. The status counts as a value of the row, so as a change."""
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


def _verdict(family: DependentLists, walks: int) -> ListOutcome:
    """Whole only where every list of every parent is, and no parent is unknown."""
    read = [(member.name, outcome) for member in family.members() if (outcome := member.landed.outcome())]
    notes = [*family.problems(), *(f"{name}: {outcome.note}" for name, outcome in read if outcome.note)]
    outcomes = [outcome for _, outcome in read]
    rows = sum(table.num_rows for table in family.tables())
    return ListOutcome(
        complete=not family.problems() and all(outcome.complete for outcome in outcomes),
        api_rows=sum(outcome.api_rows for outcome in outcomes),
        rows=rows,
        repeated=sum(outcome.repeated + outcome.rows for outcome in outcomes) - rows,
        quarantined=sum(outcome.quarantined for outcome in outcomes),
        overlap=sum(outcome.overlap for outcome in outcomes),
        attempts=max([walks, *(outcome.attempts for outcome in outcomes)]),
        note="; ".join(notes[:MOST_NOTES])
        + (f"; and {len(notes) - MOST_NOTES} more" if len(notes) > MOST_NOTES else ""),
    )
