"""Which kind of list an endpoint has."""

from flows.source.endpoints import Endpoint
from flows.source.landing.daily_list import DailyList
from flows.source.landing.landed_list import UNOWNED, DependentLists, LandedList
from flows.source.landing.storage import Folder
from flows.source.landing.versioned_lists import VersionedLists


def landed_list_in(root: Folder, endpoint: Endpoint, account_id: str | None, name: str = "") -> LandedList:
    """The landed list of one endpoint and account.

    Args:
        root: a folder with a subfolder for each resource, which has one for each account.
        endpoint: the endpoint of the list.
        account_id: the account; None for a list that belongs to the token.
        name: name of the account's folder; by default derived from `account_id`.
    """
    name = name or account_id or UNOWNED
    folder = root / endpoint.resource / name
    if endpoint.parent:
        kind = VersionedLists if endpoint.version else DependentLists
        return kind(folder, endpoint, account_id, root / endpoint.parent / name)
    return (DailyList if endpoint.daily else LandedList)(folder, endpoint, account_id)
