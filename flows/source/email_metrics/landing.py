"""The figures of an account, from the API into the landing zone."""

from collections.abc import Callable, Iterator, Sequence
from datetime import UTC, date, datetime, time, timedelta

from flows.source.client import DripClient
from flows.source.decoding.decoder import Decoder
from flows.source.email_metrics.day import Candidates
from flows.source.email_metrics.reader import MetricsReader
from flows.source.endpoint_limit import EndpointLimit, limits_file
from flows.source.endpoints import ENDPOINTS
from flows.source.landing.daily_list import DailyList, Day
from flows.source.landing.landed_list import FIT_ID, LandedList
from flows.source.landing.storage import parquet
from flows.source.list_reader import page_mark

RUNNING = ("active", "paused")
ReadList = Callable[[LandedList], None]
"""Reads a list of the account to its end, going on from what landed of it."""


def days_of(client: DripClient, unit: DailyList, decoder: Decoder, read: ReadList) -> Iterator[tuple[Day, int, int]]:
    """The days that come, each with how many came so far, of how many."""
    workflows = LandedList(unit.folder / "workflows", ENDPOINTS["workflows"], unit.account_id)
    read(workflows)
    candidates, today = _candidates(unit, workflows, read), _day_of(workflows)
    reader = MetricsReader(client, unit, decoder, limit_of(client, unit), candidates, today)
    total = len(reader.due)
    for number, day in enumerate(reader.days(), start=1):
        yield day, number, total
    unit.finish(reader.outcome())


def limit_of(client: DripClient, unit: LandedList) -> EndpointLimit:
    """The limit of the endpoint for an account, which is the same for all tokens."""
    settings = client.settings
    purpose = (settings.base_url, unit.account_id or "", unit.endpoint.resource)
    file = limits_file(settings.landing)
    return EndpointLimit(file, purpose, settings.email_metrics_rate_limit, settings.email_metrics_rate_window)


def _candidates(unit: DailyList, workflows: LandedList, read: ReadList) -> Candidates:
    broadcasts = LandedList(unit.folder / "broadcasts", ENDPOINTS["broadcasts"], unit.account_id)

    def sent_by(day: date) -> Sequence[str]:
        read(broadcasts)
        return _sent_by(broadcasts, day)

    return Candidates(sent_by, _running_first(workflows))


def _running_first(workflows: LandedList) -> list[str]:
    """The ids of workflows, those first that send, or have sent."""
    rows = [row for table in workflows.tables() for row in table.select(["id", "status"]).to_pylist()]
    return [
        row["id"] for row in sorted(rows, key=lambda row: row["status"] not in RUNNING) if FIT_ID.fullmatch(row["id"])
    ]


def _sent_by(broadcasts: LandedList, day: date) -> list[str]:
    """The ids of broadcasts that were sent until the end of a day, in any time zone; the latest first."""
    until = datetime.combine(day + timedelta(days=2), time(), UTC)
    rows = [row for table in broadcasts.tables() for row in table.select(["id", "send_at"]).to_pylist()]
    sent = [row for row in rows if row["send_at"] and row["send_at"] < until and FIT_ID.fullmatch(row["id"])]
    return [row["id"] for row in sorted(sent, key=lambda row: row["send_at"], reverse=True)]


def _day_of(landed: LandedList) -> date:
    """The server's day when a list was read."""
    return page_mark(parquet(landed.files()[0]).schema_arrow).read_at.date()
