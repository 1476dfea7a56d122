"""What the Makefile runs before anything is installed: dots in place of a command's output, unless it fails."""

import re
import subprocess
import sys
from pathlib import Path

import pytest

from flows.cli.quietly import run_quietly
from tests.conftest import PROJECT

PROGRAM = PROJECT / "flows" / "cli" / "quietly.py"
INSTALLING = ["sh", "-c", "echo ' + a==1'; sleep 0.2; echo 'Installed 198 packages in 1.2s' >&2"]


def test_the_output_of_a_success_is_a_summary(capfd: pytest.CaptureFixture[str]) -> None:
    assert run_quietly("Installing", INSTALLING, dot_seconds=0.05) == 0
    out, err = capfd.readouterr()
    assert out == ""
    assert re.fullmatch(r"Installing \.+ 198 packages, 0 s\n", err)


def test_the_output_of_a_failure_is_shown(capfd: pytest.CaptureFixture[str]) -> None:
    assert run_quietly("Installing", ["sh", "-c", "echo no index; echo no network >&2; exit 3"]) == 3
    assert capfd.readouterr().err == "Installing  failed\nno index\nno network\n"


def test_it_needs_nothing_but_python(tmp_path: Path) -> None:
    words = [sys.executable, "-I", "-S", str(PROGRAM), "Waiting", "true"]
    result = subprocess.run(words, cwd=tmp_path, capture_output=True, text=True, check=True)
    assert result.stderr == "Waiting  0 s\n"
