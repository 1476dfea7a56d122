"""The README and docs/ are correct: their tables are generated from the code, and their commands are run here.

`deployment/test_operations.py` runs the commands of docs/operations.md.
"""

import os
import re
import shlex
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from flows.cli.app import SANDBOX_PORT
from flows.sandbox import World, serve
from flows.source import ENDPOINTS
from tests.command import drip_flows
from tests.conftest import PROJECT, Warehouse
from tests.pictures import draw
from tests.readme import PAGES, README, setting_rows, setting_texts, with_tables

TEXT = README.read_text()
DOCS = {page.stem: page.read_text() for page in PAGES}
BIN = Path(sys.executable).parent
QUOTED = re.compile(r'"[^"]*"')
TESTED_ELSEWHERE = re.compile(r"^export|sandbox|deploy|valid_from")
"""Commands that do not run alone. `sandbox` is tested below, `deploy` in deployment/test_deploy.py, the list as of a
day in cli/test_demo.py."""
PORT = re.compile(r"(?<=127\.0\.0\.1:)\d+")


def blocks(language: str, page: str = "README") -> list[str]:
    """The code blocks of a language on a page."""
    return re.findall(rf"```{language}\n(.*?)```", DOCS[page], re.DOTALL)


def commands(start: str, page: str = "README", language: str = "sh") -> list[str]:
    """The commands on a page that contain `start`, without comments and line breaks."""
    whole = [QUOTED.sub(one_line, block.replace("\\\n", " ")) for block in blocks(language, page)]
    lines = [line.split(" #")[0].strip() for block in whole for line in block.splitlines()]
    return [line for line in lines if start in line]


def one_line(found: re.Match[str]) -> str:
    return " ".join(found[0].split())


def run(command: list[str], folder: Path, **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        command, cwd=folder, env=os.environ | environment, capture_output=True, text=True, timeout=240, check=False
    )


@pytest.fixture(scope="module")
def api() -> Iterator[dict[str, str]]:
    """Environment variables for a sandbox with the accounts that the README mentions."""
    world = World(sizes={"1000001": 30, "1000002": 10})
    with serve(world) as server:
        yield {"SOURCES__DRIP__BASE_URL": server.url, "SOURCES__DRIP__API_KEY": world.api_key}


@pytest.mark.parametrize("page", DOCS)
def test_the_tables_are_what_the_code_has(page: str) -> None:
    assert with_tables(DOCS[page]) == DOCS[page], "run `python -m tests.readme`"


@pytest.mark.parametrize("path", PAGES, ids=lambda path: path.stem)
def test_every_link_leads_somewhere(path: Path) -> None:
    links = re.findall(r"\]\(([^)#:]+)\)", path.read_text())
    assert not [link for link in links if not (path.parent / link).exists()]


@pytest.mark.parametrize("resource", ENDPOINTS)
def test_every_resource_has_a_line(resource: str) -> None:
    assert f"| {resource} | `{ENDPOINTS[resource].path}` |" in DOCS["tables"]


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
    (settings,) = blocks("toml", "connections")
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
    """With another port than the default, on which something else may listen here."""
    (command,), (plan,) = commands("drip-flows sandbox", "operations", "text"), blocks("json", "operations")
    (tmp_path / "plan.json").write_text(plan)
    words = [str(BIN / "drip-flows"), *shlex.split(command)[1:], "--port", "0"]
    with subprocess.Popen(words, cwd=tmp_path, env=os.environ | {"COLUMNS": "200"}, stdout=subprocess.PIPE) as sandbox:
        assert sandbox.stdout
        line = next(line.decode() for line in sandbox.stdout if b"SOURCES__DRIP__BASE_URL=" in line)
        settings = dict(word.split("=", 1) for word in line.split() if "=" in word)
        own = {"DESTINATION__DUCKDB__CREDENTIALS": str(warehouse.path), "SOURCES__DRIP__BACKOFF_FACTOR": "0.01"}
        result = drip_flows("sync", folder=tmp_path, **settings | own)
        sandbox.terminate()
    assert result.exit_code == 0, result.stderr
    (shown,) = commands("data/sandbox.duckdb")
    assert [PORT.sub("", word) for word in line.split()[:-2]] == PORT.sub("", shown).split()[:-2]
    assert shown.count(f":{SANDBOX_PORT}/") == 1
    assert warehouse.value("SELECT count(*) FROM subscribers") == 5_000 - 300


@pytest.mark.parametrize("command", [one for one in commands("drip-flows") if not TESTED_ELSEWHERE.search(one)])
def test_a_command_runs_as_shown(
    command: str, api: dict[str, str], tmp_path: Path, prefect_server: None, request: pytest.FixtureRequest
) -> None:
    if "postgres" in command:
        request.getfixturevalue("postgres")
    words = shlex.split(command.replace("/somewhere/else.duckdb", str(tmp_path / "else.duckdb")))
    settings = dict(word.split("=", 1) for word in words if re.match(r"[A-Z_]+=", word))
    rest = [word for word in words if not re.match(r"[A-Z_]+=", word)]
    result = drip_flows(*rest[1:], folder=tmp_path, **api, **settings)
    assert result.exit_code == 0, result.stderr
    assert re.search("1000001|2 accounts|active|subscribers", result.stdout)


def test_the_freshness_is_checked_as_shown(sync: Any, tmp_path: Path) -> None:
    sync(resources=["tags"])
    (command,) = commands("freshness", "operations")
    result = drip_flows(*shlex.split(command)[1:], folder=tmp_path)
    assert result.exit_code == 0, result.stderr


def test_the_pictures_are_drawn_by_one_command(sync: Any, tmp_path: Path) -> None:
    sync()
    shown = set(re.findall(r"\(docs/(\w+\.svg)\)", TEXT))
    drawn = draw(tmp_path)
    assert {path.name for path in drawn} == shown
    for path in drawn:
        committed = PROJECT / "docs" / path.name
        assert committed.read_text().startswith("<svg")
        assert committed.stat().st_size < 100_000


def test_the_commands_that_are_shown_are_found() -> None:
    assert len(commands("drip-flows")) >= 4
    assert len(commands("prefect ")) == 2
