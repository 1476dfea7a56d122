"""The present moment of a dataset: the demo's is that of its last sync, since its days are those of the sandbox."""

from datetime import datetime

import pandas as pd

from flows.common.clock import now
from flows.common.project import project_path
from flows.dataset.files import DEMO_DUCKDB, DatasetError, database_file
from flows.destinations.catalogue import DestinationName


def present(last_sync: datetime, destination: DestinationName = "duckdb") -> pd.Timestamp:
    """The time with which to compare the ages of data.

    Args:
        last_sync: end of the last sync, with time zone.
        destination: the dlt destination that is read.

    Returns:
        The time in UTC; for the database of the demo, `last_sync`.
    """
    is_demo = destination == "duckdb" and _file_is_demo()
    return pd.Timestamp(last_sync if is_demo else now()).tz_convert("UTC")


def _file_is_demo() -> bool:
    try:
        return database_file() == project_path(DEMO_DUCKDB)
    except DatasetError:
        return False
