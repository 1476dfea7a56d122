"""Views in PostgreSQL are replaced only if they differ; a lack of privileges is reported before the first request."""

from typing import Any

import pytest

from flows.common.errors import SettingsError
from flows.destinations.schemas import staging_name
from flows.pipeline.changes import changes_query
from flows.pipeline.context import clean_up
from flows.pipeline.preparation import prepare
from flows.pipeline.views import TAGS_OF
from tests.conftest import PostgresWarehouse, Warehouse
from tests.destinations.conftest import as_owner

VIEWS = """
    SELECT oid, xmin FROM pg_class WHERE relkind = 'v' AND relname LIKE 'subscriber_%' ORDER BY oid
"""
SCHEMAS = f'drip, "{staging_name("drip")}"'
GRANTS = f"""
    GRANT ALL ON SCHEMA {SCHEMAS} TO limited;
    GRANT ALL ON ALL TABLES IN SCHEMA {SCHEMAS} TO limited;
"""
TABLES = f"""
    CREATE SCHEMA drip; CREATE SCHEMA "{staging_name("drip")}";
    CREATE TABLE drip.subscribers (account_id VARCHAR, id VARCHAR, tags JSONB, _row_hash VARCHAR);
    CREATE TABLE drip.subscribers_history (
        account_id VARCHAR, id VARCHAR, tags JSONB, custom_fields JSONB, status VARCHAR, _row_hash VARCHAR,
        valid_from TIMESTAMPTZ, valid_to TIMESTAMPTZ, opened_as VARCHAR
    );
"""
VIEWS = {
    "subscriber_tags": TAGS_OF["postgres"].format(table="drip.subscribers"),
    "subscriber_changes": changes_query("postgres", 'drip."subscribers_history"'),
}
on_postgres = pytest.mark.parametrize("warehouse", ["postgres"], indirect=True)


@pytest.fixture(autouse=True)
def _key(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SOURCES__DRIP__API_KEY", "n0body")


def make(url: str, **changed: str) -> None:
    """Create the tables and views of an earlier sync, as their owner."""
    views = "; ".join(f"CREATE VIEW drip.{name} AS {query}" for name, query in (VIEWS | changed).items())
    as_owner(url, f"{TABLES} {views}; {GRANTS}")


@on_postgres
def test_views_that_need_no_change_need_no_owner(warehouse: PostgresWarehouse, postgres: str, limited: str) -> None:
    make(postgres)
    clean_up(prepare(None, "postgres", "drip"))


@on_postgres
@pytest.mark.parametrize(
    ("view", "query"),
    [
        ("subscriber_tags", "SELECT account_id, id AS subscriber_id, 'x'::varchar AS tag FROM drip.subscribers"),
        ("subscriber_changes", VIEWS["subscriber_changes"].replace("'left'", "'gone'")),
    ],
)
def test_views_that_have_to_change_need_their_owner(
    warehouse: PostgresWarehouse, postgres: str, limited: str, monkeypatch: pytest.MonkeyPatch, view: str, query: str
) -> None:
    make(postgres, **{view: query})
    with pytest.raises(SettingsError, match=rf"{view} in 127.* its owner: sync as postgres once") as refused:
        prepare(None, "postgres", "drip")
    assert len(str(refused.value).splitlines()) == 1
    monkeypatch.setenv("DESTINATION__POSTGRES__CREDENTIALS", postgres)
    clean_up(prepare(None, "postgres", "drip"))


@on_postgres
def test_a_user_who_does_not_own_the_views_syncs(
    sync: Any, warehouse: PostgresWarehouse, postgres: str, limited: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as patch:
        patch.setenv("DESTINATION__POSTGRES__CREDENTIALS", postgres)
        assert sync(resources=["subscribers"]).exit_code == 0
        objects = warehouse.rows(
            "SELECT oid, xmin FROM pg_class WHERE relkind = 'v' AND relname LIKE 'subscriber_%' ORDER BY oid"
        )
        assert sync(resources=["subscribers"]).exit_code == 0
        again = warehouse.rows(
            "SELECT oid, xmin FROM pg_class WHERE relkind = 'v' AND relname LIKE 'subscriber_%' ORDER BY oid"
        )
        assert objects == again, "an unchanged view was replaced"
    as_owner(postgres, GRANTS)
    assert sync(resources=["subscribers"]).exit_code == 0
    assert warehouse.value("SELECT count(DISTINCT run) FROM _syncs") == 3


def test_a_view_of_another_owner_is_told(
    sync: Any, warehouse: Warehouse, postgres: str, limited: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    warehouse.destination = "postgres"
    with monkeypatch.context() as patch:
        patch.setenv("DESTINATION__POSTGRES__CREDENTIALS", postgres)
        assert sync(resources=["tags"], destination="postgres").view_problems == {}
    as_owner(
        postgres,
        'GRANT ALL ON SCHEMA drip, "_drip_flows_staging_drip" TO limited; '
        'GRANT ALL ON ALL TABLES IN SCHEMA drip, "_drip_flows_staging_drip" TO limited',
    )
    assert sync(resources=["tags"], destination="postgres").view_problems == {}
    report = sync(resources=["subscribers"], destination="postgres")
    assert report.exit_code == 0
    assert "its owner postgres" in report.view_problems["people"]
