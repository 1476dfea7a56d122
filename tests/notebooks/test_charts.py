"""Charts rendered like in a browser."""

import json
import os
import re
import subprocess
import sys
from datetime import UTC, datetime
from typing import Any

import pandas as pd

from flows import charts, metrics
from flows.charts import deliverability as deliverability_charts
from flows.charts import email as email_charts
from flows.charts import engagement as engagement_charts
from flows.charts.accounts import OTHERS
from flows.charts.theme import NEUTRAL, PALETTE, STATUSES
from tests.notebooks.rendering import (
    COLOUR_BLIND,
    PAGE,
    WIDEST,
    colours,
    contrast,
    least_difference,
    main_layer,
    rows_of,
    svg_of,
    width_of,
)

DRAW = """
import json, sys, vl_convert

for spec in json.load(sys.stdin):
    print(vl_convert.vegalite_to_svg(spec, vl_version="5.20"))
"""
"""Draws specifications as a browser does, in the time zone of its process."""
HEX = {"black": "#000000", "white": "#FFFFFF", "#000": "#000000", "#fff": "#FFFFFF"}
LONG = "The Extraordinarily Long-Named Subsidiary of a Company With Branches, Number "


def accounts(number: int) -> pd.DataFrame:
    """Accounts whose names differ only where a legend would cut them off."""
    ids = [str(1_000_001 + at) for at in range(number)]
    return pd.DataFrame({"id": ids, "name": [f"{LONG}{one[-2:]}" for one in ids]}, dtype="string")


def people(number: int) -> pd.DataFrame:
    """Subscribers of that many accounts, the first one the largest, of all statuses but `unknown`."""
    rows = [
        (
            str(1_000_001 + at),
            ["active", "unsubscribed", "undeliverable"][one % 3],
            datetime(2025, 1 + one % 12, 3, tzinfo=UTC),
            ["Europe/Berlin", "Asia/Tokyo"][one % 2],
            "https://example.net/x" if one % 4 == 0 else None,
            one % 120 if one % 5 else None,
            one * 1_000 if one % 7 == 0 else None,
        )
        for at in range(number)
        for one in range(3 * (number - at))
    ]
    columns = ["account_id", "status", "created_at", "time_zone", "original_referrer", "lead_score", "lifetime_value"]
    types = {"created_at": "datetime64[us, UTC]", "lead_score": "Int64", "lifetime_value": "Int64"}
    return pd.DataFrame(rows, columns=columns).astype(dict.fromkeys(columns, "string") | types)


def carried(number: int) -> pd.DataFrame:
    """Tags of the subscribers of that many accounts."""
    subscribers = people(number)
    everyone = subscribers.assign(subscriber_id=subscribers.index.astype("string"))[["account_id", "subscriber_id"]]
    return pd.concat([everyone.assign(tag="all"), everyone.iloc[::3].assign(tag="some")], ignore_index=True)


def by_account(number: int) -> dict[str, Any]:
    """Every chart that names accounts, of frames that group by `account_id` alone."""
    subscribers = people(number)
    when = datetime(2026, 1, 1, tzinfo=UTC)
    syncs = pd.DataFrame(
        {"account": subscribers["account_id"].unique(), "resource": "tags", "finished": when, "mode": "full"}
    ).assign(complete=True)
    monthly = pd.DataFrame({"account_id": subscribers["account_id"].unique(), "month": pd.Timestamp("2026-01-01")})
    monthly = monthly.assign(sends=10, revenue_per_thousand=2.0, complaint_rate=0.001)
    status = subscribers[["account_id", "status"]].drop_duplicates().assign(default_value=100)
    return {
        "freshness": charts.freshness(metrics.freshness(syncs, pd.Timestamp(when) + pd.Timedelta(minutes=20))),
        "growth": charts.audience_growth(metrics.audience_growth(subscribers)),
        "status": charts.status_mix(metrics.status_mix(subscribers)),
        "cohorts": charts.cohorts(metrics.cohorts(subscribers)),
        "tags": charts.tag_sizes(metrics.tag_sizes(carried(number))),
        "sources": charts.sources(metrics.sources(subscribers)),
        "zones": charts.time_zones(metrics.time_zones(subscribers)),
        "scores": charts.lead_scores(metrics.lead_scores(subscribers)),
        "values": charts.lifetime_values(metrics.lifetime_values(subscribers)),
        "running": charts.running(metrics.running(status, status.iloc[:1])),
        "conversions": charts.conversions(metrics.conversions(status)),
        "revenue": email_charts.revenue(monthly),
        "complaints": email_charts.complaints(monthly),
    }


