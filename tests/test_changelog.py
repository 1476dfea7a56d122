"""docs/changelog.md has a section for the version in pyproject.toml, newest first."""

import re
import tomllib

from packaging.version import Version

from tests.conftest import PROJECT

PAGE = (PROJECT / "docs" / "changelog.md").read_text()
VERSION = tomllib.loads((PROJECT / "pyproject.toml").read_text())["project"]["version"]


def test_the_version_is_described_and_versions_are_sorted() -> None:
    titles = re.findall(r"^## (.+)$", PAGE, re.MULTILINE)
    versions = [Version(title) for title in titles if title != "Unreleased"]
    assert "Unreleased" not in titles[1:]
    assert versions == sorted(versions, reverse=True)
    assert versions[0] == Version(VERSION)


def test_deployments_have_the_same_version() -> None:
    described = (PROJECT / "prefect.yaml").read_text()
    assert {*re.findall(r"^ +version: (\S+)$", described, re.MULTILINE)} == {VERSION}
