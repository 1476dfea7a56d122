"""`make lab` prints which data the notebooks will read before it starts JupyterLab."""

import os
import subprocess
import sys
from pathlib import Path

import duckdb

from flows.cli.lab import command
from flows.dataset.files import demo_is_read
from tests.conftest import PROJECT, Warehouse


def lab(**settings: str) -> subprocess.CompletedProcess[str]:
    words = [sys.executable, "-m", "flows.cli.lab", "--version"]
    environment = os.environ | {"PYTHONPATH": str(PROJECT)} | settings
    return subprocess.run(words, env=environment, capture_output=True, text=True, timeout=120, check=False)


def test_a_configured_place_without_data_is_named(warehouse: Warehouse) -> None:
    result = lab()
    assert result.returncode == 2
    assert str(warehouse.path) in result.stderr
    assert "drip-flows sync" in result.stderr
    assert len(result.stderr.splitlines()) == 1


def test_data_is_found_wherever_it_is(warehouse: Warehouse, tmp_path: Path) -> None:
    duckdb.connect(warehouse.path).close()
    result = lab()
    assert result.returncode == 0, result.stderr
    assert str(warehouse.path) in result.stderr.replace("\n", "")
    (tmp_path / "data").mkdir()
    duckdb.connect(tmp_path / "data" / "demo.duckdb").close()
    result = lab(DESTINATION__DUCKDB__CREDENTIALS="", DLT_PROJECT_DIR=str(tmp_path))
    assert "invented people" in result.stderr
    assert "demo.duckdb" in result.stderr
    assert result.returncode == 0, result.stderr


def test_the_demo_is_made_only_where_the_notebooks_would_read_it(warehouse: Warehouse) -> None:
    assert not demo_is_read()


def test_root_needs_no_option_of_jupyterlab() -> None:
    is_root = os.geteuid() == 0
    for options in ([], ["--no-browser"]):
        assert ("--allow-root" in command(options)) == is_root
        assert command(options)[len(command([])) :] == options
