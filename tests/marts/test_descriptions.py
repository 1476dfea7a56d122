"""Every column of every table has a description, which dbt has as a source; for comments, see `test_numbers`."""

import pytest
import yaml

from flows.pipeline.documentation import documented
from tests.command import drip_flows


@pytest.mark.parametrize("table", sorted(documented()))
def test_a_table_is_described(table: str) -> None:
    text = documented()[table]
    assert text.description.rstrip().endswith(".")
    assert text.columns
    for column, meaning in text.columns.items():
        assert meaning.endswith("."), f"{table}.{column} has no description"


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
