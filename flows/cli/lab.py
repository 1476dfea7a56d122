"""`make lab`: JupyterLab on the notebooks, with data to read. `python -m flows.cli.lab` takes its options."""

import os
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

from flows.common.console import plain_console
from flows.common.errors import SettingsError
from flows.common.project import PROJECT_SETTING, ROOT, project_path, project_root
from flows.dataset.files import DEMO_DUCKDB, DatasetError, database_file, demo_is_read

NOTEBOOKS = ROOT / "notebooks"
CANNOT_START = 2
console = plain_console(stderr=True)


def data() -> Path:
    """The database that the notebooks read; the demo is made where there is no other.

    Raises:
        DatasetError: another place is configured, and nothing is there yet.
    """
    try:
        return database_file()
    except DatasetError:
        if not demo_is_read():
            raise
    demo = project_path(DEMO_DUCKDB)
    console.print(f"No data yet: making {demo} with invented people, which takes a minute or two", soft_wrap=True)
    subprocess.run([Path(sys.executable).with_name("drip-flows"), "demo"], cwd=ROOT, check=True)  # noqa: S603 - our own
    return database_file()


def main() -> None:
    """Become JupyterLab."""
    try:
        os.environ.setdefault(PROJECT_SETTING, str(project_root(ROOT)))
        console.print(f"The notebooks read {data()}", soft_wrap=True)
    except SettingsError as error:
        console.print(str(error), soft_wrap=True)
        sys.exit(CANNOT_START)
    except subprocess.CalledProcessError as error:
        sys.exit(error.returncode)
    os.execv(sys.executable, command(sys.argv[1:]))  # noqa: S606 - no shell is wanted


def command(options: Sequence[str]) -> list[str]:
    """How JupyterLab is started. It refuses to run as root, as in a container, unless it is told to."""
    as_root = ["--allow-root"] if hasattr(os, "geteuid") and os.geteuid() == 0 else []
    return [sys.executable, "-m", "jupyterlab", f"--notebook-dir={NOTEBOOKS}", *as_root, *options]


if __name__ == "__main__":
    main()
