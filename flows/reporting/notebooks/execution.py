"""Runs notebooks, one after the other, in one kernel."""

import os
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import nbformat
from nbclient import NotebookClient
from nbclient.exceptions import CellExecutionError, CellTimeoutError, DeadKernelError

from flows.common.errors import SettingsError
from flows.common.project import PROJECT_SETTING, project_root
from flows.reporting.notebooks.choice import Choice, ReportFailed

CELL_SECONDS = 900
"""A cell that takes longer fails."""
PARAMETERS = "parameters"
"""The tag of the cell whose values are replaced, as papermill has it."""
Progress = Callable[[str, int, int], None]
"""Is called before each cell with the name of the notebook, the number of the cell, and the number of all."""


def run_notebooks(paths: Sequence[Path], choice: Choice, progress: Progress) -> Any:
    """The notebooks as one, with the outputs of their cells.

    Raises:
        ReportFailed: a cell failed.
        SettingsError: the notebooks are not there, as where the package was installed from a wheel.
    """
    if missing := [path for path in paths if not path.is_file()]:
        raise SettingsError(f"no notebook {missing[0]}: a report needs a checkout of the repository")
    whole: Any = nbformat.v4.new_notebook(cells=[cell for path in paths for cell in _cells(path, choice)])
    client = NotebookClient(
        whole,
        timeout=CELL_SECONDS,
        kernel_name="python3",
        extra_arguments=["--log-level=ERROR"],
        resources={"metadata": {"path": str(paths[0].parent)}},
        on_cell_start=lambda cell, cell_index: progress(cell.metadata["of"], cell_index + 1, len(whole.cells)),
    )
    try:
        client.execute(env=os.environ | {PROJECT_SETTING: str(project_root())})
    except CellExecutionError as error:
        raise ReportFailed(f"{_running(whole)}: {error.ename}: {error.evalue}") from None
    except (CellTimeoutError, DeadKernelError) as error:
        raise ReportFailed(f"{_running(whole)}: {type(error).__name__}") from None
    return whole


def _cells(path: Path, choice: Choice) -> list[Any]:
    """The cells of a notebook, with the values chosen; each knows the name of its notebook."""
    cells = nbformat.read(path, as_version=4).cells
    for at, cell in enumerate(cells):
        if PARAMETERS in cell.metadata.get("tags", ()):
            cell.source = choice.source()
        cell.metadata["of"], cell.id = path.stem, f"{path.stem}-{at}"
    return list(cells)


def _running(whole: Any) -> str:
    """The name of the notebook that was running last."""
    ran = [cell.metadata["of"] for cell in whole.cells if cell.get("execution_count") or cell.get("outputs")]
    return str(ran[-1] if ran else whole.cells[0].metadata["of"])
