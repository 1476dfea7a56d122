"""The load of webhook deliveries as a Prefect flow, every few minutes between the syncs, which load them too."""

from typing import Annotated, Any

from prefect import flow
from prefect.states import Completed, Failed
from pydantic import Field

from flows.common.error_message import nothing_started
from flows.common.errors import LockHeld, SettingsError
from flows.common.output_guard import without_secrets
from flows.destinations.catalogue import DestinationName
from flows.orchestration.secret_blocks import use_secret_blocks
from flows.pipeline.context import DEFAULT_DATASET
from flows.reporting.summary import events
from flows.source.dlt_run_context import in_project
from flows.webhooks.load import NoSpool, load

TIMEOUT = 3600
"""Seconds of a load."""


@flow(
    name="drip-webhooks",
    flow_run_name="webhook events into {destination} {dataset}",
    timeout_seconds=TIMEOUT,
    persist_result=False,
)
@without_secrets
def load_events(
    destination: Annotated[DestinationName, Field(description="The dlt destination.")] = "duckdb",
    dataset: Annotated[str, Field(description="The schema that the tables are in.")] = DEFAULT_DATASET,
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
