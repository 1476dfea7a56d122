"""Prefect assets: one per table, materialised by each sync, and an event for each list that failed.

The asset of a table fails if any of its lists failed; its event and `drip.list.failed` name the lists.
"""

import hashlib
import re
from collections import defaultdict
from collections.abc import Mapping
from typing import Any

from prefect.assets import Asset, AssetProperties
from prefect.context import AssetContext
from prefect.events import emit_event
from prefect.states import Completed, Failed

from flows.common.labels import account_label
from flows.pipeline.report import SyncReport
from flows.pipeline.report_line import ListReport
from flows.pipeline.sync_log import NO_ACCOUNT
from flows.source.endpoints import ENDPOINTS

MATERIALIZED_BY = "drip-flows"
LIST_FAILED = "drip.list.failed"
"""Event for a list that did not arrive completely."""
NOT_IN_KEYS = re.compile(r"[^A-Za-z0-9._:/=-]+")
LONGEST_PLACE = 400
MOST_NAMED = 50
"""Maximum number of failed lists named in an asset's event."""


def publish_assets(report: SyncReport) -> None:
    """Emit the materialisation of each table of a report, failed or not, and an event for each failed list."""
    lists: dict[str, list[ListReport]] = defaultdict(list)
    for line in report.lists:
        lists[line.resource].append(line)
    for resource, lines in lists.items():
        asset = asset_of(report, resource)
        context = AssetContext(
            downstream_assets={asset},
            materialized_by=MATERIALIZED_BY,
            materialization_metadata={asset.key: _metadata(report, lines)},
        )
        context.emit_events(Completed() if all(line.complete for line in lines) else Failed())
    for line in report.failures:
        emit_event(LIST_FAILED, resource=_list_resource(report, line), payload={"note": line.note, "run": report.run})


def asset_of(report: SyncReport, resource: str) -> Asset:
    """The asset of a table."""
    return Asset(
        key=asset_key(report, resource),
        properties=AssetProperties(
            name=f"{report.dataset}.{resource}",
            description=f"{resource} of Drip, in {report.location}. {_documentation(resource)}",
        ),
    )


def asset_key(report: SyncReport, resource: str) -> str:
    """The key of a table's asset: destination, location without secrets, dataset and table."""
    place = report.location.rpartition("://")[2].strip("/")
    if len(place) > LONGEST_PLACE:
        place = hashlib.blake2b(place.encode(), digest_size=16).hexdigest()
    return NOT_IN_KEYS.sub("-", f"{report.destination}://{place}/{report.dataset}/{resource}")


def _documentation(resource: str) -> str:
    return " ".join((ENDPOINTS[resource].record.__doc__ or "").split())


def _metadata(report: SyncReport, lines: list[ListReport]) -> dict[str, Any]:
    """What an event says of a table: its rows, completeness, newest record and failed lists."""
    failed = [line for line in lines if not line.complete]
    newest = report.newest.get(lines[0].resource)
    return {
        "run": report.run,
        "rows": sum(line.total or 0 for line in lines),
        "api_rows": sum(line.api_rows or 0 for line in lines),
        "quarantined": sum(line.quarantined for line in lines),
        "lists": len(lines),
        "complete_lists": len(lines) - len(failed),
        "complete": not failed,
        "newest_record": newest.isoformat() if newest else None,
        "failed": [f"{_owner(line, report.account_names)}: {line.note}" for line in failed[:MOST_NAMED]],
    }


def _list_resource(report: SyncReport, line: ListReport) -> dict[str, str]:
    owner = line.account or line.connection or "token"
    return {
        "prefect.resource.id": f"drip.list.{line.resource}.{owner}",
        "prefect.resource.name": f"{line.resource} of {_owner(line, report.account_names)}",
        "drip.resource": line.resource,
        "drip.account": line.account or "",
        "drip.dataset": report.dataset,
    }


def _owner(line: ListReport, names: Mapping[str, str]) -> str:
    return account_label(line.account, names) if line.account else line.connection or NO_ACCOUNT
