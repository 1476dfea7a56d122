"""Several keys in one sync: all accounts of all connections, each with its own rate limit, independently."""

import os
from base64 import b64encode
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest
from prefect.blocks.system import Secret
from prefect.client.orchestration import get_client
from prefect.client.schemas.sorting import LogSort
from prefect.logging.handlers import APILogHandler

from flows import metrics
from flows.common.errors import SettingsError
from flows.dataset import load
from flows.orchestration.secret_blocks import block_of, use_secret_blocks
from flows.orchestration.shared_rate_limit import limit_name
from flows.pipeline.accounts import discover, with_accounts
from flows.pipeline.context import clean_up
from flows.pipeline.preparation import prepare
from flows.pipeline.report import SyncReport
from flows.pipeline.sync_log import COLUMNS
from flows.reporting.freshness import Limits, check_freshness
from flows.reporting.summary import facts, title
from flows.sandbox import Server, World, serve
from flows.source import DEFAULT_RESOURCES
from flows.source.settings import load_settings
from flows.sync import sync as flow
from tests.command import drip_flows
from tests.conftest import Warehouse
from tests.mirror import LISTS, api_keys, rows_of, table_keys
from tests.pipeline.conftest import refused

ACME, ZENITH = "acme", "zenith"
ONE, SHARED, OTHER = "1000001", "1000002", "2000001"
KEYS = {ACME: "acme-k3y-of-nobody", ZENITH: "zenith-k3y-of-nobody"}
SUBSCRIBERS = ["subscribers"]
SOME = ["accounts", "users", "subscribers", "tags"]
"""Resources for tests that do not depend on the list."""
MARKED = "SELECT id, connection FROM accounts ORDER BY id"


def variable(connection: str, name: str) -> str:
    return f"SOURCES__DRIP__{connection.upper()}__{name}"


@pytest.fixture
def worlds() -> dict[str, World]:
    """Worlds by connection. One account is visible to both."""
    worlds = {
        ACME: World(seed=7, sizes={ONE: 60, SHARED: 10}, api_key=KEYS[ACME]),
        ZENITH: World(seed=7, sizes={SHARED: 10, OTHER: 40}, api_key=KEYS[ZENITH]),
    }
    worlds[ZENITH].user["email"] = "zenith@example.com"
    return worlds


@pytest.fixture
def server(worlds: dict[str, World], monkeypatch: pytest.MonkeyPatch) -> Iterator[dict[str, Server]]:
    """A sandbox for each connection, which the settings point to. Failed requests are retried immediately."""
    monkeypatch.setenv("SOURCES__DRIP__CONNECTIONS", f'["{ACME}", "{ZENITH}"]')
    monkeypatch.setenv("SOURCES__DRIP__BACKOFF_FACTOR", "0.01")
    monkeypatch.setenv("SOURCES__DRIP__TASK_RETRY_DELAY", "0")
    with ExitStack() as stack:
        servers = {name: stack.enter_context(serve(world)) for name, world in worlds.items()}
        for name, running in servers.items():
            monkeypatch.setenv(variable(name, "BASE_URL"), running.url)
            monkeypatch.setenv(variable(name, "API_KEY"), KEYS[name])
        yield servers


def refuse(world: World) -> None:
    world.api_key = "another"


def assert_holds(warehouse: Warehouse, *worlds: World, resources: Sequence[str] = LISTS) -> None:
    """Check that the tables have the rows of the worlds, each once."""
    for resource in resources:
        rows = table_keys(warehouse, resource)
        assert len(rows) == len(set(rows)), resource
        assert set(rows) == {key for world in worlds for key in api_keys(world, resource)}, resource


def everything(warehouse: Warehouse) -> dict[str, list[tuple[Any, ...]]]:
    tables = [*DEFAULT_RESOURCES, "subscribers_history"]
    return {name: sorted(warehouse.rows(f"SELECT * FROM {name}"), key=str) for name in tables}


def failed(report: SyncReport) -> list[tuple[str, str | None, str]]:
    return [(line.connection, line.account, line.resource) for line in report.failures]


def asked(server: Server) -> set[str]:
    """The accounts that were requested from a sandbox."""
    return {part for request in server.log for part in request.path.split("/") if part.isdigit()}


