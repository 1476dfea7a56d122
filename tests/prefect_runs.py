"""Flow runs and their artifacts, as the Prefect server of the tests has them."""

import time

from prefect.client.orchestration import get_client
from prefect.client.schemas.filters import (
    ArtifactFilter,
    ArtifactFilterFlowRunId,
    FlowFilter,
    FlowFilterName,
    LogFilter,
    LogFilterFlowRunId,
)
from prefect.client.schemas.objects import Artifact, FlowRun
from prefect.client.schemas.sorting import FlowRunSort


def newest_run(flow: str = "drip-sync") -> FlowRun:
    """The flow run that started last."""
    by_name = FlowFilter(name=FlowFilterName(any_=[flow]))
    with get_client(sync_client=True) as client:
        (run,) = client.read_flow_runs(flow_filter=by_name, sort=FlowRunSort.START_TIME_DESC, limit=1)
    return run


def artifacts(run: FlowRun) -> dict[str, Artifact]:
    """The artifacts of a flow run by key."""
    of_run = ArtifactFilter(flow_run_id=ArtifactFilterFlowRunId(any_=[run.id]))
    with get_client(sync_client=True) as client:
        return {str(one.key): one for one in client.read_artifacts(artifact_filter=of_run)}


def log_of(run: FlowRun, expected: str, patience: float = 15) -> str:
    """The log of a flow run, once it contains the expected text: the server stores what it receives a little later."""
    deadline = time.monotonic() + patience
    of_run = LogFilter(flow_run_id=LogFilterFlowRunId(any_=[run.id]))
    with get_client(sync_client=True) as client:
        while True:
            text = "\n".join(line.message for line in client.read_logs(of_run, limit=200))
            if expected in text or time.monotonic() > deadline:
                return text
            time.sleep(0.2)
