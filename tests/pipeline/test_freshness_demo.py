"""The freshness check never uses the demo database instead of a missing warehouse."""

import shutil
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import dlt
import pytest

from flows import dataset
from flows.cli.commands import show_freshness
from flows.common.errors import SettingsError
from flows.dataset import files
from flows.freshness import freshness
from flows.pipeline.sync_log import COLUMNS, SYNCS_TABLE
from flows.reporting.freshness import Limits, check_freshness


@pytest.fixture(scope="module")
def demo(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A database in which every list is fresh."""
    path = tmp_path_factory.mktemp("demo") / "demo.duckdb"
    now = datetime.now(UTC)
    row = {"run": "1", "started": now, "finished": now, "mode": "full", "account": "1000001", "resource": "tags"}
    syncs = dlt.resource([row | {"loaded_rows": 3, "complete": True}], name=SYNCS_TABLE, columns=COLUMNS)
    source = dlt.Schema("drip")
    pipeline = dlt.pipeline("demo", destination=dlt.destinations.duckdb(str(path)), dataset_name="drip")
    tags = dlt.resource([{"account_id": "1000001", "tag": tag} for tag in "abc"], name="tags")
    pipeline.run([syncs, tags], schema=source)
    return path


@pytest.fixture
def project(demo: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A project with only the demo's data."""
    (tmp_path / "data").mkdir()
    shutil.copy(demo, tmp_path / "data" / "demo.duckdb")
    (tmp_path / "pyproject.toml").touch()
    (tmp_path / "notebooks").mkdir()
    monkeypatch.delenv("DESTINATION__DUCKDB__CREDENTIALS", raising=False)
    monkeypatch.delenv("DLT_PROJECT_DIR")
    monkeypatch.chdir(tmp_path)
    return tmp_path


def check() -> Any:
    return check_freshness(Limits())


@pytest.mark.parametrize("folder", ["", "notebooks"])
def test_nothing_but_the_demo_is_no_data(project: Path, folder: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(project / folder)
    with pytest.raises(SettingsError, match=r"no data in .*warehouse\.duckdb"):
        check()


def test_a_project_that_a_setting_names(project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir("/")
    monkeypatch.setenv("DLT_PROJECT_DIR", str(project))
    with pytest.raises(SettingsError, match=r"no data in .*warehouse\.duckdb"):
        check()


@pytest.mark.usefixtures("project")
def test_the_default_path_as_a_setting(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DESTINATION__DUCKDB__CREDENTIALS", "data/warehouse.duckdb")
    with pytest.raises(SettingsError, match=r"no data in .*warehouse\.duckdb"):
        check()


@pytest.mark.usefixtures("project")
def test_the_command() -> None:
    with pytest.raises(SettingsError, match=r"no data in .*warehouse\.duckdb"):
        show_freshness(Limits(), ["1000001"], ["tags"], "duckdb", "drip")


@pytest.mark.usefixtures("project", "prefect_server")
def test_the_flow_that_is_deployed() -> None:
    state: Any = freshness(return_state=True)
    assert state.is_failed()
    assert "no data in" in str(state.message)


def test_data_of_ones_own_is_judged(project: Path) -> None:
    shutil.copy(project / "data" / "demo.duckdb", project / "data" / "warehouse.duckdb")
    assert check().problems == []


def test_notebooks_still_read_the_demo(project: Path) -> None:
    assert files.database_file() == project / "data" / "demo.duckdb"
    assert dataset.query(f"SELECT count(*) AS n FROM {SYNCS_TABLE}")["n"].tolist() == [1]
