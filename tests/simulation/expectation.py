"""What the warehouse must hold: a model of its tables, moved on by each sync, and compared with them."""

from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from flows.pipeline.report_line import ListReport
from tests.simulation.rows import Row, Rows, by_list, plain
from tests.simulation.steps import ACCOUNTS, LISTS

IGNORED_IN_HISTORY = ("utc_offset",)
OWN = ("valid_from", "valid_to", "opened_as")
ListName = tuple[str, str]
"""Resource and account."""
Version = tuple[str, str | None, Row]
"""When a version began and ended, and its row."""


class Deviation(AssertionError):
    """The warehouse is not as the model says, or the report does not say why."""


def check(holds: bool, words: str) -> None:
    """Raise Deviation unless it holds."""
    if not holds:
        raise Deviation(words)


@dataclass
class Reading:
    """How a sync may have read a list.

    Attributes:
        states: what the API had at any moment at which a page may have been read, the newest last.
        arrived: keys of rows that arrived while it was read, which a complete list may lack.
        since: for an incremental sync, the moment that the API was asked for; empty for a full one.
        resumed: whether it began with pages that an earlier sync had landed.
    """

    states: list[Rows]
    arrived: set[str] = field(default_factory=set)
    since: str = ""
    resumed: bool = False

    def certain(self) -> set[str]:
        """Keys of the rows that a complete list must have: those of the newest state; if it resumed, of all states."""
        states = self.states if self.resumed else self.states[-1:]
        return set.intersection(*map(set, states)) - self.arrived

    def possible(self) -> set[str]:
        """Keys of the rows that a complete list may have."""
        return set().union(*(self.states if self.resumed else self.states[-1:]))


class Expectation:
    """The rows of each list, the versions of each subscriber, and the events, as they must be."""

    def __init__(self) -> None:
        self.mirror: dict[ListName, Rows] = {(name, account): {} for name in LISTS for account in ACCOUNTS}
        self.history: dict[tuple[str, str], list[Version]] = {}

    def move_on(self, tables: dict[str, list[Row]], lines: list[ListReport], readings: dict[ListName, Reading]) -> None:
        """Compare the tables after a sync that ended, with its report, and take them as the new state."""
        by_name = {(line.resource, line.account or ""): line for line in lines}
        for name, now in self._stored(tables).items():
            before, line = self.mirror[name], by_name.get(name)
            if line is None or line.landed is None:
                check(now == before, f"{name} changed without being read: {difference(before, now)}")
            elif not line.complete:
                _check_incomplete(name, before, now, readings[name])
            elif line.mode == "incremental":
                _check_incremental(name, before, now, readings[name])
            else:
                _check_complete(name, now, readings[name])
            self.mirror[name] = now

    def survive(self, tables: dict[str, list[Row]], readings: dict[ListName, Reading]) -> None:
        """Compare the tables after a sync that was killed: each row is as it was before, or as the API had it."""
        for name, now in self._stored(tables).items():
            before, states = self.mirror[name], readings[name].states if name in readings else []
            for key in {*before, *now}:
                possible = [before.get(key), *(state.get(key) for state in states)]
                check(now.get(key) in possible, f"{name} {key} after a kill: {now.get(key)} is none of {possible}")
            self.mirror[name] = now

    def _stored(self, tables: dict[str, list[Row]]) -> dict[ListName, Rows]:
        try:
            lists = {name: by_list(name, rows) for name, rows in tables.items() if name in LISTS}
        except AssertionError as error:
            raise Deviation(str(error)) from None
        return {(name, account): lists.get(name, {}).get(account, {}) for name, account in self.mirror}

    def keep_history(self, rows: list[Row], started: datetime) -> None:
        """Compare the versions after a sync that kept history, which makes the open versions equal to the mirror."""
        moment = plain(started)
        people = {(account, key): _version_of(row) for account in ACCOUNTS for key, row in self._people(account)}
        for key in {*people, *self.history}:
            versions = self.history.setdefault(key, [])
            is_open = bool(versions) and versions[-1][1] is None
            if is_open and versions[-1][2] != people.get(key):
                versions[-1] = (versions[-1][0], moment, versions[-1][2])
                is_open = False
            if key in people and not is_open:
                versions.append((moment, None, people[key]))
        self.check_history(rows)

    def check_history(self, rows: list[Row]) -> None:
        """Compare the versions after a sync that kept none."""
        found = versions_of(rows)
        for key in {*found, *self.history}:
            ours, theirs = self.history.get(key, []), found.get(key, [])
            check(ours == theirs, f"history of {key}: {theirs} instead of {ours}")

    def survive_history(self, rows: list[Row]) -> None:
        """Compare the versions after a kill: those that were closed are still there."""
        found = versions_of(rows)
        for key, versions in self.history.items():
            closed = [one for one in versions if one[1] is not None]
            check(found.get(key, [])[: len(closed)] == closed, f"history of {key} lost versions in a kill")
        self.history = found

    def _people(self, account: str) -> list[tuple[str, Row]]:
        return [*self.mirror["subscribers", account].items()]


