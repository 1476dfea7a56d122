"""Reading from PostgreSQL returns the same as from DuckDB."""

import json
from typing import Any

import pandas as pd

from flows.dataset import load, load_if_kept, query, tables

FIRST = "1000001"


def in_order(text: str) -> str:
    """JSON text with sorted keys."""
    return json.dumps(json.loads(text), sort_keys=True)


def test_the_same_frames(sync: Any, postgres: str) -> None:
    names = ["accounts", "subscribers", "broadcasts"]
    assert sync(resources=names).exit_code == 0
    assert sync(resources=names, destination="postgres").exit_code == 0
    for name in [*names, "subscriber_tags"]:
        here, there = (
            load(name, accounts=[FIRST], destination=place).pipe(lambda rows: rows.sort_values(list(rows)[:3]))
            for place in ("duckdb", "postgres")
        )
        assert list(map(str, here.dtypes)) == list(map(str, there.dtypes)), name
        for column in ("custom_fields", "tags") if name == "subscribers" else ():  # jsonb sorts its keys
            here[column], there[column] = (rows[column].map(in_order, na_action="ignore") for rows in (here, there))
        pd.testing.assert_frame_equal(here.reset_index(drop=True), there.reset_index(drop=True))
    assert load_if_kept("no_such_table", destination="postgres") is None
    assert set(tables("postgres")["table"]) == set(tables("duckdb")["table"])
    counted = query("SELECT count(*) AS people FROM subscribers", destination="postgres")
    assert counted["people"][0] == len(load("subscribers"))
    assert_json_of_any_shape()


def assert_json_of_any_shape() -> None:
    """Check the custom fields in PostgreSQL: each person has other ones, or none."""
    wanted = load("subscribers", destination="postgres").set_index("id")["custom_fields"]
    some = load("subscribers", destination="postgres", limit=50, as_objects=["custom_fields"])
    assert list(some["custom_fields"]) == [json.loads(wanted[one]) for one in some["id"]]
    asked = query("SELECT id, custom_fields FROM subscribers", destination="postgres").set_index("id")["custom_fields"]
    assert asked.map(in_order).to_dict() == wanted.map(in_order).to_dict()
