"""A failed load gives a one-line reason without dlt's wording, and is retried only if waiting can help."""

import errno
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import dlt
import duckdb
import psycopg2
import pyarrow as pa
import pytest
from prefect.states import Failed

from flows.common.errors import SettingsError
from flows.destinations.target import Target, resolve_target
from flows.orchestration.tasks import load_is_worth_retrying
from flows.pipeline.load_errors import LoadFailed, innermost, is_transient, load_failed
from flows.source.settings import common_settings
from tests.conftest import Warehouse

DLT_WORDS = ("dlt", "pipeline", "abort", "package", "job", "Traceback", "step")


def failure(target: Target, folder: Path, rows: list[dict[str, Any]], **hints: Any) -> Exception:
    """The error of a real dlt load into the target's table `t`."""
    pipeline = dlt.pipeline(
        "breaks", pipelines_dir=str(folder), destination=target.destination(common_settings()), dataset_name="drip"
    )
    resource = dlt.resource([pa.Table.from_pylist(rows)], name="t", primary_key="id", **hints)
    with target.lock(1), pytest.raises(Exception) as caught:  # noqa: PT011 - whatever dlt raises
        pipeline.run(resource, write_disposition="append", loader_file_format="parquet")
    return caught.value


def assert_plain(failed: LoadFailed, *words: str) -> None:
    text = str(failed)
    assert all(word in text for word in (*words, "dataset drip", "run the same command again")), text
    assert not [word for word in DLT_WORDS if word in text.replace("sync", "")], text
    assert len(text.splitlines()) == 1
    assert len(text) < 1_000


BROKEN_DUCKDB = {
    "a view": ("CREATE VIEW drip.t AS SELECT 1 AS id", "t is not an table"),
    "a constraint": ("CREATE TABLE drip.t (id VARCHAR CHECK (id <> 'one'), _dlt_load_id VARCHAR)", "CHECK constraint"),
    "another type": ("CREATE TABLE drip.t (id INTEGER, _dlt_load_id VARCHAR)", "Conversion Error"),
}


@pytest.mark.parametrize("broken", BROKEN_DUCKDB)
def test_what_duckdb_does_not_take(warehouse: Warehouse, tmp_path: Path, broken: str) -> None:
    statement, words = BROKEN_DUCKDB[broken]
    warehouse.execute(f"CREATE SCHEMA drip; {statement}")
    target = resolve_target("duckdb", "drip")
    failed = load_failed(failure(target, tmp_path / "dlt", [{"id": "one"}]), target)
    assert_plain(failed, words, str(warehouse.path))
    assert not failed.transient


def with_trigger(url: str, body: str) -> None:
    """Create the table with a trigger that runs this on every insert."""
    with closing(psycopg2.connect(url)) as con, con:
        con.cursor().execute(
            f"CREATE SCHEMA drip; CREATE TABLE drip.t (id varchar); CREATE FUNCTION no() RETURNS trigger "
            f"LANGUAGE plpgsql AS $$BEGIN {body}; RETURN NEW; END$$; "
            "CREATE TRIGGER no BEFORE INSERT ON drip.t EXECUTE FUNCTION no()"
        )


@pytest.mark.parametrize(
    ("body", "words"),
    [
        ("RAISE EXCEPTION 'not on Sundays'", ["not on Sundays"]),
        ("RAISE insufficient_privilege", ["grant this user the privilege"]),
        ("RAISE disk_full USING MESSAGE = 'no room'", ["no room", "free some disk space"]),
    ],
    ids=["a trigger", "no right", "no space"],
)
def test_what_postgres_does_not_take(postgres: str, tmp_path: Path, body: str, words: list[str]) -> None:
    with_trigger(postgres, body)
    target = resolve_target("postgres", "drip")
    failed = load_failed(failure(target, tmp_path / "dlt", [{"id": "one"}]), target)
    assert_plain(failed, *words, target.location)
    assert not failed.transient


def test_a_connection_that_breaks_is_tried_again(postgres: str, tmp_path: Path) -> None:
    """A trigger terminates the inserting session, like an operator or a server restart."""
    with_trigger(postgres, "PERFORM pg_terminate_backend(pg_backend_pid())")
    target = resolve_target("postgres", "drip")
    failed = load_failed(failure(target, tmp_path / "dlt", [{"id": "one"}]), target)
    assert failed.transient, failed
    assert_plain(failed, "try again")


def postgres_errors(url: str) -> Iterator[tuple[Exception, bool]]:
    """Errors from a real server, with whether waiting can help."""
    with closing(psycopg2.connect(url)) as first, closing(psycopg2.connect(url)) as second:
        with first:
            first.cursor().execute("CREATE TABLE t (id int PRIMARY KEY); INSERT INTO t VALUES (1)")
        first.cursor().execute("LOCK TABLE t")
        for statement, helps in (
            ("LOCK TABLE t NOWAIT", True),
            ("SELECT nowhere", False),
            ("SELECT 1/0", False),
            ("SELECT pg_terminate_backend(pg_backend_pid())", True),
        ):
            with pytest.raises(psycopg2.Error) as caught:
                second.cursor().execute(statement)
            if not second.closed:
                second.rollback()
            yield caught.value, helps


def test_errors_of_postgres(postgres: str) -> None:
    for error, helps in postgres_errors(postgres):
        assert is_transient(error) == helps, error


TRANSIENT: list[tuple[Exception, bool]] = [
    (ConnectionResetError(errno.ECONNRESET, "reset"), True),
    (TimeoutError("timed out"), True),
    (duckdb.HTTPException("503"), True),
    (OSError(errno.ENOSPC, "No space left on device"), False),
    (PermissionError(errno.EACCES, "denied"), False),
    (duckdb.IOException("Could not set lock on file"), False),
    (duckdb.OutOfMemoryException("failed to allocate"), False),
    (SettingsError("cannot open it after 60 s"), False),
    (KeyError("id"), False),
]


@pytest.mark.parametrize(("cause", "helps"), TRANSIENT, ids=lambda one: type(one).__name__)
def test_waiting_helps_by_the_innermost_cause(cause: Exception, helps: bool) -> None:
    try:
        try:
            raise cause
        except Exception as error:
            raise RuntimeError("the driver failed") from error
    except RuntimeError as error:
        wrapped = error
    assert innermost(wrapped) is cause
    assert is_transient(wrapped) == helps


@pytest.mark.parametrize(
    ("cause", "words"),
    [
        (duckdb.OutOfMemoryException("failed to allocate"), "raise SOURCES__DRIP__MEMORY_LIMIT"),
        (OSError(errno.ENOSPC, "No space left on device"), "free some disk space"),
        (TimeoutError("timed out"), "try again in a few minutes"),
    ],
    ids=["memory", "disk", "network"],
)
def test_what_to_do(cause: Exception, words: str) -> None:
    assert words in str(load_failed(cause, Target("duckdb", "drip", None, "x")))


def test_the_task_is_retried_for_what_may_pass_alone() -> None:
    """A SettingsError is not retried, because the load has already waited for the file to be closed."""
    unused: Any = None
    errors = {LoadFailed("", True): True, LoadFailed("", False): False, SettingsError("held"): False, KeyError(): False}
    for error, again in errors.items():
        assert load_is_worth_retrying(unused, unused, Failed(data=error)) == again, error
