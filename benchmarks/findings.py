"""What a rehearsal or a measurement found, and how it is told."""

from typing import NamedTuple

from rich.console import Console


class Finding(NamedTuple):
    """What was found, and whether it is what was promised."""

    what: str
    figures: str
    holds: bool

    def __str__(self) -> str:
        return f"{self.what}: {self.figures}: {'holds' if self.holds else 'BROKEN'}"


def shown(console: Console, finding: Finding) -> Finding:
    """The finding, once it has been printed."""
    console.print(str(finding), highlight=False)
    return finding
