"""The notebooks run unchanged in a kernel, and their charts match the contents of the database.

All tests that use the kernel are here, since each file with one would start its own.
"""

import time
from typing import Any

import duckdb
import pytest

from flows.charts import engagement as engagement_charts
from flows.pipeline.sync_log import NO_ACCOUNT
from flows.sandbox import World
from tests.conftest import Warehouse
from tests.marts import conftest as marts
from tests.notebooks.conftest import CHART, DAYS, NOTEBOOKS, Kernel
from tests.notebooks.rendering import rows_of
from tests.notebooks.shown import assert_shows_history, assert_shows_people, drawn, title_of, total


def test_data_health(there: Warehouse, kernel: Kernel) -> None:
    before = time.time()
    charts = drawn(kernel, "01-data-health.ipynb")
    after = time.time()
    lists = f"""
        SELECT coalesce(account, '{NO_ACCOUNT}'), resource, epoch(max(finished)) FROM _syncs WHERE complete GROUP BY ALL
    """
    arrived = {(account, resource): moment for account, resource, moment in there.rows(lists)}
    ages = {(row["account_id"], row["resource"]): 3_600 * row["hours"] for row in charts["Age of each list"]}
    assert ages.keys() == arrived.keys()
    assert all(before - moment - 1 <= ages[name] <= after - moment + 1 for name, moment in arrived.items())
    grown = [row["rows"] for row in charts["Rows of each table after each sync"] if row["resource"] == "subscribers"]
    expected = "SELECT sum(loaded_rows) FROM _syncs WHERE resource = 'subscribers' GROUP BY finished ORDER BY finished"
    assert grown == there.column(expected)
    assert len(grown) == len(DAYS)
    filled = total(charts["How much of subscribers is filled in"], "column", number="filled")
    assert filled["first_name"] == there.value("SELECT count(first_name) FROM subscribers")
    plan = [row["people"] for row in charts["Who has which custom field"] if row["field"] == "plan"]
    assert sum(plan) == there.value("SELECT count(*) FROM subscribers WHERE custom_fields ->> 'plan' IS NOT NULL")
    assert any("quarantine is empty" in title for title in charts)
    with duckdb.connect(there.path) as con:
        columns = "account, resource, record_hash, reason, record, seen"
        con.execute(
            f"INSERT INTO drip._quarantine ({columns}) SELECT '1000002', 'tags', range::TEXT, 'no key', '{{}}', now() "
            "FROM range(3)"
        )
    (output,) = kernel.run("charts.quarantined(metrics.quarantined(load('_quarantine')))")
    (row,) = rows_of(output.data[CHART])
    assert (row["account_id"], row["resource"], row["reason"], row["records"]) == ("1000002", "tags", "no key", 3)


def test_audience(there: Warehouse, kernel: Kernel) -> None:
    charts = drawn(kernel, "02-audience.ipynb")
    statuses = "SELECT account_id, status, count(*) FROM subscribers GROUP BY ALL"
    mix = charts["Status of today's subscribers"]
    assert {(row["account_id"], row["status"], row["people"]) for row in mix} == set(there.rows(statuses))
    joined = "SELECT strftime(created_at AT TIME ZONE 'UTC', '%Y-%m-01T00:00:00'), count(*) FROM subscribers GROUP BY 1"
    cohorts = charts["Who joined in a month and can still be reached"]
    assert total(cohorts, "month", number="joined") == dict(there.rows(joined))
    assert sum(row["active"] for row in cohorts) == there.value(
        "SELECT count(*) FROM subscribers WHERE status = 'active'"
    )
    sizes = dict(there.rows("SELECT tag, count(*) FROM subscriber_tags GROUP BY 1"))
    shown = total(charts["People by tag"], "tag")
    assert shown == {tag: sizes[tag] for tag in shown}
    pair = next(row for row in charts["Tags that go together"] if row["tag"] != row["other"])
    both = (
        "SELECT count(*) FROM subscriber_tags a JOIN subscriber_tags b USING (account_id, subscriber_id) "
        f"WHERE a.tag = '{pair['tag']}' AND b.tag = '{pair['other']}'"
    )
    assert pair["people"] == there.value(both)
    zones = dict(there.rows("SELECT time_zone, count(*) FROM subscribers GROUP BY 1"))
    shown = total(charts["Where people are"], "time_zone")
    assert shown == {zone: zones[zone] for zone in shown}
    bands = total(charts["Lifetime values"], "band")
    assert sum(bands.values()) == there.value("SELECT count(lifetime_value) FROM subscribers")
    rich = "SELECT count(*) FROM subscribers WHERE lifetime_value BETWEEN 10000 AND 24999"
    assert bands["100 to 250"] == there.value(rich)
    scores = total(charts["Lead scores"], "band")
    assert scores["under 20"] == there.value("SELECT count(*) FROM subscribers WHERE lead_score < 20")
    assert sum(scores.values()) == there.value("SELECT count(lead_score) FROM subscribers")
    host = "split_part(split_part(original_referrer, '//', 2), '/', 1)"
    source = f"nullif(regexp_replace(lower({host}), '^www[.]|:.*$', ''), '')"
    assert total(charts["Where people came from"], "source") == dict(
        there.rows(f"SELECT {source} AS source, count(*) FROM subscribers GROUP BY 1 HAVING source IS NOT NULL")
    )

    assert_shows_history(there, charts)
    with duckdb.connect(there.path) as con:
        con.execute("DROP VIEW drip.subscriber_changes")
    assert any("history is not kept" in title for title in drawn(kernel, "02-audience.ipynb", most=3))
    (output,) = kernel.run("charts.tag_movements(metrics.tag_movements(changes))")
    assert "history is not kept" in rows_of(output.data[CHART])[0]["text"]


