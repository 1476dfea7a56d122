"""Faults of the sandbox for the next sync of a simulation, and what they do to its lists."""

from dataclasses import dataclass, field
from typing import Any

from flows.sandbox import World
from flows.sandbox.faults import PASSING_FAULTS
from tests.simulation.steps import LISTS, PAGED, Step

STATUSES = (404, 422, 403, 500, 429)
"""Replies that fail a list; the last two after retries."""


@dataclass
class Faults:
    """The rules for the next sync; `failing` has the lists that each rule fails if it fires, by the rule's position."""

    rules: list[dict[str, Any]] = field(default_factory=list)
    failing: dict[int, tuple[str, str]] = field(default_factory=dict)

    def passing(self, step: Step) -> None:
        """Two errors that a retry overcomes."""
        for number in range(2):
            action = PASSING_FAULTS[(step.value >> 4 * number) % len(PASSING_FAULTS)]
            match = {"account": step.account} if step.place % 2 else {}
            when = {"after": (step.place >> number) % 12, "times": 1}
            self.rules.append({"match": match, "when": when, "action": action})

    def lasting(self, step: Step) -> None:
        """A list that cannot be read."""
        status = STATUSES[step.value % len(STATUSES)]
        self._fail(step, LISTS[step.place % len(LISTS)], {"kind": "status", "status": status})

    def wrong_count(self, step: Step) -> None:
        """A list that counts more rows than it has."""
        self._fail(step, wrongly_counted(step), {"kind": "meta", "values": {"total_count": 900}})

    def _fail(self, step: Step, resource: str, action: dict[str, Any]) -> None:
        self.failing[len(self.rules)] = (resource, step.account)
        self.rules.append({"match": {"account": step.account, "resource": resource}, "action": action})

    def moving(self, step: Step) -> None:
        """People who leave or arrive between two pages."""
        kind = "arrive" if step.value % 3 == 0 else "delete"
        action = {"kind": kind, "count": 1 + step.value % 2} | ({"first": True} if step.value % 3 == 1 else {})
        match = {"account": step.account, "resource": "subscribers"}
        self.rules.append({"match": match, "when": {"after": step.place % 3, "times": 1}, "action": action})

    def spent(self, step: Step) -> None:
        """The rate limit is used up for a window."""
        when = {"after": step.place % 15, "times": 1}
        self.rules.append({"when": when, "action": {"kind": "spend_budget"}})

    def must_fail(self, world: World) -> set[tuple[str, str]]:
        """The lists that the rules failed."""
        return {name for place, name in self.failing.items() if world.faults.fired[place]}


def wrongly_counted(step: Step) -> str:
    """The list that a step counts wrongly: mostly subscribers, which most syncs read."""
    return "subscribers" if step.place % 2 else PAGED[step.place // 2 % len(PAGED)]
