"""Loading deliveries apart from a sync: it needs no API key and asks the API nothing."""

import logging
from collections.abc import Callable

import dlt

from flows.common.errors import DripError, SettingsError
from flows.destinations.catalogue import EVENTS, DestinationName, warehouse
from flows.destinations.target import Target, resolve_target
from flows.pipeline.context import ConnectionRun, private_files
from flows.pipeline.dataset_mask import check_dataset_mask
from flows.pipeline.dlt_pipeline import opened_pipeline, release_pipeline
from flows.pipeline.event_sources import event_sources, spool_folder
from flows.pipeline.events import ELSEWHERE, EventsLoaded, load_events, replay_events
from flows.pipeline.load_errors import load_failed
from flows.pipeline.marts.refresh import make_marts
from flows.source.landing.storage import folder_at
from flows.source.landing.zone import Landing, part_for
from flows.source.settings import common_settings
from flows.source.settings_cache import settings_kept

logger = logging.getLogger(__name__)


class NoSpool(SettingsError):
    """Nothing was ever delivered on this machine."""


def load(destination: DestinationName = "duckdb", dataset: str = "drip") -> EventsLoaded:
    """Load the deliveries that a destination does not have yet.

    Raises:
        SettingsError: nothing could start: there is no spool, or another process is at work for too long.
        LoadFailed: the destination did not take them; they stay in the spool.
    """
    return _run(destination, dataset, load_events)


def replay(destination: DestinationName = "duckdb", dataset: str = "drip") -> EventsLoaded:
    """Load every delivery that the spool still holds into an empty table. Raises as `load` does."""
    return _run(destination, dataset, replay_events)


@settings_kept()
def _run(
    destination: DestinationName, dataset: str, load: Callable[[dlt.Pipeline, Target], EventsLoaded | None]
) -> EventsLoaded:
    warehouse(destination).refuse(EVENTS, ELSEWHERE)
    settings, target = common_settings(), resolve_target(destination, dataset)
    if not event_sources():
        raise NoSpool(
            f"no deliveries in {spool_folder()}: start the receiver (drip-flows webhooks serve), or set "
            "SOURCES__DRIP__WEBHOOKS to its folder"
        )
    landing = Landing(folder_at(settings.landing), part_for("events", target.location, target.dataset))
    run = ConnectionRun(target, (), landing, mask=settings.masking.fingerprint)
    try:
        with private_files(), target.lock(settings.lock_wait):
            target.check(settings)
            return _loaded(run, load)
    finally:
        release_pipeline(run)
        landing.remove()


def _loaded(run: ConnectionRun, load: Callable[[dlt.Pipeline, Target], EventsLoaded | None]) -> EventsLoaded:
    try:
        with opened_pipeline(run) as pipeline:
            pipeline.sync_destination()
            check_dataset_mask(run, pipeline)
            loaded = load(pipeline, run.target) or EventsLoaded()
            for name, reason in make_marts(pipeline, run.target).items():
                logger.warning("the view %s is not up to date: %s", name, reason)
            return loaded
    except DripError:
        raise
    except Exception as error:
        logger.error("the load failed", exc_info=error)
        failed = load_failed(error, run.target)
    raise failed
