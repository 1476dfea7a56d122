"""The project folder, which contains `.dlt/` and from which relative paths in settings start."""

import os
from pathlib import Path

from flows.common.errors import SettingsError

ROOT = Path(__file__).resolve().parent.parent.parent
"""The folder that contains the package: the checkout, or `site-packages`."""
PROJECT_SETTING = "DLT_PROJECT_DIR"
PACKAGE_FOLDERS = {"site-packages", "dist-packages"}


def project_root(start: Path | None = None) -> Path:
    """The project folder.

    This is `DLT_PROJECT_DIR` if set, otherwise the nearest folder, from `start` upwards, with a `pyproject.toml` or a
    `.dlt/`, otherwise `start`, which is the working directory by default.

    Raises:
        SettingsError: the folder found is one that Python packages are installed in.
    """
    if configured := os.environ.get(PROJECT_SETTING):
        return Path(configured).expanduser().absolute()
    start = start or Path.cwd()
    found = next(filter(_is_project, (start, *start.parents)), start)
    if _holds_packages(found):
        raise SettingsError(f"no project folder found from {start}: set {PROJECT_SETTING} to the folder with .dlt/")
    return found


def project_path(path: str | Path) -> Path:
    """The absolute path of a file or folder in a setting. Raises SettingsError like `project_root`."""
    expanded = Path(path).expanduser()
    return expanded if expanded.is_absolute() else project_root() / expanded


def enter() -> dict[str, str]:
    """A pull step for `prefect.yaml` that runs the flows from the package installed on the worker's machine.

    It runs in the worker's interpreter; the `python` on its PATH may be another one. If the package was installed from
    a wheel, the project folder is searched from the work pool's working directory, then from the virtual environment.

    Returns:
        `directory`, which Prefect changes into.
    """
    starts = [Path.cwd(), ROOT] if _holds_packages(ROOT) else [ROOT]
    folders = (folder for start in starts for folder in (start, *start.parents))
    if found := next(filter(_is_project, folders), None):
        os.environ.setdefault(PROJECT_SETTING, str(found))
    return {"directory": str(ROOT)}


def _is_project(folder: Path) -> bool:
    """Whether a folder is a project folder. `~/.dlt` does not count, since it holds dlt's settings for all projects."""
    try:
        if _holds_packages(folder):
            return False
        is_home = str(folder) == os.path.expanduser("~")  # noqa: PTH111 - Path raises without a home
        return (folder / "pyproject.toml").is_file() or ((folder / ".dlt").is_dir() and not is_home)
    except PermissionError:
        return False


def _holds_packages(folder: Path) -> bool:
    return not PACKAGE_FOLDERS.isdisjoint(folder.parts)
