"""Secrets in Prefect: a Secret block per setting, read when a run starts, by dlt as one more place to look at."""

from collections.abc import Iterable
from typing import Any

from dlt.common.configuration.container import Container
from dlt.common.configuration.providers import CustomLoaderDocProvider
from dlt.common.configuration.specs.pluggable_run_context import PluggableRunContext
from prefect.blocks.system import Secret
from pydantic import SecretStr

from flows.common.errors import SettingsError, unknown
from flows.destinations.catalogue import DESTINATIONS
from flows.source.settings import CREDENTIALS, common_settings, variable

OF_DESTINATIONS = {name: DESTINATIONS[name].setting for name in ("postgres", "motherduck", "snowflake", "bigquery")}
PROVIDER = "Prefect Secret blocks"


def of_the_api(connection: str = "") -> tuple[str, ...]:
    """The settings of a token that are secret. What is in the environment or in `.dlt/` goes before the block."""
    return tuple(variable(name, connection) for name in CREDENTIALS)


def secret_settings() -> tuple[str, ...]:
    """All settings that are secret. Raises SettingsError where the names of the connections are wrong."""
    names = ["", *common_settings().connections]
    return (*(setting for name in names for setting in of_the_api(name)), *OF_DESTINATIONS.values())


def block_of(setting: str) -> str:
    """The name of the block that holds a setting: small letters, dashes. Raises SettingsError for one not secret."""
    known = secret_settings()
    if setting not in known:
        hint = f"those of a connection are secret once {variable('connections')} names it"
        raise SettingsError(f"{unknown('secret setting', setting, known)}; {hint}")
    return setting.replace("__", "-").replace("_", "-").lower()


def save(setting: str, value: str) -> None:
    """Keep a secret in its block, in place of the one that is there. Raises SettingsError."""
    Secret(value=SecretStr(value)).save(block_of(setting), overwrite=True)


def use_secret_blocks(destination: str) -> None:
    """Have dlt look into the blocks too, for what it finds nowhere else, as they are now. For use in a flow run.

    Args:
        destination: of the run; the secrets of others are not asked for.
    """
    groups = [of_the_api(name) for name in common_settings().connections or [""]]
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