def test_every_account_of_every_connection_arrives(
    sync: Any, warehouse: Warehouse, worlds: dict[str, World], server: dict[str, Server]
) -> None:
    report = sync()
    assert report.exit_code == 0, report.failures
    assert_holds(warehouse, *worlds.values())
    assert warehouse.rows(MARKED) == [(ONE, ACME), (SHARED, ACME), (OTHER, ZENITH)]
    users = [(worlds[name].user["email"], name) for name in (ACME, ZENITH)]
    assert warehouse.rows("SELECT email, connection FROM users ORDER BY connection") == users
    assert [asked(server[name]) for name in (ACME, ZENITH)] == [{ONE, SHARED}, {OTHER}]
    assert facts(report)["Shared accounts"] == f"{SHARED} is read by {ACME}, and also visible to {ZENITH}"
    lists = "SELECT connection, count(*) FROM _syncs WHERE complete GROUP BY connection ORDER BY connection"
    assert warehouse.rows(lists) == [(ACME, 2 + 2 * 9), (ZENITH, 2 + 9)]
    assert {(one.connection, one.spent) for one in report.budgets} == {(n, len(server[n].log)) for n in server}

    before = everything(warehouse)
    again = sync(resources=SOME)
    assert again.exit_code == 0, again.failures
    assert everything(warehouse) == before
    assert all(line.before == line.loaded for line in again.lists)
    assert facts(again)["Changed"] == "no row counts since the last sync"


def test_a_connection_that_fails_leaves_the_others_exact_and_comes_back(
    sync: Any, warehouse: Warehouse, worlds: dict[str, World], monkeypatch: pytest.MonkeyPatch
) -> None:
    worlds[ACME].accounts.append({"name": "an account without an id"})
    sync(resources=SOME)
    before = change_after_a_sync(warehouse, worlds)
    with monkeypatch.context() as down:
        down.setenv(variable(ACME, "BASE_URL"), "http://127.0.0.1:9/v2")
        report = sync(resources=SOME)
    assert_only_zenith_is_exact(report, warehouse, worlds, before)
    assert [title(line, report.account_names) for line in report.failures] == ["accounts of acme"]
    assert "no answer" in report.failures[0].note
    assert warehouse.rows(MARKED) == [(ONE, ACME), (SHARED, ZENITH), (OTHER, ZENITH)]
    tags = worlds[ZENITH].account(SHARED).records["tags"]
    assert set(warehouse.column(f"SELECT tag FROM tags WHERE account_id = '{SHARED}'")) == set(tags.all())
    assert warehouse.value("SELECT count(*) FROM _quarantine") == 1, (
        "the quarantined record of the connection that is down was deleted"
    )

    worlds[ACME].accounts.pop()
    assert sync(resources=SOME).exit_code == 0
    for resource in SOME[2:]:
        of_zenith = {key for key in api_keys(worlds[ZENITH], resource) if key[0] == OTHER}
        assert sorted(table_keys(warehouse, resource)) == sorted(api_keys(worlds[ACME], resource) | of_zenith)
    assert warehouse.rows(MARKED) == [(ONE, ACME), (SHARED, ACME), (OTHER, ZENITH)]
    assert warehouse.value("SELECT count(*) FROM _quarantine") == 0


def test_a_connection_that_is_refused_in_mid_run_leaves_the_others_exact(
    sync: Any, warehouse: Warehouse, worlds: dict[str, World]
) -> None:
    sync(resources=SOME)
    before = change_after_a_sync(warehouse, worlds)
    worlds[ACME].faults = [{"when": {"after": 3}, "action": {"kind": "status", "status": 401}}]
    report = sync(resources=SOME)
    assert_only_zenith_is_exact(report, warehouse, worlds, before)
    assert len(failed(report)) == 2 + 2 * 2
    assert variable(ACME, "API_KEY") in report.failures[0].note
    assert warehouse.rows(MARKED) == [(ONE, ACME), (SHARED, ACME), (OTHER, ZENITH)]


