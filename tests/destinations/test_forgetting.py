"""Forgetting works in any letter case, without a key, and in the database's bytes; other people's data is kept."""

import re
from pathlib import Path
from typing import Any

import duckdb
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from flows.destinations.compaction import rewrite_duckdb
from flows.maintenance import addresses
from flows.maintenance.forget import Forgotten, Removed, forget
from tests.conftest import PostgresWarehouse, Warehouse, both_destinations
from tests.destinations.conftest import as_owner

PEOPLE = """
    CREATE SCHEMA drip;
    CREATE TABLE drip.subscribers (account_id VARCHAR, id VARCHAR, email VARCHAR, _row_hash VARCHAR);
    CREATE TABLE drip._quarantine (account VARCHAR, resource VARCHAR, record VARCHAR, record_hash VARCHAR);
"""
FORMS = [
    ("Zoë@example.com", ["ZOË@EXAMPLE.COM", "zoë@example.com", " zoe\u0308@Example.com"]),
    ("straße@bücher.de", ["STRAẞE@BÜCHER.DE", "Straße@Bücher.DE"]),
    ("ΝΊΚΟΣ@example.gr", ["νίκος@example.gr", "Νίκοσ@Example.GR"]),
    ("иван+a'b%@пример.рф", ["ИВАН+A'B%@ПРИМЕР.РФ"]),
    ("j.o_n@x.com", ["J.O_N@X.COM\n"]),
]
OTHERS = ["zoe@example.com", "xzoë@example.com", "jxo_n@x.com", "иван@пример.рф"]


def insert(warehouse: Warehouse, emails: list[str], table: str = "drip.subscribers") -> None:
    values = [f"('1', '{at}', '{email.replace(chr(39), chr(39) * 2)}', 'x')" for at, email in enumerate(emails)]
    warehouse.execute(f"INSERT INTO {table} VALUES {', '.join(values)}")


@both_destinations
def test_an_address_in_any_letter_case(warehouse: Warehouse) -> None:
    warehouse.execute(PEOPLE)
    insert(warehouse, [*OTHERS, *(email for address, forms in FORMS for email in (address, *forms))])
    for address, _ in FORMS:
        escaped = address.encode("ascii", "backslashreplace").decode().replace("\\x", "\\u00").replace("'", "''")
        record = f"""'{{"email": "{escaped}"}}'"""
        warehouse.execute(f"INSERT INTO drip._quarantine VALUES ('1', 'subscribers', {record}, 'h')")
    for _, forms in FORMS:
        forgotten = forget(forms[0], warehouse.destination)  # type: ignore[arg-type]
        removed = [Removed("drip._quarantine", "1", 1), Removed("drip.subscribers", "1", 1 + len(forms))]
        assert (forgotten.removed, forgotten.remains) == (removed, ())
    assert warehouse.column("SELECT email FROM subscribers ORDER BY id::int") == OTHERS


def test_what_python_finds_duckdb_finds() -> None:
    for address, forms in FORMS:
        pattern = addresses.alone(address)
        for text in [address, *forms, *OTHERS]:
            found = duckdb.execute("SELECT regexp_matches(?, ?)", [text, pattern]).fetchall()
            assert found == [(bool(re.search(pattern, text)),)]


def test_the_file_holds_nobody_who_was_forgotten(warehouse: Warehouse) -> None:
    warehouse.execute(PEOPLE + "CREATE VIEW drip.all_of_them AS SELECT * FROM drip.subscribers")
    people = ["somebody@example.com", "zoë@example.com"]
    insert(warehouse, [f"{number}@example.org" for number in range(5_000)] + people * 3)
    warehouse.execute("CREATE SCHEMA mine; CREATE TABLE mine.orders AS SELECT range AS id FROM range(1000)")
    warehouse.path.chmod(0o640)
    for address in people:
        assert address.encode() in warehouse.path.read_bytes()
        assert forget(address).remains == ()
        assert address.encode() not in warehouse.path.read_bytes()
    assert warehouse.value("SELECT count(*) FROM all_of_them") == 5_000
    assert warehouse.value("SELECT count(*) FROM mine.orders") == 1_000
    assert warehouse.path.stat().st_mode & 0o777 == 0o640
    left = {path.name for path in warehouse.path.parent.iterdir() if path.is_file()}
    assert left == {"warehouse.duckdb", ".warehouse.duckdb.sync-lock"}


def test_who_was_removed_by_an_earlier_version_leaves_the_file_too(warehouse: Warehouse) -> None:
    warehouse.execute(PEOPLE)
    insert(warehouse, ["somebody@example.com", "other@example.com"])
    warehouse.execute("DELETE FROM drip.subscribers WHERE email LIKE 'some%'")
    assert b"somebody@example.com" in warehouse.path.read_bytes()
    assert forget("somebody@example.com") == Forgotten([], [])
    assert b"somebody@example.com" not in warehouse.path.read_bytes()


EVERYTHING = """
    CREATE SCHEMA "O'Brien"; CREATE TYPE "O'Brien".mood AS ENUM ('a', 'b'); CREATE SEQUENCE numbers START 5;
    CREATE TABLE "O'Brien"."a ""b" (
        id INT PRIMARY KEY DEFAULT nextval('numbers'), mood "O'Brien".mood, x DECIMAL(9, 2)
    );
    INSERT INTO "O'Brien"."a ""b" (mood, x) VALUES ('a', 1.5), ('b', NULL); CREATE INDEX one ON "O'Brien"."a ""b" (x);
    CREATE VIEW a_view AS SELECT count(*) AS n FROM "O'Brien"."a ""b"; CREATE MACRO plus(a) AS a + 1;
    CREATE TABLE nested AS SELECT {'a': [1, 2]} AS s, MAP {'k': 'v'} AS m; COMMENT ON TABLE nested IS 'words'
"""


