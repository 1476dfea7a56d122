"""Plays stories in temporary folders, and removes steps from a failing one while it still fails."""

import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path

from tests.simulation.simulation import Failure, play
from tests.simulation.steps import Step

Play = Callable[[Sequence[Step]], Failure | None]


def played(seed: int, steps: Sequence[Step], postgres: str = "") -> Failure | None:
    """Play a story in a temporary folder. Returns its failure, if there is one."""
    with tempfile.TemporaryDirectory(prefix="drip-soak-") as folder:
        return play(seed, steps, Path(folder), postgres)


def shrink(steps: Sequence[Step], failure: Failure, again: Play, tries: int = 60) -> list[int]:
    """The numbers of steps that are enough to fail, found by leaving out ever smaller parts.

    Args:
        steps: the whole story.
        failure: how it fails.
        again: plays other steps.
        tries: stories to play at most.
    """
    kept = list(range(failure.step + 1))
    size = len(kept) // 2
    while size and tries:
        start = 0
        while start < len(kept) - 1 and tries:
            fewer = kept[:start] + kept[start + size :]
            tries -= 1
            found = again([steps[number] for number in fewer]) if fewer else None
            if found:
                kept = fewer[: found.step + 1]
            else:
                start += size
        size //= 2
    return kept
