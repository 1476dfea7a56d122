"""Which fields are masked: the patterns of `SOURCES__DRIP__MASK`, compared with the path of a field in a record."""

import fnmatch
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Literal, get_args

from flows.source.endpoints import Endpoint
from flows.source.records import Subscriber

Action = Literal["hmac", "redact", "drop"]
ACTIONS: tuple[Action, ...] = get_args(Action)
PEOPLE = "subscribers"
MOST_REMEMBERED = 10_000
"""Maximum number of field names whose result is cached, since data may be used as field names."""
WILD = re.compile(r"[*?\[]")
PLAIN = re.compile(r"[a-z0-9_ -]*")
ESCAPED_ASCII = re.compile(rb"\\u00[2-7]")
"""An escape for a character that JSON can contain as it is."""

State = frozenset[tuple[int, int]]
"""Partial matches of a path: a rule, and how many of its parts have matched the end of the path."""


@dataclass(frozen=True)
class Rule:
    """A pattern and what is done with the fields that it matches.

    Attributes:
        name: the pattern as written, such as `custom_fields.*name*`.
        action: what is done with the values.
        parts: a compiled pattern for each name of the path, ignoring letter case.
    """

    name: str
    action: Action
    parts: tuple[re.Pattern[str], ...]


class FieldPath:
    """A place in a record. It knows which rules match the fields there.

    A rule matches a field if its parts match the last names of the field's path, so `email` matches wherever the field
    is, and `subscribers.email` in records of subscribers. If several rules match, the first one applies.
    """

    def __init__(self, rules: "Rules", state: State) -> None:
        self._rules, self._state = rules, state
        self._known: dict[str, tuple[Action | None, FieldPath]] = {}

    def field(self, name: str) -> "tuple[Action | None, FieldPath]":
        """The action for a field here, or None, and the place of the fields in its value."""
        found = self._known.get(name)
        if found is None:
            found = self._found(name.lower())
            if len(self._known) < MOST_REMEMBERED:
                self._known[name] = found
        return found

    def _found(self, name: str) -> "tuple[Action | None, FieldPath]":
        rules, candidates = self._rules.rules, {*self._state, *((at, 0) for at in range(len(self._rules.rules)))}
        matched = {(at, done + 1) for at, done in candidates if rules[at].parts[done].fullmatch(name)}
        whole = [at for at, done in matched if done == len(rules[at].parts)]
        below = self._rules.place(frozenset((at, done) for at, done in matched if done < len(rules[at].parts)))
        return (rules[min(whole)].action if whole else None), below


class Rules:
    """All rules of a mask, in the order of the setting.

    Args:
        actions: what is done with each pattern.
    """

    def __init__(self, actions: Mapping[str, Action]) -> None:
        self.rules = [Rule(name, action, _parts(name)) for name, action in actions.items()]
        self._places: dict[State, FieldPath] = {}
        self._cores = [_core(name.rpartition(".")[2]) for name in actions]

    def root(self, *names: str) -> FieldPath:
        """The place of the fields of a record, which belong to the tables of these names."""
        return self.place(frozenset(one for name in names for one in self.place(frozenset()).field(name)[1]._state))

    def root_of(self, endpoint: Endpoint) -> FieldPath:
        """The place of the fields of an endpoint's records. Those of people are fields of `subscribers` as well."""
        names = {endpoint.resource} | ({PEOPLE} if issubclass(endpoint.record, Subscriber) else set())
        return self.root(*sorted(names))

    def place(self, state: State) -> FieldPath:
        """The place with these partial matches."""
        return self._places.setdefault(state, FieldPath(self, state))

    def may_match(self, text: bytes) -> bool:
        """Whether JSON may contain a field that a rule matches: a quick check that saves parsing most values."""
        lower = text.lower()
        return any(core in lower for core in self._cores) or (b"\\u00" in lower and bool(ESCAPED_ASCII.search(lower)))


def _parts(name: str) -> tuple[re.Pattern[str], ...]:
    return tuple(re.compile(fnmatch.translate(part.lower())) for part in name.split("."))


def _core(part: str) -> bytes:
    """The longest plain text in a pattern, which every matching name contains; empty if JSON may escape it."""
    core = max(WILD.split(re.sub(r"\[[^]]*\]", "*", part.lower())), key=len)
    return core.encode() if PLAIN.fullmatch(core) else b""


def matching(rules: Rules, endpoint: Endpoint, columns: Iterable[str]) -> list[str]:
    """The columns of an endpoint that a rule matches."""
    root = rules.root_of(endpoint)
    return [column for column in columns if root.field(column)[0]]
