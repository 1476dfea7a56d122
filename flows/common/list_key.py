"""Which list: what is extracted, reported and logged on its own."""

import msgspec


class ListKey(msgspec.Struct, frozen=True):
    """One resource of one account, read with the token of one connection.

    Attributes:
        connection: name of the connection; empty where the settings name none.
        resource: name from `ENDPOINTS`.
        account_id: None for a list that belongs to the token, such as `accounts` and `users`.
    """

    connection: str
    resource: str
    account_id: str | None
