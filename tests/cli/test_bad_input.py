"""Bad input gives exit code 2 and one line on stderr that names what to change, without traceback or secrets."""

from collections.abc import Callable
from pathlib import Path

import pytest
from click.testing import Result
from filelock import FileLock

from flows.dataset import files
from flows.sandbox import Server, World
from tests.command import assert_plain_error, drip_flows
from tests.conftest import Warehouse
from tests.processes import holding

SECRET = "s3cr3t-key-of-nobody"
Run = Callable[..., Result]


@pytest.fixture
def cli(server: Server, warehouse: Warehouse, tmp_path: Path) -> Run:
    """Run the command in a temporary folder, with settings for the sandbox plus the given ones."""

    def run(*words: str, **settings: str | None) -> Result:
        return drip_flows(*words, folder=tmp_path, **settings)

    return run


def assert_plain(result: Result, *words: str) -> None:
    assert_plain_error(result, *words)
    assert SECRET not in result.output


def test_no_key(cli: Run) -> None:
    assert_plain(cli("sync", SOURCES__DRIP__API_KEY=None), "SOURCES__DRIP__API_KEY", "drip-flows sandbox")


def test_a_wrong_key(cli: Run) -> None:
    result = cli("sync", SOURCES__DRIP__API_KEY=SECRET)
    assert_plain(result, "401", "SOURCES__DRIP__API_KEY")
    assert "starting Prefect" not in result.stdout


def test_a_wrong_key_shows_no_accounts(cli: Run) -> None:
    assert_plain(cli("accounts", SOURCES__DRIP__API_KEY=SECRET), "401", "SOURCES__DRIP__API_KEY")


def test_a_history_that_is_none(cli: Run) -> None:
    result = cli("sync", SOURCES__DRIP__HISTORY='["subscribers", "campaing"]')
    assert_plain(result, "SOURCES__DRIP__HISTORY", "'campaing'", "campaigns", "workflows")
    assert_plain(cli("sync", SOURCES__DRIP__HISTORY="subscribers,"), "SOURCES__DRIP__HISTORY")


def test_a_mode_that_is_none(cli: Run) -> None:
    assert_plain(cli("sync", "--mode", "fully"), "mode 'fully'", "auto, full, incremental")


def test_nobody_to_forget(cli: Run) -> None:
    assert_plain(cli("forget", "somebody"), "'somebody' is not an email address")


@pytest.mark.parametrize("url", ["nonsense", "ftp://example.com", "https://", "http://[::1", "http://x:99999"])
def test_a_base_url_that_is_none(cli: Run, url: str) -> None:
    assert_plain(cli("sync", SOURCES__DRIP__BASE_URL=url), "SOURCES__DRIP__BASE_URL", url)


def test_a_base_url_with_credentials(cli: Run) -> None:
    result = cli("sync", SOURCES__DRIP__BASE_URL=f"https://{SECRET}@example.com/v2")
    assert_plain(result, "SOURCES__DRIP__BASE_URL", "SOURCES__DRIP__API_KEY")


def test_a_base_url_that_nobody_answers_at(cli: Run) -> None:
    url = "http://127.0.0.1:9/v2"
    result = cli("sync", SOURCES__DRIP__BASE_URL=url)
    assert_plain(result, "SOURCES__DRIP__BASE_URL", url)
    assert "starting Prefect" not in result.stdout


def test_a_base_url_that_is_something_else(cli: Run, world: World) -> None:
    world.faults = [{"action": {"kind": "html"}}]
    assert_plain(cli("sync"), "not a JSON object", "/accounts", "<!DOCTYPE html>")


def test_an_unknown_resource(cli: Run) -> None:
    assert_plain(cli("sync", "--resource", "subscribrs"), "subscribrs", "did you mean 'subscribers'", "webhooks")


def test_an_account_that_the_key_does_not_see(cli: Run) -> None:
    result = cli("sync", "--account", "555")
    assert_plain(result, "555", "1000001", "1000002", "drip-flows accounts")
    assert "starting Prefect" not in result.stdout


def test_an_account_that_is_no_id(cli: Run) -> None:
    assert_plain(cli("sync", "--account", "../x"), "--account", "digits")


