"""What tests of the deployment share: they leave no secret to the tests after them."""

from collections.abc import Iterator
from contextlib import suppress

import pytest
from prefect.blocks.system import Secret

from flows.orchestration.secret_blocks import block_of, secret_settings


@pytest.fixture
def no_block_left(prefect_server: None) -> Iterator[None]:
    """Every sync on the session's server would read the Secret blocks that a test made."""
    yield
    for setting in secret_settings():
        with suppress(ValueError):
            Secret.delete(block_of(setting))
