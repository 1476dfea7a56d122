"""One line of the report of a sync: one list of one account."""

import msgspec

from flows.pipeline.sync_log import FULL


class ListReport(msgspec.Struct):
    """One line of the report: one list of one account.

    Attributes:
        account: the account; None for a list that belongs to the token.
        resource: the resource.
        api_rows: rows according to the API; None if it could not be read.
        landed: distinct rows received.
        loaded: rows in the destination, of those that were read; None if nothing was loaded.
        total: rows of the entire list in the destination; None if unknown.
        before: rows of the entire list after its last sync; None if there was none.
        repeated: records received more than once.
        quarantined: records that fit no table.
        seconds: how long reading took.
        complete: whether the list was proven complete, and the destination has exactly its rows.
        note: why it is incomplete; if it is complete, what else is to be known, such as days still to be read.
        mode: full, or incremental: then `api_rows`, `landed` and `loaded` count the part that was requested.
        why: why this mode was used; empty if there was no choice.
        saved: requests saved by not reading the list in full.
        connection: the connection that read it; empty if no connections are named.
        available: whether the token has the endpoint.
    """

    account: str | None
    resource: str
    api_rows: int | None = None
    landed: int | None = None
    loaded: int | None = None
    total: int | None = None
    before: int | None = None
    repeated: int = 0
    quarantined: int = 0
    seconds: float = 0.0
    complete: bool = False
    note: str = ""
    mode: str = FULL
    why: str = ""
    saved: int = 0
    connection: str = ""
    available: bool = True
