"""Deleting a person from all tables, the history, the quarantine and the landing zone, in all accounts."""

import re
from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

import duckdb

from flows.common.duckdb_in_memory import in_memory
from flows.common.errors import SettingsError
from flows.destinations.catalogue import FORGETTING, DestinationName, warehouse
from flows.destinations.compaction import rewrite_duckdb, vacuum
from flows.destinations.schemas import OLD_STAGING_SUFFIX, columns_by_table, is_staging, quoted
from flows.destinations.sql_clients import sql_client
from flows.destinations.target import Target, resolve_target
from flows.maintenance import addresses
from flows.maintenance.forget_deliveries import forget_deliveries
from flows.pipeline.context import ConnectionRun, private_files
from flows.pipeline.dataset_mask import check_dataset_mask
from flows.pipeline.dlt_pipeline import opened_pipeline, release_pipeline
from flows.pipeline.event_batch import OUTDATED as OUTDATED_RECIPIENTS
from flows.pipeline.event_batch import TABLE as EVENTS
from flows.pipeline.history import history_table
from flows.pipeline.marts.queries import STORED as RECIPIENTS
from flows.source.decoding.masking import Mask
from flows.source.endpoints import ACCOUNT_ID, ENDPOINTS
from flows.source.landing.storage import Folder, folder_at, local_copies, remove
from flows.source.landing.zone import PART, Landing, part_for
from flows.source.quarantine import TABLE as QUARANTINE
from flows.source.records import Subscriber
from flows.source.schema import sql_list
from flows.source.settings import common_settings

PEOPLE = [name for name, endpoint in ENDPOINTS.items() if issubclass(endpoint.record, Subscriber)]
PERSONAL = [*PEOPLE, *map(history_table, PEOPLE), EVENTS, RECIPIENTS]
"""Tables whose rows are people, or their events; some may not exist."""
ID = dict.fromkeys((EVENTS, RECIPIENTS, OUTDATED_RECIPIENTS), "subscriber_id")
"""The column with the id of the person, where it is not `id`."""
LANDING, SPOOL = "landing zone", "webhook spool"
SEARCHED = (".parquet", ".json")
"""Suffixes of the files of the landing zone."""
BY_HAND = f"delete the person in Drip, then sync; delete their rows in {QUARANTINE} by hand"
TABLES = """
    SELECT table_schema, table_name FROM information_schema.tables
    WHERE table_schema IN (%s, %s) AND table_type = 'BASE TABLE' ORDER BY 1, 2
"""
COLUMNS = "SELECT table_name, column_name FROM information_schema.columns WHERE table_schema = %s"
MOTHERDUCK_KEEPS = "MotherDuck keeps the deleted rows in its snapshots until their retention period ends"


class Removed(NamedTuple):
    """The number of rows deleted from a table, or of lists deleted from the landing zone.

    `account` is empty if it is not known.
    """

    table: str
    account: str
    rows: int


class Forgotten(NamedTuple):
    """The result of `forget`.

    Attributes:
        removed: deleted rows and lists.
        mentions: tables with the address in rows that do not belong to the person.
        remains: sentences about data that could not be removed from storage.
    """

    removed: list[Removed]
    mentions: list[Removed]
    remains: Sequence[str] = ()


def forget(email: str, destination: DestinationName = "duckdb", dataset: str = "drip") -> Forgotten:
    """Delete a person from the destination, its storage and the landing zone, by email address in any letter case.

    Deletes all rows of everybody who has or had the address, including rows with another address. If addresses are
    masked with hmac, people are found by the token of the address. The next sync restores people who are still in Drip.
    No API request is made and no key is needed.

    Raises:
        SettingsError: not an email address, no data, or another run holds the lock for too long.
    """
    address = email.strip()
    if "@" not in address:
        raise SettingsError(f"{email!r} is not an email address")
    settings = common_settings()
    warehouse(destination).refuse(FORGETTING, BY_HAND)
    target = resolve_target(destination, dataset)
    if target.path is not None and not target.path.exists():
        raise SettingsError(f"no data in {target.path}: there is nobody to forget")
    run = ConnectionRun(target, (), _landing(target), mask=settings.masking.fingerprint)
    try:
        with private_files(), target.lock(settings.lock_wait):
            target.check(settings)
            return _forget(run, address)
    finally:
        release_pipeline(run)
        run.landing.remove()


