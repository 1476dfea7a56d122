"""Relative paths start at the project folder for all readers and writers, in any working directory."""

import os
from pathlib import Path
from typing import Any

import duckdb
import pytest

from flows.common import project as paths
from flows.common.errors import SettingsError
from flows.common.project import enter, project_path, project_root
from flows.dataset import DatasetError, load
from flows.destinations.catalogue import DestinationName
from flows.destinations.target import resolve_target
from flows.pipeline.preparation import prepare
from flows.source.dlt_run_context import in_project
from flows.source.landing.storage import folder_at
from flows.source.settings import load_settings
from tests.conftest import Warehouse
from tests.surroundings.conftest import Run, assert_one_line

STARTS = [".", "notebooks", "src/deep"]


@pytest.mark.parametrize("start", STARTS)
def test_all_data_of_a_project_is_in_one_place(project: Path, monkeypatch: pytest.MonkeyPatch, start: str) -> None:
    monkeypatch.chdir(project / start)
    monkeypatch.setenv("DESTINATION__FILESYSTEM__BUCKET_URL", "data/lake")
    with in_project():
        assert resolve_target("duckdb", "drip").path == project / "data" / "warehouse.duckdb"
        assert resolve_target("delta", "drip").location == (project / "data" / "lake").as_uri()
        assert Path(folder_at("data/landing")) == project / "data" / "landing"
    with pytest.raises(DatasetError, match=str(project / "data" / "warehouse.duckdb")):
        load("tags")


@pytest.mark.parametrize("start", ["elsewhere", "project/notebooks"])
@pytest.mark.parametrize(
    "path", ["mine.duckdb", "data/mine.duckdb", "duckdb:///data/mine.duckdb"], ids=["file", "below", "URL"]
)
def test_the_configured_project_holds_for_data_too(
    project: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, start: str, path: str
) -> None:
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "named").mkdir()
    monkeypatch.chdir(tmp_path / start)
    monkeypatch.setenv("DLT_PROJECT_DIR", str(tmp_path / "named"))
    monkeypatch.setenv("DESTINATION__DUCKDB__CREDENTIALS", path)
    target = resolve_target("duckdb", "drip")
    assert target.path == tmp_path / "named" / path.removeprefix("duckdb:///")
    assert target.location == str(target.path)


