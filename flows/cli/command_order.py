"""The order of commands in `--help`."""

from typing import Any

from typer.core import TyperGroup

ORDER = (
    *("demo", "sandbox", "accounts", "plan", "sync", "status", "query", "open", "report", "freshness"),
    *("webhooks", "deploy", "secret", "copy-to-postgres", "dbt-sources", "forget"),
)


class InOrderOfUse(TyperGroup):
    """Lists commands in the order in which a new user needs them."""

    def list_commands(self, ctx: Any) -> list[str]:
        """The names of all commands."""
        return sorted(super().list_commands(ctx), key=ORDER.index)
