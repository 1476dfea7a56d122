"""The files that dlt reads settings from, and errors in them."""

from pathlib import Path

import tomlkit
from dlt.common.configuration.container import Container
from dlt.common.configuration.providers.toml import TomlProviderReadException
from dlt.common.configuration.specs.pluggable_run_context import PluggableRunContext
from tomlkit.exceptions import TOMLKitError

from flows.common.errors import SettingsError, first_line
from flows.common.program import program
from flows.source.setting_names import SECTION

BYTE_ORDER_MARK = b"\xef\xbb\xbf"


def settings_folders() -> list[Path]:
    """The folders with settings files, in order: the project's and the user's."""
    context = Container()[PluggableRunContext].context
    return [Path(folder).absolute() for folder in (context.settings_dir, context.global_dir)]


def no_token(setting: str, connection: str, several: bool) -> SettingsError:
    """An error for a missing API key, naming its places.

    Args:
        setting: the environment variable of the key.
        connection: the connection that needs it; empty for the common one.
        several: whether connections are named.
    """
    section, folders = ".".join(filter(None, [*SECTION, connection])), " and ".join(map(str, settings_folders()))
    text = f"set {setting}, or api_key under [{section}] in secrets.toml (searched in {folders})"
    if connection:
        return SettingsError(f"no API key for connection {connection}: {text}")
    return SettingsError(
        f"no API key: {text}, or " + ("name a connection" if several else f"try `{program()} sandbox`")
    )


def unreadable(error: TomlProviderReadException) -> SettingsError:
    """Explain an error of dlt on one line, with the file and the position, but without the file's contents."""
    for path in map(Path, error.full_paths):
        try:
            if path.is_file():
                _parse(path.absolute())
        except SettingsError as reason:
            return reason
    return SettingsError(f"cannot read one of {', '.join(error.full_paths)}")


def _parse(path: Path) -> None:
    """Parse a file as dlt does. Raises SettingsError."""
    try:
        content = path.read_bytes()
        if content.startswith(BYTE_ORDER_MARK):
            raise SettingsError(f"{path} begins with a byte order mark: save it as UTF-8 without one")
        tomlkit.parse(content.decode())
    except UnicodeDecodeError as error:
        raise SettingsError(f"{path} is not UTF-8 (byte {error.start}): save it as UTF-8") from None
    except OSError as error:
        raise SettingsError(f"cannot read {path}: {error.strerror}") from None
    except TOMLKitError as error:
        raise SettingsError(f"{path} is not valid TOML: {first_line(error)}") from None
