"""Settings as people write them: lists of names with commas, and names that no setting has."""

import difflib
import os
from collections.abc import Collection, Iterator, Sequence
from typing import Any

import dlt
from dlt.common.configuration.container import Container
from dlt.common.configuration.providers.doc import BaseDocProvider
from dlt.common.configuration.specs.pluggable_run_context import PluggableRunContext

from flows.common.errors import SettingsError

SECTION = ("sources", "drip")
PREFIX = "".join(f"{name}__" for name in SECTION).upper()
OF_DLT = ("data_writer", "extract", "load", "normalize", "schema")
"""Sections that dlt itself looks for within that of a source."""
LIKENESS = 0.7
"""Of the nearest name, from which on it is worth suggesting."""


def names_with_commas(place: str, names: Sequence[str]) -> dict[str, list[str]]:
    """The settings of these names in a section that are written `one,two`; dlt itself takes only a JSON list.

    Args:
        place: the section, such as `sources.drip`.
        names: of settings that are lists of names.
    """
    found: dict[str, Any] = {name: dlt.config.get(f"{place}.{name}") for name in names}
    lists = {name: value.split(",") for name, value in found.items() if _is_plain(value)}
    stripped = {name: [one.strip() for one in values] for name, values in lists.items()}
    return {name: values for name, values in stripped.items() if all(values)}


def _is_plain(value: object) -> bool:
    return isinstance(value, str) and value.lstrip()[:1] not in ("[", "{", '"')


def refuse_unknown(known: Collection[str], connections: Sequence[str]) -> None:
    """Refuse settings that nobody would read, in the environment and in `.dlt/`.

    A whole section in a file may belong to a connection that is not named at the moment, and is left alone.

    Args:
        known: names of settings.
        connections: names of connections, which may have each setting in a section of their own.

    Raises:
        SettingsError: with the nearest name that there is; the message holds no value.
    """
    names = {*known, *(f"{connection}__{name}" for connection in connections for name in known)}
    variables = {PREFIX + name.upper() for name in names}
    for variable in os.environ:
        if variable.upper().startswith(PREFIX) and variable not in variables and not _is_of_dlt(variable):
            raise SettingsError(_unknown(variable, variable.upper(), variables))
    for origin, name in _in_files(connections):
        if name not in names:
            shown, in_files = name.replace("__", "."), {one.replace("__", ".") for one in names}
            raise SettingsError(_unknown(f"{shown} of [{'.'.join(SECTION)}] in {origin}", shown, in_files))


def _is_of_dlt(variable: str) -> bool:
    first, *rest = variable[len(PREFIX) :].lower().split("__")
    return bool(rest) and first in OF_DLT


def _in_files(connections: Sequence[str]) -> Iterator[tuple[str, str]]:
    """File and name of each setting in `.dlt/`, those in the section of a connection with its name before them."""
    *sections, last = SECTION
    for provider in Container()[PluggableRunContext].providers.providers:
        if isinstance(provider, BaseDocProvider):
            values, _ = provider.get_value(last, dict, "", *sections)
            for name, value in (values or {}).items():
                if not isinstance(value, dict):
                    yield provider.name, name
                elif name in connections:
                    yield from ((provider.name, f"{name}__{own}") for own in value)


def _unknown(shown: str, name: str, known: Collection[str]) -> str:
    near = difflib.get_close_matches(name, sorted(known), n=1, cutoff=LIKENESS)
    return f"unknown setting {shown}: " + (f"did you mean {near[0]}? If not, remove it" if near else "remove it")
