"""SQL clients of a pipeline. Opening one takes 7 ms, since dlt resolves its configuration anew each time."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import dlt

_held: dict[str, Any] = {}
"""By working folder of a pipeline, the client that is held open."""


@contextmanager
def sql_client(pipeline: dlt.Pipeline) -> Iterator[Any]:
    """dlt's SQL client of a pipeline: the one that is held open, or a new one."""
    if held := _held.get(pipeline.working_dir):
        yield held
        return
    with pipeline.sql_client() as client:
        yield client


@contextmanager
def hold_client(pipeline: dlt.Pipeline) -> Iterator[None]:
    """Have all `sql_client` of the block, which runs in one thread, share a connection."""
    with pipeline.sql_client() as client:
        _held[pipeline.working_dir] = client
        try:
            yield
        finally:
            del _held[pipeline.working_dir]
