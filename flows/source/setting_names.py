"""Lists of names separated by commas, and the check for unknown settings."""

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
"""Sections that dlt itself reads within the section of a source."""
LIKENESS = 0.7
"""Minimum similarity of a name to be suggested."""


def names_with_commas(place: str, names: Sequence[str]) -> dict[str, list[str]]:
    """The settings in a section that are written as `one,two`. dlt itself only accepts a JSON list.

    Args:
        place: the section, such as `sources.drip`.
        names: the settings that are lists of names.
    """
    found: dict[str, Any] = {name: dlt.config.get(f"{place}.{name}") for name in names}
    lists = {name: value.split(",") for name, value in found.items() if _is_plain(value)}
    stripped = {name: [one.strip() for one in values] for name, values in lists.items()}
    return {name: values for name, values in stripped.items() if all(values)}


def _is_plain(value: object) -> bool:
    return isinstance(value, str) and value.lstrip()[:1] not in ("[", "{", '"')


def refuse_unknown(known: Collection[str], connections: Sequence[str]) -> None:
    """Check that all settings in the environment and in `.dlt/` are known.

    Unknown sections in files are ignored, since they may belong to connections that are not in use.

    Args:
        known: names of settings.
        connections: names of connections, each of which can have all settings in its own section.

    Raises:
        SettingsError: a setting is unknown; suggests a similar name. The message does not contain the value.
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
    """File and name of each setting in `.dlt/`. Settings of a connection are prefixed with its name."""
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
