"""Fixtures for tests of the deployment: a checkout, a client of the server, no Secret blocks left behind."""

import shutil
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pytest
from prefect.blocks.system import Secret
from prefect.client.orchestration import SyncPrefectClient, get_client

from flows.orchestration.secret_blocks import block_of, secret_settings
from tests.conftest import PROJECT


@pytest.fixture
def no_block_left(prefect_server: None) -> Iterator[None]:
    """Delete the Secret blocks of a test, which later syncs on the session's server would read."""
    yield
    for setting in secret_settings():
        with suppress(ValueError):
            Secret.delete(block_of(setting))


@pytest.fixture(scope="module")
def client(prefect_server: None) -> Iterator[SyncPrefectClient]:
    """A client of the session's server."""
    with get_client(sync_client=True) as speaking:
        yield speaking


@pytest.fixture(scope="module")
def checkout(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy of the project other than the installed one, as on the machine of the person who deploys."""
    folder = tmp_path_factory.mktemp("checkout")
    for name in ("prefect.yaml", "pyproject.toml"):
        shutil.copy(PROJECT / name, folder)
    shutil.copytree(PROJECT / "flows", folder / "flows")
    return folder
