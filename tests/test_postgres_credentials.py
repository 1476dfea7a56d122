"""All PostgreSQL drivers receive the same credentials, and are tried before the first request."""

import os
from contextlib import closing
from urllib.parse import quote

import dlt
import psycopg2
import psycopg2.sql
import pytest
from adbc_driver_postgresql import dbapi

from flows.common.errors import SettingsError
from flows.destinations import postgres as module
from flows.destinations.target import resolve_target
from flows.pipeline.preparation import prepare
from flows.sandbox import Server
from flows.source.settings import common_settings

SETTING = "DESTINATION__POSTGRES__CREDENTIALS"
PASSWORDS = ["two words", "a+b%20c", "50%", "sl/ash?and#more", "c:o@lon@", "größer", "quo'te\"d", "[::1]"]


def created(postgres: str, password: str, database: str) -> str:
    """Host and port of a server with a role that has this password, and a database that it owns."""
    names = {"role": psycopg2.sql.Identifier("o d+d"), "database": psycopg2.sql.Identifier(database)}
    with closing(psycopg2.connect(postgres)) as con:
        con.autocommit = True
        cursor = con.cursor()
        cursor.execute("SELECT 1 FROM pg_roles WHERE rolname = 'o d+d'")
        verb = "ALTER" if cursor.fetchone() else "CREATE"
        cursor.execute(psycopg2.sql.SQL(verb + " ROLE {role} LOGIN PASSWORD %s").format(**names), (password,))
        cursor.execute("SELECT 1 FROM pg_database WHERE datname = %s", (database,))
        if not cursor.fetchone():
            cursor.execute(psycopg2.sql.SQL("CREATE DATABASE {database} OWNER {role}").format(**names))
    return postgres.partition("@")[2].partition("/")[0]


@pytest.mark.parametrize("password", PASSWORDS)
def test_odd_credentials_reach_every_driver(postgres: str, monkeypatch: pytest.MonkeyPatch, password: str) -> None:
    place = created(postgres, password, "my shop/é")
    url = f"postgresql://{quote('o d+d')}:{quote(password, safe='')}@{place}/my shop/é"
    monkeypatch.setenv(SETTING, url)
    module.check("drip")
    destination = resolve_target("postgres", "drip").destination(common_settings())
    pipeline = dlt.pipeline("odd", pipelines_dir=os.environ["DLT_DATA_DIR"], destination=destination, dataset_name="d")
    with pipeline.sql_client() as client:
        assert client.execute_sql("SELECT current_database(), current_user") == [("my shop/é", "o d+d")]
    with dbapi.connect(module.credentials("drip").to_native_representation()) as con, con.cursor() as cursor:
        cursor.execute("SELECT current_database(), current_user")
        assert cursor.fetchone() == ("my shop/é", "o d+d")


@pytest.mark.parametrize("own", ["-c work_mem=3MB", "-c work_mem=3MB -c search_path=a+b"])
def test_options_of_the_user_reach_every_driver(postgres: str, monkeypatch: pytest.MonkeyPatch, own: str) -> None:
    monkeypatch.setenv(SETTING, f"{postgres}?options={quote(own)}")
    url = module.credentials("drip", "256MB").to_native_representation()
    asked = "SELECT current_setting('work_mem'), current_setting('application_name')"
    with dbapi.connect(url) as con, con.cursor() as cursor:
        cursor.execute(asked)
        assert cursor.fetchone() == ("3MB", module.loading_name("drip"))
    with closing(psycopg2.connect(url)) as con:
        cursor = con.cursor()
        cursor.execute(asked)
        assert cursor.fetchone() == ("3MB", module.loading_name("drip"))


def test_white_space_around_the_url(postgres: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(SETTING, f" {postgres}\n")
    module.check("drip")
    assert module.location(module.credentials()) == postgres.rpartition("@")[2]


@pytest.mark.parametrize("option", ["options=-c%20nonsense%3D1", "sslmode=never", "nonsense=1"])
@pytest.mark.usefixtures("server", "warehouse")
def test_what_a_driver_does_not_take_is_told_before_the_first_request(
    postgres: str, server: Server, monkeypatch: pytest.MonkeyPatch, option: str
) -> None:
    monkeypatch.setenv(SETTING, f"{postgres}?{option}")
    with pytest.raises(SettingsError, match=SETTING) as caught:
        prepare(None, "postgres", "drip")
    assert len(str(caught.value).splitlines()) == 1
    assert not server.log
