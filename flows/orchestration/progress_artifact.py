"""A Prefect progress artifact, updated during the run."""

import logging
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, cast
from uuid import UUID

from prefect.artifacts import create_progress_artifact, update_progress_artifact

from flows.common.events import Event, ListRead, ListsPlanned, PageLanded, Said, listening
from flows.common.list_key import ListKey
from flows.common.repeating import repeating
from flows.orchestration.artifacts import FAILURES

logger = logging.getLogger(__name__)

PROGRESS_KEY = "drip-sync-progress"
SECONDS = 2.0
"""Interval between updates. An update takes 20 to 30 ms, mostly in Prefect's server."""
READING = 90.0
"""Percentage reached when all lists are read; the rest is for loading."""
FINISHED, INTERRUPTED = "finished", "interrupted"


class Progress:
    """Aggregates events, from any thread, into a percentage and a sentence."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._parts: dict[ListKey, float] = {}
        self._rows: dict[ListKey, int] = {}
        self._planned = 0
        self._said = ""

    def on(self, event: Event) -> None:
        """Process an event."""
        with self._lock:
            match event:
                case ListsPlanned(lists):
                    self._planned = lists
                    self._parts.clear()  # the accounts are read earlier and are not among the planned lists
                    self._rows.clear()
                case PageLanded(key, rows, of):
                    self._rows[key] = rows
                    # Without a total, the list has one page.
                    self._parts[key] = min(rows / of, 1.0) if of else 1.0
                case ListRead(key):
                    self._parts[key] = 1.0
                case Said(text):
                    self._said = text

    def percent(self) -> float:
        """The progress of reading, from 0 to `READING` percent."""
        with self._lock:
            return round(READING * min(sum(self._parts.values()) / max(self._planned, 1), 1.0), 1)

    def sentence(self, last_word: str = "") -> str:
        """The number of lists and rows read so far, and the last message."""
        with self._lock:
            read = sum(part == 1.0 for part in self._parts.values())
            counts = f"{read:,} of {self._planned:,} lists read, {sum(self._rows.values()):,} rows"
            return "; ".join(filter(None, (counts, last_word or self._said)))


@contextmanager
def progress_shown() -> Iterator[None]:
    """Create a progress artifact and update it while the block runs."""
    progress = Progress()
    artifact = _create(progress.sentence())
    if artifact is None:
        yield
        return
    try:
        # in a thread, so that the block never waits for Prefect
        with listening(progress.on), repeating(_Updates(artifact, progress), SECONDS, "progress"):
            yield
    except Exception:
        _update(artifact, progress.percent(), progress.sentence(INTERRUPTED))
        raise
    _update(artifact, 100.0, progress.sentence(FINISHED))


class _Updates:
    """Updates the artifact, unless its sentence has not changed."""

    def __init__(self, artifact: UUID, progress: Progress) -> None:
        self._artifact, self._progress, self._shown = artifact, progress, ""

    def __call__(self) -> None:
        if (sentence := self._progress.sentence()) != self._shown:
            _update(self._artifact, self._progress.percent(), sentence)
            self._shown = sentence


def _create(sentence: str) -> UUID | None:
    try:
        artifact: Any = create_progress_artifact(0.0, key=PROGRESS_KEY, description=sentence)
    except FAILURES as error:
        logger.warning("progress cannot be shown in Prefect: %s", error)
        return None
    return cast(UUID, artifact)


def _update(artifact: UUID, percent: float, sentence: str) -> None:
    try:
        update_progress_artifact(artifact, percent, sentence)
    except FAILURES as error:
        logger.warning("progress cannot be shown in Prefect: %s", error)