def _landing(target: Target) -> Landing:
    """A separate part of the landing zone, for dlt's working files."""
    root = folder_at(common_settings().landing)
    return Landing(root, part_for("forget", target.location, target.dataset))


def _forget(run: ConnectionRun, address: str) -> Forgotten:
    wait, token = common_settings().lock_wait, common_settings().masking.token(address)
    with opened_pipeline(run) as pipeline, sql_client(pipeline) as client:
        pipeline.sync_destination()
        check_dataset_mask(run, pipeline)
        search = _PersonSearch(client, address, token, run.target.kind.dialect)
        with client.begin_transaction():
            people = search.people()
            removed = [one for table in search.tables for one in search.remove(table, people)]
        mentions = [one for table in search.tables for one in search.mentions(table)]
        remains = [vacuum(client, search.touched, wait)] if run.target.name == "postgres" else []
    if run.target.path is not None:
        remains.append(rewrite_duckdb(run.target.path, wait))
    elif run.target.name == "motherduck" and removed:
        remains.append(MOTHERDUCK_KEEPS)
    removed += _remove_landed(run.landing, [address, token, *(one for _, one in people)])
    deliveries, why_not = forget_deliveries(address, token, set(people))
    removed += [Removed(SPOOL, "", deliveries)] if deliveries else []
    remains += [why_not, _not_searched(common_settings().masking)]
    return Forgotten(removed, mentions, tuple(filter(None, remains)))


def _not_searched(mask: Mask) -> str:
    """Why nobody can be found by address; empty if people can be."""
    action = mask.rules.root_of(ENDPOINTS["subscribers"]).field("email")[0]
    return "" if action in (None, "hmac") else f"addresses are masked with {action}: {BY_HAND}"


