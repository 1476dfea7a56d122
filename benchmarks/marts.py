"""How long the views take to answer, on a million subscribers and five million webhook events in DuckDB, on two cores.

`python -m benchmarks.marts` writes a file of about 1 GB into a temporary folder, or into `--folder`, where it is used
again. Each query reads every column of every row of a view.
"""

import tempfile
import time
from pathlib import Path
from typing import Annotated

import duckdb
import typer
from rich.console import Console
from rich.table import Table

from flows.destinations.relations import Relation, relations
from flows.destinations.schemas import quoted
from flows.pipeline.marts.queries import STORED, mart_queries, recipients_query
from flows.source.dlt_run_context import in_project

DATASET = "drip"
THREADS = 2
LIMIT_SECONDS = 2.0
FILL = """
    CREATE SCHEMA drip;
    CREATE TABLE drip.subscribers AS
    SELECT '1000001' AS account_id, 'zuid' || lpad(i::VARCHAR, 16, '0') AS id,
        CASE WHEN i % 20 = 0 THEN 'unsubscribed' ELSE 'active' END AS status,
        'p' || i || '@example' || (i % 50) || '.com' AS email, '["customer", "vip"]'::JSON AS tags,
        '{{"plan": "basic"}}'::JSON AS custom_fields, (i % 9000)::BIGINT AS lifetime_value,
        TIMESTAMPTZ '2023-01-01 00:00Z' + to_seconds(i * 90) AS created_at
    FROM range({people}) AS numbers (i);
    CREATE TABLE drip.subscribers_history AS
    SELECT *, TIMESTAMPTZ '2026-01-01 00:00Z' AS valid_from, NULL::TIMESTAMPTZ AS valid_to, 'first' AS opened_as
    FROM drip.subscribers WHERE lifetime_value % 10 > 0
    UNION ALL
    SELECT * REPLACE ('active' AS status), TIMESTAMPTZ '2026-01-01 00:00Z', TIMESTAMPTZ '2026-02-01 00:00Z', 'first'
    FROM drip.subscribers WHERE lifetime_value % 10 = 0
    UNION ALL
    SELECT *, TIMESTAMPTZ '2026-02-01 00:00Z', NULL, 'changed' FROM drip.subscribers WHERE lifetime_value % 10 = 0
    UNION ALL
    SELECT * REPLACE ('gone' || id AS id), TIMESTAMPTZ '2026-01-01 00:00Z', TIMESTAMPTZ '2026-03-01 00:00Z', 'first'
    FROM drip.subscribers WHERE lifetime_value % 20 = 1;
    CREATE TABLE drip.subscriber_events AS
    WITH kinds (kind, share, deliveries) AS (
        VALUES ('received_email', 0.5, 0.5), ('opened_email', 0.3, 0.25), ('clicked_email', 0.1, 0.06),
            ('bounced', 0.01, 0.01), ('complained', 0.002, 0.002), ('unsubscribed_all', 0.004, 0.004),
            ('performed_custom_event', 0.034, 0.034), ('visited_page', 0.05, 0.05)
    ),
    counted AS (SELECT *, unnest(range(CAST(share * {events} AS BIGINT))) AS i FROM kinds),
    placed AS (
        SELECT kind, i, i * 48271 % CAST(deliveries * {events} AS BIGINT) AS delivery FROM counted
    ),
    drawn AS (
        SELECT kind, i, delivery, delivery * 7919 % {people} AS person, delivery * 800 // {events} AS email FROM placed
    )
    SELECT '1000001' AS account_id, sha256(kind || i) AS event_id, 'subscriber.' || kind AS event,
        'zuid' || lpad(person::VARCHAR, 16, '0') AS subscriber_id,
        'p' || person || '@example' || (person % 50) || '.com' AS email,
        TIMESTAMPTZ '2026-01-01 00:00Z' + to_seconds(email * 36000 + delivery % 3600
            + CASE WHEN kind = 'received_email' THEN 0 ELSE i * 31 % 400000 END) AS occurred_at,
        TIMESTAMPTZ '2026-07-01 00:00Z' AS received_at,
        CASE
            WHEN kind IN ('received_email', 'opened_email', 'bounced', 'complained') THEN json_object(
                'delivery_id', (1000000000 + delivery)::VARCHAR,
                'email_id', email::VARCHAR, 'email_subject', 'News')
            WHEN kind = 'clicked_email' THEN json_object(
                'delivery_id', (1000000000 + delivery)::VARCHAR,
                'email_id', email::VARCHAR, 'email_subject', 'News',
                'url', 'https://www.example.com/' || (i % 7), 'ip_address', '203.0.113.9', 'user_agent',
                'Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 Chrome/136.0 Safari/537.36')
            WHEN kind = 'performed_custom_event' THEN json_object('action', 'Placed an order', 'value', i % 90000)
            ELSE '{{}}' END::JSON AS properties
    FROM drawn
    ORDER BY occurred_at;
    CREATE TABLE drip.broadcasts AS
    SELECT '1000001' AS account_id, i::VARCHAR AS id, 'News ' || i AS subject,
        TIMESTAMPTZ '2026-01-01 00:00Z' AS send_at
    FROM range(400) AS numbers (i);
    CREATE TABLE drip._syncs AS
    SELECT '1000001' AS account, 'subscribers' AS resource,
        TIMESTAMPTZ '2026-06-01 00:00Z' AS started, TRUE AS complete;
"""


