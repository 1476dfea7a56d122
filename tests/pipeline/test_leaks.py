"""An unexpected error leaves no secret anywhere, whatever encoding of it the error contains."""

import time
from base64 import b64encode
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest

from flows.sandbox import World
from flows.sync import sync as flow
from tests.conftest import PostgresWarehouse

FIRST = "1000001"
KEY = "k3y/of+nobody=7781-"
IN_BASE64 = b64encode(f"{KEY}:".encode()).decode()
TELLTALES = (KEY, quote(KEY, safe=""), quote(KEY), IN_BASE64[:-4])
MARK = "the trigger of the leak test"
SECONDS = 20.0


@pytest.fixture
def world() -> World:
    return World(seed=7, sizes={FIRST: 20}, api_key=KEY)


def fail_with(warehouse: PostgresWarehouse, words: str) -> None:
    """Make the database reject every new workflow with this message."""
    warehouse.execute(
        "CREATE FUNCTION no() RETURNS trigger LANGUAGE plpgsql AS "
        f"$$BEGIN RAISE EXCEPTION USING MESSAGE = $words${words}$words$; END$$; "
        "CREATE TRIGGER no BEFORE INSERT OR UPDATE ON drip.workflows FOR EACH ROW EXECUTE FUNCTION no()"
    )


def wait_for_log(server_files: Path) -> None:
    """Wait for the log and the events, which are sent in the background."""
    deadline = time.monotonic() + SECONDS
    while not any(MARK.encode() in path.read_bytes() for path in server_files.iterdir()):
        assert time.monotonic() < deadline, "the log did not reach Prefect"
        time.sleep(0.2)


@pytest.mark.usefixtures("prefect_server")
@pytest.mark.parametrize("warehouse", ["postgres"], indirect=True)
def test_a_load_that_breaks_with_secrets_in_its_error(
    sync: Any,
    warehouse: PostgresWarehouse,
    world: World,
    tmp_path: Path,
    prefect_folder: Path,
    capfd: pytest.CaptureFixture[str],
) -> None:
    sync(resources=["workflows"])
    fail_with(warehouse, f"{MARK}: {KEY} {quote(KEY, safe='')} {quote(KEY)} Basic {IN_BASE64} {KEY!r}")
    world.account(FIRST).records["workflows"].update(world.account(FIRST).records["workflows"].all()[0]["id"], name="x")
    state: Any = flow(resources=["workflows"], destination="postgres", return_state=True)
    assert state.is_failed()
    assert MARK in str(state.message)
    assert "***" in str(state.message)
    wait_for_log(prefect_folder)
    output = capfd.readouterr()
    left = {
        str(path): path.read_bytes() for path in [*prefect_folder.iterdir(), *tmp_path.rglob("*")] if path.is_file()
    }
    left |= {"output": (output.out + output.err).encode(), "state": repr(state).encode()}
    for name, content in left.items():
        assert not [word for word in TELLTALES if word.encode() in content], name