COLOURED = ("growth", "tags", "sources", "zones", "scores", "values", "revenue", "complaints")
"""The charts whose colours are accounts."""


def test_moments_are_in_utc_and_in_24_hours_wherever_the_reader_is() -> None:
    """The browser's time zone is three and a half hours behind; the axes are in UTC."""
    moments = pd.to_datetime(["2026-03-08 09:15", "2026-03-08 21:45"]).tz_localize("UTC")
    growth = pd.DataFrame({"resource": "tags", "finished": moments, "rows": [1, 2]})
    moves = pd.DataFrame({"seen_at": moments, "change": "arrived", "people": 1, "net": 1})
    series = pd.DataFrame({"account_id": "1", "id": "1", "name": "x", "seen_at": moments, "active": [1, 2]})
    drawn = (charts.table_growth(growth), charts.movements(moves), charts.series_over_time(series))
    specs = json.dumps([chart.to_dict() for chart in drawn])
    environment = os.environ | {"TZ": "America/St_Johns"}
    result = subprocess.run(
        [sys.executable, "-c", DRAW], input=specs, env=environment, capture_output=True, text=True, check=True
    )
    pictures = result.stdout.split("</svg>")[:3]
    assert len(pictures) == 3
    for picture in pictures:
        labels = " ".join(re.findall(r"<text[^>]*>([^<]*)</text>", picture))
        assert re.search(r"Mar 08 (09|10|12):00", labels), labels
        assert re.search(r"\b(18|21|20):00", labels), labels
        assert not re.search(r"AM|PM", labels), labels
        assert not re.search(r"\d\.\d", labels), "the axis has fractions of a person"


def test_any_two_colours_can_be_told_apart_on_both_themes() -> None:
    every = [*PALETTE, NEUTRAL]
    assert set(STATUSES.values()) <= set(every)
    for missing in COLOUR_BLIND:
        assert least_difference(every, missing) > 7, missing
    for background in PAGE.values():
        assert min(contrast(colour, background) for colour in every) > 1.8
    assert least_difference(["#0072B2", "#0075B5"], "none") < 2


def test_every_chart_of_one_account_fits_and_its_text_can_be_read() -> None:
    charts.use_accounts(accounts(1), people(1))
    drawn = {name: chart.to_dict() for name, chart in by_account(1).items()}
    light = {name: svg_of(spec) for name, spec in drawn.items()}
    assert_fits_and_tells_accounts_apart(drawn, light, 1)
    del drawn["cohorts"]  # its numbers are written on colours, not on the page
    drawn |= {"overlap": charts.tag_overlap(metrics.tag_overlap(carried(2))).to_dict()}
    drawn |= {"none": charts.sentence("Nothing here.").to_dict()}
    for name, spec in drawn.items():
        for theme, background in PAGE.items():
            picture = light[name] if theme is None and name in light else svg_of(spec, theme)
            written = {HEX.get(one, one) for one in re.findall(r"<text[^>]* fill=\"([^\"]+)\"", picture)}
            assert written, name
            assert min(contrast(one, background) for one in written) > 4.5, (name, theme, written)


def test_every_chart_of_many_accounts_fits_and_tells_them_apart() -> None:
    number = len(PALETTE) + 3
    charts.use_accounts(accounts(number), people(number))
    drawn = {name: chart.to_dict() for name, chart in by_account(number).items()}
    assert_fits_and_tells_accounts_apart(drawn, {name: svg_of(spec) for name, spec in drawn.items()}, number)


def assert_fits_and_tells_accounts_apart(drawn: dict[str, Any], pictures: dict[str, str], number: int) -> None:
    """Check the charts of that many accounts, and how they are rendered."""
    widths = {name: width_of(picture) for name, picture in pictures.items()}
    assert max(widths.values()) <= WIDEST, widths
    for name in COLOURED:
        legend = list(colours(drawn[name]))
        assert len(legend) == min(number, len(PALETTE) + 1), name
        assert all(f"({1_000_001 + at})" in legend[at] for at in range(min(number, len(PALETTE)))), legend
        assert (legend[-1] == OTHERS) == (number > len(PALETTE))
    labels = {row["label"] for row in rows_of(drawn["status"])}
    assert len(labels) == number
    assert all(label in pictures["status"] for label in labels), "an axis cuts names off"


