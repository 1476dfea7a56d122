"""Settings of Prefect and dlt where the command line starts a flow, wherever it is called from.

Prefect's stand in `pyproject.toml` too, for everything else that is run in the project; a test compares them.
"""

import os

DEFAULTS = {
    # The first start of Prefect's own server builds its database: 20 to 28 s on a small machine.
    "PREFECT_SERVER_EPHEMERAL_STARTUP_TIMEOUT_SECONDS": "180",
    "PREFECT_SERVER_ANALYTICS_ENABLED": "false",
    "PREFECT_LOGGING_EXTRA_LOGGERS": "flows",
    "DO_NOT_TRACK": "1",
    "RUNTIME__DLTHUB_TELEMETRY": "false",
}


def apply_prefect_settings() -> None:
    """Set what the environment does not set already. Call it before Prefect is imported."""
    for name, value in DEFAULTS.items():
        os.environ.setdefault(name, value)
