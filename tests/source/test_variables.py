"""Unknown settings are rejected, and lists of names may be separated by commas."""

from pathlib import Path

import pytest
from dlt.common.runtime.run_context import RunContext, switched_run_context

from flows.cli import commands as terminal
from flows.cli import demo
from flows.cli.commands import show_freshness
from flows.common.errors import SettingsError
from flows.reporting.freshness import Limits
from flows.source.settings import common_settings, every_settings, load_settings

PREFIX = "SOURCES__DRIP__"


@pytest.mark.parametrize(
    ("name", "meant"),
    [
        ("PARALEL", "PARALLEL"),
        ("APIKEY", "API_KEY"),
        ("RATELIMIT", "RATE_LIMIT"),
        ("parallel", "PARALLEL"),
        ("BASE__URL", "BASE_URL"),
        ("ACME__PARALEL", "ACME__PARALLEL"),
        ("ACMEE__RATE_LIMIT", "ACME__RATE_LIMIT"),
    ],
)
def test_a_variable_that_no_setting_has(name: str, meant: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(f"{PREFIX}CONNECTIONS", '["acme"]')
    monkeypatch.setenv(f"{PREFIX}ACME__API_KEY", "of acme")
    assert every_settings()
    monkeypatch.setenv(f"{PREFIX}{name}", "s3cret")
    for ask in (common_settings, every_settings, lambda: load_settings("acme")):
        with pytest.raises(SettingsError, match=f"{PREFIX}{name}: did you mean {PREFIX}{meant}\\?") as caught:
            ask()
        assert "s3cret" not in str(caught.value)
        assert len(str(caught.value).splitlines()) == 1


@pytest.mark.parametrize("name", ["FROBNICATE", "ZENITH__API_KEY", "ACCOUNTS"])
def test_a_variable_that_is_like_no_setting(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(f"{PREFIX}{name}", "x")
    with pytest.raises(SettingsError, match=f"unknown setting {PREFIX}{name}: "):
        common_settings()


def test_every_command_refuses_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(f"{PREFIX}API_KEY", "of nobody")
    monkeypatch.setenv(f"{PREFIX}LOCK_WIAT", "5")
    commands = (
        lambda: terminal.run_sync(None, None, "duckdb", "drip"),
        lambda: terminal.run_forget("a@example.com", "duckdb", "drip"),
        lambda: show_freshness(Limits(), None, None, "duckdb", "drip"),
        terminal.show_accounts,
    )
    for command in commands:
        with pytest.raises(SettingsError, match=r"LOCK_WIAT: did you mean SOURCES__DRIP__LOCK_WAIT\?"):
            command()


@pytest.mark.parametrize("name", ["DATA_WRITER__BUFFER_MAX_ITEMS", "EXTRACT__WORKERS"])
def test_what_dlt_reads_is_left_alone(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(f"{PREFIX}{name}", "5")
    assert common_settings()


@pytest.mark.parametrize(
    ("text", "meant"),
    [
        ("[sources.drip]\nparalel = 3", "parallel"),
        ("[sources.drip]\nconnections = ['acme']\n[sources.drip.acme]\nrate_limt = 3", r"acme\.rate_limit"),
    ],
)
@pytest.mark.parametrize("file", ["config.toml", "secrets.toml"])
def test_a_name_in_a_file_that_no_setting_has(text: str, meant: str, file: str, tmp_path: Path) -> None:
    (tmp_path / ".dlt").mkdir()
    (tmp_path / ".dlt" / file).write_text(text)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("DLT_PROJECT_DIR", str(tmp_path))
        with switched_run_context(RunContext(str(tmp_path))):
            with pytest.raises(SettingsError, match=rf"in {file}: did you mean {meant}\?"):
                common_settings()
            patch.undo()


@pytest.mark.parametrize(
    ("value", "names"),
    [
        ("acme,zenith", ["acme", "zenith"]),
        ("acme, zenith , nadir", ["acme", "zenith", "nadir"]),
        ("acme", ["acme"]),
        ('["acme", "zenith"]', ["acme", "zenith"]),
    ],
)
def test_connections_with_commas(value: str, names: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(f"{PREFIX}CONNECTIONS", value)
    for name in names:
        monkeypatch.setenv(f"{PREFIX}{name.upper()}__API_KEY", f"of {name}")
    assert [(one.connection, one.token) for one in every_settings()] == [(name, f"of {name}") for name in names]


def test_a_history_with_commas(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(f"{PREFIX}HISTORY", "subscribers, campaigns")
    assert common_settings().history == ["subscribers", "campaigns"]


@pytest.mark.parametrize("value", ["acme,", ",", "acme,,zenith", "acme,acme", "Acme,zenith"])
def test_connections_that_are_no_names(value: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(f"{PREFIX}CONNECTIONS", value)
    with pytest.raises(SettingsError, match=r"(?i)connections"):
        common_settings()


def test_the_demo_leaves_named_connections_out(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("ACME__API_KEY", "ZENITH__RATE_LIMIT"):
        monkeypatch.setenv(f"{PREFIX}{name}", "5")
    monkeypatch.setenv(f"{PREFIX}CONNECTIONS", "[]")
    monkeypatch.setenv(f"{PREFIX}PARALLEL", "3")
    demo._leave_out_connections()
    assert common_settings().parallel == 3
