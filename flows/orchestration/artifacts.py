"""The Prefect artifacts of a run, whether it succeeded or failed: a summary, a table of its lists, a link."""

import logging
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import httpx
import msgspec
from prefect.artifacts import create_link_artifact, create_markdown_artifact, create_table_artifact
from prefect.events import emit_event
from prefect.exceptions import PrefectException
from prefect.settings import PREFECT_UI_URL

from flows.common.errors import DripError
from flows.common.labels import account_label
from flows.orchestration.assets import publish_assets
from flows.pipeline.drift import Drift
from flows.pipeline.load_errors import LoadFailed
from flows.pipeline.report import SyncReport
from flows.pipeline.report_line import ListReport
from flows.reporting.markdown import escaped, stopped_markdown, summary_markdown
from flows.reporting.summary import change
from flows.source.endpoints import CONNECTION
from flows.source.quarantine import TABLE as QUARANTINE

logger = logging.getLogger(__name__)

DRIFT_EVENT = "drip.schema.drift"
SUMMARY_KEY, LISTS_KEY, LINK_KEY = "drip-sync", "drip-sync-lists", "drip-sync-link"
PAGE = "/artifacts/artifact/"
"""Path of an artifact's page in Prefect's UI."""
FAILURES = (httpx.HTTPError, PrefectException)


def publish(report: SyncReport) -> None:
    """Publish a report. If Prefect rejects an artifact, this is only logged: the data is loaded."""
    with _failure_logged():
        if report.lists:
            create_table_artifact(
                key=LISTS_KEY, table=[_row(line, report.account_names) for line in report.lists], description=PER_LIST
            )
        _publish_summary(summary_markdown(report), report.summary())
        publish_assets(report)
    for drift in report.drift:
        _emit(drift, report.dataset)


def _emit(drift: Drift, dataset: str) -> None:
    """Emit a Prefect event for schema drift, which an automation can act on."""
    resource = {
        "prefect.resource.id": f"drip.table.{dataset}.{drift.table}",
        "prefect.resource.name": drift.table,
    }
    emit_event(DRIFT_EVENT, resource, payload=msgspec.to_builtins(drift))


@contextmanager
def failures_published() -> Iterator[None]:
    """Publish an exception of the block as the run's summary, then raise it again."""
    try:
        yield
    except Exception as error:
        reason = str(error) if isinstance(error, DripError | LoadFailed) else f"{type(error).__name__}: {error}"
        with _failure_logged():
            _publish_summary(stopped_markdown(reason), reason)
        raise


PER_LIST = (
    "One row per list and account. `API has` and `loaded` cover what was requested, which in an incremental "
    "sync is part of the list; `rows now` counts the whole list in the destination."
)


def _publish_summary(text: str, description: str) -> None:
    description = escaped(description)
    artifact: Any = create_markdown_artifact(text, key=SUMMARY_KEY, description=description)
    if server := PREFECT_UI_URL.value():
        link = f"{server}{PAGE}{artifact}"
        create_link_artifact(link, "Report of this run", key=LINK_KEY, description=description)
        logger.info("report of this run: %s", link)


def _row(line: ListReport, names: Mapping[str, str]) -> dict[str, Any]:
    """A row of the table. It contains no NaN, which breaks the artifact, and text is escaped, so it is not Markdown.

    Prefect gives all columns the same width and cuts longer values off, so there are few columns.
    """
    note = [f"{line.quarantined:,} in {QUARANTINE}"] if line.quarantined else []
    return ({CONNECTION: line.connection} if line.connection else {}) | {
        "account": escaped(account_label(line.account, names)) if line.account else "",
        "resource": line.resource,
        "API has": line.api_rows,
        "loaded": line.loaded,
        "rows now": line.total,
        "change": change(line),
        "complete": line.complete,
        "note": escaped("; ".join([*([line.note] if line.note else []), *note])),
    }


@contextmanager
def _failure_logged() -> Iterator[None]:
    try:
        yield
    except FAILURES as error:
        logger.warning("the report of this run could not be stored in Prefect: %s", error)
