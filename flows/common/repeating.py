"""Calls a function at intervals, in a thread."""

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager


@contextmanager
def repeating(action: Callable[[], object], seconds: float, name: str) -> Iterator[None]:
    """Call `action` every `seconds` in a thread while the block runs, then wait for a call that is under way.

    Args:
        action: called without arguments; must not raise, since that would end the thread.
        seconds: the interval; the first call comes after one.
        name: of the thread.
    """
    stop = threading.Event()

    def run() -> None:
        while not stop.wait(seconds):
            action()

    thread = threading.Thread(target=run, name=name, daemon=True)
    thread.start()
    try:
        yield
    finally:
        stop.set()
        thread.join()