def test_sending(there: Warehouse, kernel: Kernel) -> None:
    charts = drawn(kernel, "03-sending.ipynb")
    sent = (
        "SELECT dayname(send_at AT TIME ZONE 'UTC'), hour(send_at AT TIME ZONE 'UTC'), count(*) "
        "FROM broadcasts WHERE status = 'sent' GROUP BY ALL"
    )
    calendar = charts["When broadcasts were sent"]
    assert {(row["weekday"], row["hour"], row["broadcasts"]) for row in calendar} == set(there.rows(sent))
    fates = total(charts["What became of the broadcasts of each month"], "status", number="broadcasts")
    assert fates == dict(there.rows("SELECT status, count(*) FROM broadcasts GROUP BY 1"))
    running = total(charts["Series and workflows by status"], "kind", "status", number="number")
    series = there.rows("SELECT 'series', status, count(*) FROM campaigns GROUP BY ALL")
    flows = there.rows("SELECT 'workflows', status, count(*) FROM workflows GROUP BY ALL")
    assert running == {(kind, status): count for kind, status, count in [*series, *flows]}
    people = total(charts["People in each series today"], "id", "state")
    active = there.rows("SELECT id, active_subscriber_count FROM campaigns")
    assert {key: count for key, count in people.items() if key[1] == "active"} == {
        (one, "active"): count for one, count in active if (one, "active") in people
    }
    goals = total(charts["Conversions that are defined"], "status", number="conversions")
    assert goals == dict(there.rows("SELECT status, count(*) FROM conversions GROUP BY 1"))
    (latest,) = [rows for title, rows in charts.items() if "How the latest broadcasts did" in title]
    clicks = {(row["account_id"], row["broadcast_id"]): row["clicks"] for row in latest}
    query = "SELECT account_id, broadcast_id, sum(clicks)::BIGINT FROM email_metrics WHERE broadcast_id IS NOT NULL"
    expected = {(account, one): count for account, one, count in there.rows(f"{query} GROUP BY ALL")}
    assert clicks
    assert clicks.items() <= expected.items()
    assert any("Complaints per send" in title for title in charts)


def test_no_rows_are_sentences(there: Warehouse, kernel: Kernel) -> None:
    tables = ("subscribers", "broadcasts", "campaigns", "workflows", "conversions", "subscribers_history")
    with duckdb.connect(there.path) as con:
        for table in (*tables, "email_metrics"):
            con.execute(f"DELETE FROM drip.{table} WHERE account_id <> '1000003'")
    for name in ("01-data-health", "02-audience", "04-explore", "03-sending"):
        if name == "03-sending":  # it needs no email metrics at all
            with duckdb.connect(there.path) as con:
                con.execute("DROP TABLE drip.email_metrics")
        for title in drawn(kernel, f"{name}.ipynb"):
            assert title.endswith((".", "list", "sync")), (name, title)


