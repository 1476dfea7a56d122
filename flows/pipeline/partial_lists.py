"""Lists that are read in part: what a run has to know before it reads them, and how they are counted afterwards."""

from collections.abc import Sequence
from typing import Any, NamedTuple

import dlt

from flows.pipeline.context import SyncRun
from flows.pipeline.extract import Extracted
from flows.source.email_records import COUNTS
from flows.source.endpoints import ACCOUNT_ID, DATE, ENDPOINTS
from flows.source.known_rows import begin, is_read_in_part, known_rows
from flows.source.landing.daily_list import DailyList, DayMark

MOST_NAMED = 3


class DaysLoaded(NamedTuple):
    """What the destination holds of the days that were read.

    Attributes:
        rows: of these days.
        differing: a sentence for each day whose rows do not add up to the API's summary.
    """

    rows: int
    differing: Sequence[str] = ()

    @property
    def note(self) -> str:
        """The days that differ, in words; empty where there is none."""
        more = len(self.differing) - MOST_NAMED
        return "; ".join([*self.differing[:MOST_NAMED], *([f"and {more} days more"] if more > 0 else [])])


def begin_partial_lists(runs: SyncRun, pipeline: dlt.Pipeline) -> None:
    """Tell the lists that are read in part what the destination has. No query where none of them is synced."""
    endpoints = [ENDPOINTS[name] for name in runs.common.resources if is_read_in_part(ENDPOINTS[name])]
    if not endpoints:
        return
    tables: set[str] = set(pipeline.default_schema.tables) if pipeline.default_schema_name else set()
    with runs.common.target.reader(pipeline) as client:
        for endpoint in endpoints:
            known = known_rows(client, tables, endpoint) if endpoint.resource in tables else {}
            for run in runs.known:
                for account in run.accounts or ():
                    begin(run.landed_list(run.key(endpoint.resource, account)), known.get(account))


def count_days(pipeline: dlt.Pipeline, runs: SyncRun, landed: Sequence[Extracted]) -> dict[str, DaysLoaded]:
    """By account, what the destination holds of the days that landed."""
    daily = [one.key for one in landed if ENDPOINTS[one.key.resource].daily]
    if not daily:
        return {}
    with runs.common.target.reader(pipeline) as client:
        return {key.account_id or "": _days_loaded(client, runs.landed_list(key)) for key in daily}


def _days_loaded(client: Any, unit: Any) -> DaysLoaded:
    marks = unit.marks() if isinstance(unit, DailyList) else {}
    if not marks:
        return DaysLoaded(0)
    sums = ", ".join(f"sum({name})" for name in COUNTS)
    table = client.make_qualified_table_name(unit.endpoint.resource)
    where = f"{ACCOUNT_ID} = '{unit.account_id}' AND {DATE} >= CAST('{min(marks)}' AS DATE)"
    query = f"SELECT {DATE}, count(*), {sums} FROM {table} WHERE {where} GROUP BY {DATE}"
    found = {day: (rows, values) for day, rows, *values in client.execute_sql(query) or () if day in marks}
    nothing = (0, [0] * len(COUNTS))
    differing = [_difference(mark, found.get(day, nothing)[1]) for day, mark in marks.items()]
    return DaysLoaded(sum(rows for rows, _ in found.values()), [text for text in differing if text])


def _difference(mark: DayMark, sums: Sequence[Any]) -> str:
    """In words, where the rows of a day do not add up to the API's summary."""
    loaded = {name: int(value or 0) for name, value in zip(COUNTS, sums, strict=True)}
    return ", ".join(
        f"{mark.day}: {loaded[name]} {name} in the destination, {value} by the API"
        for name, value in mark.summary.items()
        if value is not None and value != loaded[name]
    )
