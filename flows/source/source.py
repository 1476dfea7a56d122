"""The dlt source: `dlt.pipeline("x", destination="duckdb", dataset_name="drip").run(drip_source())`."""

import functools
import logging
import tempfile
from collections.abc import Iterator, Sequence
from typing import Any

import dlt
import pyarrow as pa
from dlt.common import logger
from dlt.extract import DltResource

from flows.common.errors import SettingsError, unknown
from flows.source.client import DripClient
from flows.source.decoding.decoder import Decoder
from flows.source.endpoints import ACCOUNTS, DEFAULT_RESOURCES, ENDPOINTS, Endpoint
from flows.source.landing.landed_list import Unit, unit_in
from flows.source.landing.storage import folder_at
from flows.source.list_reader import ListReader
from flows.source.resources import land
from flows.source.schema import arrow_schema, column_hints, extra_columns, mirror, texts
from flows.source.settings import load_settings

# dlt says so for every page, because JSON columns are strings in Arrow: that is how they are meant to come.
EXPECTED_WARNING = "several column hints were different"
logging.getLogger("dlt").addFilter(lambda record: EXPECTED_WARNING not in record.getMessage())


@dlt.source(name="drip", section="drip")
def drip_source(
    accounts: Sequence[str] | None = None, resources: Sequence[str] | None = None, connection: str = ""
) -> Any:
    """Everything that a Drip token sees, mirrored per account.

    Each resource yields Arrow tables, a page at a time, once its list was read whole; a list that could not
    be proven whole is loaded, but deletes nothing. Settings come from dlt (`SOURCES__DRIP__API_KEY`, ...).

    Args:
        accounts: account ids; all that the token sees by default.
        resources: names from `ENDPOINTS`; all but the optional ones by default.
        connection: the named connection whose token it is; the one token of the settings by default.

    Raises:
        SettingsError: a setting is missing or wrong, or a resource is unknown.
    """
    client = DripClient(load_settings(connection), say=logger.warning)
    chosen = ChosenAccounts(client, accounts)
    return [list_resource(endpoint.of(connection), client, chosen) for endpoint in chosen_endpoints(resources)]


def chosen_endpoints(resources: Sequence[str] | None) -> list[Endpoint]:
    """The endpoints named, in the order of the table; all but the optional where none is. Raises SettingsError."""
    for name in resources or ():
        if name not in ENDPOINTS:
            raise unknown("resource", name, ENDPOINTS)
    return [endpoint for name, endpoint in ENDPOINTS.items() if name in (resources or DEFAULT_RESOURCES)]


def chosen_accounts(visible: Sequence[str], wanted: Sequence[str] | None) -> list[str]:
    """The wanted accounts, all visible ones by default. Raises SettingsError for one that is not visible."""
    for account_id in wanted or ():
        if account_id not in visible:
            raise SettingsError(
                f"account {account_id!r} is not visible with your keys; visible are {', '.join(visible) or 'none'}"
            )
    return [account_id for account_id in visible if not wanted or account_id in wanted]


class ChosenAccounts:
    """The accounts that are synced; the API is asked for them once, when first needed."""

    def __init__(self, client: DripClient, wanted: Sequence[str] | None) -> None:
        self.client, self.wanted = client, wanted

    @functools.cached_property
    def tables(self) -> list[pa.Table]:
        """All that the token sees, a page each."""
        decoder = Decoder(ACCOUNTS.of(self.client.settings.connection))
        return [page.table for page in ListReader(self.client, ACCOUNTS, None, decoder).pages()]

    @functools.cached_property
    def ids(self) -> list[str]:
        """The ids of those that are synced. Raises SettingsError for one that is not visible."""
        return chosen_accounts([key for table in self.tables for key in texts(table, ACCOUNTS.key)], self.wanted)

    def rows(self) -> Iterator[pa.Table]:
        """Their own records."""
        for table in self.tables:
            yield table.filter(pa.compute.is_in(table[ACCOUNTS.key], pa.array(self.ids, pa.string())))


def list_resource(endpoint: Endpoint, client: DripClient, accounts: ChosenAccounts) -> DltResource:
    """The dlt resource of one endpoint, over the given accounts."""
    resource: DltResource = dlt.resource(
        _tables(endpoint, client, accounts),
        name=endpoint.resource,
        primary_key=endpoint.primary_key,
        columns=column_hints(endpoint),
        write_disposition=mirror(endpoint, ()),
        file_format="parquet",
    )
    return resource


def _tables(endpoint: Endpoint, client: DripClient, accounts: ChosenAccounts) -> Iterator[Any]:
    """Tables of all accounts, each with hints that name the accounts proven whole so far."""
    whole: list[str] = []
    yield _hinted(endpoint, arrow_schema(endpoint).empty_table(), whole)
    is_accounts = endpoint.resource == ACCOUNTS.resource
    for table in accounts.rows() if is_accounts else _whole_lists(endpoint, client, accounts, whole):
        yield _hinted(endpoint, table, whole)
    yield _hinted(endpoint, arrow_schema(endpoint).empty_table(), whole)


def _whole_lists(
    endpoint: Endpoint, client: DripClient, accounts: ChosenAccounts, whole: list[str]
) -> Iterator[pa.Table]:
    """The rows of each account's list, once it was read to its end; `whole` learns the accounts proven whole."""
    decoder_of = functools.cache(lambda name: Decoder(ENDPOINTS[name].of(client.settings.connection)))
    for account_id in accounts.ids if endpoint.per_account else [None]:
        with tempfile.TemporaryDirectory(prefix="drip-") as folder:
            unit = unit_in(folder_at(folder), endpoint, account_id)
            for _ in land(client, unit, decoder_of):  # out of memory, whole: it may have to be read again
                pass
            _judge(unit, whole)
            yield from unit.tables()


def _judge(unit: Unit, whole: list[str]) -> None:
    """Tell what is wrong with a list; `whole` learns its account where it was proven whole."""
    outcome = unit.outcome()
    if outcome is None:
        return
    if outcome.complete and unit.account_id:
        whole.append(unit.account_id)
    for problem in (outcome.note, *(f"{bad.reason}: {bad.record[:80]}" for bad in unit.quarantine())):
        if problem:
            logger.warning(f"{unit.endpoint.resource} of account {unit.account_id}: {problem}")


def _hinted(endpoint: Endpoint, table: pa.Table, whole: Sequence[str]) -> Any:
    hints = dlt.mark.make_hints(
        primary_key=endpoint.primary_key,
        columns=column_hints(endpoint, extra_columns(endpoint, table.schema)),
        write_disposition=mirror(endpoint, whole),
    )
    return dlt.mark.with_hints(table, hints)
