"""What the freshness check finds."""

import msgspec


class Problem(msgspec.Struct):
    """A list that is too old or has shrunk, or a table that lacks rows, with a description."""

    account: str
    resource: str
    text: str

    def __str__(self) -> str:
        """The problem on one line."""
        return f"{self.resource} of {self.account}: {self.text}"
