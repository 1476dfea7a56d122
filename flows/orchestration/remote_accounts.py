"""Reading the lists of an account in a separate flow run, on a work pool with workers on several machines.

The sync starts the flow run, counts its requests (see `coordinator`), and finds its pages in the shared landing zone,
together with the results of each list (`Verdict`).
"""

from datetime import datetime
from typing import Any

import msgspec
from prefect import task
from prefect.deployments import run_deployment
from prefect.exceptions import ObjectNotFound

from flows.common.errors import DripError, SettingsError
from flows.common.output_guard import without_secrets
from flows.destinations.target import Target
from flows.pipeline.context import ConnectionRun, ReadMode
from flows.pipeline.extract import Extracted, ExtractFailure
from flows.source.errors import Stopped
from flows.source.landing.storage import Folder, folder_at, remove
from flows.source.landing.zone import Landing
from flows.source.settings import load_settings, variable

DEPLOYMENT = "drip-extract/extract-account"
POLL_SECONDS = 2.0
VERDICTS = "verdicts"


class Assignment(msgspec.Struct):
    """The parameters of an account's flow run. They contain no secrets.

    Attributes:
        run: id of the sync's run.
        connection: name of the connection whose token is used.
        part: part of the landing zone.
        coordinator: URL of the sync's coordinator.
        resources: resources to read.
        columns: existing columns of fields that are not in the API reference, by resource.
        started: when the sync began.
        read_mode: how subscribers are read.
    """

    run: str
    connection: str
    part: str
    coordinator: str
    resources: list[str]
    columns: dict[str, dict[str, str]]
    started: datetime
    read_mode: ReadMode


class Verdict(msgspec.Struct):
    """The results of an account's lists."""

    landed: list[Extracted]
    failures: list[ExtractFailure]


VERDICT = msgspec.json.Decoder(Verdict)


class FailedElsewhere(DripError):
    """A list could not be read in another process.

    Attributes:
        status: HTTP status of the API's response, if that was the cause.
    """

    def __init__(self, failure: ExtractFailure) -> None:
        self.status = failure.status
        super().__init__(failure.message)


@task(name="extract account", task_run_name="extract {account} elsewhere", persist_result=False)
@without_secrets
def extract_elsewhere(run: ConnectionRun, account: str, resources: list[str]) -> dict[str, Extracted | FailedElsewhere]:
    """Start a flow run that reads these lists of an account, and wait for it.

    Raises:
        SettingsError: the deployment does not exist.
        Stopped: the flow run ended without writing its results.
    """
    work = Assignment(
        run.id,
        run.connection,
        run.landing.part,
        run.coordinator,
        resources,
        {name: run.columns.get(name, {}) for name in resources},
        run.started,
        run.read_modes.get(account, ReadMode()),
    )
    parameters = {"account": account, "assignment": msgspec.to_builtins(work)}
    try:
        ended: Any = run_deployment(DEPLOYMENT, parameters=parameters, poll_interval=POLL_SECONDS)
    except ObjectNotFound:
        raise SettingsError(
            f"no deployment {DEPLOYMENT}: run `drip-flows deploy`, or change {variable('fan_out')}"
        ) from None
    verdict = verdict_of(run, account)
    if not verdict.exists():
        raise Stopped(f"the flow run {ended.name!r} that should have read {account} ended as {ended.state.name}")
    found = VERDICT.decode(verdict.read_bytes())
    remove(verdict.parent)
    lists: dict[str, Extracted | FailedElsewhere] = {one.key.resource: one for one in found.landed}
    return lists | {one.key.resource: FailedElsewhere(one) for one in found.failures}


def run_of(work: Assignment, account: str) -> ConnectionRun:
    """A run for this account's part of the sync. Its target is a placeholder, since nothing is loaded here."""
    landing = Landing(folder_at(load_settings(work.connection).landing), work.part)
    return ConnectionRun(
        target=Target("duckdb", "", None, ""),
        resources=tuple(work.resources),
        landing=landing,
        columns=work.columns,
        id=work.run,
        started=work.started,
        read_modes={account: work.read_mode},
        connection=work.connection,
        accounts=(account,),
        coordinator=work.coordinator,
    )


def verdict_of(run: ConnectionRun, account: str) -> Folder:
    """The file in the landing zone that holds an account's results."""
    return run.landing.folder / VERDICTS / f"{run.id}-{account}" / "verdict.json"
