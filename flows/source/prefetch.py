"""Prefetching of pages."""

from collections import deque
from collections.abc import Callable, Sequence
from concurrent.futures import Executor, Future
from typing import Generic, TypeVar

T = TypeVar("T")


class Prefetch(Generic[T]):
    """Prefetches pages. Pending requests are cancelled on exit.

    Args:
        function: fetches a page by number.
        pool: threads to call it in; with None, it is called in the caller's thread when the page is due.
    """

    def __init__(self, function: Callable[[int], T], pool: Executor | None) -> None:
        self.function, self.pool = function, pool
        self._begun: deque[Future[T]] = deque()

    def next(self, numbers: Sequence[int]) -> T:
        """The first of these pages; requests for the others are started. `numbers` are consecutive to the last page."""
        if self.pool is None or (len(numbers) == 1 and not self._begun):
            return self.function(numbers[0])
        self._begun += [self.pool.submit(self.function, number) for number in numbers[len(self._begun) :]]
        return self._begun.popleft().result()

    def __enter__(self) -> "Prefetch[T]":
        return self

    def __exit__(self, *_: object) -> None:
        for future in self._begun:
            future.cancel()
