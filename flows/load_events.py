"""The load of webhook deliveries as a Prefect flow, every few minutes between the syncs, which load them too."""

from typing import Any

from prefect import flow
from prefect.states import Completed, Failed

from flows.common.error_message import nothing_started
from flows.common.errors import LockHeld, SettingsError
from flows.common.output_guard import without_secrets
from flows.orchestration.parameters import Dataset, Destination, name_of_load
from flows.orchestration.secret_blocks import use_secret_blocks
from flows.pipeline.context import DEFAULT_DATASET
from flows.reporting.summary import events
from flows.source.dlt_run_context import in_project
from flows.webhooks.load import NoSpool, load

TIMEOUT = 3600
"""Seconds of a load."""


@flow(
    name="drip-webhooks",
    flow_run_name=name_of_load,
    timeout_seconds=TIMEOUT,
    persist_result=False,
)
@without_secrets
def load_events(
    destination: Destination = "duckdb",
    dataset: Dataset = DEFAULT_DATASET,
) -> Any:
    """Load what was delivered since the last load into subscriber_events.

    While a sync writes to the dataset there is nothing to do: it loads the events itself.

    Returns:
        A state with an `EventsLoaded` in it, or with nothing where there was nothing to do.
    """
    try:
        with nothing_started(), in_project():
            use_secret_blocks(destination)
            loaded = load(destination, dataset)
    except (LockHeld, NoSpool) as reason:
        return Completed(message=f"nothing was loaded: {reason}")
    except SettingsError as error:
        return Failed(message=str(error), data=error)
    return Completed(message=events(loaded), data=loaded)
