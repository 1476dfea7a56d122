"""Options that several commands have, with what a shell completes them with."""

from typing import Annotated

import typer


def _resources(typed: str) -> list[str]:
    from flows.source.endpoints import ENDPOINTS

    return [name for name in ENDPOINTS if name.startswith(typed)]


def _destinations(typed: str) -> list[str]:
    from flows.destinations.catalogue import DESTINATIONS

    return [name for name in DESTINATIONS if name.startswith(typed)]


def _modes(typed: str) -> list[str]:
    return [name for name in ("full", "incremental", "auto") if name.startswith(typed)]


def show_version(wanted: bool) -> None:
    """Print the version of this project and of what it stands on, and end, where that is wanted."""
    if wanted:
        import platform
        from importlib.metadata import version

        others = ", ".join(f"{name} {version(name)}" for name in ("dlt", "duckdb", "prefect"))
        typer.echo(f"drip-flows {version('drip-flows')} ({others}, Python {platform.python_version()})")
        raise typer.Exit


Account = Annotated[
    list[str] | None, typer.Option(metavar="ID", help="Id of an account; may be repeated. Default: all.")
]
Resource = Annotated[
    list[str] | None,
    typer.Option(
        metavar="NAME",
        help="A resource; may be repeated. Default: all but the optional ones; see docs/tables.md.",
        autocompletion=_resources,
    ),
]
Destination = Annotated[
    str,
    typer.Option(
        metavar="NAME",
        help="duckdb, postgres, or another one of docs/destinations.md.",
        autocompletion=_destinations,
    ),
]
Dataset = Annotated[str, typer.Option(metavar="NAME", help="The schema that the tables are in.")]
SyncMode = Annotated[
    str,
    typer.Option(
        metavar="MODE",
        help="full; incremental: only new subscribers; auto: incremental until a full one is due.",
        autocompletion=_modes,
    ),
]
Quiet = Annotated[bool, typer.Option("--quiet", "-q", help="Show no progress, and no result but what failed.")]
AsJson = Annotated[bool, typer.Option("--json", help="Print the result as JSON.")]