def test_a_folder_beside_the_project(cli: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("DESTINATION__DUCKDB__CREDENTIALS", raising=False)
    monkeypatch.setattr(files, "ROOT", tmp_path / "checkout")
    assert "or run this in" not in cli("status", "--offline").stderr
    (tmp_path / "checkout" / "data").mkdir(parents=True)
    (tmp_path / "checkout" / files.DEFAULT_DUCKDB).touch()
    assert_plain(cli("status", "--offline"), f"or run this in {tmp_path / 'checkout'}", "DLT_PROJECT_DIR")


def test_a_database_that_cannot_be_written(cli: Run, tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    path = str(tmp_path / "file" / "x.duckdb")
    assert_plain(cli("sync", DESTINATION__DUCKDB__CREDENTIALS=path), path, "DESTINATION__DUCKDB__CREDENTIALS")


def test_a_database_that_another_process_holds(cli: Run, warehouse: Warehouse) -> None:
    with holding(warehouse.path) as process:
        assert_plain(cli("sync"), str(warehouse.path), str(process.pid), "Close what has it open")


def test_a_database_that_is_none(cli: Run, warehouse: Warehouse) -> None:
    warehouse.path.write_text("not a database " * 1000)
    result = cli("sync")
    assert_plain(result, str(warehouse.path), "DESTINATION__DUCKDB__CREDENTIALS")
    assert "Close what has it open" not in result.stderr


def test_a_database_that_another_sync_writes_to(cli: Run, warehouse: Warehouse, tmp_path: Path) -> None:
    with FileLock(warehouse.path.with_name(".warehouse.duckdb.sync-lock")):
        assert_plain(cli("sync"), "another sync", str(warehouse.path), "SOURCES__DRIP__LOCK_WAIT")


def test_a_file_named_like_the_dataset(cli: Run, tmp_path: Path) -> None:
    path = str(tmp_path / "drip.duckdb")
    assert_plain(cli("sync", DESTINATION__DUCKDB__CREDENTIALS=path), "drip.duckdb", "--dataset")


def test_a_dataset_that_is_no_name(cli: Run) -> None:
    assert_plain(cli("sync", "--dataset", "a; drop"), "dataset")


def test_an_unknown_destination(cli: Run) -> None:
    assert_plain(cli("sync", "--destination", "duckbd"), "did you mean 'duckdb'")
    assert_plain(cli("sync", "--destination", "clickhouse"), "`cdc`", "postgres")


def test_a_setting_that_is_no_number(cli: Run) -> None:
    assert_plain(cli("sync", SOURCES__DRIP__PARALLEL="many"), "SOURCES__DRIP__PARALLEL", "whole number")


@pytest.mark.parametrize("name", ["MAX_RETRIES", "PARALLEL", "RATE_WINDOW", "LOCK_WAIT"])
def test_a_setting_that_is_below_zero(cli: Run, name: str) -> None:
    assert_plain(cli("sync", **{f"SOURCES__DRIP__{name}": "-1"}), f"SOURCES__DRIP__{name}")


def test_a_list_that_fails_is_named_and_the_rest_arrives(cli: Run, world: World, warehouse: Warehouse) -> None:
    world.faults = [{"match": {"account": "1000002", "resource": "tags"}, "action": {"kind": "status", "status": 403}}]
    result = cli("sync")
    assert result.exit_code == 1, result.output
    assert "tags of 1000002 (Harbour & Pine 02): HTTP 403" in result.stdout
    assert "lists are incomplete" in result.stdout.strip().splitlines()[-1]
    assert warehouse.value("SELECT count(*) FROM tags") == len(world.account("1000001").records["tags"])


def test_accounts_are_shown(cli: Run, world: World) -> None:
    result = cli("accounts")
    assert result.exit_code == 0
    assert all(account in result.stdout for account in world.account_ids)


@pytest.mark.parametrize("words", [[], ["sync"], ["accounts"], ["sandbox"], ["demo"]], ids=" ".join)
def test_help_of_every_command(cli: Run, words: list[str]) -> None:
    result = cli(*words, "--help")
    assert result.exit_code == 0
    assert "Usage" in result.stdout
