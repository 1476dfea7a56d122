"""The dataset at other moments: a table as of a moment, what differs between two, and all that is known of a person."""

from collections.abc import Sequence
from datetime import date, datetime
from typing import Any

import pandas as pd

from flows.dataset.files import DatasetError
from flows.dataset.reader import load, query, tables
from flows.destinations.catalogue import DestinationName
from flows.pipeline.changes import SEEN_AT
from flows.pipeline.changes import VIEW as CHANGES
from flows.pipeline.history import OPENED_AS, SUFFIX, VALID_FROM, VALID_TO
from flows.source.endpoints import ACCOUNT_ID, ENDPOINTS, HISTORIC

Moment = str | date | datetime
ARRIVED, LEFT, CHANGED = "arrived", "left", "changed"
HISTORY_SETTING = "SOURCES__DRIP__HISTORY"
OF_PERSON = {
    "subscribers": "id",
    "subscribers_history": "id",
    "subscriber_changes": "subscriber_id",
    "subscriber_tags": "subscriber_id",
    "campaign_subscribers": "id",
    "subscriber_events": "subscriber_id",
}
"""The tables and views with rows of a person, and the column with the person's id."""
JITTER = pd.Timedelta(minutes=30)
"""By how much the syncs of a schedule may begin at another time of day."""


def as_of(
    table: str,
    moment: Moment,
    accounts: str | Sequence[str] | None = None,
    destination: DestinationName = "duckdb",
    dataset: str = "drip",
    *,
    columns: Sequence[str] | None = None,
) -> pd.DataFrame:
    """A table as it was at a moment: what the last sync that had begun by then saw.

    Args:
        table: one whose history is kept, such as `subscribers`.
        moment: a day (its first moment) or a time, in UTC where it names no zone.
        accounts: names or ids of the accounts; None for all.
        destination: the dlt destination that the sync loads into.
        dataset: the schema that the tables are in.
        columns: the columns wanted; None for those of the table.

    Returns:
        The columns of the table, typed as by `load`.

    Raises:
        DatasetError: the history of the table is not kept, or begins later.
    """
    history, when = _history(table, destination, dataset), _utc(moment)
    rows = load(
        history,
        accounts,
        destination,
        dataset,
        where=_valid_at("moment"),
        params={"moment": when},
        columns=columns,
    )
    if rows.empty:
        _check_beginning(history, when, destination, dataset)
    return rows.drop(columns=[] if columns else [VALID_FROM, VALID_TO, OPENED_AS])


def diff(
    table: str,
    before: Moment,
    after: Moment,
    accounts: str | Sequence[str] | None = None,
    destination: DestinationName = "duckdb",
    dataset: str = "drip",
) -> pd.DataFrame:
    """What differs in a table between two moments; the arguments are those of `as_of`.

    Returns:
        The key of the table, `change` (arrived, left or changed), and of what changed a row per column, with `column`,
        `from_value` and `to_value` as text.

    Raises:
        DatasetError: as `as_of`.
    """
    key = list(ENDPOINTS[table].primary_key) if table in ENDPOINTS else [ACCOUNT_ID, "id"]
    history, first, last = _history(table, destination, dataset), _utc(before), _utc(after)
    then, now = (
        _only_at(history, when, other, accounts, destination, dataset).set_index(key)
        for when, other in ((first, last), (last, first))
    )
    parts = [_whole(now.index.difference(then.index), ARRIVED), _whole(then.index.difference(now.index), LEFT)]
    both = then.index.intersection(now.index)
    for column in now.columns.intersection(then.columns):
        old, new = (frame.loc[both, column].astype("string") for frame in (then, now))
        differs = (old != new).fillna(old.isna() != new.isna())
        parts.append(_changed(old[differs], new[differs], str(column)))
    found = pd.concat(parts).reset_index(names=key)
    return found.sort_values([*key, "change"], ignore_index=True)


def _only_at(
    history: str,
    when: datetime,
    other: datetime,
    accounts: str | Sequence[str] | None,
    destination: DestinationName,
    dataset: str,
) -> pd.DataFrame:
    """The versions that were valid at one moment but not at the other. Raises DatasetError if it is too early."""
    _check_beginning(history, when, destination, dataset)
    where, params = f"{_valid_at('moment')} AND NOT ({_valid_at('other')})", {"moment": when, "other": other}
    rows = load(history, accounts, destination, dataset, where=where, params=params)
    return rows.drop(columns=[VALID_FROM, VALID_TO, OPENED_AS])