def test_an_account_has_one_colour_in_all_charts() -> None:
    charts.use_accounts(accounts(4), people(4))
    everywhere = [colours(chart) for name, chart in by_account(4).items() if name in COLOURED]
    few = people(4)[lambda rows: rows["account_id"] == "1000003"]
    everywhere.append(colours(charts.time_zones(metrics.time_zones(few))))
    whole = everywhere[0]
    assert len(set(whole.values())) == 4
    assert all(legend.items() <= whole.items() for legend in everywhere)
    assert len(everywhere[-1]) == 1


def test_accounts_keep_their_colours_without_having_been_named() -> None:
    first = colours(charts.time_zones(metrics.time_zones(people(3))))
    assert list(first) == ["1000001", "1000002", "1000003"]
    last = people(3)[lambda rows: rows["account_id"] != "1000001"]
    assert colours(charts.time_zones(metrics.time_zones(last))).items() <= first.items()


def test_a_status_has_one_colour_and_absent_ones_are_not_listed() -> None:
    subscribers = people(2).query("status != 'undeliverable'")
    series = pd.DataFrame(
        {"account_id": "1", "id": "1", "name": "x", "state": ["unsubscribed", "active"], "people": [1, 2]}
    )
    one, other = colours(charts.status_mix(metrics.status_mix(subscribers))), colours(charts.series_sizes(series))
    assert list(one) == list(other) == ["active", "unsubscribed"]
    assert one == other
    strange = colours(charts.status_mix(metrics.status_mix(people(1).assign(status="held"))))
    assert list(strange) == ["held"]


def test_bars_are_stacked_in_the_order_of_the_legend() -> None:
    lying = charts.status_mix(metrics.status_mix(people(3)))
    standing = charts.lead_scores(metrics.lead_scores(people(3)))
    for chart, column, direction in ((lying, "status", "ascending"), (standing, "legend", "descending")):
        spec = chart.to_dict()
        places = {row[column]: row["stack_place"] for row in rows_of(spec)}
        assert sorted(places, key=lambda name, places=places: places[name]) == list(colours(chart))
        assert spec["encoding"]["order"] == {"field": "stack_place", "sort": direction, "type": "quantitative"}


def test_losses_are_stacked_in_the_order_of_the_legend_from_the_top() -> None:
    when = pd.Timestamp("2026-01-01", tz="UTC")
    changes = pd.DataFrame(
        [
            ("arrived", None),
            ("left", None),
            ("status", "unsubscribed"),
            ("status", "active"),
            ("status", "undeliverable"),
        ],
        columns=["change", "to_value"],
        dtype="string",
    ).assign(account_id="1", seen_at=when)
    moved = metrics.movements(changes)
    assert moved is not None
    assert dict(zip(moved["change"], moved["net"], strict=True)) == {
        "arrived": 1, "left": -1, "unsubscribed": -1, "active again": 1, "undeliverable": -1
    }  # fmt: skip
    chart = charts.movements(moved)
    assert list(colours(chart)) == ["arrived", "active again", "left", "unsubscribed", "undeliverable"]
    heights = {row["change"]: row["stack_place"] for row in rows_of(chart.to_dict())}
    assert [heights[name] for name in colours(chart)] == [0, 1, -2, -3, -4]


def test_time_is_an_axis_on_which_gaps_show() -> None:
    subscribers = people(2)
    moves = pd.DataFrame({"seen_at": pd.to_datetime(["2026-01-01", "2026-02-09"], utc=True), "change": "left"})
    moves = moves.assign(people=1, net=-1)
    drawn = [charts.audience_growth(metrics.audience_growth(subscribers)), charts.cohorts(metrics.cohorts(subscribers))]
    for chart in (*drawn, charts.movements(moves)):
        assert main_layer(chart.to_dict())["encoding"]["x"]["type"] == "temporal"
    x = charts.movements(moves).to_dict()["encoding"]["x"]
    assert x["timeUnit"] == "utcyearmonthdate"
    assert x["scale"]["domain"] == [1_767_225_600_000, 1_770_681_600_000]
    for apart, unit in (("3min", "hoursminutes"), ("1h", "hours"), ("1D", "")):
        close = moves.assign(seen_at=pd.date_range("2026-01-01", periods=2, freq=apart, tz="UTC"))
        assert charts.movements(close).to_dict()["encoding"]["x"]["timeUnit"] == f"utcyearmonthdate{unit}"


def test_cohorts_of_few_are_faded_and_counted() -> None:
    spec = charts.cohorts(metrics.cohorts(people(25))).to_dict()
    fading = main_layer(spec)["encoding"]["fillOpacity"]
    assert fading["field"] == "joined"
    assert fading["scale"]["range"][0] < 0.3
    assert [layer["mark"]["type"] for layer in spec["layer"]][1:] == ["text"] * (len(spec["layer"]) - 1)
    counted = [name for layer in spec["layer"][1:] for name in spec["datasets"][layer["data"]["name"]]]
    assert sum(row["joined"] for row in counted) == len(people(25))


