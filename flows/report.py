"""The notebooks as one HTML page, as a Prefect flow; the report itself is in `flows.reporting.notebooks`."""

import logging
from typing import Annotated, Any

from prefect import flow
from prefect.artifacts import create_link_artifact
from prefect.states import Completed, Failed
from pydantic import Field

from flows.common.error_message import nothing_started
from flows.common.errors import DripError
from flows.common.output_guard import without_secrets
from flows.orchestration.secret_blocks import use_secret_blocks
from flows.reporting.markdown import escaped
from flows.reporting.notebooks import DEFAULT_OUTPUT, Choice, write_report
from flows.source.dlt_run_context import in_project

ARTIFACT_KEY = "drip-report"
TIMEOUT = 3600
"""Time limit of a report, in seconds."""
logger = logging.getLogger(__name__)


@flow(name="drip-report", flow_run_name="report to {output}", timeout_seconds=TIMEOUT, persist_result=False)
@without_secrets
def report(
    accounts: Annotated[list[str] | None, Field(description="Names or ids of accounts. Empty: all.")] = None,
    since: Annotated[str | None, Field(description="First day (UTC), such as 2026-01-31. Empty: no limit.")] = None,
    until: Annotated[str | None, Field(description="Last day (UTC). Empty: no limit.")] = None,
    output: Annotated[str, Field(description="Path in the project, or URL in a bucket.")] = DEFAULT_OUTPUT,
) -> Any:
    """Write a page with the charts of the notebooks, which read DuckDB, and link to it in an artifact.

    Returns:
        A state whose data is a `Report`.
    """
    try:
        with nothing_started(), in_project():
            use_secret_blocks("duckdb")
            written = write_report(output, Choice(accounts, since, until), _log)
    except DripError as error:
        return Failed(message=str(error), data=error)
    create_link_artifact(written.link, "Report", key=ARTIFACT_KEY, description=escaped(written.summary()))
    return Completed(message=written.summary(), data=written)


def _log(notebook: str, cell: int, cells: int) -> None:
    logger.info("%s: cell %d of %d", notebook, cell, cells)
