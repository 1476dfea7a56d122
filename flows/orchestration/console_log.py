"""Keeping the logs of Prefect and dlt off the console."""

import logging

from prefect.logging.handlers import PrefectConsoleHandler

from flows.common.console import mute_dlt, reject_all
from flows.orchestration.settings import quiet_server


def mute_console() -> None:
    """Keep the logs of Prefect and dlt, tracebacks included, off the console; Prefect's API still gets its own."""
    quiet_server()
    mute_dlt()
    for handler in logging.getLogger().handlers:
        if isinstance(handler, PrefectConsoleHandler):
            handler.addFilter(reject_all)
