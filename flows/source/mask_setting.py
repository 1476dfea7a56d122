"""The setting `SOURCES__DRIP__MASK`: its checks, and the mask that it describes."""

from collections.abc import Iterable, Mapping
from functools import lru_cache
from typing import Any, cast

from flows.common.errors import SettingsError
from flows.source.decoding.mask_rules import ACTIONS, Action, Rules, matching
from flows.source.decoding.masking import NO_MASK, Mask
from flows.source.endpoints import ACCOUNT_ID, ENDPOINTS, VERSION, Endpoint
from flows.source.records import Json, Text, field_types

MASK, MASK_KEY = "SOURCES__DRIP__MASK", "SOURCES__DRIP__MASK_KEY"
EVENTS, LINKS = "subscriber_events", "links"
OF_DELIVERIES = (ACCOUNT_ID, "event_id", "event", "subscriber_id", "data", "subscriber", "occurred_at")
"""Fields of a webhook delivery that identify the event, or contain what does."""
USER_EMAIL = ("users", "email")
"""The only key that may be masked: a token of an address identifies the user as well as the address."""


def check_actions(actions: Mapping[str, Any]) -> None:
    """Check a mask. Raises SettingsError naming the pattern, in one line."""
    for name, action in actions.items():
        if action not in ACTIONS:
            raise SettingsError(f"{MASK}: {name} has to be one of {', '.join(ACTIONS)}, not {action!r}")
        if not all(name.split(".")):
            raise SettingsError(f"{MASK}: {name!r} is not the name of a field, such as email or custom_fields.phone")
    for name, action in actions.items():
        _check_fields(name, cast(Action, action))


def mask_of(actions: Mapping[str, str], key: str | None) -> Mask:
    """The mask that checked settings describe. Cached, so that all decoders share the same one.

    Raises:
        SettingsError: the mask needs a key.
    """
    if "hmac" in actions.values() and not (key or "").strip():
        raise SettingsError(f"{MASK} has hmac: set {MASK_KEY} to a secret of your own (openssl rand -hex 32)")
    return _mask(tuple(actions.items()), (key or "").strip()) if actions else NO_MASK


@lru_cache(maxsize=8)
def _mask(actions: tuple[tuple[str, Action], ...], key: str) -> Mask:
    return Mask(dict(actions), key)


def _check_fields(name: str, action: Action) -> None:
    """Check that a pattern matches no key, and only text or JSON unless it drops the values."""
    rules = Rules({name: action})
    for endpoint in ENDPOINTS.values():
        for column in matching(rules, endpoint, _keys(endpoint)):
            if (endpoint.resource, column) != USER_EMAIL or action != "hmac":
                raise _refused(name, column, endpoint.resource, action)
        other = [] if action == "drop" else _not_text(endpoint, matching(rules, endpoint, field_types(endpoint.record)))
        if other:
            raise SettingsError(
                f"{MASK}: {name} matches {other[0]} of {endpoint.resource}, which is not text: use drop, or a name "
                "that does not match it"
            )
    account = rules.root(*ENDPOINTS).field(LINKS)[1].field("account")[0]
    identifies = ["links.account"] if account else [one for one in OF_DELIVERIES if rules.root(EVENTS).field(one)[0]]
    if identifies:
        raise _refused(name, identifies[0], "every table" if account else EVENTS, action)


def _not_text(endpoint: Endpoint, columns: Iterable[str]) -> list[str]:
    types = field_types(endpoint.record)
    return [column for column in columns if types[column] not in (Text, Json)]


def _keys(endpoint: Endpoint) -> Iterable[str]:
    return dict.fromkeys([*endpoint.primary_key, ACCOUNT_ID, endpoint.sweep_column or LINKS, VERSION, LINKS])


def _refused(name: str, column: str, table: str, action: Action) -> SettingsError:
    advice = "use hmac, or a name such as subscribers.email" if (table, column) == USER_EMAIL else "remove it"
    what = f"{name} is" if name == column else f"{name} matches {column},"
    return SettingsError(f"{MASK}: {what} a key of {table}, which cannot be masked with {action}: {advice}")