def change_after_a_sync(warehouse: Warehouse, worlds: dict[str, World]) -> dict[str, Any]:
    """Change the lists of both connections; returns the rows of an account of acme, whose lists are empty now."""
    before = {resource: rows_of(warehouse, resource, ONE) for resource in SOME[2:]}
    for resource in before:
        worlds[ACME].account(ONE).records[resource].clear()
    people = worlds[ZENITH].account(OTHER).subscribers
    people.delete(people.ids()[:5])
    worlds[ZENITH].account(SHARED).records["tags"].add("Seen by zenith")
    return before


def assert_only_zenith_is_exact(
    report: SyncReport, warehouse: Warehouse, worlds: dict[str, World], before: dict[str, Any]
) -> None:
    """Check a sync in which acme failed."""
    assert report.exit_code == 1
    assert {resource: rows_of(warehouse, resource, ONE) for resource in before} == before
    assert {connection for connection, *_ in failed(report)} == {ACME}
    assert all(line.complete for line in report.lists if line.connection == ZENITH)
    note = "SELECT connection FROM _syncs WHERE NOT complete AND resource = 'accounts'"
    assert warehouse.rows(note) == [(ACME,)]
    people = worlds[ZENITH].account(OTHER).subscribers
    assert set(warehouse.column(f"SELECT id FROM subscribers WHERE account_id = '{OTHER}'")) == set(people.ids())


def test_where_none_can_be_used_nothing_starts(sync: Any, worlds: dict[str, World]) -> None:
    for world in worlds.values():
        refuse(world)
    report = sync()
    assert report.exit_code == 2
    assert all(variable(name, "API_KEY") in report.stopped for name in worlds)


def test_each_budget_is_kept_on_its_own(
    sync_flow: Any, warehouse: Warehouse, worlds: dict[str, World], monkeypatch: pytest.MonkeyPatch
) -> None:
    scarce = World(seed=7, sizes={ONE: 60, SHARED: 10}, api_key=KEYS[ACME], rate_limit=5, rate_window=3)
    with serve(scarce) as server:
        for name, value in (("BASE_URL", server.url), ("RATE_LIMIT", "5"), ("RATE_WINDOW", "3")):
            monkeypatch.setenv(variable(ACME, name), value)
        report = sync_flow(resources=SOME)
        assert report.exit_code == 0
        assert refused(server.log) <= 3
        assert len(server.log) > 5
    assert_holds(warehouse, scarce, worlds[ZENITH], resources=SOME[2:])
    limits = {}
    with get_client(sync_client=True) as client:
        for name in worlds:
            limits[name] = client.read_global_concurrency_limit_by_name(limit_name(load_settings(name))).limit
    assert limits == {ACME: 5, ZENITH: 3_600}


def test_modes_and_history_go_by_the_account(
    sync: Any, warehouse: Warehouse, worlds: dict[str, World], server: dict[str, Server]
) -> None:
    sync(resources=SUBSCRIBERS)
    for name, account in ((ACME, ONE), (ZENITH, OTHER)):
        worlds[name].account(account).arrive(3)
        server[name].log.clear()
    report = sync(resources=SUBSCRIBERS, mode="auto")
    assert report.exit_code == 0
    assert {line.mode for line in report.lists} == {"incremental"}
    queries = [request.query for one in server.values() for request in one.log if "/subscribers" in request.path]
    assert len(queries) == 3
    assert all("subscribed_after" in query for query in queries)
    for world in worlds.values():
        assert set(table_keys(warehouse, "subscribers")) >= api_keys(world, "subscribers")
    arrived = "SELECT account_id, count(*) FROM subscribers_history WHERE opened_as = 'arrived' GROUP BY 1 ORDER BY 1"
    assert warehouse.rows(arrived) == [(ONE, 3), (OTHER, 3)]

    del worlds[ACME].accounts[1]  # only zenith's token has access to it now: the list continues there
    report = sync(resources=SUBSCRIBERS, mode="auto")
    taken_over = next(line for line in report.lists if line.account == SHARED)
    assert (taken_over.connection, taken_over.mode, taken_over.complete) == (ZENITH, "incremental", True)


