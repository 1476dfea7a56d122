"""Where the project is on the machine that runs it; a step of `prefect.yaml` asks."""

from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent


def enter() -> dict[str, str]:
    """A pull step: flow runs take place in the installed project's root, wherever the worker has it.

    Done in the worker's own Python, since the `python` on its PATH may be another one without the project.

    Returns:
        `directory`, which Prefect changes into.
    """
    return {"directory": str(ROOT)}