def test_what_a_relative_project_directory_names_is_absolute(project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DLT_PROJECT_DIR", "../src")
    assert project_path("data").is_absolute()
    assert project_path("data").resolve() == project / "src" / "data"
    assert project_path("/data") == Path("/data")


def test_a_sync_from_below_fills_the_file_that_is_read(
    project: Path, sync: Any, warehouse: Warehouse, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DESTINATION__DUCKDB__CREDENTIALS", "data/mine.duckdb")
    monkeypatch.delenv("SOURCES__DRIP__LANDING")
    key = os.environ["SOURCES__DRIP__API_KEY"]
    (project / ".dlt" / "secrets.toml").write_text(f'[sources.drip]\napi_key = "{key}"\n')
    monkeypatch.delenv("SOURCES__DRIP__API_KEY")
    report = sync(resources=["tags"])
    assert str(project / "data" / "mine.duckdb") in report.summary()
    with duckdb.connect(project / "data" / "mine.duckdb", read_only=True) as con:
        assert con.execute("SELECT count(*) > 0 FROM drip.tags").fetchall() == [(True,)]
    assert sorted(path.name for path in (project / "notebooks").iterdir()) == []
    monkeypatch.chdir(project / "src")
    assert not load("tags").empty


@pytest.mark.parametrize("command", ["freshness", "forget"])
def test_a_command_names_the_file_by_its_absolute_path(project: Path, run: Run, command: str) -> None:
    words = ["somebody@example.com"] if command == "forget" else []
    result = run(command, *words, SOURCES__DRIP__API_KEY="key", DLT_PROJECT_DIR=str(project))
    assert_one_line(result, str(project / "data" / "warehouse.duckdb"))


@pytest.mark.parametrize("start", STARTS[1:])
def test_a_command_finds_the_settings_from_below(
    project: Path, monkeypatch: pytest.MonkeyPatch, run: Run, start: str
) -> None:
    monkeypatch.chdir(project / start)
    (project / ".dlt" / "config.toml").write_text('[destination.duckdb]\ncredentials = "mine/own.duckdb"\n')
    result = run("freshness", DLT_PROJECT_DIR=None)
    assert_one_line(result, str(project / "mine" / "own.duckdb"))


@pytest.mark.parametrize("place", ["file", "file/landing"])
def test_a_landing_zone_that_cannot_be_written_is_named(
    project: Path, monkeypatch: pytest.MonkeyPatch, place: str
) -> None:
    (project / "file").touch()
    monkeypatch.setenv("SOURCES__DRIP__API_KEY", "key")
    monkeypatch.setenv("SOURCES__DRIP__LANDING", place)
    with pytest.raises(SettingsError, match=rf"cannot write to {project / place} .*SOURCES__DRIP__LANDING"):
        prepare(None, "duckdb", "drip")


@pytest.mark.parametrize("destination", ["duckdb", "delta"])
def test_the_lock_is_one_whatever_folder_a_sync_is_started_in(
    project: Path, monkeypatch: pytest.MonkeyPatch, destination: DestinationName
) -> None:
    (project / "data").mkdir()
    monkeypatch.setenv("DESTINATION__FILESYSTEM__BUCKET_URL", "data/lake")
    with in_project(), resolve_target(destination, "drip").lock(0):
        monkeypatch.chdir(project / "src")
        with (
            in_project(),
            pytest.raises(SettingsError, match="another sync"),
            resolve_target(destination, "drip").lock(0),
        ):
            pass


def test_the_nearest_mark_is_the_project(project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (project / "src" / ".dlt").mkdir()
    monkeypatch.chdir(project / "src" / "deep")
    assert project_root() == project / "src"
    (project / "src" / "deep" / "pyproject.toml").touch()
    assert project_root() == project / "src" / "deep"


def test_settings_for_all_projects_make_no_project(project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    home = project / "src"
    (home / ".dlt").mkdir()
    monkeypatch.setenv("HOME", str(home))
    monkeypatch.chdir(home / "deep")
    assert project_root() == project


@pytest.mark.parametrize("folder", ["lib/python3.11/site-packages", "lib/python3/dist-packages"])
def test_nothing_is_written_beside_installed_packages(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, folder: str
) -> None:
    packages = tmp_path / ".venv" / folder
    packages.mkdir(parents=True)
    (packages / "pyproject.toml").touch()
    monkeypatch.delenv("DLT_PROJECT_DIR")
    monkeypatch.delenv("DESTINATION__DUCKDB__CREDENTIALS", raising=False)
    monkeypatch.chdir(packages)
    for path in (lambda: resolve_target("duckdb", "drip").path, lambda: folder_at("data/landing")):
        with pytest.raises(SettingsError, match="DLT_PROJECT_DIR"):
            path()
    (tmp_path / ".dlt").mkdir()
    assert resolve_target("duckdb", "drip").path == tmp_path / "data" / "warehouse.duckdb"


@pytest.mark.parametrize("has_working_directory", [True, False])
def test_a_deployed_run_of_an_installed_package_takes_the_workers_project(
    project: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, has_working_directory: bool
) -> None:
    packages = tmp_path / "venv" / "site-packages"
    packages.mkdir(parents=True)
    monkeypatch.setattr(paths, "ROOT", packages)
    monkeypatch.setenv("DLT_PROJECT_DIR", "")
    if not has_working_directory:
        monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("DLT_PROJECT_DIR")
    assert enter() == {"directory": str(packages)}
    monkeypatch.chdir(packages)
    if has_working_directory:
        assert resolve_target("duckdb", "drip").path == project / "data" / "warehouse.duckdb"
    else:
        with pytest.raises(SettingsError, match="DLT_PROJECT_DIR"):
            resolve_target("duckdb", "drip")
    os.environ.pop("DLT_PROJECT_DIR", None)


def test_a_deployed_run_of_a_checkout_takes_the_checkout(project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(paths, "ROOT", project)
    monkeypatch.setenv("DLT_PROJECT_DIR", "/srv/drip")
    enter()
    assert project_root() == Path("/srv/drip")
    monkeypatch.setenv("DLT_PROJECT_DIR", "")
    monkeypatch.chdir("/")
    monkeypatch.delenv("DLT_PROJECT_DIR")
    enter()
    assert project_root() == project
    os.environ.pop("DLT_PROJECT_DIR", None)


@pytest.mark.parametrize("connection", ["", "acme"])
def test_the_message_of_a_missing_key_names_the_folders(
    project: Path, monkeypatch: pytest.MonkeyPatch, connection: str
) -> None:
    monkeypatch.delenv("SOURCES__DRIP__API_KEY", raising=False)
    with in_project(), pytest.raises(SettingsError) as caught:
        load_settings(connection)
    assert str(project / ".dlt") in str(caught.value)
    assert str(caught.value).count("/") > str(project / ".dlt").count("/"), "the folder of all projects is missing"
