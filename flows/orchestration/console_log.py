"""Muting the logs of Prefect and dlt on the console."""

import logging

from prefect.logging.handlers import PrefectConsoleHandler

from flows.common.console import mute_dlt, reject_all
from flows.orchestration.settings import quiet_server


def mute_console() -> None:
    """Mute the logs of Prefect and dlt, tracebacks included, on the console. Prefect's API still receives its logs."""
    quiet_server()
    mute_dlt()
    for handler in logging.getLogger().handlers:
        if isinstance(handler, PrefectConsoleHandler):
            handler.addFilter(reject_all)
