"""Errors raised by all parts of the project, with messages for the user."""

import difflib
from collections.abc import Iterable, Mapping
from typing import Any


class DripError(Exception):
    """Base class of this project's errors. Their messages are written for the user."""

    def __reduce__(self) -> tuple[Any, ...]:
        """Make the error picklable, to be raised in another process, whatever its constructor's arguments are."""
        return _restored, (type(self), self.args, self.__dict__)


class SettingsError(DripError):
    """A setting is missing or invalid, so the command cannot start. The message names the setting."""


class LockHeld(SettingsError):
    """Another run writes to the dataset, and did not end within the time to wait for it."""


def _restored(kind: type[DripError], arguments: tuple[Any, ...], attributes: Mapping[str, Any]) -> DripError:
    error = kind.__new__(kind)
    error.args = arguments
    error.__dict__.update(attributes)
    return error


def first_line(error: BaseException) -> str:
    """The first line of an error's message; its type if the message is empty."""
    return str(error).strip().partition("\n")[0] or type(error).__name__


def unknown(what: str, name: str, known: Iterable[str]) -> SettingsError:
    """An error for an unknown name, with the closest match and all known names."""
    known = sorted(known)
    near = difflib.get_close_matches(name, known, n=1)
    hint = f"did you mean {near[0]!r}? " if near else ""
    return SettingsError(f"unknown {what} {name!r}: {hint}known are {', '.join(known)}")
