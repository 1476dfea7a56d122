"""Shipping the deliveries of a receiver to the landing zone, for a load on another machine."""

import logging
from collections.abc import Iterator
from contextlib import closing, contextmanager
from functools import partial
from pathlib import Path

from flows.common.errors import DripError, SettingsError, first_line
from flows.common.repeating import repeating
from flows.source.deliveries.shipping import Shipper
from flows.source.deliveries.spool import FILE, Spool
from flows.source.landing.storage import Folder

SECONDS = 30.0
"""Between two shipments."""
logger = logging.getLogger(__name__)


def ship(folder: Path, landing: Folder, days: float, again: bool = False) -> int:
    """Ship what the spool in a folder holds and the landing zone does not have yet, and delete what is old.

    Args:
        folder: of the spool.
        landing: the landing zone.
        days: that a delivery is kept after it came, as `SOURCES__DRIP__WEBHOOK_DAYS`.
        again: whether to ship everything that the spool holds once more.

    Returns:
        The number of deliveries.

    Raises:
        DripError: there is no spool, or it was restored from an older copy.
        OSError, sqlite3.Error: nothing, or only a part, was shipped. The rest follows with the next call.
    """
    if not (folder / FILE).exists():
        raise SettingsError(f"no deliveries in {folder}: start the receiver (drip-flows webhooks serve)")
    with closing(Spool(folder)) as spool:
        shipper = Shipper(spool, landing)
        if again:
            shipper.begin_again()
        shipped = shipper.ship()
        spool.prune(days)
        return shipped


@contextmanager
def shipping(folder: Path, landing: Folder | None, days: float, seconds: float = SECONDS) -> Iterator[None]:
    """Ship from a thread until the block ends, and once more at its end. A failure is logged, and tried again.

    Args:
        folder: of the spool.
        landing: the landing zone; None to ship nothing.
        days: as for `ship`.
        seconds: between two shipments.
    """
    if landing is None:
        yield
        return
    attempt = partial(_try_to_ship, folder, landing, days)
    try:
        with repeating(attempt, seconds, "shipping"):
            yield
    finally:
        attempt()


def _try_to_ship(folder: Path, landing: Folder, days: float) -> None:
    try:
        ship(folder, landing, days)
    except DripError as error:
        logger.warning("deliveries are not shipped: %s", error)
    except Exception as error:
        logger.warning("deliveries are not shipped, they stay in the spool: %s", first_line(error))
