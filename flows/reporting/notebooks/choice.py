"""What a report covers, and how it fails."""

from collections.abc import Sequence
from dataclasses import dataclass

from flows.common.errors import DripError


class ReportFailed(DripError):
    """A cell of a notebook failed. The message names the notebook and the reason."""


@dataclass(frozen=True)
class Choice:
    """What a report covers.

    Attributes:
        accounts: names or ids; None for all.
        since: the first day (UTC), such as "2026-01-31"; None for no limit.
        until: the last day; None for no limit.
    """

    accounts: Sequence[str] | None = None
    since: str | None = None
    until: str | None = None

    def source(self) -> str:
        """The assignments that replace those of the notebooks."""
        accounts = list(self.accounts) if self.accounts else None
        return f"ACCOUNTS = {accounts!r}\nSINCE = {self.since!r}\nUNTIL = {self.until!r}"
