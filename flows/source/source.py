"""The dlt source: `dlt.pipeline("x", destination="duckdb", dataset_name="drip").run(drip_source())`."""

import logging
import tempfile
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

import dlt
from dlt.common import logger
from dlt.common.configuration.container import Container
from dlt.common.pipeline import PipelineContext

from flows.common.errors import SettingsError, unknown
from flows.common.program import program
from flows.source.client import DripClient
from flows.source.decoding.decoder import Decoder
from flows.source.email_metrics.state_tables import state_resources
from flows.source.endpoints import ACCOUNTS, DEFAULT_RESOURCES, ENDPOINTS, Endpoint
from flows.source.errors import Stopped
from flows.source.frozen import FREEZE
from flows.source.known_rows import begin, is_read_in_part, known_rows
from flows.source.landed_input import IN_DATABASE, Lists, SourceList, TableLoad
from flows.source.landing.kinds import landed_list_in
from flows.source.landing.landed_list import LandedList
from flows.source.landing.storage import folder_at
from flows.source.list_landing import land
from flows.source.mask_check import check_table_masks
from flows.source.quarantine import quarantine_resource
from flows.source.schema import texts
from flows.source.settings import load_settings
from flows.source.tables import SCHEMA, known_columns, table_resource, table_rows, tables_of

MOST_NAMED = 5
"""Maximum number of accounts named in a message."""

# dlt warns for every page that JSON columns are strings in Arrow, which is intended.
EXPECTED_WARNING = "several column hints were different"
logging.getLogger("dlt").addFilter(lambda record: EXPECTED_WARNING not in record.getMessage())


@dlt.source(name=SCHEMA, section=SCHEMA)
def drip_source(
    accounts: Sequence[str] | None = None,
    resources: Sequence[str] | None = None,
    connection: str = "",
    lists: Lists | None = None,
) -> Any:
    """Mirrors all data that a Drip token has access to, per account.

    Each resource yields Arrow tables after its lists were read to their end. Lists that were not proven complete are
    loaded, but delete no rows. Settings come from dlt (`SOURCES__DRIP__API_KEY`, ...).

    Args:
        accounts: account ids; by default, all accounts that the token has access to.
        resources: names from `ENDPOINTS`; all but the optional ones by default.
        connection: the named connection whose token is used; by default, the only token in the settings.
        lists: where the lists come from; read from the API by default.

    Raises:
        SettingsError: a setting is missing or invalid, or a resource is unknown.
    """
    if lists is None:
        settings = load_settings(connection)
        lists = LiveLists(DripClient(settings, say=logger.warning), accounts)
        resources = resources or [*DEFAULT_RESOURCES, *settings.optional_resources]
    endpoints = chosen_endpoints(resources)
    tables = [endpoint.of(connection) for endpoint in endpoints]
    named = [table_resource(endpoint, table_rows(endpoint, lists), lists.format, lists.mask) for endpoint in tables]
    state = state_resources(lists) if any(endpoint.daily for endpoint in endpoints) else []
    return [*named, *state, quarantine_resource([endpoint.resource for endpoint in endpoints], lists)]


def chosen_endpoints(resources: Sequence[str] | None, optional: Sequence[str] = ()) -> list[Endpoint]:
    """The endpoints of some resources, in the order of the table.

    Args:
        resources: names; where there are none, all but the optional ones.
        optional: names of optional ones that belong to all.

    Raises:
        SettingsError: a name is unknown.
    """
    chosen = resources or (*DEFAULT_RESOURCES, *optional)
    for name in chosen:
        if name not in ENDPOINTS:
            raise unknown("resource", name, ENDPOINTS)
    return [endpoint for name, endpoint in ENDPOINTS.items() if name in chosen]


def chosen_accounts(visible: Sequence[str], wanted: Sequence[str] | None) -> list[str]:
    """The wanted accounts; all visible ones by default. Raises SettingsError if one is not visible."""
    for account_id in wanted or ():
        if account_id not in visible:
            raise SettingsError(f"account {account_id!r} is not visible with your keys; {_some_of(visible)}")
    return [account_id for account_id in visible if not wanted or account_id in wanted]


def _some_of(visible: Sequence[str]) -> str:
    shown = ", ".join(visible[:MOST_NAMED]) or "none"
    more = f" and {len(visible) - MOST_NAMED:,} more" if len(visible) > MOST_NAMED else ""
    return f"visible are {shown}{more}; `{program()} accounts` lists them with their names"


