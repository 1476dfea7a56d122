"""Where events are loaded from."""

from pathlib import Path

from flows.common.project import project_path
from flows.source.settings import common_settings


def spool_folder() -> Path:
    """Where the settings have deliveries spooled. Raises SettingsError."""
    return project_path(common_settings().webhooks)
