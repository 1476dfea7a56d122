"""While a block runs, dlt looks a missing setting up only once; settings that are set are read each time."""

from collections import Counter
from typing import Annotated, Any

import dlt
import pytest
from dlt.common.configuration import configspec, resolve
from dlt.common.configuration.providers.environ import EnvironProvider
from dlt.common.configuration.specs import BaseConfiguration

from flows.source.dlt_lookup_cache import missing_settings_remembered


@configspec
class Settings(BaseConfiguration):
    """Settings of a test."""

    colour: str | None = None
    sizes: Annotated[list[int] | None, ["unhashable"]] = None


@pytest.fixture
def lookups(monkeypatch: pytest.MonkeyPatch) -> Counter[str]:
    """How often each setting was looked up in the environment."""
    counted: Counter[str] = Counter()
    get_value = EnvironProvider.get_value

    def counting(self: EnvironProvider, key: str, *where: Any) -> Any:
        counted[key] += 1
        return get_value(self, key, *where)

    monkeypatch.setattr(EnvironProvider, "get_value", counting)
    return counted


def resolved() -> Settings:
    """The settings as dlt finds them."""
    return resolve.resolve_configuration(Settings(), sections=("sources", "test"))


def test_a_missing_setting_is_looked_up_once(lookups: Counter[str]) -> None:
    resolved()
    each = lookups["colour"]
    assert each > 1, "dlt looks in several sections"
    with missing_settings_remembered():
        assert [resolved().colour for _ in range(5)] == [None] * 5
    assert lookups["colour"] == 2 * each
    resolved()
    assert lookups["colour"] == 3 * each, "remembered after the block"


def test_a_setting_that_is_set_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SOURCES__TEST__COLOUR", "red")
    monkeypatch.setenv("SOURCES__SIZES", "[1, 2]")
    with missing_settings_remembered():
        found = [resolved() for _ in range(2)]
    assert [(one.colour, one.sizes) for one in found] == [("red", [1, 2])] * 2


def test_a_later_block_sees_later_settings(monkeypatch: pytest.MonkeyPatch) -> None:
    with missing_settings_remembered():
        assert resolved().colour is None
    monkeypatch.setenv("SOURCES__TEST__COLOUR", "red")
    with missing_settings_remembered():
        assert resolved().colour == "red"


def test_blocks_may_overlap(monkeypatch: pytest.MonkeyPatch) -> None:
    first, second = missing_settings_remembered(), missing_settings_remembered()
    first.__enter__()
    second.__enter__()
    assert resolved().colour is None
    first.__exit__(None, None, None)
    second.__exit__(None, None, None)
    monkeypatch.setenv("COLOUR", "red")
    assert resolved().colour == "red"
    assert dlt.config.get("colour") == "red"