def test_accounts_are_chosen_among_all(
    sync: Any, warehouse: Warehouse, worlds: dict[str, World], server: dict[str, Server]
) -> None:
    assert sync(accounts=[OTHER], resources=["accounts", "tags"]).exit_code == 0
    assert [asked(server[name]) for name in (ACME, ZENITH)] == [set(), {OTHER}]
    assert warehouse.rows(MARKED) == [(OTHER, ZENITH)]
    refuse(worlds[ACME])
    report = sync(accounts=[ONE])
    assert report.exit_code == 2
    assert variable(ACME, "API_KEY") in report.stopped
    worlds[ACME].api_key = KEYS[ACME]
    report = sync(accounts=[OTHER, "555"])
    assert report.exit_code == 2
    assert all(account in report.stopped for account in ("'555'", ONE, SHARED, OTHER))


@pytest.mark.usefixtures("server", "warehouse")
def test_which_accounts_can_be_synced(worlds: dict[str, World]) -> None:
    def check(*wanted: str) -> None:
        runs = prepare(["tags"], "duckdb", "drip")
        with_accounts(runs, discover(runs), wanted)
        clean_up(runs)

    check()
    worlds[ZENITH].accounts.append(worlds[ZENITH].accounts[0] | {"id": "2000002"})
    check("2000002")
    refuse(worlds[ACME])
    with pytest.raises(SettingsError, match="'555' is not visible"):
        check("555")
    check(OTHER, ONE)
    with pytest.raises(SettingsError, match=variable(ACME, "API_KEY")):
        check(ONE)
    refuse(worlds[ZENITH])
    with pytest.raises(SettingsError, match=r"no connection can be used; acme: .*; zenith: "):
        check("555")


def test_a_user_with_two_tokens_is_one_row_and_a_vanished_account_keeps_its_rows(
    sync: Any, warehouse: Warehouse, worlds: dict[str, World]
) -> None:
    worlds[ZENITH].user["email"] = worlds[ACME].user["email"]
    resources = ["accounts", "users", "tags"]
    assert sync(resources=resources).exit_code == 0
    assert warehouse.rows("SELECT email, connection FROM users") == [(worlds[ACME].user["email"], ACME)]
    before = rows_of(warehouse, "tags", ONE)
    worlds[ACME].remove_account(ONE)
    worlds[ZENITH].account(OTHER).records["tags"].add("Brand new")
    assert sync(resources=resources).exit_code == 0
    assert rows_of(warehouse, "tags", ONE) == before != []
    assert set(table_keys(warehouse, "tags")) >= api_keys(worlds[ZENITH], "tags")


