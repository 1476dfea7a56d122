"""A dataset per database, built once: three syncs of a world of random days, with all of its webhook events."""

import json
import random
from contextlib import closing
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import msgspec
import pytest

from flows.destinations.relations import Relation, relations
from flows.destinations.schemas import quoted
from flows.sandbox import World, serve
from flows.sandbox.generator.events import happened
from flows.sandbox.generator.timeline import AS_OF
from flows.source.deliveries.spool import Spool
from tests.conftest import PostgresWarehouse, Warehouse
from tests.postgres import new_database

SIZES = {"1000001": 400, "1000002": 40}
RESOURCES = ["accounts", "subscribers", "broadcasts", "workflows", "workflow_details", "email_metrics"]
DAYS = sorted(random.Random(5).sample(range(20, 90), 2), reverse=True)
"""Days before the end of the world on which the first two syncs run."""


@pytest.fixture(scope="session", params=["duckdb", "postgres"])
def filled(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Warehouse:
    """The dataset; tests do not change it."""
    folder = tmp_path_factory.mktemp("marts")
    warehouse = Warehouse(folder / "warehouse.duckdb")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("DESTINATION__DUCKDB__CREDENTIALS", str(warehouse.path))
        if request.param == "postgres":
            url = new_database(request.getfixturevalue("postgres_server"))
            warehouse = PostgresWarehouse(warehouse.path, url=url)
            patch.setenv("DESTINATION__POSTGRES__CREDENTIALS", url)
        for name, value in {
            "LANDING": folder / "landing",
            "WEBHOOKS": folder / "spool",
            "EMAIL_METRICS_DAYS": 8,
            "COMMENTS": "true",
        }.items():
            patch.setenv(f"SOURCES__DRIP__{name}", str(value))
        fill(warehouse, folder / "spool", patch)
    return warehouse


def fill(warehouse: Warehouse, spool: Path, patch: pytest.MonkeyPatch) -> None:
    """Sync on three days, the last time with the events of all days since the first."""
    from flows.pipeline import sync as pipeline

    world = World(seed=11, sizes=SIZES)
    with serve(world) as server:
        patch.setenv("SOURCES__DRIP__BASE_URL", server.url)
        patch.setenv("SOURCES__DRIP__API_KEY", world.api_key)
        for days in DAYS:
            world.move_to(AS_OF - timedelta(days=days))
            assert pipeline.sync(destination=warehouse.destination, resources=["subscribers"]).exit_code == 0  # type: ignore[arg-type]
        world.move_to(AS_OF)
        for account in SIZES:
            bodies = events_of(world, account, DAYS[0])
            put(spool, account, [*bodies, *deeds_after(bodies)])
        report = pipeline.sync(destination=warehouse.destination, resources=RESOURCES)  # type: ignore[arg-type]
        assert (report.exit_code, report.view_problems) == (0, {})


def events_of(world: World, account: str, days: float) -> list[dict[str, Any]]:
    """The deliveries of an account over the last days of the world."""
    lists, end = world.account(account), int(AS_OF.timestamp())
    told = happened(lists.book, lists.subscribers.people, int((AS_OF - timedelta(days=days)).timestamp()), end)
    return [one.body(account) for one in told]


def deeds_after(bodies: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Orders up to eight days after some clicks, unsubscriptions after some deliveries, and clicks in a broadcast.

    The sandbox has few of them. The email of a broadcast is named by the broadcast's own id here, as Drip may do.
    """
    found = []
    for number, body in enumerate(bodies):
        kind, properties = body["event"].removeprefix("subscriber."), body["data"].get("properties") or {}
        moment = datetime.fromisoformat(body["occurred_at"])
        if kind == "clicked_email" and number % 2:
            order = {"action": "Bought", "value": 100 * number + 7}
            found.append(_deed(body, "performed_custom_event", moment + timedelta(hours=number % 192), order))
            broadcast = properties["delivery_id"][:-6]
            click = properties | {"email_id": broadcast, "delivery_id": f"b{properties['delivery_id']}"}
            found.append(_deed(body, "clicked_email", moment + timedelta(hours=1), click))
        if kind == "received_email" and number % 40 == 0:
            found.append(_deed(body, "unsubscribed_all", moment + timedelta(hours=2), {}))
    return found


def _deed(body: dict[str, Any], event: str, moment: datetime, properties: dict[str, Any]) -> dict[str, Any]:
    data = body["data"] | {"properties": properties}
    return {"event": f"subscriber.{event}", "data": data, "occurred_at": moment.isoformat()}


def put(folder: Path, account: str, bodies: list[dict[str, Any]]) -> None:
    """Put deliveries into the spool as the receiver does, each received three seconds after its event."""
    rows = [
        (
            account,
            int(datetime.fromisoformat(body["occurred_at"]).timestamp() * 1_000_000) + 3_000_000,
            msgspec.json.encode(body),
        )
        for body in bodies
    ]
    with closing(Spool(folder)) as spool:
        spool.append(rows)


def there(warehouse: Warehouse) -> dict[str, Relation]:
    """The relations of a dataset."""

    def execute(statement: str, *values: str) -> Any:
        for value in values:
            statement = statement.replace("%s", f"'{value}'", 1)
        return warehouse.rows(statement)

    return relations(execute, warehouse.destination, warehouse.dataset)


def records(warehouse: Warehouse, table: str) -> list[dict[str, Any]]:
    """The rows of a table or view as dicts, with moments in UTC; properties and tags are decoded."""
    columns = list(warehouse.columns(table))
    rows = warehouse.rows(f"SELECT {', '.join(map(quoted, columns))} FROM {table}")
    return [{name: _plain(name, value) for name, value in zip(columns, row, strict=True)} for row in rows]


def _plain(name: str, value: Any) -> Any:
    if isinstance(value, datetime):
        return value.astimezone(UTC)
    return json.loads(value) if name in ("properties", "tags") and isinstance(value, str) else value
