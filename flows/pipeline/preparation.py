"""Checks before the first request of a sync."""

from collections.abc import Sequence
from dataclasses import replace

from flows.common.errors import SettingsError, first_line
from flows.destinations.catalogue import HISTORY, DestinationName
from flows.destinations.target import Target, resolve_target
from flows.pipeline.context import ConnectionRun, SyncRun
from flows.pipeline.name_conflicts import check_relations
from flows.source.landing.storage import folder_at
from flows.source.landing.zone import Landing, part_for
from flows.source.setting_checks import check_history
from flows.source.settings import (
    DEFAULT_HISTORY,
    DripSettings,
    common_settings,
    every_settings,
)
from flows.source.settings_cache import settings_kept
from flows.source.source import chosen_endpoints

NO_HISTORY = "sync with --no-history (history: [] in Prefect), or set SOURCES__DRIP__HISTORY='[]'"


@settings_kept()
def prepare(
    resources: Sequence[str] | None,
    destination: DestinationName,
    dataset: str,
    history: bool | Sequence[str] | None = None,
) -> SyncRun:
    """Check everything that can be checked without a request.

    Args:
        resources: names of the resources; the default ones if empty.
        destination: the name of the dlt destination.
        dataset: the schema that the tables are in.
        history: resources whose history is kept. None: those in the settings. True: the same, or the default ones if
            the settings list none. False: none.

    Raises:
        SettingsError: naming the setting to change.
    """
    each = every_settings()
    target = resolve_target(destination, dataset)
    common = common_settings()
    chosen = tuple(endpoint.resource for endpoint in chosen_endpoints(resources, common.optional_resources))
    historic = _historic(chosen, history, common)
    if historic:
        target.kind.refuse(HISTORY, NO_HISTORY)
    landings = [_landing(settings, target) for settings in each]
    with target.checked(common):  # may wait for the database, and the run begins after that
        first = ConnectionRun(target, chosen, landings[0], history=historic, mask=common.masking.fingerprint)
        check_relations(first)
    return SyncRun(
        tuple(
            replace(first, landing=landing, connection=settings.connection)
            for settings, landing in zip(each, landings, strict=True)
        )
    )


def _historic(resources: Sequence[str], wanted: bool | Sequence[str] | None, settings: DripSettings) -> tuple[str, ...]:
    """The resources of a run whose history is kept. Raises SettingsError."""
    if isinstance(wanted, bool):
        names: Sequence[str] = (settings.history or DEFAULT_HISTORY) if wanted else ()
    else:
        names = settings.history if wanted is None else wanted
    check_history(names, "history")
    return tuple(name for name in resources if name in names)


def _landing(settings: DripSettings, target: Target) -> Landing:
    named = (settings.connection,) if settings.connection else ()
    place = settings.landing
    try:
        root = folder_at(place)
        place = str(root)
        part = part_for(settings.base_url, settings.token, target.location, target.dataset, *named)
        landing = Landing(root, part)
        landing.prepare()
    except SettingsError:
        raise
    except Exception as error:  # errors of buckets have no common base class
        reason = getattr(error, "strerror", None) or first_line(error)
        raise SettingsError(f"cannot write to {place} ({reason}): change SOURCES__DRIP__LANDING") from None
    return landing
