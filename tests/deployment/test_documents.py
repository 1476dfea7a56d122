"""The steps in the documentation work in order, and an example with placeholders is rejected."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from tests.conftest import PROJECT

NEEDS_THE_SERVER = re.compile(
    r"^\.venv/bin/(prefect .*(deploy|worker|work-pool)|drip-flows (deploy|secret))", re.MULTILINE
)


@pytest.mark.parametrize("name", ["README.md", "docs/operations.md"])
def test_the_server_is_named_before_it_is_needed(name: str) -> None:
    text = (PROJECT / name).read_text()
    needed = NEEDS_THE_SERVER.search(text)
    assert needed
    assert ".venv/bin/prefect config set PREFECT_API_URL=http://127.0.0.1:4200/api\n" in text[: needed.start()]


def create(path: Path) -> subprocess.CompletedProcess[str]:
    """Run the command that creates the automations of a file, with an API address where nothing listens."""
    words = [str(Path(sys.executable).with_name("prefect")), "automation", "create", "--from-file", str(path)]
    environment = os.environ | {"PREFECT_API_URL": "http://127.0.0.1:9/api", "COLUMNS": "200"}
    return subprocess.run(words, env=environment, capture_output=True, text=True, timeout=120, check=False)


def test_automations_without_a_block_are_refused() -> None:
    result = create(PROJECT / "docs" / "automations.yaml")
    assert result.returncode == 1
    assert "undefined alias 'block'" in result.stdout + result.stderr
    assert "Failed to create" not in result.stdout + result.stderr, "some automations were sent to Prefect"


def test_a_placeholder_is_no_id_of_a_block() -> None:
    from prefect.events.schemas.automations import AutomationCore
    from pydantic import ValidationError

    text = (PROJECT / "docs" / "automations.yaml").read_text().replace("# block: &block", "block: &block")
    telling = [one for one in yaml.safe_load(text)["automations"] if one["actions"][0]["type"] == "send-notification"]
    assert len(telling) == 2
    for automation in telling:
        with pytest.raises(ValidationError, match="block_document_id"):
            AutomationCore.model_validate(automation)
