"""Forgetting a person in the spool of webhook deliveries."""

import re
from collections.abc import Collection, Iterator

from flows.maintenance import addresses
from flows.pipeline.event_sources import EventSource, event_sources
from flows.source.deliveries.events import NoEvent, event_of
from flows.source.deliveries.shipping import batches, read_batch, write_batch
from flows.source.deliveries.spool import Delivery, Spool, opened

BUSY = "the log of the spool could not be emptied while the receiver writes: what was removed may be read in its bytes"
Person = tuple[str, str]
"""Account and id of a subscriber."""


def forget_deliveries(address: str, token: str, people: Collection[Person]) -> tuple[int, str]:
    """Delete every delivery that is a person's, and those of no event that mention the address.

    Args:
        address: of the person.
        token: of the address, if it is masked.
        people: accounts and ids of the person.

    Returns:
        The number of deliveries, and why their bytes may still be read; empty where they may not.
    """
    removed, problem = 0, ""
    for source in event_sources():
        if source.landing is not None:
            removed += _forget_shipped(source, address, token, people)
        with opened(source.folder) as spool:
            if spool is None:
                continue
            ids = [one.id for one in _deliveries(spool) if _is_theirs(one, address, token, people)]
            spool.delete(ids)
            removed += len(ids)
            problem = BUSY if ids and not spool.compact() else problem
    return removed, problem


def _forget_shipped(source: EventSource, address: str, token: str, people: Collection[Person]) -> int:
    """Remove a person's deliveries from the files in the landing zone. Returns their number."""
    removed = 0
    for batch in batches(source.landing, source.spool_id) if source.landing is not None else ():
        every = read_batch(batch.path)
        kept = [one for one in every if not _is_theirs(one, address, token, people)]
        if len(kept) < len(every):
            write_batch(batch.path, kept)
            removed += len(every) - len(kept)
    return removed


def _deliveries(spool: Spool) -> Iterator[Delivery]:
    last, up_to = 0, spool.last()
    while found := spool.read(last, up_to):
        yield from found
        last = found[-1].id


def _is_theirs(delivery: Delivery, address: str, token: str, people: Collection[Person]) -> bool:
    text = delivery.body.decode(errors="replace")
    mentioned = token in text or re.search(addresses.anywhere(address), text) is not None
    if not mentioned and not any(one in text for _, one in people):
        return False
    try:
        row = event_of(delivery)
    except NoEvent:
        return mentioned
    if (row["account_id"], row["subscriber_id"]) in people:
        return True
    return row["email"] == token or re.search(addresses.alone(address), row["email"] or "") is not None
