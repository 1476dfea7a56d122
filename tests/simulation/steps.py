"""The steps of a simulation, drawn from a seed. A step stays valid if others are left out, so that stories shrink."""

import random
from collections.abc import Sequence
from typing import NamedTuple

ACCOUNTS = {"1000001": 14, "1000002": 6}
"""Account ids with their number of subscribers."""
PAGED = ("subscribers", "broadcasts", "campaigns", "workflows", "events")
LISTS = (*PAGED, "tags", "custom_fields", "conversions", "webhooks")

WEIGHTS = {
    "sync": 26,  # in full, all accounts, some lists
    "sync of all": 4,
    "sync of an account": 5,
    "incremental sync": 6,
    "sync without history": 2,
    "passing faults": 8,  # the next sync meets errors that a retry overcomes
    "lasting fault": 8,  # the next sync cannot read a list
    "wrong count": 4,  # the next sync cannot prove a list complete
    "moving list": 5,  # people leave or arrive while the next sync reads them
    "spent rate limit": 3,
    "killed sync": 7,
    "two syncs at once": 3,
    "time passes": 12,
    "person": 16,
    "list": 6,
    "new field": 2,
    "bad record": 1,
    "account": 2,  # it is hidden from the token, or shown again
    "upgrade": 2,
    "events": 8,
    "killed process": 0,
}
"""The kinds of steps with their frequencies."""


class Step(NamedTuple):
    """A step: its kind, and numbers that each kind interprets as it needs."""

    kind: str
    account: str
    place: int
    value: int


def story(seed: int, length: int, killed_processes: bool = False) -> list[Step]:
    """The steps of a seed. The last one is a sync of everything, so that every story ends with a check.

    Args:
        seed: the same seed gives the same steps.
        length: number of steps.
        killed_processes: whether some steps run the sync in another process and kill it, which takes seconds.
    """
    dice = random.Random(seed)
    weights = WEIGHTS | {"killed process": 2 if killed_processes else 0}
    kinds = dice.choices(list(weights), list(weights.values()), k=length - 1)
    steps = [_step(kind, dice) for kind in kinds]
    return [*steps, _step("sync of all", dice)]


def _step(kind: str, dice: random.Random) -> Step:
    return Step(kind, dice.choice([*ACCOUNTS]), dice.randrange(1_000), dice.randrange(1_000_000))


def lists_of(step: Step) -> tuple[str, ...]:
    """The lists of a sync: a few of them, mostly with subscribers."""
    dice = random.Random(step.value)
    some = dice.sample(LISTS, dice.randint(1, 3))
    return tuple(dict.fromkeys(["subscribers", *some] if dice.random() < 0.8 else some))


def shown(steps: Sequence[Step]) -> str:
    """The steps as lines of text."""
    return "\n".join(f"  {number:>3} {' '.join(map(str, step))}" for number, step in enumerate(steps))
