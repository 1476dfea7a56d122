"""Deterministic random draws: each value is a hash of a key and an index, so any row can be generated on its own."""

from collections.abc import Sequence
from hashlib import blake2b
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

T = TypeVar("T")
Hashes = NDArray[np.uint64]
Indices = NDArray[np.int64]
Floats = NDArray[np.float64]

WORD = 2**64
GOLDEN = 0x9E3779B97F4A7C15
FIRST, SECOND = 0xBF58476D1CE4E5B9, 0x94D049BB133111EB
UNIT = 2.0**-53


def key_of(*parts: str | int) -> int:
    """A 64-bit key for these parts, the same in every process."""
    text = "\x1f".join(str(part) for part in parts)
    return int.from_bytes(blake2b(text.encode(), digest_size=8).digest(), "big")


def mix(values: Hashes) -> Hashes:
    """Splitmix64's finalizer: a bijection on 64-bit words."""
    values = (values ^ (values >> np.uint64(30))) * np.uint64(FIRST)
    values = (values ^ (values >> np.uint64(27))) * np.uint64(SECOND)
    return values ^ (values >> np.uint64(31))


def draw(key: int, indices: Indices) -> Hashes:
    """One hash per index."""
    return mix(indices.astype(np.uint64) * np.uint64(GOLDEN) + np.uint64(key))


def index_of(key: int, drawn: int) -> int:
    """The index whose `draw(key, index)` is `drawn`."""
    value = drawn ^ (drawn >> 31) ^ (drawn >> 62)
    value = value * pow(SECOND, -1, WORD) % WORD
    value = value ^ (value >> 27) ^ (value >> 54)
    value = value * pow(FIRST, -1, WORD) % WORD
    value = value ^ (value >> 30) ^ (value >> 60)
    return (value - key) * pow(GOLDEN, -1, WORD) % WORD


def uniform(key: int, indices: Indices) -> Floats:
    """One number in [0, 1) per index."""
    return (draw(key, indices) >> np.uint64(11)).astype(np.float64) * UNIT


def choose(key: int, indices: Indices, pool: Sequence[T]) -> list[T]:
    """One element of the pool per index."""
    places = (draw(key, indices) % np.uint64(len(pool))).tolist()
    return [pool[place] for place in places]


def sparse(key: int, indices: Indices, values: Sequence[T], share: float) -> list[T | None]:
    """The values, each kept with probability `share` and otherwise None."""
    kept = (uniform(key, indices) < share).tolist()
    return [value if keep else None for value, keep in zip(values, kept, strict=True)]


class Dice:
    """A deterministic stream of draws, such as for one record of a short list."""

    def __init__(self, *parts: str | int) -> None:
        self._key = key_of(*parts)
        self._thrown = 0

    def number(self) -> float:
        """The next number in [0, 1)."""
        self._thrown += 1
        return (key_of(self._key, self._thrown) >> 11) * UNIT

    def between(self, low: int, high: int) -> int:
        """A whole number between `low` and `high`, inclusive."""
        return low + int(self.number() * (high - low + 1))

    def pick(self, pool: Sequence[T]) -> T:
        return pool[self.between(0, len(pool) - 1)]

    def chance(self, share: float) -> bool:
        return self.number() < share
