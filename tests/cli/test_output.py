"""What a user sees: results on stdout, remarks on stderr, account names, tables that fit 80 columns, JSON."""

import json
import os
import pty
import re
import select
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from click.testing import Result

from flows.cli import app as cli_app
from flows.sandbox import Server, World
from tests.command import drip_flows
from tests.conftest import Warehouse

Run = Callable[..., Result]
GROUPS = {"": [cli_app.app, cli_app.reading], "webhooks ": [cli_app.webhooks]}
COMMANDS = sorted(
    group + (command.name or (command.callback.__name__.replace("_", "-") if command.callback else ""))
    for group, apps in GROUPS.items()
    for one in apps
    for command in one.registered_commands
)
WIDTH = 80


@pytest.fixture
def cli(server: Server, warehouse: Warehouse, tmp_path: Path) -> Run:
    """Run the command in a folder of its own, with settings of the sandbox and the ones given."""

    def run(*words: str, **settings: str | None) -> Result:
        return drip_flows(*words, folder=tmp_path, **settings)

    return run


def names_of(world: World) -> dict[str, str]:
    return {account["id"]: account["name"] for account in world.accounts}


def lists_of(*resources: str) -> list[str]:
    """The options that choose resources."""
    return [word for resource in resources for word in ("--resource", resource)]


def on_a_terminal(words: list[str], folder: Path, **settings: str) -> tuple[str, int]:
    """What a command prints on a terminal of 80 columns, and its exit code."""
    leader, follower = pty.openpty()
    environment = {**os.environ, "COLUMNS": str(WIDTH), "TERM": "xterm", **settings}
    said = b""
    with subprocess.Popen(words, stdout=follower, stderr=follower, env=environment, cwd=folder) as process:
        os.close(follower)
        while True:
            if select.select([leader], [], [], 0.2)[0]:
                try:
                    piece = os.read(leader, 65536)
                except OSError:  # the other end is closed
                    break
                said += piece
            elif process.poll() is not None:
                break
        code = process.wait()
    os.close(leader)
    return said.decode(), code


@pytest.mark.parametrize("command", COMMANDS)
def test_the_help_of_each_command_has_its_exit_codes(command: str) -> None:
    result = drip_flows(*command.split(), "--help")
    assert result.exit_code == 0
    assert re.search(r"Exit codes: \w", result.stdout)
    assert "<list" not in result.stdout
    assert max(map(len, result.stdout.splitlines())) <= WIDTH


@pytest.mark.parametrize("group", GROUPS)
def test_the_help_of_a_group_cuts_no_description(group: str) -> None:
    shown = drip_flows(*group.split(), "--help").stdout
    listed = shown[shown.index("Commands:") :].splitlines()[1:]
    assert len(listed) > 8
    assert [line for line in listed if not re.fullmatch(r"  [a-z-]+ +[A-Z].*[^.]\.", line)] == []


def test_the_version() -> None:
    result = drip_flows("--version")
    assert (result.exit_code, result.stderr) == (0, "")
    assert re.fullmatch(r"drip-flows \d+\.\d+\.\d+ \(dlt .*, duckdb .*, prefect .*, Python .*\)\n", result.stdout)


REFUSED_QUERIES = [
    (["SELEC 1"], "syntax error"),
    (["SELECT * FROM subscriber"], "subscriber"),
    (["SELECT $a", "--param", "a"], "NAME=VALUE"),
    (["SELECT 1", "--csv", "--json"], "cannot be combined"),
]
FAULT = {"match": {"account": "1000002", "resource": "tags"}, "action": {"kind": "status", "status": 403}}


def test_a_plan_and_a_sync_are_a_line_per_resource_and_what_changed(cli: Run, world: World) -> None:
    lists = lists_of("subscribers", "tags")
    first = cli("sync", "--quiet", *lists)
    assert (first.exit_code, first.stdout, first.stderr) == (0, "", "")
    world.account("1000002").arrive(3)
    changed = f"subscribers of 1000002 ({names_of(world)['1000002']})"
    plan = cli("plan", "--changes", *lists).stdout
    assert len(re.findall(r"^subscribers +full +\d+ +150 +\d+ +3 +0 +0", plan, re.MULTILINE)) == 1
    assert f"{changed}: 3 added" in plan
    synced = cli("sync", *lists)
    assert synced.exit_code == 0, synced.output
    assert "reading 4 lists of 2 accounts" in synced.stderr
    assert "reading" not in synced.stdout
    assert synced.stdout.startswith("Sync")
    assert f"{changed}: +3 rows" in synced.stdout
    assert "1000001" not in synced.stdout
    for command in ("plan", "sync"):
        every = cli(command, *lists, "--verbose").stdout
        assert all(f"{account} ({name})" in every for account, name in names_of(world).items()), command


