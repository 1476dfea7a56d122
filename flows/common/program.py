"""The command as the user can type it where they are, for hints that can be copied."""

import os
import shlex
import shutil
import sys
from pathlib import Path

PROGRAM = "drip-flows"
LAB = "python -m flows.cli.lab"


def program() -> str:
    """`drip-flows` where that is on the PATH, or where this process is something else; otherwise its path."""
    started = Path(sys.argv[0] or PROGRAM)
    if started.name != PROGRAM or not started.exists():
        return PROGRAM
    return typed(started)


def typed(command: Path) -> str:
    """A command as the user can type it where they are: its name if that is on the PATH, otherwise its path."""
    on_path = shutil.which(command.name)
    if on_path and Path(on_path).resolve() == command.resolve():
        return command.name
    return shlex.quote(_shortest(command))


def make(target: str, project: Path, otherwise: str) -> str:
    """`make TARGET`, with the folder of the project where that is not the working directory.

    Args:
        target: of the Makefile.
        project: the folder of the project.
        otherwise: the command where that folder has no Makefile, as where the package is installed from a wheel.
    """
    if not (project / "Makefile").is_file():
        return otherwise
    if project == Path.cwd():
        return f"make {target}"
    return f"make -C {shlex.quote(_shortest(project))} {target}"


def _shortest(path: Path) -> str:
    """The path, relative to the working directory if that is shorter and still starts with its own folder."""
    absolute = str(path.absolute())
    relative = os.path.relpath(absolute)
    return min((relative, absolute), key=len)
