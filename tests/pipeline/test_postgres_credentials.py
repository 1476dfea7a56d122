"""A PostgreSQL URL may omit the password, user and host, for which libpq has defaults."""

from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from urllib.parse import urlsplit

import dlt
import pytest

from flows import dataset
from flows.common.errors import SettingsError
from flows.destinations import postgres
from flows.destinations.target import resolve_target

SETTING = "DESTINATION__POSTGRES__CREDENTIALS"
Leave = Callable[[pytest.MonkeyPatch, str, Path], str]


def socket_folder(url: str) -> str:
    with closing(postgres.psycopg2.connect(url)) as con, con.cursor() as cursor:
        cursor.execute("SHOW unix_socket_directories")
        return str(cursor.fetchone()[0])


def password_in_environment(patch: pytest.MonkeyPatch, url: str, folder: Path) -> str:
    parts = urlsplit(url)
    patch.setenv("PGPASSWORD", str(parts.password))
    return f"postgresql://{parts.username}@{parts.hostname}:{parts.port}{parts.path}"


def password_in_file(patch: pytest.MonkeyPatch, url: str, folder: Path) -> str:
    parts = urlsplit(url)
    (folder / "pgpass").write_text(f"*:*:*:{parts.username}:{parts.password}\n")
    (folder / "pgpass").chmod(0o600)
    patch.setenv("PGPASSFILE", str(folder / "pgpass"))
    return f"postgresql://{parts.username}@{parts.hostname}:{parts.port}{parts.path}"


def user_in_environment(patch: pytest.MonkeyPatch, url: str, folder: Path) -> str:
    parts = urlsplit(password_in_environment(patch, url, folder))
    patch.setenv("PGUSER", str(parts.username))
    return f"postgresql://{parts.hostname}:{parts.port}{parts.path}"


def socket_in_url(patch: pytest.MonkeyPatch, url: str, folder: Path) -> str:
    parts = urlsplit(password_in_environment(patch, url, folder))
    return f"postgresql://{parts.username}@:{parts.port}{parts.path}?host={socket_folder(url)}"


def socket_in_environment(patch: pytest.MonkeyPatch, url: str, folder: Path) -> str:
    parts = urlsplit(password_in_environment(patch, url, folder))
    patch.setenv("PGHOST", socket_folder(url))
    return f"postgresql://{parts.username}@:{parts.port}{parts.path}"


@pytest.mark.parametrize(
    "leave_out",
    [password_in_environment, password_in_file, user_in_environment, socket_in_url, socket_in_environment],
    ids=lambda one: one.__name__,
)
def test_what_libpq_finds_may_be_left_out(
    leave_out: Leave, postgres_server: str, postgres: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from flows.destinations import postgres as module

    monkeypatch.setenv(SETTING, leave_out(monkeypatch, postgres, tmp_path))
    target = resolve_target("postgres", "drip")
    module.check("drip")
    rows = dlt.resource([{"account_id": "1", "id": "a"}], name="people")
    pipeline = dlt.pipeline(
        "pg", pipelines_dir=str(tmp_path), destination=module.destination("drip", "4MB"), dataset_name="drip"
    )
    with target.lock(1):
        pipeline.run(rows, schema=dlt.Schema("drip"), loader_file_format="parquet")
    assert dataset.query("SELECT id FROM drip.people", destination="postgres")["id"].tolist() == ["a"]
    assert postgres.rpartition("/")[2] in target.location
    assert "s3cret" not in target.location


@pytest.mark.parametrize("url", ["postgresql://", "nonsense", "postgresql://me@host"])
def test_a_url_without_a_database_is_refused(url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(SETTING, url)
    with pytest.raises(SettingsError, match=SETTING):
        resolve_target("postgres", "drip")
