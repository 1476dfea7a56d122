"""The README shows only what runs: its tables come from the code, its commands are run here."""

import os
import re
import shlex
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from prefect.settings import PREFECT_API_URL

from flows.sandbox import World, serve
from flows.source import ENDPOINTS
from tests.conftest import PROJECT, Warehouse
from tests.pictures import draw
from tests.readme import README, setting_rows, setting_texts, with_tables

TEXT = README.read_text()
BIN = Path(sys.executable).parent


def blocks(language: str) -> list[str]:
    """The code blocks of a language."""
    return re.findall(rf"```{language}\n(.*?)```", TEXT, re.DOTALL)


def commands(start: str) -> list[str]:
    """The commands of the shell blocks that begin with `start`, without comments."""
    lines = [line.split(" #")[0].strip() for block in blocks("sh") for line in block.splitlines()]
    return [line for line in lines if start in line]


def run(command: list[str], folder: Path, **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        command, cwd=folder, env=os.environ | environment, capture_output=True, text=True, timeout=240, check=False
    )


@pytest.fixture(scope="module")
def api() -> Iterator[dict[str, str]]:
    """The sandbox, with the accounts that the README names, as environment."""
    world = World(sizes={"1000001": 30, "1000002": 10})
    with serve(world) as server:
        yield {"SOURCES__DRIP__BASE_URL": server.url, "SOURCES__DRIP__API_KEY": world.api_key}


def test_the_tables_are_what_the_code_has() -> None:
    assert with_tables(TEXT) == TEXT, "run `python -m tests.readme`"


@pytest.mark.parametrize("resource", ENDPOINTS)
def test_every_resource_has_a_line(resource: str) -> None:
    assert f"| {resource} | `{ENDPOINTS[resource].path}` |" in TEXT


def test_every_setting_is_explained() -> None:
    assert all(setting_texts().values())
    assert len(setting_rows()) > 10


def test_make_has_every_command_that_is_shown() -> None:
    makefile = (PROJECT / "Makefile").read_text()
    shown = re.findall(r"make ([a-z]+)", TEXT + (PROJECT / "CONTRIBUTING.md").read_text())
    assert {"demo", "test", "lab"} <= set(shown)
    assert all(f"\n{target}:" in makefile for target in set(shown) - {"from"})


def test_the_source_runs_alone_as_shown(api: dict[str, str], tmp_path: Path) -> None:
    (code,) = blocks("python")
    result = run([sys.executable, "-c", code], tmp_path, **api)
    assert result.returncode == 0, result.stderr
    warehouse = Warehouse(tmp_path / "drip.duckdb", "drip_data")
    assert warehouse.value("SELECT count(*) FROM subscribers") == 40


def test_several_keys_are_named_as_shown(api: dict[str, str], tmp_path: Path) -> None:
    (settings,) = blocks("toml")
    with serve(World(sizes={"2000001": 10}, api_key="of zenith")) as other:
        for key in (api["SOURCES__DRIP__API_KEY"], "of zenith"):
            settings = settings.replace('"..."', f'"{key}"', 1)
        (tmp_path / ".dlt").mkdir()
        (tmp_path / ".dlt" / "secrets.toml").write_text(settings)
        places = {
            "SOURCES__DRIP__BASE_URL": api["SOURCES__DRIP__BASE_URL"],
            "SOURCES__DRIP__ZENITH__BASE_URL": other.url,
        }
        result = run([str(BIN / "drip-flows"), "accounts"], tmp_path, **places, DLT_PROJECT_DIR=str(tmp_path))
    assert result.returncode == 0, result.stderr
    assert re.search("acme.*1000001.*acme.*1000002.*zenith.*2000001", result.stdout, re.DOTALL)


def test_the_outage_is_rehearsed_as_shown(tmp_path: Path, warehouse: Warehouse, prefect_server: None) -> None:
    (command,), (plan,) = commands("drip-flows sandbox"), blocks("json")
    (tmp_path / "plan.json").write_text(plan)
    words = [str(BIN / "drip-flows"), *shlex.split(command)[1:], "--port", "0"]
    with subprocess.Popen(words, cwd=tmp_path, env=os.environ | {"COLUMNS": "200"}, stdout=subprocess.PIPE) as sandbox:
        assert sandbox.stdout
        line = next(line.decode() for line in sandbox.stdout if b"SOURCES__DRIP__BASE_URL=" in line)
        settings = dict(word.split("=", 1) for word in line.split() if "=" in word)
        settings |= {"SOURCES__DRIP__BACKOFF_FACTOR": "0.01", "PREFECT_API_URL": PREFECT_API_URL.value() or ""}
        result = run([str(BIN / "drip-flows"), "sync"], tmp_path, **settings)
        sandbox.terminate()
    assert result.returncode == 0, result.stderr
    assert warehouse.value("SELECT count(*) FROM subscribers") == 5_000 - 300


@pytest.mark.parametrize(
    "command", [words for words in commands("drip-flows") if not re.search("sandbox|forget|freshness", words)]
)
def test_a_command_runs_as_shown(
    command: str, api: dict[str, str], tmp_path: Path, prefect_server: None, request: pytest.FixtureRequest
) -> None:
    if "postgres" in command:
        request.getfixturevalue("postgres")
    words = shlex.split(command.replace("/somewhere/else.duckdb", str(tmp_path / "else.duckdb")))
    settings = dict(word.split("=", 1) for word in words if re.match(r"[A-Z_]+=", word))
    rest = [word for word in words if not re.match(r"[A-Z_]+=", word)]
    rest[0] = str(BIN / Path(rest[0]).name)
    result = run(rest, tmp_path, **api, **settings, PREFECT_API_URL=PREFECT_API_URL.value())
    assert result.returncode == 0, result.stderr
    assert "1000001" in result.stdout


def test_the_freshness_is_checked_as_shown(sync: Any, tmp_path: Path) -> None:
    sync(resources=["tags"])
    (command,) = commands("freshness")
    result = run([str(BIN / "drip-flows"), *shlex.split(command)[1:]], tmp_path)
    assert result.returncode == 0, result.stderr


def test_the_pictures_are_drawn_by_one_command(sync: Any, tmp_path: Path) -> None:
    sync()
    shown = set(re.findall(r"\(docs/(\w+\.svg)\)", TEXT))
    drawn = draw(tmp_path)
    assert {path.name for path in drawn} | {"benchmark.svg"} == shown  # which `make bench` draws
    for path in drawn:
        committed = PROJECT / "docs" / path.name
        assert committed.read_text().startswith("<svg")
        assert committed.stat().st_size < 100_000


def test_the_commands_that_are_shown_are_found() -> None:
    assert len(commands("drip-flows")) >= 4
    assert len(commands("prefect ")) == 5
