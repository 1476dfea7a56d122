"""dlt's questions about types are answered from a cache, with the same answers."""

import sys
from typing import Annotated, Any, Literal

import pytest
from dlt.common import validation
from dlt.common.configuration.specs import CredentialsConfiguration, base_configuration
from dlt.common.exceptions import DictValidationException
from dlt.common.schema.typing import TColumnSchema, TStoredSchema, TTableSchema
from dlt.common.typing import TSecretStrValue, get_type_hints

from flows.source.dlt_hint_cache import FIELDS, USERS, cache_hints

SECRET = [TSecretStrValue, TSecretStrValue | None, CredentialsConfiguration, CredentialsConfiguration | None]
PLAIN: list[Any] = [
    str,
    int | None,
    list[str],
    dict[str, Any] | None,
    Literal["a", "b"],
    Annotated[str, ["unhashable"]],
]


def accept(*_: Any) -> bool:
    """Accept every value."""
    return True


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


@pytest.mark.parametrize("described", [TStoredSchema, TTableSchema, TColumnSchema])
def test_the_fields_of_a_schema_are_found_once(described: type) -> None:
    cache_hints()
    asked = getattr(validation, FIELDS)
    namespace = vars(sys.modules[described.__module__])
    assert asked(described, globalns=namespace) == get_type_hints(described, globalns=namespace)
    assert asked(described, globalns=namespace) is asked(described, globalns=namespace)
    cache_hints()
    assert getattr(validation, FIELDS) is asked


def test_dlt_still_refuses_a_wrong_schema() -> None:
    cache_hints()
    for _ in range(2):
        validation.validate_dict(TColumnSchema, {"name": "id", "data_type": "text"}, "column", validator_f=accept)
        with pytest.raises(DictValidationException, match="length"):
            validation.validate_dict(TColumnSchema, {"name": "id", "length": 1}, "column", validator_f=accept)
