"""The parameters of the flows, as Prefect's pages show them: titles, descriptions and choices, also of empty ones.

Prefect shows no choices for a parameter that may be null, so an empty list or 0 stands for "all" or "no limit". Null is
still accepted, since deployments and schedules may have it stored.
"""

from typing import Annotated, Any

from prefect.runtime import flow_run
from pydantic import BeforeValidator, Field

from flows.destinations.catalogue import DestinationName
from flows.pipeline.sync_mode import Mode
from flows.source.endpoints import DEFAULT_RESOURCES, ENDPOINTS, HISTORIC

MOST_NAMED = 3
"""Accounts that the name of a run lists; more are counted."""
AS_CONFIGURED = "as configured"
CONFIGURED: list[Any] = [AS_CONFIGURED]
EVERY: list[Any] = []
NO_HISTORY: list[Any] = []


def _empty(value: Any) -> Any:
    return [] if value is None else value


def _unlimited(value: Any) -> Any:
    return 0.0 if value is None else value


def _history(value: Any) -> Any:
    if value is None or value is True:
        return CONFIGURED
    return NO_HISTORY if value is False else value


def described(title: str, description: str, **constraints: Any) -> Any:
    """A field with what its page shows. Prefect replaces a field's own title and description, but keeps extra keys."""
    return Field(json_schema_extra={"title": title, "description": description}, **constraints)


AccountIds = Annotated[
    list[Annotated[str, Field(pattern=r"^\d+$")]],
    described("Accounts", "Ids of the accounts. Empty: all that the API keys have access to."),
    BeforeValidator(_empty),
]
Resources = Annotated[
    list[Annotated[str, Field(json_schema_extra={"enum": [*ENDPOINTS]})]],
    described("Resources", f"Empty: the {len(DEFAULT_RESOURCES)} that are not optional, and those of the settings."),
    BeforeValidator(_empty),
]
Destination = Annotated[DestinationName, described("Destination", "The dlt destination; its credentials are settings.")]
History = Annotated[
    list[Annotated[str, Field(json_schema_extra={"enum": [AS_CONFIGURED, *HISTORIC]})]],
    described("History", f"Resources whose history is kept. Empty: none. {AS_CONFIGURED}: those of the settings."),
    BeforeValidator(_history),
]
SyncMode = Annotated[
    Mode,
    described(
        "Mode",
        "full: read every list completely. incremental: read only subscribers created since the newest loaded one. "
        "auto: incremental where the last complete read is newer than SOURCES__DRIP__FULL_EVERY.",
    ),
]
MaxHours = Annotated[
    float,
    described("Time limit", "Hours after which a run loads what has arrived and ends. 0: no limit.", ge=0),
    BeforeValidator(_unlimited),
]
Rebuild = Annotated[
    bool, described("Rebuild", "Empty the dataset first, its history included, and read everything again.")
]
Dataset = Annotated[str, described("Dataset", "The schema that the tables are in.", pattern=r"^[a-z][a-z0-9_]*$")]
Hours = Annotated[float, described("Age", "Maximum age of a list, in hours.", gt=0)]
Shrinkage = Annotated[
    float, described("Shrinkage", "Share of its rows, between 0 and 1, that a list may lose in one sync.", ge=0, le=1)
]
EventLoss = Annotated[
    float, described("Event loss", "Share of webhook events, between 0 and 1, that may be missing.", ge=0, le=1)
]


def history_of(chosen: list[str]) -> list[str] | None:
    """The resources whose history is kept; None for those in the settings."""
    return None if AS_CONFIGURED in chosen else chosen


def name_of_sync() -> str:
    """The name of the current run of a sync: its mode, accounts, place and time."""
    values = flow_run.parameters
    accounts = values.get("accounts") or []
    named = f"{len(accounts)} accounts" if len(accounts) > MOST_NAMED else ", ".join(accounts)
    mode = values.get("mode", "full")
    return f"{mode} sync of {named or 'all accounts'} {_place()}"


def name_of_load() -> str:
    """The name of the current run of a load of webhook events: its place and time."""
    return f"webhook events {_place()}"


def name_of_check() -> str:
    """The name of the current run of the freshness check: its place and time."""
    return f"freshness {_place('of')}"


def name_of_extract() -> str:
    """The name of the current run that reads an account: the account and the time."""
    return f"extract {flow_run.parameters.get('account', '')}, {_time()}"


def _place(preposition: str = "into") -> str:
    values = flow_run.parameters
    return f"{preposition} {values.get('destination', 'duckdb')} {values.get('dataset', 'drip')}, {_time()}"


def _time() -> str:
    return f"{flow_run.scheduled_start_time:%Y-%m-%d %H:%M:%S} UTC"
