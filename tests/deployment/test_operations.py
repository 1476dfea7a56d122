"""Runs every command of docs/operations.md once, in order, with a Prefect server, the sandbox and PostgreSQL."""

import os
import re
import shlex
from pathlib import Path

import pytest
from prefect.client.orchestration import SyncPrefectClient
from prefect.client.schemas.filters import LogFilter
from prefect.client.schemas.objects import FlowRun
from prefect.client.schemas.sorting import FlowRunSort

from flows.sandbox import Server, World
from tests.command import drip_flows, prefect
from tests.conftest import PREFECT_API_URL, PROJECT, PostgresWarehouse
from tests.deployment.commands import RUN_SECONDS, finish, start
from tests.postgres import PASSWORD
from tests.prefect_runs import newest_run

PAGE = (PROJECT / "docs" / "operations.md").read_text()
BLOCKS = re.findall(r"```sh\n(.*?)```", PAGE, re.DOTALL)
COMMANDS = list(dict.fromkeys(line.strip() for block in BLOCKS for line in block.splitlines() if line.strip()))
"""The page's commands, without duplicates."""
WORKER = ".venv/bin/prefect worker start --pool drip"
INSTEAD = {
    # The tests already have a server, whose address is in the environment, and do not install anything.
    ".venv/bin/prefect server start": ".venv/bin/prefect server start --help",
    "make install": f"make --dry-run --directory {PROJECT} install",
    WORKER: f"{WORKER} --run-once",
}
FIRST_RUN = ".venv/bin/prefect deployment run drip-sync/sync"
SECRETS = ("SOURCES__DRIP__API_KEY", "DESTINATION__POSTGRES__CREDENTIALS")


def run(command: str, folder: Path) -> str:
    """The output of a command. If it asks for a secret, the one in the environment is entered."""
    words = shlex.split(INSTEAD.get(command, command))
    typed = os.environ[words[-1]] + "\n" if "secret" in words else ""
    if Path(words[0]).name == "prefect" and words[1] in ("deployment", "flow-run", "server"):
        return prefect(*words[1:], folder=folder)
    if Path(words[0]).name == "drip-flows":
        result = drip_flows(*words[1:], folder=folder, typed=typed, PREFECT_API_URL=PREFECT_API_URL)
        assert result.exit_code == 0, result.output
        return result.output
    return finish(start(Path(words[0]).name, *words[1:], cwd=folder), RUN_SECONDS, typed)


@pytest.mark.usefixtures("no_block_left")
@pytest.mark.parametrize("warehouse", ["postgres"], indirect=True)
def test_every_command(
    client: SyncPrefectClient,
    checkout: Path,
    server: Server,
    warehouse: PostgresWarehouse,
    world: World,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("PREFECT_HOME", str(tmp_path / "prefect"))
    people = sum(len(world.account(one).subscribers) for one in world.account_ids)
    assert len(COMMANDS) > 12
    assert WORKER in COMMANDS, "`first_run` runs this command, which the page no longer shows"
    for command in (one for one in COMMANDS if one != WORKER):
        if command.endswith("copy-to-postgres"):
            warehouse.execute("DROP SCHEMA drip CASCADE")
            run("drip-flows sync", checkout)
        output = run(command, checkout)
        assert not command.endswith("accounts") or all(account in output for account in world.account_ids)
        if command == FIRST_RUN:
            output += first_run(client, checkout)
        assert not [secret for secret in (world.api_key, PASSWORD) if secret in output]
        if command == FIRST_RUN or command.endswith("copy-to-postgres"):
            assert warehouse.value("SELECT count(*) FROM subscribers") == people
        if "deploy" in command.split():
            assert_deployments_are_listed(output)
    asked = [[one.parameters.get(name) or [] for name in ("accounts", "resources")] for one in flow_runs(client)]
    for wanted in ([[], []], [["1000001"], []], [["1000001"], ["tags"]]):
        assert wanted in asked
    for deployment in client.read_deployments():
        client.delete_deployment(deployment.id)


def assert_deployments_are_listed(output: str) -> None:
    """Our own few lines, and nothing of Prefect's."""
    lines = [line.split() for line in output.splitlines()]
    assert f"Deployed to the work pool drip at {PREFECT_API_URL}".split() in lines
    for words in (
        "drip-sync/sync hourly, at 17 minutes past",
        "drip-sync/full-refresh daily, 02:37 UTC",
        "drip-sync/sync-account on request",
        "drip-webhooks/webhooks every 5 minutes (paused)",
    ):
        assert words.split() in lines
    assert [words[1:] for words in lines if "prefect" in "".join(words[:1])] == [
        ["worker", "start", "--pool", "drip"],
        ["deployment", "run", "drip-sync/sync"],
    ]
    assert len(output) < 1_500


def first_run(client: SyncPrefectClient, folder: Path) -> str:
    """Start a worker without secrets in its environment for the first run; returns its output, the run and its log."""
    with pytest.MonkeyPatch.context() as patch:
        for setting in SECRETS:
            patch.delenv(setting)
        output = run(WORKER, folder)
    done = newest_run()
    logs = client.read_logs(LogFilter(flow_run_id={"any_": [done.id]}), limit=200)
    assert logs
    return f"{output} {done} {logs}"


def flow_runs(client: SyncPrefectClient) -> list[FlowRun]:
    """All flow runs on the server."""
    return client.read_flow_runs(sort=FlowRunSort.EXPECTED_START_TIME_DESC, limit=200)