class _PersonSearch:
    """Finds and deletes a person's rows in the tables of a dataset and its staging schemas."""

    def __init__(self, client: Any, address: str, token: str, dialect: str) -> None:
        self.client, self.dialect = client, dialect
        self.alone = f"{addresses.alone(address)}|^{token}$"
        self.anywhere = f"{addresses.anywhere(address)}|{token}"
        self.touched: list[tuple[str, str]] = []
        found = client.execute_sql(TABLES, client.dataset_name, client.staging_dataset_name) or []
        found = [*found, *self._staged_by_earlier_versions()]
        self.tables = [(schema, name) for schema, name in found if not name.startswith("_dlt")]

    def people(self) -> list[tuple[str, str]]:
        """Account and id of everybody who has or had the address."""
        queries = [
            f"SELECT {ACCOUNT_ID}, {id_column(table)} FROM {quoted(*table)} WHERE {self._matches('email')}"
            for table in self.tables
            if table[1] in PERSONAL
        ]
        found = self.client.execute_sql(" UNION ".join(queries), *[self.alone] * len(queries)) if queries else []
        return [(account, one) for account, one in found if one is not None]

    def remove(self, table: tuple[str, str], people: Sequence[tuple[str, str]]) -> Iterator[Removed]:
        """Delete the person's rows from a table."""
        if table[1] in (*PERSONAL, OUTDATED_RECIPIENTS) and people:
            pairs = " OR ".join([f"({ACCOUNT_ID} = %s AND {id_column(table)} = %s)"] * len(people))
            yield from self._remove(table, ACCOUNT_ID, pairs, [value for pair in people for value in pair])
        if table[1] in (EVENTS, RECIPIENTS):  # an event may have an address and no id
            yield from self._remove(table, ACCOUNT_ID, self._matches("email"), [self.alone])
        if table[1] == QUARANTINE:
            yield from self._remove(table, "account", self._matches("record"), [self.anywhere])
            for account, person in people:  # a record of unknown fields has the id and no address
                fields = f"account = %s AND resource IN ({sql_list(PEOPLE)}) AND strpos(record, %s) > 0"
                yield from self._remove(table, "account", fields, [account, f'"id":"{person}"'])

    def mentions(self, table: tuple[str, str]) -> Iterator[Removed]:
        """The number of rows of a table that contain the address in any column."""
        row = self._matches("CAST(one AS VARCHAR)")
        query = f"SELECT count(*) FROM {quoted(*table)} AS one WHERE {row}"
        ((count,),) = self.client.execute_sql(query, self.anywhere)
        if count:
            yield Removed(_shown(table), "", count)

    def _matches(self, text: str) -> str:
        return addresses.DIALECTS[self.dialect].format(text=text)

    def _staged_by_earlier_versions(self) -> list[tuple[str, str]]:
        """Staging tables of earlier versions, which may still contain rows, if this project created them."""
        schema = self.client.dataset_name + OLD_STAGING_SUFFIX
        tables = columns_by_table(self.client.execute_sql(COLUMNS, schema) or [])
        return [(schema, name) for name in sorted(tables)] if is_staging(tables) else []

    def _remove(self, table: tuple[str, str], owner: str, which: str, values: Sequence[str]) -> Iterator[Removed]:
        counted = f"SELECT {owner}, count(*) FROM {quoted(*table)} WHERE {which} GROUP BY 1 ORDER BY 1"
        counts = self.client.execute_sql(counted, *values) or []
        self.client.execute_sql(f"DELETE FROM {quoted(*table)} WHERE {which}", *values)
        self.touched += [table] if counts else []
        yield from (Removed(_shown(table), account or "", count) for account, count in counts)


def id_column(table: tuple[str, str]) -> str:
    """The column with the id of the person that a row is of."""
    return ID.get(table[1], "id")


def _shown(table: tuple[str, str]) -> str:
    return ".".join(table)


def _remove_landed(landing: Landing, texts: Sequence[str]) -> list[Removed]:
    """Delete each landed list, and dlt's files made from it, that contains one of the texts, for any token.

    Whole lists are deleted, since a list with a missing page would be taken for a shorter one.
    """
    roots: set[Folder] = {landing.root, landing.work.parent}
    found = [part for root in roots if root.exists() for part in root.glob("*") if PART.fullmatch(part.name)]
    places = [place for part in found if part.name != landing.part for place in part.glob("*/*")]
    folders = [folder for folder in places if folder.is_dir() and _holds(folder, texts)]
    for folder in folders:
        remove(folder)
    return [Removed(LANDING, "", len(folders))] if folders else []


def _holds(folder: Folder, texts: Sequence[str]) -> bool:
    pattern = re.compile("|".join(map(addresses.anywhere, texts)))
    return any(path.suffix in SEARCHED and _file_holds(path, pattern) for path in folder.rglob("*"))


def _file_holds(path: Folder, pattern: re.Pattern[str]) -> bool:
    """Whether a file contains the pattern. A sync of another dataset may delete its files meanwhile."""
    try:
        if path.suffix == ".parquet":
            return _parquet_holds(path, pattern.pattern)
        return bool(pattern.search(path.read_text(errors="replace")))
    except (OSError, duckdb.IOException):
        if path.exists():
            raise
        return False


def _parquet_holds(path: Folder, pattern: str) -> bool:
    with local_copies([path]) as paths, in_memory() as con:
        query = "SELECT count(*) FROM read_parquet(?) AS page WHERE regexp_matches(CAST(page AS VARCHAR), ?)"
        return con.execute(query, [*paths, pattern]).fetchall() != [(0,)]
