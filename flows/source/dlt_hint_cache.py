"""Cached answers of dlt about types: it asks for each setting, again and again, whether its type holds a secret.

Uncached, that is 18 % of the processor time of a short sync (1.4 s instead of 1.15 s, two small accounts).
"""

from collections.abc import Callable
from functools import lru_cache, wraps
from types import ModuleType
from typing import Any

from dlt.common.configuration import resolve
from dlt.common.configuration.providers import environ, vault
from dlt.common.configuration.specs import base_configuration

USERS: dict[str, tuple[ModuleType, ...]] = {
    "is_secret_hint": (base_configuration, resolve, environ, vault),
    "extract_inner_hint": (base_configuration, resolve),
}
"""dlt's functions, with the modules that define or import each. Both depend on their arguments alone."""
MAX_HINTS = 4_096


def cache_hints() -> None:
    """Replace dlt's functions in this process by cached ones."""
    for name, modules in USERS.items():
        function = getattr(base_configuration, name)
        if not hasattr(function, "__wrapped__"):
            cached = _cached(function)
            for module in modules:
                setattr(module, name, cached)


def _cached(function: Callable[..., Any]) -> Callable[..., Any]:
    remembered = lru_cache(MAX_HINTS)(function)

    @wraps(function)
    def answer(*arguments: Any, **options: Any) -> Any:
        try:
            return remembered(*arguments, **options)
        except TypeError:  # a hint that cannot be hashed
            return function(*arguments, **options)

    return answer
