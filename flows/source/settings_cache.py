"""Settings that are resolved once per sync. dlt asks every provider for each field, which takes 2 ms and more."""

import functools
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any, TypeVar

Settings = TypeVar("Settings")
_values: ContextVar[dict[Any, Any] | None] = ContextVar("_values", default=None)
"""By function and connection, the settings that were resolved in this context; None outside `settings_kept`."""


@contextmanager
def settings_kept() -> Iterator[None]:
    """Resolve the settings of each connection at most once in the block, whose secrets must be available already."""
    before = _values.set({})
    try:
        yield
    finally:
        _values.reset(before)


def kept(resolve: Callable[[str], Settings]) -> Callable[[str], Settings]:
    """A function that resolves the settings of a connection, made to do so once within `settings_kept`."""

    @functools.wraps(resolve)
    def resolved(connection: str) -> Settings:
        values = _values.get()
        if values is None:
            return resolve(connection)
        if (resolve, connection) not in values:
            values[resolve, connection] = resolve(connection)
        return values[resolve, connection]  # type: ignore[no-any-return]

    return resolved
