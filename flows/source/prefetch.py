"""Asking for pages before they are needed."""

from collections import deque
from collections.abc import Callable, Sequence
from concurrent.futures import Executor, Future
from typing import Generic, TypeVar

T = TypeVar("T")


class Prefetch(Generic[T]):
    """Prefetches pages. Pending requests are cancelled on exit.

    Args:
        function: takes the number of a page.
        pool: to call it in; None: in the caller's thread, when it is its turn.
    """

    def __init__(self, function: Callable[[int], T], pool: Executor | None) -> None:
        self.function, self.pool = function, pool
        self._begun: deque[Future[T]] = deque()

    def next(self, numbers: Sequence[int]) -> T:
        """The result of the first of the numbers, which follow each other and the last one taken; all are begun."""
        if self.pool is None or (len(numbers) == 1 and not self._begun):
            return self.function(numbers[0])
        self._begun += [self.pool.submit(self.function, number) for number in numbers[len(self._begun) :]]
        return self._begun.popleft().result()

    def __enter__(self) -> "Prefetch[T]":
        return self

    def __exit__(self, *_: object) -> None:
        for future in self._begun:
            future.cancel()
