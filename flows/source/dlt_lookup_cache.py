"""Remembers the settings that are not set, while a block runs.

dlt looks the settings of each table, file and job up again, in each section: a thousand lookups in a sync of two small
accounts, 12 % of its processor time. Nearly all find nothing.
"""

from collections.abc import Callable, Hashable, Iterator
from contextlib import contextmanager
from functools import wraps
from typing import Any

from dlt.common.configuration import resolve

LOOKUP = "resolve_single_provider_value"
"""What `dlt.common.configuration.resolve` looks a setting up with in one provider."""
Found = tuple[Any, list[Any]]
"""A value, None if there is none, and where it was looked for."""

_blocks: list[dict[Hashable, Found]] = []
"""What was not found, for each block that runs."""


@contextmanager
def missing_settings_remembered() -> Iterator[None]:
    """Look a missing setting up only once while the block runs, in all threads. Settings must not change meanwhile."""
    look_up = getattr(resolve, LOOKUP)
    if not hasattr(look_up, "__wrapped__"):
        setattr(resolve, LOOKUP, _remembering(look_up))
    missing: dict[Hashable, Found] = {}
    _blocks.append(missing)
    try:
        yield
    finally:
        _blocks[:] = [block for block in _blocks if block is not missing]


def _remembering(look_up: Callable[..., Found]) -> Callable[..., Found]:
    @wraps(look_up)
    def answer(*where: Any) -> Found:
        missing = next(iter(_blocks[-1:]), None)  # another thread may end the last block at any moment
        if missing is None:
            return look_up(*where)
        try:
            remembered = missing.get(where)
        except TypeError:  # a type that cannot be hashed
            return look_up(*where)
        found = remembered or look_up(*where)
        if found[0] is None:
            missing[where] = found
        return found

    return answer
