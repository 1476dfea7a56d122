"""Deploys the flows, and says what was deployed and how to start it."""

import shlex
import sys
from pathlib import Path

from flows.cli.exits import fail
from flows.cli.output import activity, console, plain_table, remark, remarks, say
from flows.common.program import typed
from flows.orchestration.api_check import api_url, check_prefect
from flows.orchestration.deploy import MANAGED, PUSH, Deployed, deploy

WITHOUT_WORKER = (MANAGED, *PUSH)
REFUSED = 1
WHAT_NEXT = "correct what its output above says, then deploy again; what it deployed before the error is in effect"


def run_deploy(pool: str, kind: str, image: str, destination: str, package: str, verbose: bool) -> None:
    """Deploy `prefect.yaml` of the working directory. Raises SettingsError, and Failed if Prefect refused something.

    Prefect's output is shown with `verbose`, or if something failed.
    """
    check_prefect(remark)
    with activity("Deploying (about ten seconds)"):
        deployed = deploy(Path.cwd(), pool, kind, image, destination, package)
    if verbose or deployed.exit_code:
        say(deployed.output.strip(), remarks)
    if deployed.exit_code:
        fail(f"`prefect deploy` failed with exit code {deployed.exit_code}: {WHAT_NEXT}", REFUSED)
    _show(deployed, pool, kind)


def _show(deployed: Deployed, pool: str, kind: str) -> None:
    server = f" at {api_url()}" if api_url() else ""
    say(f"Deployed to the work pool {pool}{server}")
    say("")
    table = plain_table("deployment", "schedule")
    for name, schedule in deployed.schedules.items():
        table.add_row(name, schedule)
    console.print(table)
    prefect = typed(Path(sys.executable).with_name("prefect"))
    say("")
    if kind not in WITHOUT_WORKER:
        say("Start a worker on each machine that syncs. Without one, nothing runs:")
        say(f"  {prefect} worker start --pool {shlex.quote(pool)}")
    say("Start a sync now, without waiting for its schedule:")
    say(f"  {prefect} deployment run {next(iter(deployed.schedules))}")
