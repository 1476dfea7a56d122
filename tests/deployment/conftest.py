"""Fixtures for tests of the deployment: they leave no Secret blocks behind."""

from collections.abc import Iterator
from contextlib import suppress

import pytest
from prefect.blocks.system import Secret

from flows.orchestration.secret_blocks import block_of, secret_settings


@pytest.fixture
def no_block_left(prefect_server: None) -> Iterator[None]:
    """Delete the Secret blocks of a test, which later syncs on the session's server would read."""
    yield
    for setting in secret_settings():
        with suppress(ValueError):
            Secret.delete(block_of(setting))
