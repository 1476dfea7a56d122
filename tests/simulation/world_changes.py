"""Steps that change the API's data: people, short lists, accounts and fields."""

from typing import Any

from flows.sandbox import World
from tests.simulation.steps import Step

STATUSES = ("active", "unsubscribed", "removed")
NAMED = ("tags", "custom_fields")
"""Lists of plain names."""


class Changes:
    """Applies changes to a world. People who left may return with their old id."""

    def __init__(self, world: World) -> None:
        self.world = world
        self._left: dict[str, list[Any]] = {}
        self._hidden: dict[str, Any] = {}
        self._made = 0

    def person(self, step: Step) -> None:
        """Change one subscriber, or the list of them."""
        people = self.world.account(step.account).subscribers
        ids = [one for one in people.ids() if one]
        one = ids[step.place % len(ids)] if ids else None
        left = self._left.setdefault(step.account, [])
        match step.value % 11:
            case 0 | 1:
                self.world.account(step.account).arrive(1 + step.value % 3)
            case 2 if left:
                people.add(left.pop())
            case 3 if step.place % 5 == 0:
                people.clear()
            case what if one is not None:
                self._change(people, one, what, step, left)

    def _change(self, people: Any, one: str, what: int, step: Step, left: list[Any]) -> None:
        match what:
            case 4 | 5:
                left.append(people.get(one))
                people.delete([one])
            case 6:
                people.update(one, status=STATUSES[step.value % 3])
            case 7:
                people.update(one, tags=[f"tag {number}" for number in range(step.value % 4)])
            case 8:
                people.update(one, custom_fields={"size": step.value % 5, "nothing": None, "ünïcode": "✓"})
            case 9:
                people.update(one, email=f"Moved.{step.value}@example.com")
            case _:
                people.update(one, lead_score=step.value % 100 if step.place % 3 else "many")

    def list(self, step: Step) -> None:
        """Add a record to a short list, or delete one."""
        name = ("tags", "custom_fields", "broadcasts", "workflows", "conversions", "events")[step.place % 6]
        records = self.world.account(step.account).records[name]
        everything = records.all()
        if step.value % 3 and everything:
            gone = everything[step.value % len(everything)]
            records.delete([gone if isinstance(gone, str) else gone["id"]])
        else:
            self._made += 1
            made = f"made {self._made}"
            strings = (everything and isinstance(everything[0], str)) or name in (*NAMED, "events")
            records.add(made if strings else {"id": str(9_000 + self._made), "name": made, "status": "draft"})

    def delete_one(self, name: str, step: Step) -> None:
        """Delete a record of a list, for good."""
        records = self.world.account(step.account).records[name]
        ids = [one if isinstance(one, str) else one.get("id") for one in records.all()]
        if known := [one for one in ids if one]:
            records.delete([known[step.value % len(known)]])

    def new_field(self, step: Step) -> None:
        """Give a subscriber a field that the reference does not name."""
        people = self.world.account(step.account).subscribers
        if ids := [one for one in people.ids() if one]:
            value = ({"deep": [step.value]}, "text", step.value, None)[step.value % 4]
            people.update(ids[step.place % len(ids)], **{f"surprise_{step.value % 3}": value})

    def bad_record(self, step: Step) -> None:
        """Add a record without an id to the subscribers of an account, for good."""
        self.world.account(step.account).subscribers.add({"email": f"nobody{step.value}@example.com"})

    def account(self, step: Step) -> None:
        """Hide an account from the token, or show it again. One of the two can always be seen."""
        if step.account in self._hidden:
            self.world.accounts.append(self._hidden.pop(step.account))
        elif not self._hidden:
            one = next(account for account in self.world.accounts if account["id"] == step.account)
            self._hidden[step.account] = one
            self.world.accounts.remove(one)
