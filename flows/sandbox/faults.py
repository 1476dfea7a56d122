"""Fault injection: a plan of rules, each with the requests it matches, when it fires, and what it does.

A plan is a JSON file, or a list of rules as dicts or `Rule` objects. If several rules of the same kind
fire, only the first takes effect; rules of other kinds apply as well, in the order of the plan.

    [{"match": {"resource": "subscribers", "page": 2}, "when": {"times": 1},
      "action": {"kind": "status", "status": 503}},
     {"match": {"path": "/goals$"}, "action": {"kind": "paginate_100"}}]

match, all optional, all must match:
    path      regular expression, searched for in the path (`/v2/1000001/tags`)
    account   account id
    resource  accounts, users, broadcasts, campaigns, workflows, subscribers, custom_fields, conversions,
              events, tags, webhooks, forms, campaign_subscribers, workflow_triggers, segments,
              broadcast_audiences, workflow_details, email_metrics
    page      the requested page, 1 if the request has none
    status    the `status` filter as sent; "" if the request has none
when, all optional, counted over the matching requests; without it a rule always fires:
    after        let this many requests pass first
    every        then fire on the 1st, (1 + every)th, ...
    probability  then fire with this probability (0 to 1), drawn from `seed`
    times        stop after firing this many times
action, by `kind`:
    status             respond with `status` and `body` "errors" (the API's format), "flat", "html" or "empty";
                       `code`, `message`; `retry_after` (seconds) adds the header
    reset              reset the connection without a response
    cut                close the connection after `share` (0 to 1) of the declared body length
    truncate           valid HTTP whose JSON ends after `share` of its length
    html               200 with an HTML page
    slow               respond after `seconds`; with `drip`, send the body in that many pieces instead,
                       spread over `seconds`
    spend_budget       use up the whole rate limit; this request is already refused
    delete             delete `count` subscribers of the account before responding; with `first`, the oldest
                       instead of random ones
    arrive             add `count` subscribers before responding
    meta               `values` overrides keys of `meta`, `remove` removes keys, `absent` removes all of it
    inject             insert `records` (any JSON) at `position` of the list, by default at the end
    duplicate          repeat the record at `position` at the end of the page
    replace_record     replace the record at `position` with `record`
    raw                respond with exactly this `body`, `content_type` and `status`
    redirect           respond with `status` and `location`
    repeat_first_page  ignore `page`: every page is the first
    paginate_100       return a list without pages as pages of 100 after all, without `meta`; `page` selects one

Refused requests (401, or 429 when the rate limit is used up) match no rule.
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
"""Actions of all faults that a retry can overcome."""


class Match(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Selects the requests that a rule applies to."""

    path: str | None = None
    account: str | None = None
    resource: str | None = None
    page: int | None = None
    status: str | None = None

    def __post_init__(self) -> None:
        try:
            re.compile(self.path or "")
        except re.error as problem:
            raise ValueError(f"path is not a valid regular expression: {problem}") from None

    def holds(self, call: Call) -> bool:
        """Whether the request matches."""
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
    """When a rule fires, counted over its matching requests."""

    after: Annotated[int, msgspec.Meta(ge=0)] = 0
    every: Annotated[int, msgspec.Meta(ge=1)] = 1
    probability: Annotated[float, msgspec.Meta(ge=0, le=1)] = 1.0
    seed: int = 0
    times: int | None = None


class Rule(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A rule of a fault plan."""

    action: AnyAction
    match: Match = Match()
    when: When = When()


RuleLike: TypeAlias = Rule | dict[str, Any]


class Firing:
    """A rule with the number of requests it has seen and fired on."""

    def __init__(self, rule: Rule) -> None:
        self.rule = rule
        self.seen = 0
        self.fired = 0
        self._dice = Dice("fault", rule.when.seed)

    def fires(self, call: Call) -> bool:
        """Count this request, and return whether the rule fires on it."""
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
    """The rules of a world. `fired` has the number of times each has fired, in order."""

    def __init__(self, rules: Sequence[RuleLike] = ()) -> None:
        """Raises `msgspec.ValidationError`, with the position, if a rule is invalid."""
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
        """The actions for this request, at most one of each kind."""
        with self._lock:
            acting: list[Action] = [firing.rule.action for firing in self._firings if firing.fires(call)]
        return list({type(action): action for action in reversed(acting)}.values())[::-1]