def test_freshness_tells_the_connections_apart(
    sync: Any,
    warehouse: Warehouse,
    worlds: dict[str, World],
    server: dict[str, Server],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    with monkeypatch.context() as then:  # before there were connections and their column
        for name in [name for name in os.environ if name.startswith("SOURCES__DRIP__")]:
            then.delenv(name)
        then.setenv("SOURCES__DRIP__LANDING", str(warehouse.path.parent / "landing"))
        then.setenv("SOURCES__DRIP__API_KEY", KEYS[ACME])
        then.setenv("SOURCES__DRIP__BASE_URL", server[ACME].url)
        then.delitem(COLUMNS, "connection")
        then.setattr("flows.pipeline.reconcile.CONNECTION", "note")
        assert sync(resources=["accounts", "tags"]).exit_code == 0
    assert "connection" not in warehouse.columns("_syncs")
    assert check_freshness(Limits()).problems == []
    warehouse.execute("DELETE FROM drip._syncs WHERE account IS NULL")
    sync(resources=["accounts", "tags"])
    warehouse.execute("UPDATE drip._syncs SET finished = finished - INTERVAL '4 hours'")
    refuse(worlds[ACME])
    report = sync(resources=["accounts", "tags"])
    assert [title(line, report.account_names) for line in report.failures] == ["accounts of acme"]
    assert "401" in report.failures[0].note
    stale = {(one.account, one.resource) for one in check_freshness(Limits(hours=3)).problems}
    assert stale == {(ACME, "accounts"), (f"{ONE} (北の本屋 01)", "tags")}
    ages = metrics.freshness(load("_syncs"), load("_syncs")["finished"].max())
    by_owner = {(row.account_id, row.resource): row.hours for row in ages.itertuples()}
    assert by_owner[ACME, "accounts"] > 3
    assert by_owner[ZENITH, "accounts"] == 0


@pytest.fixture
def blocks(prefect_server: None, server: dict[str, Server]) -> Iterator[None]:
    """Delete the Secret blocks after the test."""
    yield
    for name in KEYS:
        Secret.delete(block_of(variable(name, "API_KEY")))
    use_secret_blocks("duckdb")


@pytest.mark.usefixtures("blocks")
def test_keys_come_from_blocks_and_are_nowhere_that_a_run_leaves(
    warehouse: Warehouse,
    worlds: dict[str, World],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capfd: pytest.CaptureFixture[str],
) -> None:
    for name, key in KEYS.items():
        assert key not in keep(variable(name, "API_KEY"), key)
        monkeypatch.delenv(variable(name, "API_KEY"))
        action = {"kind": "raw", "body": f"<b>{key} {basic(key)}</b>"}
        worlds[name].faults = [{"match": {"resource": "webhooks"}, "action": action}]
    monkeypatch.setenv("SOURCES__DRIP__MAX_RETRIES", "0")
    monkeypatch.setenv("SOURCES__DRIP__KEEP_LANDING", "true")
    monkeypatch.setattr("flows.common.scrubbing._remembered", set[str]())  # by the command that saved them
    state: Any = flow(resources=["tags", "webhooks"], return_state=True)
    assert state.is_failed()
    assert warehouse.value("SELECT count(*) FROM _syncs WHERE NOT complete AND note LIKE '%***%'") == 3
    APILogHandler().flush()
    output = capfd.readouterr()
    with get_client(sync_client=True) as client:
        logs = client.read_logs(limit=200, sort=LogSort.TIMESTAMP_DESC)
        left = [logs, client.read_flow_runs(), client.read_task_runs(), client.read_artifacts()]
    assert "***" in str(logs)
    kept = {"output": (output.out + output.err + repr(state)).encode(), "Prefect": str(left).encode()}
    kept |= {str(path): path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()}
    assert sum(name.endswith(".parquet") for name in kept) >= 3, "nothing landed"
    for name, content in kept.items():
        for key in KEYS.values():
            assert key.encode() not in content, name
            assert basic(key).rstrip("=").encode() not in content, name


def keep(setting: str, value: str) -> str:
    """Save a secret in its block with the command, and return its output."""
    result = drip_flows("secret", setting, typed=f"{value}\n")
    assert result.exit_code == 0, result.stderr
    return result.output


def basic(key: str) -> str:
    """The key as sent in a header."""
    return b64encode(f"{key}:".encode()).decode()


def test_the_command_shows_accounts_by_connection(server: dict[str, Server], worlds: dict[str, World]) -> None:
    result = drip_flows("accounts")
    assert result.exit_code == 0, result.stderr
    lines = [line.split() for line in result.stdout.splitlines()]
    for name, world in worlds.items():
        assert all(any({name, account} <= set(line) for line in lines) for account in world.account_ids)
    refuse(worlds[ACME])
    result = drip_flows("accounts")
    assert (result.exit_code, OTHER in result.stdout) == (1, True)
    assert f"accounts of {ACME}: HTTP 401" in result.stdout


def test_a_connection_that_waits_for_its_budget_holds_up_no_other(
    sync: Any, worlds: dict[str, World], server: dict[str, Server], monkeypatch: pytest.MonkeyPatch
) -> None:
    many = {name: [f"{number}0000{place}" for place in range(10, 20)] for name, number in ((ACME, 1), (ZENITH, 2))}
    limit, window = 6, 5
    monkeypatch.setenv("SOURCES__DRIP__PARALLEL", "4")  # fewer than the lists of acme that wait
    with ExitStack() as stack:
        world = {name: World(seed=7, sizes=dict.fromkeys(ids, 1), api_key=KEYS[name]) for name, ids in many.items()}
        served = {name: stack.enter_context(serve(one)) for name, one in world.items()}
        for name, running in served.items():
            monkeypatch.setenv(variable(name, "BASE_URL"), running.url)
        monkeypatch.setenv(variable(ACME, "RATE_LIMIT"), str(limit))
        monkeypatch.setenv(variable(ACME, "RATE_WINDOW"), str(window))
        assert sync(resources=["tags"], history=False).exit_code == 0
        waited_for = sorted(request.time for request in served[ACME].log)[limit]
        assert max(request.time for request in served[ZENITH].log) < waited_for
