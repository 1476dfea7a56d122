"""A memory-efficient set of keys."""

from collections.abc import Iterable

import numpy as np
from numpy.typing import NDArray


class KeySet:
    """Counts distinct keys by their 64-bit hash: 8 bytes per key, against about 100 in a Python set.

    Hashes are in sorted runs, each at least twice as long as the next, so that a lookup searches few runs.
    """

    def __init__(self) -> None:
        self._runs: list[NDArray[np.int64]] = []

    def __len__(self) -> int:
        return sum(map(len, self._runs))

    def add(self, keys: Iterable[str]) -> int:
        """Add keys. Returns how many of them are new."""
        new = np.unique(np.fromiter(map(hash, keys), np.int64))
        for run in self._runs:
            near = run[np.minimum(np.searchsorted(run, new), len(run) - 1)]
            new = new[near != new]
        if len(new):
            self._runs.append(new)
            self._merge()
        return len(new)

    def _merge(self) -> None:
        while len(self._runs) > 1 and len(self._runs[-2]) < 2 * len(self._runs[-1]):
            shorter, longer = self._runs.pop(), self._runs.pop()
            self._runs.append(np.sort(np.concatenate([longer, shorter]), kind="stable"))
