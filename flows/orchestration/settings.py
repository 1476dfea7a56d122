"""Settings of Prefect and dlt where the command line starts a flow, wherever it is called from.

Prefect's stand in `pyproject.toml` too, for everything else that is run in the project; a test compares them.
"""

import os
import sys
import tomllib
import warnings
from pathlib import Path

from flows.common.loopback import bypass_proxies_for_loopback

DEFAULTS = {
    # The first start of Prefect's own server builds its database: 20 to 28 s on a small machine.
    "PREFECT_SERVER_EPHEMERAL_STARTUP_TIMEOUT_SECONDS": "180",
    "PREFECT_SERVER_ANALYTICS_ENABLED": "false",
    "PREFECT_LOGGING_EXTRA_LOGGERS": "flows",
    # Threads that belong to no run log too; Prefect would print a UserWarning for each of their records.
    "PREFECT_LOGGING_TO_API_WHEN_MISSING_FLOW": "ignore",
    "DO_NOT_TRACK": "1",
    "RUNTIME__DLTHUB_TELEMETRY": "false",
}


QUIET_SERVER = {
    # Prefect's temporary server logs tracebacks when it is stopped while it writes, and whenever another of its writes
    # holds its SQLite file; it tries again by itself. The second is for the libraries that it uses.
    "PREFECT_SERVER_LOGGING_LEVEL": "CRITICAL",
    "PREFECT_LOGGING_ROOT_LEVEL": "CRITICAL",
}
"""Read by processes that start later; this one has read its own settings when it imported Prefect."""

API_SETTING = "PREFECT_API_URL"
NO_HOME = "Failed to create the Prefect home directory"
"""A warning of Prefect's; `check_prefect` raises an error where it matters."""
SLOW_TO_IMPORT = "rfc3987_syntax"
"""Builds a grammar for 1.9 s, more than half of what importing Prefect takes where JupyterLab brought it along. It
checks `iri`, a JSON schema format that neither Prefect nor this project uses; jsonschema does without it."""


def api_is_configured() -> bool:
    """Whether the environment or the active Prefect profile names an API; found without importing Prefect."""
    if API_SETTING in os.environ:
        return bool(os.environ[API_SETTING])
    home = Path(os.environ.get("PREFECT_HOME", "~/.prefect")).expanduser()
    path = Path(os.environ.get("PREFECT_PROFILES_PATH", home / "profiles.toml"))
    try:
        described = tomllib.loads(path.read_text())
    except (OSError, ValueError):  # Prefect itself says what is wrong with it
        return False
    active = os.environ.get("PREFECT_PROFILE", described.get("active", ""))
    return bool(described.get("profiles", {}).get(active, {}).get(API_SETTING))


def quiet_server() -> None:
    """Keep the log of the server that Prefect starts for this process off the console. Call it after the import."""
    for name, value in QUIET_SERVER.items():
        os.environ.setdefault(name, value)


def apply_prefect_settings() -> None:
    """Set what the environment leaves open, and bypass proxies for this machine. Call it before importing Prefect."""
    for name, value in DEFAULTS.items():
        os.environ.setdefault(name, value)
    bypass_proxies_for_loopback(os.environ.get(API_SETTING, ""))
    warnings.filterwarnings("ignore", message=NO_HOME)
    sys.modules.setdefault(SLOW_TO_IMPORT, None)  # type: ignore[arg-type]
