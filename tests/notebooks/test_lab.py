"""`make lab` prints which data the notebooks will read before it starts JupyterLab."""

import os
from pathlib import Path

import duckdb
import pytest

from flows.cli.lab import command, main
from flows.dataset import files
from flows.dataset.files import demo_is_read
from tests.conftest import Warehouse


@pytest.fixture
def started(monkeypatch: pytest.MonkeyPatch) -> list[list[str]]:
    """The commands that this process would have become."""
    commands: list[list[str]] = []
    monkeypatch.setattr("os.execv", lambda _, command: commands.append(command))
    monkeypatch.setattr("sys.argv", ["lab"])
    return commands


def test_a_configured_place_without_data_is_named(
    warehouse: Warehouse, started: list[list[str]], capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as ended:
        main()
    said = capsys.readouterr().err
    assert (ended.value.code, started) == (2, [])
    assert str(warehouse.path) in said
    assert "drip-flows sync" in said
    assert len(said.splitlines()) == 1


def test_the_demo_is_found(
    tmp_path: Path, started: list[list[str]], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "data").mkdir()
    duckdb.connect(tmp_path / "data" / "demo.duckdb").close()
    monkeypatch.setenv("DESTINATION__DUCKDB__CREDENTIALS", "")
    monkeypatch.setenv("DLT_PROJECT_DIR", str(tmp_path))
    files._say_once.cache_clear()
    main()
    said = capsys.readouterr().err
    assert "invented people" in said
    assert "demo.duckdb" in said
    assert started == [command([])]


def test_the_demo_is_made_only_where_the_notebooks_would_read_it(warehouse: Warehouse) -> None:
    assert not demo_is_read()


def test_root_needs_no_option_of_jupyterlab() -> None:
    is_root = os.geteuid() == 0
    for options in ([], ["--no-browser"]):
        assert ("--allow-root" in command(options)) == is_root
        assert command(options)[len(command([])) :] == options
