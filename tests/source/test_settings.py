"""Named connections have separate sections, and never use another connection's token."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from dlt.common.runtime.run_context import RunContext, switched_run_context

from flows.common.errors import SettingsError
from flows.source.settings import common_settings, every_settings, load_settings

CONNECTIONS = "SOURCES__DRIP__CONNECTIONS"
SECRETS = """
[sources.drip]
connections = ["acme", "zenith"]

[sources.drip.acme]
api_key = "of acme"
rate_limit = 50

[sources.drip.zenith]
access_token = "of zenith"
"""


@pytest.fixture
def in_project(tmp_path: Path) -> Iterator[None]:
    """A project with connections in its secrets file."""
    (tmp_path / ".dlt").mkdir()
    (tmp_path / ".dlt" / "secrets.toml").write_text(SECRETS)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("DLT_PROJECT_DIR", str(tmp_path))
        with switched_run_context(RunContext(str(tmp_path))):
            yield
            patch.undo()  # dlt reads the previous project's settings again, from the restored environment


@pytest.mark.usefixtures("in_project")
def test_a_connection_has_its_own_and_what_is_common(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SOURCES__DRIP__PARALLEL", "3")
    monkeypatch.setenv("SOURCES__DRIP__RATE_LIMIT", "3600")  # overrides files, but not the connection's own setting
    acme, zenith = every_settings()
    assert [(one.connection, one.token, one.rate_limit) for one in (acme, zenith)] == [
        ("acme", "of acme", 50),
        ("zenith", "of zenith", 3_600),
    ]
    assert acme.parallel == zenith.parallel == 3
    assert zenith.token_setting == "SOURCES__DRIP__ZENITH__ACCESS_TOKEN"
    assert common_settings().connections == ["acme", "zenith"]


@pytest.mark.usefixtures("in_project")
@pytest.mark.parametrize("name", ["API_KEY", "ACCESS_TOKEN", "PASSWORD"])
def test_no_credential_stands_in_for_a_connections_own(monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    own = [(one.token, one.password) for one in every_settings()]
    monkeypatch.setenv(f"SOURCES__DRIP__{name}", "common")  # dlt reads the environment before the files
    monkeypatch.setenv(name, "of something else")
    assert [(one.token, one.password) for one in every_settings()] == own
    monkeypatch.setenv(CONNECTIONS, '["acme", "nadir"]')
    with pytest.raises(SettingsError, match="SOURCES__DRIP__NADIR__API_KEY") as caught:
        every_settings()
    assert "common" not in str(caught.value)


@pytest.mark.parametrize("name", ["Acme", "a-b", "a__b", "_a", "9", "", "landing", "api_key", "accounts", "a" * 41])
def test_a_name_that_no_section_can_have(monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    monkeypatch.setenv(CONNECTIONS, f'["{name}"]')
    with pytest.raises(SettingsError, match=f"{CONNECTIONS}.*'{name}'"):
        common_settings()


@pytest.mark.parametrize("value", ['["acme", "acme"]', "[5]", '{"acme": 1}'])
def test_names_that_are_no_list_of_names(monkeypatch: pytest.MonkeyPatch, value: str) -> None:
    monkeypatch.setenv(CONNECTIONS, value)
    with pytest.raises(SettingsError, match=r"(?i)connections"):
        common_settings()


@pytest.mark.usefixtures("in_project")
def test_what_is_wrong_in_one_connection_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SOURCES__DRIP__ACME__PARALLEL", "0")
    with pytest.raises(SettingsError, match=r"connection acme: .*PARALLEL"):
        every_settings()
    monkeypatch.setenv("SOURCES__DRIP__ACME__PARALLEL", "many")
    with pytest.raises(SettingsError, match="SOURCES__DRIP__ACME__PARALLEL has to be a whole number, such as 8"):
        every_settings()


@pytest.mark.usefixtures("in_project")
def test_what_holds_for_all_is_not_one_connections(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SOURCES__DRIP__ACME__LANDING", "elsewhere")
    with pytest.raises(SettingsError, match=r"SOURCES__DRIP__ACME__LANDING.* SOURCES__DRIP__LANDING"):
        every_settings()


@pytest.mark.usefixtures("in_project")
def test_two_connections_with_one_token(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SOURCES__DRIP__ZENITH__ACCESS_TOKEN", "of acme")
    with pytest.raises(SettingsError, match="acme and zenith") as caught:
        every_settings()
    assert "of acme" not in str(caught.value)


@pytest.mark.usefixtures("in_project")
def test_without_a_key_of_the_one_token_a_connection_is_asked_for() -> None:
    with pytest.raises(SettingsError, match=r"no API key.*connection"):
        load_settings()


@pytest.mark.parametrize(
    ("name", "value", "says"),
    [
        ("MASK", "email=hmac", 'has to be a JSON object, such as {"email": "hmac"}; it is text that is not JSON (Exp'),
        ("MASK", '["email"]', "it is a list"),
        ("MASK", " ", "it is empty"),
        ("HISTORY", "[tags", 'has to be a JSON list, or names with commas, such as ["subscribers", "campaigns"]'),
        ("PARALLEL", "many", "has to be a whole number, such as 8; it is 'many'"),
        ("COMMENTS", "maybe", "has to be true or false, such as true; it is 'maybe'"),
    ],
)
def test_a_value_of_another_type(monkeypatch: pytest.MonkeyPatch, name: str, value: str, says: str) -> None:
    monkeypatch.setenv(f"SOURCES__DRIP__{name}", value)
    with pytest.raises(SettingsError) as refused:
        common_settings()
    assert str(refused.value).startswith(f"SOURCES__DRIP__{name} has to be")
    assert says in str(refused.value)
    if name == "MASK" and value.strip():
        assert value not in str(refused.value)
