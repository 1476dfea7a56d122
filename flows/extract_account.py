"""The Prefect flow that reads the lists of one account, started by a sync that waits for it."""

from typing import Any

import msgspec
from prefect import flow
from prefect.states import Completed, Failed
from prefect.task_runners import ThreadPoolTaskRunner

from flows.common.list_key import ListKey
from flows.common.output_guard import without_secrets
from flows.orchestration.fan_out import THREADS_PER_PROCESS
from flows.orchestration.parameters import name_of_extract
from flows.orchestration.remote_accounts import Assignment, Verdict, run_of, verdict_of
from flows.orchestration.remote_rate_limit import RemoteConnection
from flows.orchestration.secret_blocks import use_secret_blocks
from flows.orchestration.tasks import extract_with_delay
from flows.pipeline.context import connection_of, private_files
from flows.pipeline.extract import gather, submit_all
from flows.source.dlt_run_context import in_project
from flows.source.landing.storage import write_atomically


@flow(
    name="drip-extract",
    flow_run_name=name_of_extract,
    task_runner=ThreadPoolTaskRunner(max_workers=THREADS_PER_PROCESS),  # type: ignore[arg-type]
    persist_result=False,
)
@without_secrets
def extract_account(account: str, assignment: dict[str, Any]) -> Any:
    """Read the lists of one account into the landing zone. Started by a sync, not by hand.

    Args:
        account: the account's id.
        assignment: the sync's `Assignment`, as JSON.
    """
    work = msgspec.convert(assignment, Assignment)
    with in_project():
        return _read(work, account)


def _read(work: Assignment, account: str) -> Any:
    """Read the account's lists, with the project folder as dlt's run context."""
    use_secret_blocks("")
    run = run_of(work, account)
    with private_files():
        task = extract_with_delay(connection_of(run, RemoteConnection).settings.task_retry_delay)
        keys = [ListKey(run.connection, resource, account) for resource in work.resources]
        landed, failures = gather(submit_all(keys, lambda key: task.submit(run, key)))
        write_atomically(verdict_of(run, account), msgspec.json.encode(Verdict(landed, failures)))
    words = "; ".join(f"{failure.key.resource}: {failure.message}" for failure in failures)
    return Failed(message=words) if failures else Completed(message=f"{len(landed)} lists")
