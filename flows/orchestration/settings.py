"""Settings of Prefect and dlt for flows started from the command line, in any working directory.

The Prefect settings are also in `pyproject.toml`, for everything else that runs in the project; a test compares them.
"""

import os
import sys
import tomllib
import warnings
from pathlib import Path

from flows.common.loopback import bypass_proxies_for_loopback

DEFAULTS = {
    # On its first start, Prefect's temporary server creates its database: 20 to 28 s on a small machine.
    "PREFECT_SERVER_EPHEMERAL_STARTUP_TIMEOUT_SECONDS": "180",
    "PREFECT_SERVER_ANALYTICS_ENABLED": "false",
    "PREFECT_LOGGING_EXTRA_LOGGERS": "flows",
    # Threads outside of a run log too; Prefect would print a UserWarning for each of their records.
    "PREFECT_LOGGING_TO_API_WHEN_MISSING_FLOW": "ignore",
    "DO_NOT_TRACK": "1",
    "RUNTIME__DLTHUB_TELEMETRY": "false",
}


QUIET_SERVER = {
    # Prefect's temporary server logs tracebacks when it is stopped during a write, and when its SQLite file is locked
    # by another of its writes, which it retries. The second setting is for the libraries that it uses.
    "PREFECT_SERVER_LOGGING_LEVEL": "CRITICAL",
    "PREFECT_LOGGING_ROOT_LEVEL": "CRITICAL",
}
"""These apply to processes started later: this process read its settings when it imported Prefect."""

API_SETTING = "PREFECT_API_URL"
NO_HOME = "Failed to create the Prefect home directory"
"""A warning from Prefect; `check_prefect` raises an error if it matters."""
SLOW_TO_IMPORT = "rfc3987_syntax"
"""Installed with JupyterLab. It builds a grammar on import, which takes 1.9 s, more than half of Prefect's import
time. jsonschema only uses it to check the format `iri`, which neither Prefect nor this project uses."""


def api_is_configured() -> bool:
    """Whether the environment or the active Prefect profile sets an API URL. Does not import Prefect."""
    if API_SETTING in os.environ:
        return bool(os.environ[API_SETTING])
    home = Path(os.environ.get("PREFECT_HOME", "~/.prefect")).expanduser()
    path = Path(os.environ.get("PREFECT_PROFILES_PATH", home / "profiles.toml"))
    try:
        described = tomllib.loads(path.read_text())
    except (OSError, ValueError):  # Prefect reports the problem itself
        return False
    active = os.environ.get("PREFECT_PROFILE", described.get("active", ""))
    return bool(described.get("profiles", {}).get(active, {}).get(API_SETTING))


def quiet_server() -> None:
    """Mute the console log of the server that Prefect starts for this process. Call it after importing Prefect."""
    for name, value in QUIET_SERVER.items():
        os.environ.setdefault(name, value)


def apply_prefect_settings() -> None:
    """Set defaults in the environment, and bypass proxies for loopback addresses. Call it before importing Prefect."""
    for name, value in DEFAULTS.items():
        os.environ.setdefault(name, value)
    bypass_proxies_for_loopback(os.environ.get(API_SETTING, ""))
    warnings.filterwarnings("ignore", message=NO_HOME)
    sys.modules.setdefault(SLOW_TO_IMPORT, None)  # type: ignore[arg-type]
