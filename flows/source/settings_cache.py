"""Settings that are resolved once per sync. dlt asks every provider for each field, which takes 2 ms and more."""

import functools
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TypeVar

Settings = TypeVar("Settings")
_values: dict[tuple[Callable[[str], object], str], object] = {}
_lock = threading.Lock()
_blocks = 0


@contextmanager
def settings_kept() -> Iterator[None]:
    """Resolve the settings of each connection at most once while the block, or another one in the process, runs."""
    global _blocks
    with _lock:
        _blocks += 1
    try:
        yield
    finally:
        with _lock:
            _blocks -= 1
            if not _blocks:
                _values.clear()


def kept(resolve: Callable[[str], Settings]) -> Callable[[str], Settings]:
    """A function that resolves the settings of a connection, made to do so once within `settings_kept`."""

    @functools.wraps(resolve)
    def resolved(connection: str) -> Settings:
        if not _blocks:
            return resolve(connection)
        key = (resolve, connection)
        if key not in _values:
            _values[key] = resolve(connection)
        return _values[key]  # type: ignore[return-value]

    return resolved
