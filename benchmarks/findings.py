"""Results of rehearsals and measurements."""

from typing import NamedTuple

from rich.console import Console


class Finding(NamedTuple):
    """A result, and whether it meets its target."""

    what: str
    figures: str
    holds: bool

    def __str__(self) -> str:
        return f"{self.what}: {self.figures}: {'holds' if self.holds else 'BROKEN'}"


def shown(console: Console, finding: Finding) -> Finding:
    """Print the finding and return it."""
    console.print(str(finding), highlight=False)
    return finding
