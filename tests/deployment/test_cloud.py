"""Deployments for Prefect Cloud: what they need is asked for, and what would be lost or shown is refused."""

import re
from typing import Any

import pytest
import yaml

from flows.common.errors import SettingsError
from flows.orchestration.deploy import MANAGED, PUSH, check_kind, description
from flows.orchestration.deploy import deploy as deploy_all
from tests.conftest import PROJECT

PACKAGE = "drip-flows[postgres] @ git+https://example.com/you/drip-flows@v1"
PAGE = (PROJECT / "docs" / "cloud.md").read_text()


@pytest.mark.parametrize(
    ("kind", "image", "package", "destination", "says"),
    [
        (MANAGED, "", "", "postgres", "needs a --package"),
        (MANAGED, "an/image", PACKAGE, "postgres", "takes no --image"),
        (MANAGED, "", PACKAGE, "", "lose their files"),
        (MANAGED, "", PACKAGE, "duckdb", "lose their files"),
        (MANAGED, "", "../drip-flows", "postgres", "neither a git URL"),
        (MANAGED, "", "file:///srv/drip-flows", "postgres", "neither a git URL"),
        (MANAGED, "", "drip flows", "postgres", "neither a git URL"),
        (MANAGED, "", "git+https://me:secret@example.com/drip-flows", "postgres", "contains credentials"),
        ("cloud-run:push", "", "", "postgres", "needs an --image"),
        ("ecs:push", "an/image", "", "", "lose their files"),
        ("process", "", PACKAGE, "", "takes no --package"),
    ],
)
def test_refused(kind: str, image: str, package: str, destination: str, says: str) -> None:
    with pytest.raises(SettingsError, match=says) as refused:
        check_kind(kind, image, package, destination)
    assert "secret" not in str(refused.value)


@pytest.mark.parametrize("package", [PACKAGE, "git+https://example.com/drip-flows@main", "drip-flows[postgres]==0.1.0"])
def test_a_managed_deployment_installs_the_project(package: str) -> None:
    check_kind(MANAGED, "", package, "postgres")
    described = description(PROJECT, "cloud", MANAGED, "", "postgres", package)
    for one in described["deployments"]:
        assert one["work_pool"]["name"] == "cloud"
        assert one["work_pool"]["job_variables"]["pip_packages"] == [package]
        assert one["parameters"].get("destination", "postgres") == "postgres"
    assert described["pull"] == [{"flows.common.project.enter": {}}]
    assert "data/" not in yaml.safe_dump(described)


@pytest.mark.usefixtures("prefect_server")
def test_a_push_pool_has_to_be_provisioned_first() -> None:
    with pytest.raises(SettingsError, match="prefect work-pool create away --type cloud-run:push --provision-infra"):
        deploy_all(PROJECT, "away", PUSH[0], "an/image", "postgres")


def test_the_page_shows_commands_that_are_accepted() -> None:
    found: list[dict[str, Any]] = [
        dict(re.findall(r"--(\S+) (\"[^\"]+\"|\S+)", line)) for line in PAGE.splitlines() if "drip-flows deploy" in line
    ]
    assert {one["type"] for one in found} == {MANAGED, PUSH[0]}
    for one in found:
        check_kind(one["type"], one.get("image", ""), one.get("package", "").strip('"'), one["destination"])
