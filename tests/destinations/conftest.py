"""Fixtures for tests of destinations: a role that owns nothing."""

from contextlib import closing

import psycopg2
import pytest

from tests.postgres import PASSWORD


def as_owner(url: str, statements: str) -> None:
    """Run statements as the owner of the database."""
    with closing(psycopg2.connect(url)) as con, con, con.cursor() as cursor:
        cursor.execute(statements)


@pytest.fixture
def limited(postgres: str, monkeypatch: pytest.MonkeyPatch) -> str:
    """The URL of a role that may use the database but not create anything in it; syncs connect with it."""
    with closing(psycopg2.connect(postgres)) as con, con, con.cursor() as cursor:
        cursor.execute("SELECT 1 FROM pg_roles WHERE rolname = 'limited'")
        if not cursor.fetchone():
            cursor.execute(f"CREATE ROLE limited LOGIN PASSWORD '{PASSWORD}'")
    url = f"postgresql://limited:{PASSWORD}@{postgres.partition('@')[2]}"
    monkeypatch.setenv("DESTINATION__POSTGRES__CREDENTIALS", url)
    return url
