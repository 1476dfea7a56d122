"""Every column of every table has a description, which the database has as a comment and dbt as a source."""

import pytest
import yaml

from flows.destinations.relations import Relation
from flows.pipeline.comments import outdated
from flows.pipeline.documentation import column_text, documented
from flows.source.endpoints import ENDPOINTS
from tests.command import drip_flows
from tests.conftest import Warehouse
from tests.marts.conftest import there


@pytest.mark.parametrize("table", sorted(documented()))
def test_a_table_is_described(table: str) -> None:
    text = documented()[table]
    assert text.description.rstrip().endswith(".")
    assert text.columns
    for column, meaning in text.columns.items():
        assert meaning.endswith("."), f"{table}.{column} has no description"


def test_the_database_has_it_as_a_comment(filled: Warehouse) -> None:
    found = {name: one for name, one in there(filled).items() if not name.startswith("_dlt")}
    assert {*ENDPOINTS} & found.keys()
    assert found.keys() <= documented().keys()
    for name, relation in found.items():
        assert relation.comment.startswith(documented()[name].description)
        for column, one in relation.columns.items():
            assert one.comment == column_text(name, column) != "", f"{name}.{column}"
    assert list(outdated(found, filled.dataset)) == [], "a comment would be written again"


def test_a_comment_that_differs_is_replaced(filled: Warehouse) -> None:
    found = there(filled)
    found["tags"] = Relation(False, "", "", {"tag": found["subscribers"].columns["id"]})
    statements = list(outdated(found, "drip"))
    assert [statement.partition(" IS ")[0] for statement in statements] == [
        'COMMENT ON TABLE "drip"."tags"',
        'COMMENT ON COLUMN "drip"."tags"."tag"',
    ]


def test_dbt_has_every_table_as_a_source() -> None:
    result = drip_flows("dbt-sources", "--dataset", "marketing")
    assert result.exit_code == 0, result.stderr
    (source,) = yaml.safe_load(result.stdout)["sources"]
    assert source["schema"] == "marketing"
    tables = {table["name"]: table for table in source["tables"]}
    assert tables.keys() == documented().keys()
    for name, table in tables.items():
        assert {one["name"]: one["description"] for one in table["columns"]} == documented()[name].columns


def test_dbt_sources_of_no_dataset() -> None:
    result = drip_flows("dbt-sources", "--dataset", "a b")
    assert (result.exit_code, result.stdout) == (2, "")
    assert "'a b' is not a valid name" in result.stderr