def test_a_failed_list_is_named_with_its_account_and_a_command_that_works(cli: Run, world: World) -> None:
    world.faults = [FAULT]
    name = names_of(world)["1000002"]
    result = cli("sync", "--dataset", "shop", "--no-history", *lists_of("tags", "webhooks"))
    assert result.exit_code == 1
    assert f"tags of 1000002 ({name}): HTTP 403" in result.stdout
    assert "drip-flows sync --dataset shop --no-history --account 1000002 --resource tags" in result.stdout
    result = cli("sync", "--quiet", "--resource", "tags")
    assert (result.exit_code, result.stderr) == (1, "")
    assert result.stdout.startswith("tags of 1000002")
    result = cli("sync", "--json", *lists_of("accounts", "subscribers", "tags"))
    report = json.loads(result.stdout)
    assert (result.exit_code, report["exit_code"]) == (1, 1)
    failed = [one for one in report["lists"] if not one["complete"]]
    assert [(one["account"], one["account_name"], one["resource"]) for one in failed] == [("1000002", name, "tags")]
    assert report["requests"] == sum(one["spent"] for one in report["budgets"]) > 0
    shown = cli("status").stdout
    assert f"tags of 1000002 ({name}): never complete in the log of syncs" in shown
    assert "subscribers_history: 150 versions since" in shown
    assert re.search(r"Rate limit: 3,\d+ requests left of 3,600", shown)
    assert re.search(r"Last sync: \d+ s ago, 4 of 5 lists complete", shown)
    assert "Rate limit" not in cli("status", "--offline").stdout


def test_results_as_json_and_of_queries(cli: Run, world: World) -> None:
    assert cli("status").exit_code == 2
    lists = lists_of("accounts", "subscribers", "tags")
    assert cli("sync", *lists).exit_code == 0
    shown = cli("status", SOURCES__DRIP__API_KEY=None)
    assert (shown.exit_code, "Rate limit: not known" in shown.stdout) == (0, True)
    accounts = json.loads(cli("accounts", "--json").stdout)
    assert {one["account"]: one["name"] for one in accounts} == names_of(world)
    assert json.loads(cli("freshness", *lists, "--json").stdout)["fresh"] is True
    shown = cli("status", "--json")
    assert shown.exit_code == 0, shown.output
    status = json.loads(shown.stdout)
    assert status["last_sync"]["lists"] == status["last_sync"]["whole"] == 5
    assert {one["account_name"] for one in status["lists"] if one["account"]} == set(names_of(world).values())
    assert [one["table"] for one in status["history"]] == ["subscribers_history"]
    assert re.search(r"\d requests left of 3,600", status["rate_limits"][0]["text"])
    assert_queries_are_answered(cli, world)
    assert_wrong_queries_are_refused(cli)


def assert_queries_are_answered(cli: Run, world: World) -> None:
    """Check the output of queries as a table, as CSV and as JSON."""
    sql = "SELECT account_id, count(*) AS people FROM subscribers WHERE account_id = $account GROUP BY ALL"
    table = cli("query", sql, "--param", "account=1000002")
    assert table.exit_code == 0, table.output
    assert re.search(r"1000002\s+20", table.stdout)
    assert table.stderr.strip() == "1 row"
    assert cli("query", sql, "-p", "account=1000002", "--csv").stdout == "account_id,people\n1000002,20\n"
    assert json.loads(cli("query", sql, "-p", "account=1000002", "--json").stdout) == [
        {"account_id": "1000002", "people": 20}
    ]
    wide = cli("query", "SELECT * FROM accounts")
    assert {"id", "url", "default_postal_address", "_row_hash"} <= set(wide.stdout.split())
    assert all(account in wide.stdout for account in [*world.account_ids, *names_of(world).values()])
    cut = cli("query", "SELECT id FROM subscribers", "--limit", "3")
    assert cut.stderr.strip() == "3 of 150 rows. --csv and --json print everything."
    assert len(cut.stdout.splitlines()) == 5
    people = json.loads(cli("query", "SELECT id, created_at, tags, custom_fields FROM subscribers", "--json").stdout)
    assert len(people) == 150
    assert any(isinstance(tag, str) for one in people for tag in one["tags"])
    assert all(isinstance(one["custom_fields"], dict) for one in people)


def assert_wrong_queries_are_refused(cli: Run) -> None:
    """Check that each wrong query ends with one line on stderr."""
    for words, said in REFUSED_QUERIES:
        result = cli("query", *words)
        assert (result.exit_code, result.stdout) == (2, ""), words
        assert said in result.stderr
        assert len(result.stderr.splitlines()) == 1, words


def test_a_terminal_shows_a_sign_before_slow_imports_and_breaks_no_word(
    server: Server, warehouse: Warehouse, world: World, tmp_path: Path
) -> None:
    world.faults = [FAULT]
    lists = lists_of("subscribers", "custom_fields", "conversions", "tags")
    words = [sys.executable, "-X", "importtime", "-m", "flows", "sync", *lists]
    said, code = on_a_terminal(words, tmp_path, PREFECT_API_URL="")
    before, sign, after = said.partition("Starting the sync")
    assert (code, bool(sign)) == (1, True), said[-500:]
    slow = ("dlt", "duckdb", "pandas", "prefect", "pyarrow")
    assert [name for name in slow if re.search(rf"\| +{name}\s", before)] == []
    assert re.search(r"\| +dlt\s", after)

    shown = re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", said).replace("\r", "")
    shown = re.sub(r"import time:.*\n", "", shown)
    lines = shown[shown.index("resource ") :].splitlines()
    parts = " ".join(lines).split()
    for long in ("subscribers", "custom_fields", "conversions", "authorized", "1000002", str(warehouse.path)):
        assert any(long in part for part in parts), long
    assert max(len(line) for line in lines if str(warehouse.path) not in line) <= WIDTH