class LiveLists:
    """The lists of one token, each read from the API into a temporary folder on first use.

    Args:
        client: the client for the token.
        wanted: ids of the accounts; None for all that the token has access to.
    """

    format = IN_DATABASE
    tokens = 1

    def __init__(self, client: DripClient, wanted: Sequence[str] | None) -> None:
        self.client, self.wanted = client, wanted
        self.started, self.mask = datetime.now(UTC), client.settings.masking.fingerprint
        self.frozen = client.settings.schema == FREEZE
        self._folder = tempfile.TemporaryDirectory(prefix="drip-")
        self._decoders: dict[str, Decoder] = {}
        self._read: dict[str, list[SourceList]] = {}

    def of(self, resource: str) -> Sequence[SourceList]:
        """The lists of a resource, read from the API on the first call."""
        if resource not in self._read:
            self._check_masks()
            owners = self._accounts() if ENDPOINTS[resource].per_account else [None]
            self._read[resource] = [self._list(ENDPOINTS[resource], account_id) for account_id in owners]
        return self._read[resource]

    def known_columns(self, resource: str) -> Mapping[str, str]:
        """The columns in the destination of the running pipeline."""
        context = Container()[PipelineContext]
        return known_columns(context.pipeline()).get(resource, {}) if context.is_active() else {}

    def are_loaded(self, load: TableLoad) -> bool:
        """Unknown: everything is loaded."""
        return False

    def begin(self, resource: str) -> None:
        """Nothing to note: everything is loaded."""

    def need_quarantine(self) -> bool:
        """Always."""
        return True

    def _check_masks(self) -> None:
        """Refuse to load into a dataset with another mask. Raises SettingsError."""
        context = Container()[PipelineContext]
        if context.is_active() and SCHEMA in (pipeline := context.pipeline()).schemas:
            check_table_masks(pipeline.schemas[SCHEMA].tables, self.mask, f"dataset {pipeline.dataset_name}")

    def _accounts(self) -> list[str]:
        """The ids of the accounts to sync. Raises SettingsError if one is not visible."""
        (accounts,) = self.of(ACCOUNTS.resource)
        return list(accounts.accounts)

    def _list(self, endpoint: Endpoint, account_id: str | None) -> SourceList:
        """Read one list to its end, and log its problems."""
        if endpoint.parent:
            self.of(endpoint.parent)
        landed = landed_list_in(folder_at(self._folder.name), endpoint.of(self.client.settings.connection), account_id)
        begin(landed, self._known(endpoint).get(account_id or ""))
        for _ in land(self.client, landed, self._decoder):
            pass
        outcome = landed.outcome()
        if outcome is None:
            raise Stopped(f"{endpoint.resource} of {account_id} was not read to its end")
        for problem in (outcome.note, *(f"{bad.reason}: {bad.record[:80]}" for bad in landed.quarantine())):
            if problem:
                logger.warning(f"{endpoint.resource} of account {account_id}: {problem}")
        chosen = chosen_accounts(_keys(landed), self.wanted) if endpoint.resource == ACCOUNTS.resource else ()
        return SourceList(landed, outcome, outcome.complete and outcome.available, chosen)

    def _known(self, endpoint: Endpoint) -> Mapping[str, Any]:
        """What the running pipeline's destination has of a list that is read in part, by account."""
        context = Container()[PipelineContext]
        if not is_read_in_part(endpoint) or not context.is_active():
            return {}
        pipeline = context.pipeline()
        tables = tables_of(pipeline)
        if not {endpoint.resource} <= tables.keys():
            return {}
        with pipeline.sql_client(SCHEMA) as client:  # type: ignore[attr-defined]
            return known_rows(client, tables, endpoint)

    def _decoder(self, resource: str) -> Decoder:
        if resource not in self._decoders:
            endpoint = ENDPOINTS[resource].of(self.client.settings.connection)
            known = self.known_columns(resource)
            self._decoders[resource] = Decoder(endpoint, known=known, mask=self.client.settings.masking)
        return self._decoders[resource]


def _keys(landed: LandedList) -> list[str]:
    return [key for table in landed.tables() for key in texts(table, landed.endpoint.key)]
