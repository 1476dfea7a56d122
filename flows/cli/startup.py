"""What makes a command start sooner. Only for a process that runs one command and ends."""

import gc
import sys
from collections.abc import Sequence
from importlib.abc import MetaPathFinder
from types import ModuleType

COLLECT_AFTER = 100_000
"""Objects made until the garbage collector looks for cycles; after every 700, a short sync spent 0.7 s there."""
PANDAS = "pandas"

own_process = False
"""Whether this process is a command of its own, not one of several that a test runs."""


class WithoutPandas(MetaPathFinder):
    """Fails to find pandas."""

    def find_spec(self, name: str, path: Sequence[str] | None, target: ModuleType | None = None) -> None:
        """Leave every other module to the next finder. Raises ModuleNotFoundError."""
        if name == PANDAS:
            raise ModuleNotFoundError(f"{PANDAS} is not used by this command", name=name)


def begin_process() -> None:
    """Set up the process of a command."""
    global own_process
    own_process = True
    gc.set_threshold(COLLECT_AFTER)


def hide_pandas() -> None:
    """Keep pyarrow from importing pandas, which takes as long as dlt and DuckDB together.

    pyarrow looks for pandas only once, when it makes its first array, and does without. Anything else may import it
    afterwards.
    """
    if own_process:
        sys.meta_path.insert(0, hidden := WithoutPandas())
        try:
            import pyarrow

            pyarrow.array([])
        finally:
            sys.meta_path.remove(hidden)
