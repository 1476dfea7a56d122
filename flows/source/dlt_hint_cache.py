"""Cached answers of dlt about types: whether the type of a setting holds a secret, and which fields a schema has.

dlt asks for each setting and each table, again and again. Uncached, the first is 18 % of the processor time of a short
sync (two small accounts), the second 10 %.
"""

from collections.abc import Callable
from functools import lru_cache, wraps
from types import ModuleType
from typing import Any

from dlt.common import validation
from dlt.common.configuration import resolve
from dlt.common.configuration.providers import environ, vault
from dlt.common.configuration.specs import base_configuration

USERS: dict[str, tuple[ModuleType, ...]] = {
    "is_secret_hint": (base_configuration, resolve, environ, vault),
    "extract_inner_hint": (base_configuration, resolve),
}
"""dlt's functions, with the modules that define or import each. Both depend on their arguments alone."""
FIELDS = "get_type_hints"
"""What `dlt.common.validation` asks for the fields of a part of a schema."""
MAX_HINTS = 4_096


def cache_hints() -> None:
    """Replace dlt's functions in this process by cached ones."""
    for name, modules in USERS.items():
        function = getattr(base_configuration, name)
        if not hasattr(function, "__wrapped__"):
            cached = _cached(function)
            for module in modules:
                setattr(module, name, cached)
    fields = getattr(validation, FIELDS)
    if not hasattr(fields, "__wrapped__"):
        setattr(validation, FIELDS, _cached_by_type(fields))


def _cached(function: Callable[..., Any]) -> Callable[..., Any]:
    remembered = lru_cache(MAX_HINTS)(function)

    @wraps(function)
    def answer(*arguments: Any, **options: Any) -> Any:
        try:
            return remembered(*arguments, **options)
        except TypeError:  # a hint that cannot be hashed
            return function(*arguments, **options)

    return answer


def _cached_by_type(function: Callable[..., dict[str, Any]]) -> Callable[..., dict[str, Any]]:
    """Cached by the type alone: the namespace that dlt passes with it is always that of the type's module."""
    remembered: dict[type, dict[str, Any]] = {}

    @wraps(function)
    def answer(described: type, globalns: dict[str, Any] | None = None) -> dict[str, Any]:
        if described not in remembered:
            remembered[described] = function(described, globalns=globalns)
        return remembered[described]

    return answer