def main(
    people: Annotated[int, typer.Option(help="Subscribers.")] = 1_000_000,
    events: Annotated[int, typer.Option(help="Webhook events.")] = 5_000_000,
    folder: Annotated[Path | None, typer.Option(help="Where the file is kept.")] = None,
) -> None:
    """Time each view, and fail if one takes longer than two seconds."""
    with tempfile.TemporaryDirectory(prefix="drip-marts-") as temporary, in_project():
        path = (folder or Path(temporary)) / "marts.duckdb"
        is_new = not path.exists()
        with duckdb.connect(path, config={"threads": THREADS}) as con:
            if is_new:
                con.execute(FILL.format(people=people, events=events))
            stored = store_recipients(con)
            seconds = {name: timed(con, query) for name, query in queries(con).items()}
    table = Table("view", "rows", "seconds", "of the processors", title=f"{people:,} subscribers, {events:,} events")
    for name, (rows, wall, cpu) in seconds.items():
        table.add_row(name, f"{rows:,}", f"{wall:.2f}", f"{cpu:.2f}")
    Console().print(table)
    Console().print(
        f"all rows of {STORED} computed and written: {stored[0]:.1f} s, {stored[1]:.1f} s of the processors"
    )
    raise typer.Exit(any(wall > LIMIT_SECONDS for _, wall, _ in seconds.values()))


def store_recipients(con: duckdb.DuckDBPyConnection) -> tuple[float, float]:
    """Write the table of `recipients`. Returns the seconds, and the seconds of all processors."""
    con.execute(f"DROP TABLE IF EXISTS {DATASET}.{STORED}")
    query = recipients_query("duckdb", DATASET, there(con))
    wall, cpu = time.perf_counter(), time.process_time()
    con.execute(f"CREATE TABLE {DATASET}.{STORED} AS {query}")
    return time.perf_counter() - wall, time.process_time() - cpu


def queries(con: duckdb.DuckDBPyConnection) -> dict[str, str]:
    """The SELECT of each mart over the tables of a file."""
    return mart_queries("duckdb", DATASET, there(con))


def there(con: duckdb.DuckDBPyConnection) -> dict[str, Relation]:
    """The relations of a file."""

    def execute(statement: str, *values: str) -> list[tuple[object, ...]]:
        return con.execute(statement.replace("%s", "?"), values).fetchall()

    return relations(execute, "duckdb", DATASET)


def timed(con: duckdb.DuckDBPyConnection, query: str) -> tuple[int, float, float]:
    """The rows of a view, and the best of three times to read all of it: seconds, and seconds of all processors."""
    names = ", ".join(f"max({quoted(name)})" for name in con.sql(query).columns)
    best = (float("inf"), float("inf"))
    for _ in range(3):
        wall, cpu = time.perf_counter(), time.process_time()
        found = con.execute(f"SELECT count(*), {names} FROM ({query}) AS mart").fetchone()
        best = min(best, (time.perf_counter() - wall, time.process_time() - cpu))
    return (int(found[0]) if found else 0, *best)


if __name__ == "__main__":
    typer.run(main)
