"""Progress events of a run, for listeners in this process and for the log."""

import logging
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import msgspec

from flows.common.list_key import ListKey
from flows.common.scrubbing import scrub

logger = logging.getLogger("flows")


class PageLanded(msgspec.Struct):
    """A page of a list has landed: `rows` rows so far, of `of` rows in total; None if the API gives no total."""

    key: ListKey
    rows: int
    of: int | None


class ListsPlanned(msgspec.Struct):
    """The number of lists that will be read, and of their accounts; `names` are the accounts' names by id."""

    lists: int
    accounts: int
    names: dict[str, str] = {}


class ListRead(msgspec.Struct):
    """A list has been read completely, or has failed."""

    key: ListKey
    failed: bool


class Said(msgspec.Struct):
    """A message for the user, such as the start of a wait or a stage."""

    text: str


Event = PageLanded | ListsPlanned | ListRead | Said
EventListener = Callable[[Event], None]
_listeners: list[EventListener] = []


@contextmanager
def listening(listener: EventListener) -> Iterator[None]:
    """Call `listener` with every event, from any thread, while the block runs."""
    _listeners.append(listener)
    try:
        yield
    finally:
        _listeners.remove(listener)


def emit(event: Event) -> None:
    """Pass an event to all listeners."""
    for listener in list(_listeners):
        listener(event)


def tell(text: str) -> None:
    """Send a message to the listeners and to the log, with secrets removed."""
    text = scrub(text)
    logger.info(text)
    emit(Said(text))
