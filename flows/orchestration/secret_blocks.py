"""Secrets in Prefect: one Secret block per setting, read at the start of a run and added to dlt's config providers."""

from collections.abc import Iterable
from typing import Any

from dlt.common.configuration.container import Container
from dlt.common.configuration.providers import CustomLoaderDocProvider
from dlt.common.configuration.specs.pluggable_run_context import PluggableRunContext
from prefect.blocks.system import Secret
from pydantic import SecretStr

from flows.common.errors import SettingsError, unknown
from flows.destinations.catalogue import DESTINATIONS
from flows.source.mask_setting import MASK_KEY
from flows.source.settings import CREDENTIALS, common_settings, variable

OF_DESTINATIONS = {name: DESTINATIONS[name].setting for name in ("postgres", "motherduck", "snowflake", "bigquery")}
PROVIDER = "Prefect Secret blocks"


def of_the_api(connection: str = "") -> tuple[str, ...]:
    """A connection's secret settings. The environment and `.dlt/` override the blocks."""
    return tuple(variable(name, connection) for name in CREDENTIALS)


def secret_settings() -> tuple[str, ...]:
    """All secret settings. Raises SettingsError if the connection names are invalid."""
    names = ["", *common_settings().connections]
    return (*(setting for name in names for setting in of_the_api(name)), MASK_KEY, *OF_DESTINATIONS.values())


def block_of(setting: str) -> str:
    """The name of a setting's block: lower case, with dashes. Raises SettingsError if the setting is not secret."""
    known = secret_settings()
    if setting not in known:
        hint = f"to use a connection's settings, name it in {variable('connections')} first"
        raise SettingsError(f"{unknown('secret setting', setting, known)}; {hint}")
    return setting.replace("__", "-").replace("_", "-").lower()


def save(setting: str, value: str) -> None:
    """Save a secret in its block, overwriting an earlier one. Raises SettingsError."""
    Secret(value=SecretStr(value)).save(block_of(setting), overwrite=True)


def use_secret_blocks(destination: str) -> None:
    """Load the blocks of settings that are not set elsewhere, and add them to dlt's providers. For use in a flow run.

    Args:
        destination: the run's destination; blocks of other destinations are not read.
    """
    groups = [of_the_api(name) for name in common_settings().connections or [""]]
    groups += [(MASK_KEY,)] if common_settings().mask else []
    groups += [(OF_DESTINATIONS[destination],)] if destination in OF_DESTINATIONS else []
    wanted = [setting for group in groups if not any(map(_is_set, group)) for setting in group]
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
    """Whether another provider of dlt has the setting."""
    providers = [one for one in Container()[PluggableRunContext].providers.providers if one.name != PROVIDER]
    *sections, name = setting.lower().split("__")
    return any(one.get_value(name, str, "", *sections)[0] for one in providers)


def _values(settings: Iterable[str]) -> Iterable[tuple[str, str]]:
    for setting in settings:
        try:
            block: Any = Secret.load(block_of(setting))
        except ValueError:  # no such block
            continue
        yield setting, str(block.get())
