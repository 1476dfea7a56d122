"""Short stories of syncs have no deviation, planted bugs are found, and a failing story becomes short."""

import itertools
from collections.abc import Sequence
from pathlib import Path

import pytest

from tests.simulation.bugs import BUGS
from tests.simulation.search import shrink
from tests.simulation.simulation import Failure, play
from tests.simulation.steps import ACCOUNTS, Step, story

ACCOUNT = "1000001"
STEPS = [
    "person", "events", "sync", "time passes", "person", "person", "sync without history", "lasting fault", "sync",
    "wrong count", "person", "sync", "person", "time passes", "incremental sync", "person", "sync of an account",
    "moving list", "sync of all",
]  # fmt: skip
"""The kinds of steps of a story that has every kind of sync except killed and concurrent ones."""


@pytest.mark.parametrize("destination", ["duckdb", "postgres"])
def test_a_story_has_no_deviation(destination: str, tmp_path: Path, request: pytest.FixtureRequest) -> None:
    server = request.getfixturevalue("postgres_server") if destination == "postgres" else ""
    accounts = itertools.cycle(ACCOUNTS)
    steps = [Step(kind, next(accounts), 11 * place, 1_009 * place) for place, kind in enumerate(STEPS)]
    assert play(5, steps, tmp_path, server) is None


SYNC = Step("sync of an account", ACCOUNT, 0, 1)


@pytest.mark.parametrize(
    ("bug", "steps", "reason"),
    [
        ("history not closed", [SYNC, Step("person", ACCOUNT, 3, 4), SYNC], "history of"),  # somebody leaves
        ("outdated pages resumed", [Step("killed sync", ACCOUNT, 35, 52), SYNC], "custom_fields is"),  # a day later
        ("unproven list deletes", [SYNC, Step("wrong count", ACCOUNT, 1, 4), SYNC], "was not complete, but lost"),
    ],
)
def test_a_planted_bug_is_found(bug: str, steps: list[Step], reason: str, tmp_path: Path) -> None:
    with BUGS[bug]():
        failure = play(2, steps, tmp_path)
    assert failure
    assert failure.step == len(steps) - 1
    assert reason in failure.reason


def test_the_same_seed_gives_the_same_story() -> None:
    assert story(3, 50) == story(3, 50) != story(4, 50)
    assert {step.kind for seed in range(40) for step in story(seed, 50, killed_processes=True)} >= {
        "killed process", "upgrade", "two syncs at once", "moving list",
    }  # fmt: skip


def test_a_failing_story_shrinks_to_the_steps_that_matter() -> None:
    steps = story(1, 60)
    needed = {steps[7], steps[23], steps[41]}

    def again(some: Sequence[Step]) -> Failure | None:
        last = max((number for number, step in enumerate(some) if step in needed), default=0)
        return Failure(last, "", 0.0) if needed <= {*some} else None

    assert shrink(steps, Failure(50, "", 0.0), again) == [7, 23, 41]