def test_those_without_a_value_are_counted_instead_of_drawn() -> None:
    subscribers = people(3)
    chart = charts.lifetime_values(metrics.lifetime_values(subscribers)).to_dict()
    none = int(subscribers["lifetime_value"].isna().sum())
    assert chart["title"]["subtitle"] == f"{none} of {len(subscribers)} people are not shown: no purchases"
    assert sum(row["people"] for row in rows_of(chart)) == len(subscribers) - none
    nobody = charts.lifetime_values(metrics.lifetime_values(subscribers.assign(lifetime_value=pd.NA)))
    assert "no purchases" in rows_of(nobody.to_dict())[0]["text"]


def test_a_tag_with_itself_does_not_flatten_the_rest() -> None:
    spec = charts.tag_overlap(metrics.tag_overlap(carried(3))).to_dict()
    assert all(row["tag"] != row["other"] for row in rows_of(spec))
    assert main_layer(spec)["encoding"]["color"]["scale"]["domainMin"] == 0
    assert "domain" not in main_layer(spec)["encoding"]["color"]["scale"]


def test_the_freshness_chart_shows_ages_and_says_what_is_late() -> None:
    finished = [datetime(2026, 1, 1, hour, tzinfo=UTC) for hour in (4, 0, 0, 4, 3)]
    resources = ["tags", "forms", "events", "subscribers", "email_metrics"]
    tries = {"account": "1", "resource": resources, "finished": finished, "mode": [*3 * ["full"], *2 * ["incremental"]]}
    syncs = pd.DataFrame(tries).assign(complete=[True, True, False, True, True])
    fresh = metrics.freshness(syncs, pd.Timestamp("2026-01-01 04:20", tz="UTC"))
    chart = charts.freshness(fresh)
    assert {row["resource"]: row["age"] for row in rows_of(chart.to_dict())} == {
        "tags": "20m", "forms": "4h", "events": "never", "subscribers": "never", "email_metrics": "1h"
    }  # fmt: skip
    assert list(colours(chart)) == ["fresh", "late", "never"]
    picture = svg_of(chart)
    assert all(f">{text}<" in picture for text in ("20m", "4h", "never", "Age of each list"))
    assert "2 of 5 lists arrived whole within the last 3 hours" in picture
    assert "The oldest: forms of 1, 4h ago" in picture


def test_tables_are_narrow_and_say_what_is_in_cents() -> None:
    moment = pd.Timestamp("2026-03-01 17:05:06.123456", tz="UTC")
    frame = pd.DataFrame({"finished": [moment], "api_rows": [1_234], "note": ["<b> " + 40 * "word "]})
    frame = frame.assign(lifetime_value=pd.array([None], "Int64"), share=[0.5])
    shown = charts.table(frame).to_html()
    assert "2026-03-01 17:05<" in shown
    assert "1,234" in shown
    assert "50.0%" in shown
    assert "finished (UTC)" in shown
    assert "lifetime_value (cents)" in shown
    assert "&lt;b&gt;" in shown
    assert "<b>" not in shown
    assert "white-space: normal" in shown
    assert "NA" not in shown
    numbers = re.search(r"td\.col1 \{\s*text-align: right", shown)
    assert numbers, "numbers are not aligned to the right"
    assert not re.search(r"td\.col2 \{\s*text-align: right", shown), "text is"
    assert ">No rows<" in charts.table(frame.head(0)).to_html()
    assert "The first 2 of 3 rows" in charts.table(pd.concat([frame] * 3), most=2).to_html()


def test_an_email_keeps_the_end_of_its_id() -> None:
    """Axes cut labels at their end, where the id is."""
    emails = pd.DataFrame({"email_id": ["1842144753966", "1842144753967"], "title": [3 * LONG] * 2}, dtype="string")
    rates = dict.fromkeys(("bounces_rate", "complaints_rate", "unsubscribes_rate"), 0.1)
    lost = deliverability_charts.by_email(emails.assign(sends=10, **rates))
    earned = engagement_charts.earnings(emails.assign(orders=1, revenue=2.0))
    for chart in (lost, earned):
        picture = svg_of(chart)
        assert "144753966)<" in picture
        assert "144753967)<" in picture
        assert width_of(picture) <= WIDEST
