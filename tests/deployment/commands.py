"""Commands in processes of their own, and the example automations."""

import os
import shutil
import signal
import subprocess
import sys
from pathlib import Path
from uuid import UUID

import pytest
from prefect.client.orchestration import SyncPrefectClient

from tests.conftest import PROJECT

AUTOMATIONS = PROJECT / "docs" / "automations.yaml"
COMMAND_SECONDS, RUN_SECONDS = 120, 180
BLOCK_TO_FILL_IN = "# block: &block THE-ID-OF-YOUR-NOTIFICATION-BLOCK"


def start(program: str, *arguments: str, cwd: Path) -> subprocess.Popen[str]:
    """Start a command of the project's environment, or of the machine, in a new session."""
    found = shutil.which(program, path=f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}")
    assert found, program
    return subprocess.Popen(
        [found, *arguments],
        cwd=cwd,
        env=os.environ,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        start_new_session=True,
    )


def finish(process: subprocess.Popen[str], timeout: float = COMMAND_SECONDS, typed: str = "") -> str:
    """The output of a command, which has to succeed. After the timeout, it is killed with its child processes."""
    try:
        output, _ = process.communicate(typed, timeout=timeout)
    except subprocess.TimeoutExpired:
        os.killpg(process.pid, signal.SIGKILL)
        pytest.fail(f"{process.args} took too long:\n{process.communicate()[0]}")
    assert process.returncode == 0, output
    return output


def prefect(*arguments: str, cwd: Path, timeout: float = COMMAND_SECONDS) -> str:
    """The output of a `prefect` command."""
    return finish(start("prefect", *arguments, cwd=cwd), timeout)


def pause(client: SyncPrefectClient, deployment: UUID) -> None:
    """Deactivate all schedules of a deployment."""
    for schedule in client.read_deployment(deployment).schedules:
        client.update_deployment_schedule(deployment, schedule.id, active=False)


def filled_in(block: UUID, name: str = "automations.yaml") -> str:
    """A file of example automations, with the id of a notification block."""
    return (PROJECT / "docs" / name).read_text().replace(BLOCK_TO_FILL_IN, f"block: &block {block}")