@pytest.mark.parametrize(("name", "version"), [("Brien's.v2.db", "v1.4.0"), ("no suffix", "v1.0.0")])
def test_a_rewritten_file_is_the_same_database(tmp_path: Path, name: str, version: str) -> None:
    path, link = tmp_path / name, tmp_path / f"link to {name}"
    with duckdb.connect() as con:
        con.execute(
            f"ATTACH '{str(path).replace(chr(39), chr(39) * 2)}' AS made (STORAGE_VERSION '{version}'); USE made"
        )
        con.execute(EVERYTHING)
    link.symlink_to(path)
    assert rewrite_duckdb(link, 0) == ""
    assert link.is_symlink()
    with duckdb.connect(path) as con:
        assert con.execute('SELECT * FROM "O\'Brien"."a ""b" ORDER BY id').fetchall()[1][:2] == (6, "b")
        assert con.execute("SELECT n, plus(1), nextval('numbers') FROM a_view").fetchall() == [(2, 2, 7)]
        (tags,) = con.execute("SELECT tags FROM duckdb_databases() WHERE path = ?", [str(path)]).fetchone() or ({},)
        assert tags["storage_version"].startswith(version)
    assert {one.name for one in tmp_path.iterdir()} == {name, link.name}


def test_a_copy_that_differs_does_not_replace_the_file(warehouse: Warehouse, monkeypatch: pytest.MonkeyPatch) -> None:
    warehouse.execute(PEOPLE)
    insert(warehouse, ["somebody@example.com", "other@example.com"])
    before = warehouse.rows("SELECT * FROM subscribers ORDER BY id")
    monkeypatch.setattr("flows.destinations.compaction.CHECKSUM", "SELECT random() FROM {table}")
    why = rewrite_duckdb(warehouse.path, 0)
    assert "its copy has different rows" in why
    assert str(warehouse.path) in why
    assert warehouse.rows("SELECT * FROM subscribers ORDER BY id") == before
    assert forget("somebody@example.com").remains == (why,)


def test_postgres_keeps_no_dead_rows(postgres: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("SOURCES__DRIP__LANDING", str(tmp_path / "landing"))
    warehouse = PostgresWarehouse(tmp_path, url=postgres)
    warehouse.execute(PEOPLE)
    insert(warehouse, [f"{number}@example.org" for number in range(500)] + ["somebody@example.com"])
    (file,) = warehouse.column("SELECT pg_relation_filenode('drip.subscribers')")
    assert forget("SOMEBODY@example.com", "postgres").remains == ()
    assert warehouse.column("SELECT pg_relation_filenode('drip.subscribers')") != [file], "it was not rewritten"
    assert warehouse.value("SELECT count(*) FROM subscribers") == 500


def test_a_role_that_may_not_rewrite_a_table_is_told(
    postgres: str, limited: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("SOURCES__DRIP__LANDING", str(tmp_path / "landing"))
    as_owner(postgres, f"{PEOPLE} CREATE SCHEMA _drip_flows_staging_drip; GRANT ALL ON SCHEMA drip TO limited")
    as_owner(postgres, "GRANT ALL ON SCHEMA _drip_flows_staging_drip TO limited")
    as_owner(postgres, "GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA drip TO limited")
    insert(PostgresWarehouse(tmp_path, url=postgres), ["somebody@example.com"])
    forgotten = forget("somebody@example.com", "postgres")
    assert [one.rows for one in forgotten.removed] == [1]
    assert "permission denied" in forgotten.remains[0]


def test_folders_of_others_in_the_landing_zone_stay(warehouse: Warehouse, tmp_path: Path) -> None:
    warehouse.execute(PEOPLE)
    landing = tmp_path / "landing"
    others = [landing / owner / "a" / "b" for owner in ("mine", "0123", "projects")]
    ours = landing / ("0123456789abcdef" + "0123") / "subscribers" / "1"
    for folder in (*others, ours):
        folder.mkdir(parents=True)
        pq.write_table(pa.table({"email": ["Somebody@example.com"]}), folder / "page.parquet")
    landing.chmod(0o755)
    assert forget("somebody@example.com").removed == [Removed("landing zone", "", 1)]
    assert [(folder / "page.parquet").exists() for folder in others] == [True] * 3
    assert not ours.exists()
    assert landing.stat().st_mode & 0o777 == 0o755


@both_destinations
@pytest.mark.parametrize("ours", [True, False])
def test_what_an_earlier_version_staged(warehouse: Warehouse, ours: bool) -> None:
    made = PEOPLE.replace("drip", "drip_staging")
    warehouse.execute(PEOPLE + made + "CREATE TABLE drip_staging._dlt_version (version INT)" * ours)
    if not ours:
        warehouse.execute("ALTER TABLE drip_staging.subscribers DROP COLUMN _row_hash; ")
        warehouse.execute("ALTER TABLE drip_staging.subscribers ADD COLUMN mine VARCHAR")
    for table in ("drip.subscribers", "drip_staging.subscribers"):
        insert(warehouse, ["somebody@example.com"], table)
    removed: Any = {one.table for one in forget("somebody@example.com", warehouse.destination).removed}  # type: ignore[arg-type]
    assert removed == {"drip.subscribers", *["drip_staging.subscribers"] * ours}
    assert warehouse.value("SELECT count(*) FROM drip_staging.subscribers") == (0 if ours else 1)