def test_the_eight_questions_have_answers(there: Warehouse, kernel: Kernel) -> None:
    assert drawn(kernel, "04-explore.ipynb")["People by tag"]
    moved = "SELECT min(started), max(started) FROM _syncs WHERE resource = 'subscribers'"
    ((first, last),) = there.rows(moved)
    (shown,) = kernel.run("[week_ago.timestamp(), now.timestamp()]")
    assert eval(shown.data["text/plain"]) == [first.timestamp(), last.timestamp()]
    lost = "int(metrics.churn(as_of('subscribers', week_ago), as_of('subscribers', now))['left'].sum())"
    (shown,) = kernel.run(lost)
    then = f"FROM subscribers_history h WHERE valid_from <= '{first}' AND (valid_to IS NULL OR valid_to > '{first}')"
    now = "SELECT 1 FROM subscribers s WHERE (s.account_id, s.id) = (h.account_id, h.id)"
    gone = there.value(f"SELECT count(*) {then} AND h.status = 'active' AND NOT EXISTS ({now})")
    assert int(shown.data["text/plain"]) == gone > 0
    (shown,) = kernel.run("int(metrics.tag_growth(changes, week_ago)['added'].sum())")
    assert int(shown.data["text/plain"]) == there.value(
        "SELECT count(*) FROM subscriber_changes WHERE change = 'tag_added'"
    )
    (shown,) = kernel.run("int((diff('subscribers', week_ago, now)['change'] == 'arrived').sum())")
    assert int(shown.data["text/plain"]) == there.value(
        "SELECT count(*) FROM subscriber_changes WHERE change = 'arrived'"
    )


def test_an_open_kernel_reads_what_each_sync_brings_and_blocks_none(
    sync: Any, warehouse: Warehouse, world: World, kernel: Kernel
) -> None:
    (error,) = kernel.run("from flows.dataset import load\nload('subscribers')")
    assert error.output_type == "error"
    (line,) = error.traceback
    assert "\n" not in line
    assert all(said in line for said in (str(warehouse.path), "drip-flows sync", "drip-flows demo"))

    lists = ["accounts", "subscribers", "broadcasts"]
    sync(resources=lists, history=False)
    growth, mix = map(rows_of, kernel.charts(NOTEBOOKS / "02-audience.ipynb", most=2))
    assert sum(row["people"] for row in mix) == 150
    assert_shows_people(warehouse, growth, mix)

    people = world.account("1000002").records["subscribers"]
    people.add({"id": "newcomer000000000000", "status": "held", "created_at": "2027-02-03T04:05:06Z"})
    assert sync(resources=lists, history=False).exit_code == 0, "the open kernel blocked the sync"

    growth, mix = map(rows_of, kernel.charts(NOTEBOOKS / "02-audience.ipynb", most=2))
    assert ("1000002", "held", 1) in {(row["account_id"], row["status"], row["people"]) for row in mix}
    assert_shows_people(warehouse, growth, mix)

    for notebook in ("05-engagement", "06-deliverability"):
        specs = kernel.charts(NOTEBOOKS / f"{notebook}.ipynb")
        assert specs
        assert all("text" in rows_of(spec)[0] for spec in specs), f"{notebook} without history, events and metrics"


filled = marts.filled


@pytest.fixture
def events_kernel(filled: Warehouse, monkeypatch: pytest.MonkeyPatch, request: pytest.FixtureRequest) -> Kernel:
    """A kernel on the dataset with webhook events."""
    monkeypatch.setenv("DESTINATION__DUCKDB__CREDENTIALS", str(filled.path))
    found: Kernel = request.getfixturevalue("kernel")
    return found


@pytest.mark.parametrize("filled", ["duckdb"], indirect=True)
def test_the_notebooks_on_events_show_what_the_views_have(filled: Warehouse, events_kernel: Kernel) -> None:
    specs = events_kernel.charts(NOTEBOOKS / "05-engagement.ipynb")
    assert len(specs) == 5
    assert engagement_charts.NOBODY_LAPSED.split()[-1] in str(specs)
    charts = {title_of(spec): rows_of(spec) for spec in specs}
    reachable = filled.value("SELECT count(*) FROM people WHERE is_reachable")
    assert sum(row["people"] for row in charts["When people clicked last"]) == reachable
    people = "SELECT count(DISTINCT subscriber_id) FROM email_clicks WHERE NOT is_scanner GROUP BY url ORDER BY 1 DESC"
    assert charts["Links clicked by most people"][0]["people"] == filled.rows(people)[0][0]

    specs = events_kernel.charts(NOTEBOOKS / "06-deliverability.ipynb")
    assert len(specs) == 3
    charts = {title_of(spec): rows_of(spec) for spec in specs}
    domains = filled.value(
        "SELECT count(*) FROM (SELECT 1 FROM deliverability GROUP BY mailbox_domain HAVING sum(deliveries) >= 20)"
    )
    assert len(charts["What is lost, by mailbox domain"]) == 3 * min(domains, 15)
