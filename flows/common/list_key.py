"""The key of a list, the unit of extraction, reporting and logging."""

import msgspec


class ListKey(msgspec.Struct, frozen=True):
    """One resource of one account, read with the token of one connection.

    Attributes:
        connection: name of the connection; empty if no connections are configured.
        resource: name of the resource in `ENDPOINTS`.
        account_id: the account; None for a list that belongs to the token, such as `accounts` and `users`.
    """

    connection: str
    resource: str
    account_id: str | None
