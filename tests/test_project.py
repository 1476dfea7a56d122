"""Committed files are pinned and independent of the machine."""

import re
import subprocess

from tests.conftest import PROJECT


def committed() -> list[str]:
    listing = subprocess.run(["git", "ls-files"], cwd=PROJECT, capture_output=True, text=True, check=True)
    return [name for name in listing.stdout.splitlines() if (PROJECT / name).exists()]


def test_the_lock_is_plain_pins() -> None:
    lines = (PROJECT / "requirements.lock").read_text().splitlines()
    assert len(lines) > 100
    assert all(re.fullmatch(r"[A-Za-z0-9._-]+(\[[a-z,]+\])?==[^ ;]+( ; .*)?", line) for line in lines)


def test_nothing_names_a_registry_or_this_machine() -> None:
    registry = "|".join(("pypi" + r"\.org", "pythonhosted" + r"\.org", "index" + "-url"))
    homes = "|".join("/" + folder + "/" for folder in ("root", "home", "work", "Users"))
    places = re.compile(rf"({registry}|{homes}|{re.escape(str(PROJECT))})")
    allowed = {"Makefile"}  # `make lock` disables index lines by name
    named = [name for name in committed() if name not in allowed and places.search((PROJECT / name).read_text())]
    assert not named


def test_no_other_lock_and_no_data() -> None:
    names = committed()
    assert not {"uv.lock", "pylock.toml"} & set(names)
    assert not [name for name in names if name.endswith((".duckdb", ".parquet")) or name == ".dlt/secrets.toml"]
