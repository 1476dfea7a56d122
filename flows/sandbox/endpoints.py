"""The endpoints of the API reference, and how their parameters select records."""

import re
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any, NamedTuple, Protocol

from flows.sandbox import metrics
from flows.sandbox.generator import segmentation
from flows.sandbox.generator.membership import MEMBER_STATUSES
from flows.sandbox.generator.people import API
from flows.sandbox.generator.subscribers import STATUS_GROUPS, Filter
from flows.sandbox.messages import Call, Json, whole
from flows.sandbox.world import Account, World

ALL = "all"
BROADCAST_STATUSES = ("draft", "scheduled", "sending", "sent", "canceled", "deleted")
RUNNING_STATUSES = ("draft", "active", "paused")
SORTS = ("created_at", "updated_at", "send_at", "name")
DIRECTIONS = ("asc", "desc")
HIDDEN_PAGE = 100
NOT_UNDERSTOOD = {
    "page": "Page must be a whole number above 0",
    "per_page": "Per page must be a whole number above 0",
}


class Invalid(Exception):
    """A parameter that the API rejects with 422."""

    def __init__(self, attribute: str, message: str) -> None:
        super().__init__(message)
        self.attribute = attribute


class Rows(Protocol):
    """A sequence of records, which may be generated when sliced."""

    def __len__(self) -> int: ...
    def slice(self, start: int, stop: int) -> list[Any]: ...


class Plain:
    """A sequence of existing records."""

    def __init__(self, records: list[Any]) -> None:
        self._records = records

    def __len__(self) -> int:
        return len(self._records)

    def slice(self, start: int, stop: int) -> list[Any]:
        """The records from `start` up to, not including, `stop`."""
        return self._records[start:stop]


class Reversed:
    """Records in the opposite order."""

    def __init__(self, rows: Rows) -> None:
        self._rows = rows

    def __len__(self) -> int:
        return len(self._rows)

    def slice(self, start: int, stop: int) -> list[Any]:
        """The records from `start` up to, not including, `stop`."""
        total = len(self)
        return self._rows.slice(max(total - stop, 0), max(total - start, 0))[::-1]


Lookup = Callable[[World, Call], Rows]


class Endpoint(NamedTuple):
    """An endpoint.

    `most` is the maximum page size; None for a list without pages. `body` makes responses that are no list; `tagged`
    responses have an ETag.
    """

    resource: str
    path: str
    selector: str
    most: int | None
    rows: Lookup
    body: Callable[[World, Call], Json] | None = None
    tagged: bool = False


def _account(world: World, call: Call) -> Account:
    return world.account(call.account_id or "")


def _status(call: Call, default: str, allowed: tuple[str, ...]) -> str:
    status = call.query.get("status") or default
    if status not in allowed:
        raise Invalid("status", f"Status must be one of {', '.join(allowed)}")
    return status


def _listed(resource: str, statuses: tuple[str, ...] = ()) -> Lookup:
    def rows(world: World, call: Call) -> Rows:
        records = _account(world, call).records[resource].all()
        status = _status(call, ALL, (ALL, *statuses)) if statuses else ALL
        return Plain([record for record in records if status in (ALL, _value(record, "status"))])

    return rows


def _broadcasts(world: World, call: Call) -> Rows:
    records = _account(world, call).records["broadcasts"].all()
    if call.query.get("status"):
        status = _status(call, ALL, (ALL, *BROADCAST_STATUSES))
        records = [record for record in records if status in (ALL, _value(record, "status"))]
    else:
        records = [record for record in records if _value(record, "status") != "deleted"]
    return Plain(_sorted(records, call))


def _sorted(records: list[Any], call: Call) -> list[Any]:
    """Records in the requested order; records without a value come last, and ties keep their order."""
    sort = call.query.get("sort") or "created_at"
    direction = _direction(call, "asc")
    if sort not in SORTS:
        raise Invalid("sort", f"Sort must be one of {', '.join(SORTS)}")
    known = [record for record in records if _sort_value(record, sort) is not None]
    unknown = [record for record in records if _sort_value(record, sort) is None]
    known.sort(key=lambda record: str(_sort_value(record, sort)), reverse=direction == "desc")
    return known + unknown


def _direction(call: Call, default: str) -> str:
    direction = call.query.get("direction") or default
    if direction not in DIRECTIONS:
        raise Invalid("direction", "Direction must be asc or desc")
    return direction


def _sort_value(record: Any, sort: str) -> Any:
    """The value to sort by. Broadcasts have no `updated_at`; their send or creation time is used."""
    if sort == "updated_at":
        return _value(record, "send_at") or _value(record, "created_at")
    return _value(record, sort)


def _value(record: Any, name: str) -> Any:
    return record.get(name) if isinstance(record, dict) else None


def _subscribers(world: World, call: Call) -> Rows:
    status = _status(call, "active", (ALL, *STATUS_GROUPS))
    tags = tuple(tag.strip() for tag in call.query.get("tags", "").split(",") if tag.strip())
    after, before = _moment(call, "subscribed_after"), _moment(call, "subscribed_before")
    return _account(world, call).subscribers.select(Filter(STATUS_GROUPS.get(status, ()), after, before, tags))


def _moment(call: Call, name: str) -> float | None:
    text = call.query.get(name)
    if not text:
        return None
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        raise Invalid(name, f"{name} must be an ISO-8601 datetime") from None
    return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp()


def _campaign_subscribers(world: World, call: Call) -> Rows:
    account, campaign = _account(world, call), call.parent_id or ""
    account.records["campaigns"].get(campaign)
    people = account.campaign_subscribers(campaign, _status(call, "active", MEMBER_STATUSES))
    return people if _direction(call, "desc") == "asc" else Reversed(people)


