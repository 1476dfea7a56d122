"""Bad input gets one line on stderr that names what to change, exit code 2, no traceback and no secret."""

import os
import subprocess
import sys
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import duckdb
import pytest
from filelock import FileLock
from prefect.settings import PREFECT_API_URL

from flows.sandbox import Server, World
from tests.conftest import Warehouse

COMMAND = str(Path(sys.executable).parent / "drip-flows")
SECRET = "s3cr3t-key-of-nobody"
Run = Callable[..., subprocess.CompletedProcess[str]]


@pytest.fixture
def cli(server: Server, warehouse: Warehouse, tmp_path: Path) -> Run:
    """Run the command in a folder of its own, with settings of the sandbox and the ones given."""

    def run(*words: str, without: str = "", **settings: str) -> subprocess.CompletedProcess[str]:
        environment = {**os.environ, **settings}
        environment.pop(without, None)
        return subprocess.run(
            [COMMAND, *words], cwd=tmp_path, env=environment, capture_output=True, text=True, timeout=240, check=False
        )

    return run


def assert_plain(result: subprocess.CompletedProcess[str], *words: str) -> None:
    assert result.returncode == 2, result.stdout + result.stderr
    lines = result.stderr.strip().splitlines()
    assert len(lines) == 1, result.stderr
    assert all(word in lines[0] for word in words), lines[0]
    assert "Traceback" not in result.stdout + result.stderr
    assert SECRET not in result.stdout + result.stderr


def test_no_key(cli: Run) -> None:
    assert_plain(cli("sync", without="SOURCES__DRIP__API_KEY"), "SOURCES__DRIP__API_KEY")


def test_a_wrong_key(cli: Run) -> None:
    result = cli("sync", SOURCES__DRIP__API_KEY=SECRET)
    assert_plain(result, "401", "SOURCES__DRIP__API_KEY")
    assert "starting Prefect" not in result.stdout


def test_a_wrong_key_shows_no_accounts(cli: Run) -> None:
    assert_plain(cli("accounts", SOURCES__DRIP__API_KEY=SECRET), "401", "SOURCES__DRIP__API_KEY")


def test_a_history_that_is_none(cli: Run) -> None:
    result = cli("sync", SOURCES__DRIP__HISTORY='["subscribers", "campaing"]')
    assert_plain(result, "SOURCES__DRIP__HISTORY", "'campaing'", "campaigns", "workflows")
    assert_plain(cli("sync", SOURCES__DRIP__HISTORY="subscribers,"), "history")


def test_a_mode_that_is_none(cli: Run) -> None:
    assert_plain(cli("sync", "--mode", "fully"), "mode 'fully'", "auto, full, incremental")


def test_nobody_to_forget(cli: Run) -> None:
    assert_plain(cli("forget", "somebody"), "'somebody' is no email address")


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
    assert_plain(result, "555", "1000001", "1000002")
    assert "starting Prefect" not in result.stdout


def test_an_account_that_is_no_id(cli: Run) -> None:
    assert_plain(cli("sync", "--account", "../x"), "--account", "digits")


def test_a_database_that_cannot_be_written(cli: Run, tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    path = str(tmp_path / "file" / "x.duckdb")
    assert_plain(cli("sync", DESTINATION__DUCKDB__CREDENTIALS=path), path, "DESTINATION__DUCKDB__CREDENTIALS")


def test_a_database_that_another_process_holds(cli: Run, warehouse: Warehouse) -> None:
    with duckdb.connect(warehouse.path):
        assert_plain(cli("sync"), str(warehouse.path), str(os.getpid()), "Close what holds it")


def test_a_database_that_is_none(cli: Run, warehouse: Warehouse) -> None:
    warehouse.path.write_text("not a database " * 1000)
    result = cli("sync")
    assert_plain(result, str(warehouse.path), "DESTINATION__DUCKDB__CREDENTIALS")
    assert "Close what holds it" not in result.stderr


def test_a_database_that_another_sync_writes_to(cli: Run, warehouse: Warehouse, tmp_path: Path) -> None:
    with FileLock(warehouse.path.with_name(".warehouse.duckdb.sync-lock")):
        assert_plain(cli("sync"), "another sync", str(warehouse.path), "SOURCES__DRIP__LOCK_WAIT")


def test_two_syncs_at_once(cli: Run, warehouse: Warehouse, world: World, prefect_server: None) -> None:
    settings = {"PREFECT_API_URL": PREFECT_API_URL.value(), "SOURCES__DRIP__LOCK_WAIT": "60"}
    with ThreadPoolExecutor() as pool:
        results = list(pool.map(lambda _: cli("sync", **settings), range(2)))
    assert [result.returncode for result in results] == [0, 0], results
    assert warehouse.value("SELECT count(*) FROM tags") == sum(
        len(world.account(account).records["tags"]) for account in world.account_ids
    )


def test_a_file_named_like_the_dataset(cli: Run, tmp_path: Path) -> None:
    path = str(tmp_path / "drip.duckdb")
    assert_plain(cli("sync", DESTINATION__DUCKDB__CREDENTIALS=path), "drip.duckdb", "--dataset")


def test_a_dataset_that_is_no_name(cli: Run) -> None:
    assert_plain(cli("sync", "--dataset", "a; drop"), "dataset")


def test_an_unknown_destination(cli: Run) -> None:
    assert_plain(cli("sync", "--destination", "duckbd"), "did you mean 'duckdb'")
    assert_plain(cli("sync", "--destination", "clickhouse"), "`cdc`", "postgres")


def test_a_setting_that_is_no_number(cli: Run) -> None:
    assert_plain(cli("sync", SOURCES__DRIP__PARALLEL="many"), "parallel")


@pytest.mark.parametrize("name", ["MAX_RETRIES", "PARALLEL", "RATE_WINDOW", "LOCK_WAIT"])
def test_a_setting_that_is_below_zero(cli: Run, name: str) -> None:
    assert_plain(cli("sync", **{f"SOURCES__DRIP__{name}": "-1"}), f"SOURCES__DRIP__{name}")


def test_a_list_that_fails_is_named_and_the_rest_arrives(
    cli: Run, world: World, warehouse: Warehouse, prefect_server: None
) -> None:
    world.faults = [{"match": {"account": "1000002", "resource": "tags"}, "action": {"kind": "status", "status": 403}}]
    result = cli("sync", PREFECT_API_URL=PREFECT_API_URL.value())
    assert result.returncode == 1, result.stdout + result.stderr
    assert "tags of 1000002: HTTP 403" in result.stdout
    assert "did not arrive whole" in result.stdout.strip().splitlines()[-1]
    assert warehouse.value("SELECT count(*) FROM tags") == len(world.account("1000001").records["tags"])


def test_accounts_are_shown(cli: Run, world: World) -> None:
    result = cli("accounts")
    assert result.returncode == 0
    assert all(account in result.stdout for account in world.account_ids)


@pytest.mark.parametrize("words", [[], ["sync"], ["accounts"], ["sandbox"], ["demo"]], ids=" ".join)
def test_help_of_every_command(cli: Run, words: list[str]) -> None:
    result = cli(*words, "--help")
    assert result.returncode == 0
    assert "Usage" in result.stdout
