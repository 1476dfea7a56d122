"""With several datasets and foreign tables in one database, a sync only changes its own dataset.

dlt would stage rows in `<dataset>_staging`; so no sync may touch a schema of that name.
"""

from typing import Any

import pytest

from tests.conftest import Warehouse, both_destinations

RESOURCES = ["subscribers", "tags"]
OF_OTHERS = "CREATE SCHEMA {0}; CREATE TABLE {0}.subscribers AS SELECT 'me' AS email; CREATE VIEW {0}.tags AS SELECT 1"


def counts(warehouse: Warehouse, schema: str) -> list[int]:
    return [warehouse.value(f"SELECT count(*) FROM {schema}.{name}") for name in RESOURCES]


@both_destinations
def test_a_sync_leaves_other_datasets_and_the_tables_of_others_alone(sync: Any, warehouse: Warehouse) -> None:
    of_others = ("staging", "drip_staging_staging")
    for schema in of_others:
        warehouse.execute(OF_OTHERS.format(schema))
    for dataset in ("drip_staging", "drip", "drip_staging"):
        warehouse.dataset = dataset
        assert sync(dataset=dataset, resources=RESOURCES).exit_code == 0
        assert all(counts(warehouse, dataset))
        for schema in of_others:
            assert counts(warehouse, schema) == [1, 1]
            assert warehouse.value(f"SELECT min(email) FROM {schema}.subscribers") == "me"
    assert counts(warehouse, "drip") == counts(warehouse, "drip_staging"), "a sync emptied the other dataset"


def test_a_dataset_of_an_earlier_version_goes_on(
    sync: Any, warehouse: Warehouse, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as patch:
        for module in ("flows.destinations.target", "flows.destinations.postgres", "flows.destinations.schemas"):
            patch.setattr(f"{module}.staging_name", lambda dataset: f"{dataset}_staging")
        assert sync(resources=RESOURCES).exit_code == 0
    before = counts(warehouse, "drip")
    assert sync(resources=RESOURCES).exit_code == 0
    assert counts(warehouse, "drip") == before