def versions_of(rows: list[Row]) -> dict[tuple[str, str], list[Version]]:
    """The versions in rows of the history by account and id, in order."""
    found: dict[tuple[str, str], list[Version]] = {}
    for row in sorted(rows, key=lambda row: str(row["valid_from"])):
        version = (row["valid_from"], row.get("valid_to"), _version_of(row))
        found.setdefault((row["account_id"], row["id"]), []).append(version)
    return found


def _version_of(row: Row) -> Row:
    skipped = (*OWN, *IGNORED_IN_HISTORY, "account_id")
    return {
        name: value
        for name, value in row.items()
        if value is not None and name not in skipped and not name.startswith(("_", "links"))
    }


def _check_complete(name: ListName, now: Rows, reading: Reading) -> None:
    """After a complete read: exactly the rows of the API, but perhaps for those that came or went meanwhile."""
    missing, superfluous = reading.certain() - {*now}, {*now} - reading.possible()
    check(not missing and not superfluous, f"{name} lacks {sorted(missing)} and has {sorted(superfluous)} too many")
    for key, row in now.items():
        _check_row(name, key, row, [state[key] for state in reading.states if key in state])


def _check_incomplete(name: ListName, before: Rows, now: Rows, reading: Reading) -> None:
    """After a read that was not proven complete: nothing is gone, and each row is one of the API's or as before."""
    check(not {*before} - {*now}, f"{name} was not complete, but lost {sorted({*before} - {*now})}")
    states = [before, *reading.states]
    for key, row in now.items():
        _check_row(name, key, row, [state[key] for state in states if key in state])


def _check_incremental(name: ListName, before: Rows, now: Rows, reading: Reading) -> None:
    """After a read of the newest rows: these are as in the API, and all others as before."""
    since = str(plain(reading.since))
    loaded = [str(row["created_at"]) for row in before.values() if "created_at" in row]
    check(since < max(loaded, default=""), f"{name} was read since {since}, which leaves a gap behind {max(loaded)}")
    new = {key for key, row in reading.states[-1].items() if str(row.get("created_at", "")) > since}
    missing = {*before, *new} - {*now} - reading.arrived
    check(not missing, f"{name} lacks {sorted(missing)} after an incremental sync")
    for key, row in now.items():
        possible = [state[key] for state in reading.states if key in state]
        _check_row(name, key, row, possible if key in new else [*possible, before.get(key, {})])
        check(key in new or row == before.get(key), f"{name} {key} was created before {since}, but changed")


def _check_row(name: ListName, key: str, row: Row, possible: list[Row]) -> None:
    check(row in possible, f"{name} {key}: {difference(possible[-1] if possible else {}, row)}")


def difference(expected: dict[str, Any], found: dict[str, Any]) -> str:
    """The entries that differ, in words."""
    names = [name for name in {*expected, *found} if expected.get(name) != found.get(name)]
    return "; ".join(f"{name} is {found.get(name)!r} instead of {expected.get(name)!r}" for name in sorted(names)[:5])
