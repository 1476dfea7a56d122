"""An unreadable settings file is named with the reason, without showing its contents."""

from pathlib import Path

import pytest

from flows.common.errors import SettingsError
from flows.source.dlt_run_context import in_project
from flows.source.settings import load_settings
from tests.surroundings.conftest import Run, assert_one_line

SECRET = "s3cr3t-key-of-nobody"
GOOD = f'[sources.drip]\napi_key = "{SECRET}"\n'
BROKEN = {
    "byte order mark": (GOOD.encode("utf-8-sig"), "byte order mark"),
    "UTF-16": (GOOD.encode("utf-16"), "not UTF-8"),
    "Latin-1": (f"# Schlüssel\n{GOOD}".encode("latin-1"), "not UTF-8"),
    "open quote": (f'{GOOD}password = "x\n'.encode(), "line 3"),
    "no quotes": (f"[sources.drip]\napi_key = {SECRET}\n".encode(), "line 2"),
    "key twice": (f'{GOOD}api_key = "{SECRET}"\n'.encode(), "api_key"),
    "open bracket": (f"{GOOD}[sources.drip\n".encode(), "line 3"),
}


@pytest.mark.parametrize("name", ["secrets.toml", "config.toml"])
@pytest.mark.parametrize("kind", BROKEN)
def test_the_file_and_the_reason_are_named(project: Path, name: str, kind: str) -> None:
    content, reason = BROKEN[kind]
    (project / ".dlt" / name).write_bytes(content)
    with pytest.raises(SettingsError, match=reason) as caught, in_project():
        pass
    assert str(project / ".dlt" / name) in str(caught.value)
    assert SECRET not in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("kind", ["byte order mark", "no quotes"])
@pytest.mark.parametrize("command", ["accounts", "freshness"])
def test_a_command_says_it_in_one_line(project: Path, run: Run, command: str, kind: str) -> None:
    content, reason = BROKEN[kind]
    (project / ".dlt" / "secrets.toml").write_bytes(content)
    assert_one_line(run(command, DLT_PROJECT_DIR=str(project)), str(project / ".dlt" / "secrets.toml"), reason)


def test_a_good_file_is_read(project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("SOURCES__DRIP__API_KEY", raising=False)
    (project / ".dlt" / "secrets.toml").write_text(GOOD)
    with in_project():
        assert load_settings().token == SECRET
