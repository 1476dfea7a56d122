"""`_syncs` does not grow without bound, and keeps what later syncs depend on."""

from typing import Any

from tests.conftest import Warehouse, both_destinations

OLD_RUNS = """
    INSERT INTO drip._syncs (run, started, finished, mode, account, resource, total_rows, landed_rows, complete,
        history, _dlt_load_id, _dlt_id)
    SELECT run || '-' || age, started - age * INTERVAL '1 hour', finished - age * INTERVAL '1 hour',
        CASE WHEN age % 24 = 0 THEN 'full' ELSE 'incremental' END, account, resource, total_rows, landed_rows,
        complete AND age < 15000, history, _dlt_load_id, _dlt_id || '-' || age
    FROM drip._syncs CROSS JOIN generate_series(30, 20000, 6) AS ages(age)
    WHERE resource = 'subscribers'
"""
OLD_LOADS = """
    UPDATE drip._syncs SET _dlt_load_id = CAST(extract(epoch FROM started) AS BIGINT) || '.5';
    INSERT INTO drip._dlt_loads (load_id, schema_name, status, inserted_at)
    SELECT DISTINCT _dlt_load_id, 'drip', 0, started FROM drip._syncs
    UNION ALL SELECT '1.5', 'of another pipeline', 0, TIMESTAMP '2020-01-01';
"""
BY_AGE = """
    SELECT CASE WHEN age <= 30 THEN 'all' WHEN age <= 400 THEN 'daily' ELSE 'newest' END, count(*)
    FROM (
        SELECT extract(epoch FROM (SELECT max(finished) FROM _syncs) - finished) / 86400 AS age
        FROM _syncs WHERE account = '1000001' AND resource = 'subscribers'
    ) AS ages GROUP BY 1 ORDER BY 1
"""


@both_destinations
def test_old_runs_are_thinned(sync: Any, warehouse: Warehouse) -> None:
    assert sync(resources=["subscribers"]).exit_code == 0
    warehouse.execute(OLD_RUNS)
    warehouse.execute("DELETE FROM drip._syncs WHERE started = (SELECT max(started) FROM drip._syncs)")
    warehouse.execute(OLD_LOADS)
    before = dict(warehouse.rows(BY_AGE))
    assert sync(resources=["subscribers"], mode="auto").exit_code == 0
    after = dict(warehouse.rows(BY_AGE))
    assert before["daily"] > 1_400
    assert abs(after["all"] - before["all"]) <= 4 + 1  # of the day that it becomes older than 30 days, and itself
    assert 368 <= after["daily"] <= 372
    assert after["newest"] <= 2  # the newest incomplete runs, full and incremental
    again = sync(resources=["subscribers"], mode="auto")
    assert [line.mode for line in again.lists if line.account] == ["incremental"] * 2
    assert all(line.before is not None for line in again.lists if line.account)
    assert dict(warehouse.rows(BY_AGE))["daily"] == after["daily"]  # at most once a day
    loads = {load for load, name in warehouse.rows("SELECT load_id, schema_name FROM _dlt_loads") if name == "drip"}
    named = {*warehouse.column("SELECT _dlt_load_id FROM _syncs")}
    needed = {*warehouse.column("SELECT _dlt_load_id FROM _dlt_pipeline_state")}
    assert named | needed == loads
    assert len(needed - named) > 0
    assert warehouse.value("SELECT count(*) FROM _dlt_loads WHERE schema_name <> 'drip'") == 1
