"""Forgetting a person: out of every table, every version, what was quarantined and what landed, in every account."""

from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

import duckdb

from flows.history import history_table
from flows.landing import Landing
from flows.load import pipeline_of
from flows.quarantine import TABLE as QUARANTINE
from flows.run import Run, clean_up, prepare
from flows.source.endpoints import ACCOUNT_ID, ENDPOINTS
from flows.source.errors import SettingsError
from flows.source.folders import Folder, local_copies, remove
from flows.source.records import Subscriber
from flows.source.settings import common_settings
from flows.warehouses import FORGETTING, DestinationName, warehouse

PEOPLE = [name for name, endpoint in ENDPOINTS.items() if issubclass(endpoint.record, Subscriber)]
PERSONAL = [*PEOPLE, *map(history_table, PEOPLE)]
"""Tables whose rows are people, where they are there."""
LANDING = "landing zone"
BY_HAND = f"delete them in Drip, then sync; and by hand what {QUARANTINE} holds of them"
TABLES = """
    SELECT table_schema, table_name FROM information_schema.tables
    WHERE table_schema IN (%s, %s) AND table_type = 'BASE TABLE' ORDER BY 1, 2
"""
IS_ADDRESS = "lower(trim(email)) = lower(%s)"
MENTIONS = "strpos(lower({text}), lower(%s)) > 0"


class Removed(NamedTuple):
    """So many rows of a table went; of the landing zone: lists.

    `account` is empty where a table does not say.
    """

    table: str
    account: str
    rows: int


class Forgotten(NamedTuple):
    """What went, and what stays: tables that mention the address in rows which are not the person's."""

    removed: list[Removed]
    mentions: list[Removed]


def forget(email: str, destination: DestinationName = "duckdb", dataset: str = "drip") -> Forgotten:
    """Remove a person from the destination and the landing zone, whatever the case of the letters.

    Whoever has, or in history had, the address goes with all their rows, also those under another address.
    A later sync brings back who is still in Drip.

    Raises:
        SettingsError: no address, no data, or a sync is at work for too long.
    """
    address = email.strip()
    if "@" not in address:
        raise SettingsError(f"{email!r} is no email address")
    warehouse(destination).refuse(FORGETTING, BY_HAND)
    runs = prepare(None, destination, dataset)
    run = runs.common
    if run.target.path is not None and not run.target.path.exists():
        raise SettingsError(f"no data in {run.target.path}: nobody to forget")
    try:
        with run.target.lock(common_settings().lock_wait):
            return _forget(run, address)
    finally:
        clean_up(runs)


def _forget(run: Run, address: str) -> Forgotten:
    with pipeline_of(run).sql_client() as client:
        place = _Place(client, address)
        with client.begin_transaction():
            people = place.people()
            removed = [one for table in place.tables for one in place.remove(table, people)]
        removed += _remove_landed(run.landing, [address, *(one for _, one in people)])
        return Forgotten(removed, [one for table in place.tables for one in place.mentions(table)])


class _Place:
    """The tables of a dataset and of the staging dataset beside it, and a person to look for in them."""

    def __init__(self, client: Any, address: str) -> None:
        self.client, self.address = client, address
        found = client.execute_sql(TABLES, client.dataset_name, client.staging_dataset_name) or []
        self.tables = [(schema, name) for schema, name in found if not name.startswith("_dlt")]

    def people(self) -> list[tuple[str, str]]:
        """Account and id of everybody who has the address or had it."""
        queries = [
            f"SELECT {ACCOUNT_ID}, id FROM {_name(table)} WHERE {IS_ADDRESS}"
            for table in self.tables
            if table[1] in PERSONAL
        ]
        found = self.client.execute_sql(" UNION ".join(queries), *[self.address] * len(queries)) if queries else []
        return [(account, one) for account, one in found]

    def remove(self, table: tuple[str, str], people: Sequence[tuple[str, str]]) -> Iterator[Removed]:
        """Remove the person's rows of a table, if it has any."""
        if table[1] in PERSONAL and people:
            pairs = " OR ".join([f"({ACCOUNT_ID} = %s AND id = %s)"] * len(people))
            yield from self._remove(table, ACCOUNT_ID, pairs, [value for pair in people for value in pair])
        if table[1] == QUARANTINE:
            yield from self._remove(table, "account", MENTIONS.format(text="record"), [self.address])

    def mentions(self, table: tuple[str, str]) -> Iterator[Removed]:
        """How many rows of a table hold the address anywhere."""
        row = MENTIONS.format(text="CAST(one AS VARCHAR)")
        query = f"SELECT count(*) FROM {_name(table)} AS one WHERE {row}"
        ((count,),) = self.client.execute_sql(query, self.address)
        if count:
            yield Removed(_shown(table), "", count)

    def _remove(self, table: tuple[str, str], owner: str, which: str, values: Sequence[str]) -> Iterator[Removed]:
        counted = f"SELECT {owner}, count(*) FROM {_name(table)} WHERE {which} GROUP BY 1 ORDER BY 1"
        for account, count in self.client.execute_sql(counted, *values) or []:
            yield Removed(_shown(table), account or "", count)
        self.client.execute_sql(f"DELETE FROM {_name(table)} WHERE {which}", *values)


def _name(table: tuple[str, str]) -> str:
    return ".".join(f'"{part}"' for part in table)


def _shown(table: tuple[str, str]) -> str:
    return ".".join(table)


def _remove_landed(landing: Landing, texts: Sequence[str]) -> list[Removed]:
    """Remove each list, and what dlt made of it, that landed with one of the texts in it, for whatever token.

    A list goes as a whole: one that missed a page would be taken for one that is shorter.
    """
    roots: set[Folder] = {landing.root, landing.work.parent}
    places = [place for root in roots for place in root.glob("*/*/*")]
    folders = [folder for folder in places if folder.is_dir() and _holds(folder, texts)]
    for folder in folders:
        remove(folder)
    return [Removed(LANDING, "", len(folders))] if folders else []


def _holds(folder: Folder, texts: Sequence[str]) -> bool:
    lowered = [text.lower() for text in texts]
    for path in folder.rglob("*"):
        if path.suffix == ".parquet" and _parquet_holds(path, lowered):
            return True
        if path.suffix == ".json" and any(text in path.read_text(errors="replace").lower() for text in lowered):
            return True
    return False


def _parquet_holds(path: Folder, texts: Sequence[str]) -> bool:
    anywhere = " OR ".join(["contains(lower(CAST(page AS VARCHAR)), ?)"] * len(texts))
    with local_copies([path]) as paths, duckdb.connect() as con:
        query = f"SELECT count(*) FROM read_parquet(?) AS page WHERE {anywhere}"
        return con.execute(query, [*paths, *texts]).fetchall() != [(0,)]
