"""What a sync would add, change and remove: all lists are read, and compared with the destination by row hash."""

from collections.abc import Sequence
from typing import Any

from flows.common.list_key import ListKey
from flows.pipeline.accounts import Discovery
from flows.pipeline.context import SyncRun
from flows.pipeline.extract import Extracted, gather, submit_all
from flows.pipeline.planning.plan import ListPlan
from flows.pipeline.planning.read_only import ReadOnlyDataset
from flows.pipeline.sync import lists_to_read
from flows.pipeline.threads import in_threads
from flows.source.endpoints import ACCOUNT_ID, ACCOUNTS, CONNECTION, ENDPOINTS, ROW_HASH
from flows.source.frozen import HASH_SUFFIX
from flows.source.known_rows import begin, is_read_in_part, known_rows

Rows = dict[tuple[Any, ...], str]
"""Row hashes by key."""


def compare(runs: SyncRun, discovery: Discovery, existing: ReadOnlyDataset | None, lists: Sequence[ListPlan]) -> None:
    """Read all lists into the temporary landing zone of the plan, and fill in what a sync would change.

    A list that could not be read gets a note instead.
    """
    for run in runs.each:
        run.landing.prepare()
    known = discovery.land(runs)
    _begin_partial_lists(runs, existing)
    with in_threads(runs) as submit:
        keys = lists_to_read(runs)
        landed, failures = gather(submit_all(keys, lambda key: submit(runs.of(key.connection), key)))
    lines = {ListKey(line.connection, line.resource, line.account): line for line in lists}
    for failure in failures:
        lines[failure.key].note = failure.message
    loaded = landed if ACCOUNTS.resource not in runs.common.resources else [*known, *landed]
    for extracted in loaded:
        _fill(lines[extracted.key], runs, extracted, existing)


def _begin_partial_lists(runs: SyncRun, existing: ReadOnlyDataset | None) -> None:
    for name in runs.common.resources:
        if is_read_in_part(ENDPOINTS[name]):
            found: Any = known_rows(existing, existing.tables, ENDPOINTS[name]) if existing else {}  # type: ignore[arg-type]
            for run in runs.known:
                for account in run.accounts or ():
                    begin(run.landed_list(run.key(name, account)), found.get(account))


def _fill(line: ListPlan, runs: SyncRun, extracted: Extracted, existing: ReadOnlyDataset | None) -> None:
    """Compare a list. Rows are only removed if it was proven complete."""
    new, old = _landed(runs, extracted), _loaded(extracted.key, existing)
    line.added = len(new.keys() - old.keys())
    line.changed = sum(old[key].removesuffix(HASH_SUFFIX) != hash for key, hash in new.items() if key in old)
    removes = extracted.whole and not runs.landed_list(extracted.key).is_part
    line.removed = len(old.keys() - new.keys()) if removes else 0
    line.note = "" if extracted.outcome.complete else extracted.outcome.note


def _landed(runs: SyncRun, extracted: Extracted) -> Rows:
    endpoint, run = ENDPOINTS[extracted.key.resource], runs.of(extracted.key.connection)
    rows: Rows = {}
    for table in run.landed_list(extracted.key).tables():
        columns = [table[name].to_pylist() for name in (*endpoint.primary_key, ROW_HASH)]
        rows |= {tuple(key): hash for *key, hash in zip(*columns, strict=True)}
    if endpoint.resource == ACCOUNTS.resource:
        return {key: hash for key, hash in rows.items() if key[0] in (run.accounts or ())}
    return rows


def _loaded(key: ListKey, existing: ReadOnlyDataset | None) -> Rows:
    endpoint = ENDPOINTS[key.resource]
    if existing is None or endpoint.resource not in existing.tables:
        return {}
    columns, table = ", ".join([*endpoint.primary_key, ROW_HASH]), existing.make_qualified_table_name(endpoint.resource)
    if endpoint.per_account:
        found = existing.execute_sql(f"SELECT {columns} FROM {table} WHERE {ACCOUNT_ID} = %s", key.account_id)
    elif key.connection:
        found = existing.execute_sql(f"SELECT {columns} FROM {table} WHERE {CONNECTION} = %s", key.connection)
    else:
        found = existing.execute_sql(f"SELECT {columns} FROM {table}")
    return {tuple(own): hash for *own, hash in found}
