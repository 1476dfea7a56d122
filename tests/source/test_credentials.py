"""White space around a key or password is removed; values that are invalid in an HTTP header are rejected."""

import pytest

from flows.common.errors import SettingsError
from flows.source.settings import common_settings, load_settings

KEY = "k3y-of-nobody-7781"
BAD = {
    "line": f"{KEY}\nx",
    "zero width": f"{KEY}\u200b",
    "BOM": f"\ufeff{KEY}",
    "NUL": f"{KEY}\x7f",
    "Chinese": f"{KEY}密",
}


@pytest.mark.parametrize("around", ["{}\n", "\r\n{}", " {}\t", "\u00a0{}"])
@pytest.mark.parametrize("name", ["API_KEY", "ACCESS_TOKEN"])
def test_white_space_around_a_key(monkeypatch: pytest.MonkeyPatch, name: str, around: str) -> None:
    monkeypatch.setenv(f"SOURCES__DRIP__{name}", around.format(KEY))
    assert load_settings().token == KEY


@pytest.mark.parametrize("bad", BAD)
@pytest.mark.parametrize("name", ["API_KEY", "ACCESS_TOKEN", "PASSWORD"])
def test_a_character_that_no_header_carries(monkeypatch: pytest.MonkeyPatch, name: str, bad: str) -> None:
    monkeypatch.setenv(f"SOURCES__DRIP__{name}", BAD[bad])
    with pytest.raises(SettingsError, match=rf"SOURCES__DRIP__{name} .*U\+[0-9A-F]{{4}}") as caught:
        common_settings()
    assert KEY not in str(caught.value)
    assert len(str(caught.value).splitlines()) == 1


@pytest.mark.parametrize("value", ["two words", "größer", "a:b/c@d%"])
def test_what_a_header_carries_is_left_alone(monkeypatch: pytest.MonkeyPatch, value: str) -> None:
    monkeypatch.setenv("SOURCES__DRIP__PASSWORD", value)
    monkeypatch.setenv("SOURCES__DRIP__ACCESS_TOKEN", value)
    settings = load_settings()
    assert (settings.token, settings.password) == (value, value)


def test_a_key_of_a_connection_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SOURCES__DRIP__CONNECTIONS", '["acme"]')
    monkeypatch.setenv("SOURCES__DRIP__ACME__API_KEY", f"{KEY}\u200b")
    with pytest.raises(SettingsError, match="SOURCES__DRIP__ACME__API_KEY"):
        load_settings("acme")


def test_a_key_of_white_space_is_none(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SOURCES__DRIP__API_KEY", " \n")
    with pytest.raises(SettingsError, match="no API key"):
        load_settings()
