"""What goes wrong, on purpose: a plan of rules, each saying which requests, when, and what happens.

A plan is a JSON file, or a list of rules as dicts or `Rule` objects. The first rule of every kind
that fires takes effect; rules with other kinds still apply, in the order of the plan.

    [{"match": {"resource": "subscribers", "page": 2}, "when": {"times": 1},
      "action": {"kind": "status", "status": 503}},
     {"match": {"path": "/goals$"}, "action": {"kind": "paginate_100"}}]

match, all optional, all must hold:
    path      regular expression, searched in the path (`/v2/1000001/tags`)
    account   account id
    resource  accounts, users, broadcasts, campaigns, workflows, subscribers, custom_fields, conversions,
              events, tags, webhooks, forms, campaign_subscribers, workflow_triggers
    page      the page asked for, 1 where the request names none
    status    the `status` filter as sent; "" where the request names none
when, all optional, counted over the requests that match; without it a rule fires each time:
    after        let so many pass first
    every        then fire on the 1st, (1 + every)th, ...
    probability  then fire with this chance (0 to 1), drawn from `seed`
    times        stop after firing so often
action, by `kind`:
    status             `status` with `body` "errors" (as the API's), "flat", "html" or "empty"; `code`,
                       `message`; `retry_after` (seconds) adds the header
    reset              the connection is cut with no answer
    cut                the body ends after `share` (0 to 1) of its declared length, then the connection closes
    truncate           valid HTTP whose JSON ends after `share` of its length
    html               200 with a page of HTML
    slow               `seconds` before the answer; with `drip` the body comes in so many pieces instead,
                       spread over `seconds`
    spend_budget       the whole request budget is spent, at once: this request is refused already
    delete             `count` subscribers of the account are deleted before it is answered; `first` takes the
                       oldest instead of random ones
    arrive             `count` subscribers are added before it is answered
    meta               `values` override keys of `meta`, `remove` takes keys away, `absent` all of it
    inject             `records` (any JSON) put at `position` of the list, at the end without one
    duplicate          the record at `position` once more, at the end of the page
    replace_record     the record at `position` becomes `record`
    raw                this exact `body` with `content_type` and `status`
    redirect           `status` with `location`
    repeat_first_page  `page` is ignored: every page is the first
    paginate_100       a list without pages answers 100 a page after all, with no `meta`; `page` chooses

Requests that are refused (401, or 429 for the spent budget) match no rule.
"""

import re
from collections.abc import Sequence
from pathlib import Path
from threading import Lock
from typing import Annotated, Any, TypeAlias

import msgspec

from flows.sandbox.fault_actions import Action, AnyAction
from flows.sandbox.generator.draws import Dice
from flows.sandbox.messages import Call

PASSING_FAULTS: list[dict[str, Any]] = [
    *({"kind": "status", "status": status} for status in (429, 500, 502, 503, 504)),
    {"kind": "reset"},
    {"kind": "cut"},
    {"kind": "truncate"},
]
"""Everything that a retry helps against, as actions of a fault plan."""


class Match(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Which requests."""

    path: str | None = None
    account: str | None = None
    resource: str | None = None
    page: int | None = None
    status: str | None = None

    def __post_init__(self) -> None:
        try:
            re.compile(self.path or "")
        except re.error as problem:
            raise ValueError(f"path is no regular expression: {problem}") from None

    def holds(self, call: Call) -> bool:
        """Whether the request is one of them."""
        asked = {
            "account": call.account_id,
            "resource": call.resource,
            "page": call.page,
            "status": call.query.get("status", ""),
        }
        wanted = {name: getattr(self, name) for name in asked if getattr(self, name) is not None}
        found = self.path is None or re.search(self.path, call.path) is not None
        return found and all(asked[name] == value for name, value in wanted.items())


class When(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """How often."""

    after: Annotated[int, msgspec.Meta(ge=0)] = 0
    every: Annotated[int, msgspec.Meta(ge=1)] = 1
    probability: Annotated[float, msgspec.Meta(ge=0, le=1)] = 1.0
    seed: int = 0
    times: int | None = None


class Rule(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One line of a plan."""

    action: AnyAction
    match: Match = Match()
    when: When = When()


RuleLike: TypeAlias = Rule | dict[str, Any]


class Firing:
    """A rule with its count of requests."""

    def __init__(self, rule: Rule) -> None:
        self.rule = rule
        self.seen = 0
        self.fired = 0
        self._dice = Dice("fault", rule.when.seed)

    def fires(self, call: Call) -> bool:
        """Whether the rule acts on this request, which is counted."""
        if not self.rule.match.holds(call):
            return False
        self.seen += 1
        if not self._due(self.seen - self.rule.when.after - 1):
            return False
        self.fired += 1
        return True

    def _due(self, place: int) -> bool:
        when = self.rule.when
        spent = when.times is not None and self.fired >= when.times
        if spent or place < 0 or place % when.every:
            return False
        return when.probability >= 1 or self._dice.chance(when.probability)


class FaultPlan:
    """The rules in force. `fired` counts, in the order of the rules, how often each has acted."""

    def __init__(self, rules: Sequence[RuleLike] = ()) -> None:
        """Raises `msgspec.ValidationError`, naming the place, where a rule is not understood."""
        self._firings = [Firing(rule) for rule in msgspec.convert(list(rules), list[Rule])]
        self._lock = Lock()

    @classmethod
    def of(cls, plan: "FaultPlan | Sequence[RuleLike] | Path | None") -> "FaultPlan":
        """A plan from rules, from a JSON file, or an empty one."""
        if isinstance(plan, FaultPlan):
            return plan
        if isinstance(plan, Path):
            return cls(msgspec.json.decode(plan.read_bytes(), type=list[Rule]))
        return cls(plan or ())

    @property
    def rules(self) -> list[Rule]:
        return [firing.rule for firing in self._firings]

    @property
    def fired(self) -> list[int]:
        return [firing.fired for firing in self._firings]

    def actions(self, call: Call) -> list[Action]:
        """What happens to this request, one action of a kind at most."""
        with self._lock:
            acting: list[Action] = [firing.rule.action for firing in self._firings if firing.fires(call)]
        return list({type(action): action for action in reversed(acting)}.values())[::-1]
