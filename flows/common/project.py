"""The folder of the project: where `.dlt/` is looked for, and what relative paths in settings start from."""

import os
from pathlib import Path

from flows.common.errors import SettingsError

ROOT = Path(__file__).resolve().parent.parent.parent
"""The folder that holds the installed package: the checkout, or `site-packages`."""
PROJECT_SETTING = "DLT_PROJECT_DIR"
PACKAGE_FOLDERS = {"site-packages", "dist-packages"}


def project_root(start: Path | None = None) -> Path:
    """The project: every relative path of a setting starts here, and `.dlt/` is looked for here.

    `DLT_PROJECT_DIR` where it is set; otherwise the nearest folder, from `start` upwards, that has a
    `pyproject.toml` or a `.dlt/`; otherwise `start` itself, which is the working directory by default.

    Raises:
        SettingsError: that would be the folder that Python packages are installed in.
    """
    if configured := os.environ.get(PROJECT_SETTING):
        return Path(configured).expanduser().absolute()
    start = start or Path.cwd()
    found = next(filter(_is_project, (start, *start.parents)), start)
    if _holds_packages(found):
        raise SettingsError(f"no project folder found from {start}: set {PROJECT_SETTING} to the one with your .dlt/")
    return found


def project_path(path: str | Path) -> Path:
    """The absolute path of a file or folder that a setting names. Raises SettingsError as `project_root` does."""
    expanded = Path(path).expanduser()
    return expanded if expanded.is_absolute() else project_root() / expanded


def enter() -> dict[str, str]:
    """A pull step of `prefect.yaml`: runs the flows from where the package is installed on the worker's machine.

    The step is Python, run by the worker's own interpreter, since the `python` on its PATH may be another one.
    Where the package is installed from a wheel, the project is not in that folder: it is found from the working
    directory of the work pool, or is the one that the virtual environment is in.

    Returns:
        `directory`, which Prefect changes into.
    """
    starts = [Path.cwd(), ROOT] if _holds_packages(ROOT) else [ROOT]
    folders = (folder for start in starts for folder in (start, *start.parents))
    if found := next(filter(_is_project, folders), None):
        os.environ.setdefault(PROJECT_SETTING, str(found))
    return {"directory": str(ROOT)}


def _is_project(folder: Path) -> bool:
    """Whether a folder is marked as a project. `~/.dlt` does not count: it holds dlt's settings for all projects."""
    try:
        if _holds_packages(folder):
            return False
        is_home = str(folder) == os.path.expanduser("~")  # noqa: PTH111 - Path raises where there is no home
        return (folder / "pyproject.toml").is_file() or ((folder / ".dlt").is_dir() and not is_home)
    except PermissionError:
        return False


def _holds_packages(folder: Path) -> bool:
    return not PACKAGE_FOLDERS.isdisjoint(folder.parts)