def person(email_or_id: str, destination: DestinationName = "duckdb", dataset: str = "drip") -> dict[str, pd.DataFrame]:
    """All that is known of a person, in every account and under every address that they had.

    Args:
        email_or_id: an address that the person has or had, whatever its case, or the id of a subscriber.
        destination: the dlt destination that the sync loads into.
        dataset: the schema that the tables are in.

    Returns:
        By table or view, the rows of the person; only of those that have any.

    Raises:
        DatasetError: nobody has or had that address or id.
    """
    there = {*tables(destination, dataset)["table"]} & {*OF_PERSON}
    sources = [name for name in ("subscribers", "subscribers_history") if name in there]
    wanted = {"wanted": email_or_id}
    where = "id = $wanted OR lower(email) = lower($wanted)"
    ids = [ACCOUNT_ID, "id"]
    found = [load(name, None, destination, dataset, where=where, params=wanted, columns=ids) for name in sources]
    known = pd.concat(found or [pd.DataFrame(columns=ids)])
    if known.empty:
        raise DatasetError(f"nobody has or had the address or id {email_or_id!r} in this dataset")
    every = {name: _rows_of(known, name, destination, dataset) for name in OF_PERSON if name in there}
    return {name: rows for name, rows in every.items() if not rows.empty}


def _rows_of(known: pd.DataFrame, table: str, destination: DestinationName, dataset: str) -> pd.DataFrame:
    column, pairs = OF_PERSON[table], sorted(set(known.itertuples(index=False, name=None)))
    params = {f"{kind}{place}": pair[at] for place, pair in enumerate(pairs) for at, kind in enumerate(("a", "p"))}
    where = " OR ".join(f"({ACCOUNT_ID} = $a{place} AND {column} = $p{place})" for place in range(len(pairs)))
    return load(table, None, destination, dataset, where=where, params=params)


def _history(table: str, destination: DestinationName, dataset: str) -> str:
    """The name of the table with the history. Raises DatasetError."""
    there = [name for name in tables(destination, dataset)["table"] if name.endswith(SUFFIX)]
    if table + SUFFIX in there:
        return table + SUFFIX
    if table in HISTORIC:
        raise DatasetError(f"the history of {table} is not kept: name it in {HISTORY_SETTING}, and sync")
    kept = ", ".join(name.removesuffix(SUFFIX) for name in there) or "none"
    raise DatasetError(f"{table} has no history; histories that are kept: {kept}")


def _check_beginning(history: str, when: datetime, destination: DestinationName, dataset: str) -> None:
    first: Any = query(f'SELECT min({VALID_FROM}) AS first FROM "{history}"', None, destination, dataset)["first"][0]
    if pd.notna(first) and when < first:
        raise DatasetError(f"{history} begins at {first:%Y-%m-%d %H:%M} UTC, after {when:%Y-%m-%d %H:%M} UTC")


def _valid_at(moment: str) -> str:
    """The condition for versions that were valid at a moment, the name of a parameter."""
    return f"{VALID_FROM} <= ${moment} AND ({VALID_TO} IS NULL OR {VALID_TO} > ${moment})"


def _utc(moment: Moment) -> datetime:
    stamp = pd.Timestamp(moment)
    return (stamp.tz_localize("UTC") if stamp.tz is None else stamp.tz_convert("UTC")).to_pydatetime()


def _whole(keys: Any, change: str) -> pd.DataFrame:
    return pd.DataFrame({"change": change, "column": None, "from_value": None, "to_value": None}, index=keys)


def _changed(old: "pd.Series[Any]", new: "pd.Series[Any]", column: str) -> pd.DataFrame:
    return pd.DataFrame({"change": CHANGED, "column": column, "from_value": old, "to_value": new}, index=old.index)


def moments(destination: DestinationName = "duckdb", dataset: str = "drip") -> tuple[datetime, datetime, datetime]:
    """The moments to compare: of the last sync of subscribers, and of those a day and a week before it.

    Each is when a sync began. One that began half an hour less than a day or a week before counts too, since daily
    syncs do not begin at the same second. Where there is none that early, it is the first one.

    Raises:
        DatasetError: no sync has read subscribers yet.
    """
    sql = "SELECT DISTINCT started FROM _syncs WHERE resource = 'subscribers' ORDER BY started"
    starts = query(sql, None, destination, dataset)["started"]
    if starts.empty:
        raise DatasetError("no sync has read subscribers yet")
    last = starts.iloc[-1]
    earlier = [starts[starts <= last - pd.Timedelta(days=days) + JITTER] for days in (1, 7)]
    day, week = (times.iloc[-1] if len(times) else starts.iloc[0] for times in earlier)
    return last.to_pydatetime(), day.to_pydatetime(), week.to_pydatetime()


def changed_for(
    email_or_id: str | None = None, destination: DestinationName = "duckdb", dataset: str = "drip"
) -> pd.DataFrame:
    """What history saw change for a person, the newest change first: the rows of `subscriber_changes`.

    Args:
        email_or_id: as for `person`; None for whoever changed last.
        destination: the dlt destination that the sync loads into.
        dataset: the schema that the tables are in.

    Raises:
        DatasetError: nobody has or had that address or id.
    """
    if email_or_id is not None:
        known = person(email_or_id, destination, dataset)
        rows = known.get(CHANGES, load(CHANGES, None, destination, dataset, limit=0))
    else:
        last = f"SELECT account_id, subscriber_id FROM {CHANGES} ORDER BY {SEEN_AT} DESC LIMIT 1"
        where = f"(account_id, subscriber_id) IN ({last})"
        rows = load(CHANGES, None, destination, dataset, where=where)
    return rows.sort_values(SEEN_AT, ascending=False, ignore_index=True)
