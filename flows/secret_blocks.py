"""Secrets in Prefect: a Secret block per setting, read when a run starts, by dlt as one more place to look at."""

from collections.abc import Iterable
from typing import Any

from dlt.common.configuration.container import Container
from dlt.common.configuration.providers import CustomLoaderDocProvider
from dlt.common.configuration.specs.pluggable_run_context import PluggableRunContext
from prefect.blocks.system import Secret
from pydantic import SecretStr

from flows.source.errors import unknown
from flows.warehouses import WAREHOUSES

OF_THE_API = ("SOURCES__DRIP__API_KEY", "SOURCES__DRIP__ACCESS_TOKEN", "SOURCES__DRIP__PASSWORD")
OF_DESTINATIONS = {name: WAREHOUSES[name].setting for name in ("postgres", "motherduck", "snowflake", "bigquery")}
SETTINGS = (*OF_THE_API, *OF_DESTINATIONS.values())
"""The settings that are secret. What stands in the environment or in `.dlt/` goes before the block."""
PROVIDER = "Prefect Secret blocks"


def block_of(setting: str) -> str:
    """The name of the block that holds a setting: small letters, dashes. Raises SettingsError for one not secret."""
    if setting not in SETTINGS:
        raise unknown("secret setting", setting, SETTINGS)
    return setting.replace("__", "-").replace("_", "-").lower()


def save(setting: str, value: str) -> None:
    """Keep a secret in its block, in place of the one that is there. Raises SettingsError."""
    Secret(value=SecretStr(value)).save(block_of(setting), overwrite=True)


def use_secret_blocks(destination: str) -> None:
    """Have dlt look into the blocks too, for what it finds nowhere else, as they are now. For use in a flow run.

    Args:
        destination: of the run; the secrets of others are not asked for.
    """
    wanted: tuple[str, ...] = () if any(map(_is_set, OF_THE_API)) else OF_THE_API
    credentials = OF_DESTINATIONS.get(destination)
    if credentials and not _is_set(credentials):
        wanted += (credentials,)
    secrets: dict[str, Any] = {}
    for setting, value in _values(wanted):
        *sections, name = setting.lower().split("__")
        place = secrets
        for section in sections:
            place = place.setdefault(section, {})
        place[name] = value
    providers = Container()[PluggableRunContext].providers
    providers[PROVIDER] = CustomLoaderDocProvider(PROVIDER, lambda: secrets)


def _is_set(setting: str) -> bool:
    """Whether dlt finds a setting elsewhere."""
    providers = [one for one in Container()[PluggableRunContext].providers.providers if one.name != PROVIDER]
    *sections, name = setting.lower().split("__")
    return any(one.get_value(name, str, "", *sections)[0] for one in providers)


def _values(settings: Iterable[str]) -> Iterable[tuple[str, str]]:
    for setting in settings:
        try:
            block: Any = Secret.load(block_of(setting))
        except ValueError:  # there is no such block
            continue
        yield setting, str(block.get())
