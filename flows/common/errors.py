"""The errors that every part of the project raises, with messages for the user."""

import difflib
from collections.abc import Iterable, Mapping
from typing import Any


class DripError(Exception):
    """Base of every error that this project raises on purpose; its message is for the user."""

    def __reduce__(self) -> tuple[Any, ...]:
        """What is needed to be raised again in another process, whatever the arguments it was made with."""
        return _as_it_was, (type(self), self.args, self.__dict__)


class SettingsError(DripError):
    """Nothing can start: a setting is missing or wrong. The message names the setting."""


def _as_it_was(kind: type[DripError], arguments: tuple[Any, ...], attributes: Mapping[str, Any]) -> DripError:
    error = kind.__new__(kind)
    error.args = arguments
    error.__dict__.update(attributes)
    return error


def first_line(error: BaseException) -> str:
    """What an error says, in one line; its kind where it says nothing."""
    return str(error).strip().partition("\n")[0] or type(error).__name__


def unknown(what: str, name: str, known: Iterable[str]) -> SettingsError:
    """An error for a name that does not exist, with the nearest one and all there are."""
    known = sorted(known)
    near = difflib.get_close_matches(name, known, n=1)
    hint = f"did you mean {near[0]!r}? " if near else ""
    return SettingsError(f"unknown {what} {name!r}: {hint}known are {', '.join(known)}")
