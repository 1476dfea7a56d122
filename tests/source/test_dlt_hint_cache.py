"""dlt's questions about types are answered from a cache, with the same answers."""

from typing import Annotated, Any, Literal

import pytest
from dlt.common.configuration.specs import CredentialsConfiguration, base_configuration
from dlt.common.typing import TSecretStrValue

from flows.source.dlt_hint_cache import USERS, cache_hints

SECRET = [TSecretStrValue, TSecretStrValue | None, CredentialsConfiguration, CredentialsConfiguration | None]
PLAIN = [str, int | None, list[str], dict[str, Any] | None, Literal["a", "b"], Annotated[str, ["unhashable"]]]


def test_the_answers_are_those_of_dlt() -> None:
    cache_hints()
    for _ in range(2):
        assert [base_configuration.is_secret_hint(hint) for hint in SECRET] == [True] * len(SECRET)
        assert [base_configuration.is_secret_hint(hint) for hint in PLAIN] == [False] * len(PLAIN)
        assert base_configuration.extract_inner_hint(list[str] | None) is list  # type: ignore[arg-type]


@pytest.mark.parametrize("name", USERS)
def test_every_module_that_uses_a_function_uses_the_cached_one(name: str) -> None:
    cache_hints()
    cached = getattr(base_configuration, name)
    assert hasattr(cached, "__wrapped__")
    assert all(getattr(module, name) is cached for module in USERS[name])
    cache_hints()
    assert getattr(base_configuration, name) is cached
