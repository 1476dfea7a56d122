"""What a run says while it works: to whoever listens in this process, and to the log."""

import logging
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import msgspec

from flows.common.list_key import ListKey
from flows.common.scrubbing import scrub

logger = logging.getLogger("flows")


class PageLanded(msgspec.Struct):
    """A page of a list has landed: `rows` of the list so far, of `of` rows if the API said."""

    key: ListKey
    rows: int
    of: int | None


class ListsPlanned(msgspec.Struct):
    """So many lists of so many accounts will be read."""

    lists: int
    accounts: int


class ListRead(msgspec.Struct):
    """A list has been read to its end, or failed."""

    key: ListKey
    failed: bool


class Said(msgspec.Struct):
    """A sentence for the user: a wait, a stage that begins."""

    text: str


Event = PageLanded | ListsPlanned | ListRead | Said
EventListener = Callable[[Event], None]
_listeners: list[EventListener] = []


@contextmanager
def listening(listener: EventListener) -> Iterator[None]:
    """Have `listener` called, from any thread, with every event until the block ends."""
    _listeners.append(listener)
    try:
        yield
    finally:
        _listeners.remove(listener)


def emit(event: Event) -> None:
    """Pass an event on."""
    for listener in list(_listeners):
        listener(event)


def tell(text: str) -> None:
    """Say a sentence to the listeners and to the log."""
    text = scrub(text)
    logger.info(text)
    emit(Said(text))
