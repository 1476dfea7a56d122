"""Which database is read, and opening it: the user's, or the demo's where nothing was synced yet."""

import functools
from pathlib import Path

import dlt
import duckdb
from dlt.common.configuration.exceptions import ConfigurationException

from flows.common.console import plain_console
from flows.common.errors import SettingsError
from flows.common.program import make, program
from flows.common.project import PROJECT_SETTING, ROOT, project_path, project_root
from flows.destinations.target import DEFAULT_DUCKDB, open_duckdb, resolve_target
from flows.source.dlt_run_context import in_project
from flows.source.settings import DripSettings

DEMO_DUCKDB = "data/demo.duckdb"
LOCK_WAIT_SETTING = "sources.drip.lock_wait"


class DatasetError(SettingsError):
    """Nothing can be read, for a reason that the message gives in a line or two, with what to do about it."""

    def _render_traceback_(self) -> list[str]:
        """What IPython shows in place of a traceback."""
        return [str(self)]


def database_file() -> Path:
    """The DuckDB file that notebooks read: yours, or the demo's where nothing was synced and nothing is configured.

    Raises:
        DatasetError: there is none yet.
    """
    try:
        with in_project():
            return existing(_configured())
    except SettingsError as error:
        raise DatasetError(str(error)) from None


def demo_is_read() -> bool:
    """Whether notebooks read the demo's file where nothing was synced yet: no other place is configured."""
    with in_project():
        return _configured() == project_path(DEFAULT_DUCKDB)


def _configured() -> Path:
    return resolve_target("duckdb", "drip").path or project_path(DEFAULT_DUCKDB)


def existing(path: Path, or_demo: bool = True) -> Path:
    """The configured file; the demo's, if that will do, where nothing is configured and nothing was synced yet."""
    if path.is_file():
        return path
    demo = project_path(DEMO_DUCKDB)
    if or_demo and path == project_path(DEFAULT_DUCKDB) and demo.is_file():
        _say_once(f"No {path} yet: reading the invented people of {demo}")
        return demo
    raise SettingsError(f"no data in {path} yet: {how_to_fill()}")


def how_to_fill() -> str:
    """What makes a database, as commands that work from the working directory."""
    demo = make("demo", project_root(), f"{program()} demo")
    text = f"`{program()} sync` fills it from your accounts, `{demo}` makes one with invented people"
    return (
        f"{text}; or run this in {ROOT}, which has one, or set {PROJECT_SETTING} to it" if _data_elsewhere() else text
    )


def _data_elsewhere() -> bool:
    """Whether the checkout that this command is from has data, and another folder is the project here."""
    return project_root() != ROOT and any((ROOT / name).is_file() for name in (DEFAULT_DUCKDB, DEMO_DUCKDB))


def open_for_reading(path: Path) -> duckdb.DuckDBPyConnection:
    """A read-only connection, waiting for whoever writes for as long as a sync would."""
    try:
        return duckdb.connect(path, read_only=True)
    except duckdb.IOException:
        wait = lock_wait()
        _say(f"{path} is being written to; waiting up to {wait:.0f} s for it")
        return open_duckdb(path, wait, read_only=True)


def lock_wait() -> float:
    """Seconds, of the same setting as the sync's; the other settings of the source are not needed to read."""
    try:
        configured: float | None = dlt.config.get(LOCK_WAIT_SETTING, float)
    except ConfigurationException:
        raise SettingsError("SOURCES__DRIP__LOCK_WAIT has to be a number of seconds") from None
    return DripSettings.lock_wait if configured is None else configured


def _say(text: str) -> None:
    plain_console(stderr=True, soft_wrap=True, highlight=False).print(text)


_say_once = functools.cache(_say)
