"""What an operator finds in Prefect of a run, however it ended: a summary, a table of its lists, a link to them."""

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import httpx
from prefect.artifacts import create_link_artifact, create_markdown_artifact, create_table_artifact
from prefect.exceptions import PrefectException
from prefect.settings import PREFECT_UI_URL

from flows.common.errors import DripError
from flows.pipeline.load_errors import LoadFailed
from flows.pipeline.report import ListReport, SyncReport
from flows.reporting.markdown import escaped, stopped_markdown, summary_markdown
from flows.reporting.summary import change
from flows.source.endpoints import CONNECTION

logger = logging.getLogger(__name__)

SUMMARY_KEY, LISTS_KEY, LINK_KEY = "drip-sync", "drip-sync-lists", "drip-sync-link"
PAGE = "/artifacts/artifact/"
"""Of an artifact, in Prefect's user interface."""
FAILURES = (httpx.HTTPError, PrefectException)


def publish(report: SyncReport) -> None:
    """Show a run that came to its end; one whose artifacts Prefect does not take has synced all the same."""
    with _worth_a_warning():
        if report.lists:
            create_table_artifact(key=LISTS_KEY, table=[_row(line) for line in report.lists], description=PER_LIST)
        _publish_summary(summary_markdown(report), report.summary())


@contextmanager
def failures_published() -> Iterator[None]:
    """Show what nobody foresaw as well, and let it pass on."""
    try:
        yield
    except Exception as error:
        reason = str(error) if isinstance(error, DripError | LoadFailed) else f"{type(error).__name__}: {error}"
        with _worth_a_warning():
            _publish_summary(stopped_markdown(reason), reason)
        raise


PER_LIST = (
    "Each list of each account: rows by the API, landed and loaded, which in an incremental sync are those of the part "
    "that it asked for; rows of the whole list in the destination now"
)


def _publish_summary(text: str, description: str) -> None:
    description = escaped(description)
    artifact: Any = create_markdown_artifact(text, key=SUMMARY_KEY, description=description)
    if server := PREFECT_UI_URL.value():
        link = f"{server}{PAGE}{artifact}"
        create_link_artifact(link, "The report of this run", key=LINK_KEY, description=description)
        logger.info("the report of this run: %s", link)


def _row(line: ListReport) -> dict[str, Any]:
    """A line of the table. Nothing in it is NaN, and no text is taken for Markdown: Prefect shows neither as it is."""
    return ({CONNECTION: line.connection} if line.connection else {}) | {
        "account": line.account or "",
        "resource": line.resource,
        "API has": line.api_rows,
        "landed": line.landed,
        "loaded": line.loaded,
        "rows now": line.total,
        "change": change(line),
        "quarantined": line.quarantined,
        "seconds": line.seconds,
        "whole": line.complete,
        "note": escaped(line.note),
    }


@contextmanager
def _worth_a_warning() -> Iterator[None]:
    try:
        yield
    except FAILURES as error:
        logger.warning("Prefect did not take the report of this run: %s", error)