def _triggers(world: World, call: Call) -> Rows:
    account, workflow = _account(world, call), call.parent_id or ""
    account.records["workflows"].get(workflow)
    return Plain(account.triggers(workflow))


def _segments(world: World, call: Call) -> Rows:
    wanted = (call.query.get("q") or "").lower()
    records = _account(world, call).records["segments"].all()
    return Plain([record for record in records if wanted in str(_value(record, "name") or "").lower()])


def _workflow_details(world: World, call: Call) -> Rows:
    account = _account(world, call)
    return Plain([account.details(account.records["workflows"].get(call.parent_id or ""))])


def _audience(world: World, call: Call) -> Json:
    account = _account(world, call)
    broadcast = account.records["broadcasts"].get(call.parent_id or "")
    return {"audience": segmentation.audience(account.book, broadcast["id"])}


def _email_metrics(world: World, call: Call) -> Json:
    return metrics.report(_account(world, call), world.now(), world.user["time_zone"], world.metrics, call)


def _nothing(world: World, call: Call) -> Rows:
    return Plain([])


ENDPOINTS = (
    Endpoint("accounts", "/accounts", "accounts", None, lambda world, _: Plain(world.accounts)),
    Endpoint("users", "/user", "users", None, lambda world, _: Plain([world.user])),
    Endpoint("broadcasts", "/{account}/broadcasts", "broadcasts", 100, _broadcasts),
    Endpoint("campaigns", "/{account}/campaigns", "campaigns", 100, _listed("campaigns", RUNNING_STATUSES)),
    Endpoint("workflows", "/{account}/workflows", "workflows", 100, _listed("workflows", RUNNING_STATUSES)),
    Endpoint("subscribers", "/{account}/subscribers", "subscribers", 1000, _subscribers),
    Endpoint(
        "custom_fields",
        "/{account}/custom_field_identifiers",
        "custom_field_identifiers",
        None,
        _listed("custom_fields"),
    ),
    Endpoint("conversions", "/{account}/goals", "goals", None, _listed("conversions", ("active", "disabled"))),
    Endpoint("events", "/{account}/event_actions", "event_actions", 1000, _listed("events")),
    Endpoint("tags", "/{account}/tags", "tags", None, _listed("tags")),
    Endpoint("webhooks", "/{account}/webhooks", "webhooks", None, _listed("webhooks")),
    Endpoint("forms", "/{account}/forms", "forms", None, _listed("forms")),
    Endpoint(
        "campaign_subscribers",
        "/{account}/campaigns/{parent}/subscribers",
        "subscribers",
        1000,
        _campaign_subscribers,
    ),
    Endpoint("workflow_triggers", "/{account}/workflows/{parent}/triggers", "triggers", None, _triggers),
    Endpoint("segments", "/{account}/segments", "segments", 100, _segments),
    Endpoint("broadcast_audiences", "/{account}/broadcasts/{parent}/audience", "audience", None, _nothing, _audience),
    Endpoint(
        "workflow_details", "/{account}/workflows/{parent}/details", "workflows", None, _workflow_details, tagged=True
    ),
    Endpoint("email_metrics", "/{account}/metrics/email", "emails", None, _nothing, _email_metrics),
)
PATTERNS = [(re.compile(re.sub(r"{(\w+)}", r"(?P<\1>[^/]+)", e.path)), e) for e in ENDPOINTS]
DEFAULT_PAGE = 100


def find(path: str) -> tuple[Endpoint | None, dict[str, str]]:
    """The endpoint of a path relative to the base URL, and the ids in the path."""
    for pattern, endpoint in PATTERNS:
        if found := pattern.fullmatch(path):
            return endpoint, found.groupdict()
    return None, {}


def envelope(endpoint: Endpoint, world: World, call: Call) -> Json:
    """The response body: the list, its `links`, and `meta` if it has pages.

    Raises Invalid for an invalid parameter, KeyError for an unknown id.
    """
    if endpoint.body:
        return endpoint.body(world, call)
    rows = endpoint.rows(world, call)
    links = {f"{endpoint.selector}.account": f"{API}/accounts/{{{endpoint.selector}.account}}"}
    linked = {"links": links} if endpoint.path.startswith("/{account}") else {}
    if endpoint.most is not None:
        return {**linked, **_paged(endpoint, rows, _number(call, "page", 1), _size(endpoint.most, world, call))}
    if call.hidden_pages:
        start = (_number(call, "page", 1) - 1) * HIDDEN_PAGE
        return {**linked, endpoint.selector: rows.slice(start, start + HIDDEN_PAGE)}
    return {**linked, endpoint.selector: rows.slice(0, len(rows))}


def _paged(endpoint: Endpoint, rows: Rows, page: int, size: int) -> Json:
    total = len(rows)
    records = rows.slice((page - 1) * size, page * size)
    meta = {"page": page, "count": len(records), "total_pages": -(-total // size), "total_count": total}
    meta |= {"per_page": size} if endpoint.resource == "segments" else {}
    return {"meta": meta, endpoint.selector: records}


def _size(most: int, world: World, call: Call) -> int:
    return min(_number(call, "per_page", DEFAULT_PAGE), most, world.largest_page or most)


def _number(call: Call, name: str, default: int) -> int:
    text = call.query.get(name)
    number = default if text is None else whole(text)
    if number is None:
        raise Invalid(name, NOT_UNDERSTOOD[name])
    return number
