"""Charts rendered like in a browser."""

import io
import os
import re
import subprocess
import sys
from datetime import UTC, datetime

import pandas as pd

from flows import charts, metrics
from tests.conftest import PROJECT

MOMENTS = """
import sys
import pandas as pd
from flows import charts

moments = pd.to_datetime(["2026-03-08 09:15", "2026-03-08 09:45"]).tz_localize("UTC")
growth = pd.DataFrame({"resource": "tags", "finished": moments, "rows": [1, 2]})
moves = pd.DataFrame({"seen_at": moments, "change": "arrived", "people": 1, "net": 1})
series = pd.DataFrame({"account_id": "1", "id": "1", "name": "x", "seen_at": moments, "active": [1, 2]})
for chart in (charts.table_growth(growth), charts.movements(moves), charts.series_over_time(series)):
    chart.save(sys.stdout, format="svg")
"""


def test_moments_are_in_utc_wherever_the_reader_is() -> None:
    """The browser's time zone is three and a half hours behind; the axes are in UTC."""
    words = [sys.executable, "-c", MOMENTS]
    environment = os.environ | {"TZ": "America/St_Johns", "PYTHONPATH": str(PROJECT)}
    result = subprocess.run(words, env=environment, capture_output=True, text=True, check=True)
    pictures = result.stdout.split("</svg>")[:3]
    assert len(pictures) == 3
    for picture in pictures:
        labels = " ".join(re.findall(r"<text[^>]*>([^<]*)</text>", picture))
        assert re.search(r"\b0?9(:15|:30|:45| AM)", labels), labels
        assert not re.search(r"\b0?[56]:[14]5", labels), labels
        assert not re.search(r"\d\.\d", labels), "the axis has fractions of a person"


def test_a_list_that_never_arrived_says_so() -> None:
    tries = {
        "account": "1",
        "resource": ["tags", "events"],
        "finished": datetime(2026, 1, 1, tzinfo=UTC),
        "mode": "full",
        "complete": [True, False],
    }
    syncs = pd.DataFrame(tries)
    fresh = metrics.freshness(syncs, pd.Timestamp("2026-01-01 05:00", tz="UTC"))
    chart = charts.freshness(fresh.assign(account=fresh["account_id"]))
    chart.save(picture := io.StringIO(), format="svg")
    assert ">never<" in picture.getvalue()
    assert "Age of each list" in picture.getvalue()


def test_more_accounts_than_colours() -> None:
    people = pd.DataFrame({"account": [f"shop {at}" for at in range(30)], "tag": "a", "people": range(1, 31)})
    chart = charts.tag_sizes(people).to_dict()
    shown = chart["encoding"]["color"]["scale"]["domain"]
    assert len(shown) == 10
    assert "all other accounts" in shown
    (rows,) = chart["datasets"].values()
    assert sum(row["people"] for row in rows) == people["people"].sum()
