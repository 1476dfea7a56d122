"""The contenders: commands that load subscribers from the sandbox into a DuckDB file."""

import os
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from benchmarks.api import PLENTY, Api
from benchmarks.command import COMMAND, Place
from benchmarks.peers import PEERS, absent, python_of

HERE = Path(__file__).parent
TARGETS = ("{url}", "{key}", "{database}")
COUNT = "SELECT count(DISTINCT id) FROM {}"
MANIFEST = "AIRBYTE_MANIFEST"
AIRBYTE = "PyAirbyte"


@dataclass(frozen=True)
class Contender:
    """One way to get subscribers into a DuckDB file.

    Attributes:
        name: shown in the tables.
        words: its command, with the placeholders `{url}`, `{key}` and `{database}`.
        count: a query that counts the distinct subscribers it has loaded.
        settings: environment variables.
        missing: why it cannot run; empty if it can.
        again: whether its second run in the same place is measured, after one in a hundred subscribers has changed.
    """

    name: str
    words: tuple[str, ...]
    count: str
    settings: Mapping[str, str] = field(default_factory=dict)
    missing: str = ""
    again: bool = False

    def command(self, api: Api, place: Place) -> list[str]:
        """The command that loads from this sandbox into this place."""
        return [word.format(url=api.url, key=api.api_key, database=place.warehouse) for word in self.words]


def sync(name: str, *words: str, again: bool = False, **settings: str) -> Contender:
    """This project's sync with further arguments and settings of the source, without a rate limit."""
    named = {f"SOURCES__DRIP__{key}": value for key, value in ({"RATE_LIMIT": str(PLENTY)} | settings).items()}
    query = "SELECT count(DISTINCT (account_id, id)) FROM drip.subscribers"
    return Contender(name, (COMMAND, "sync", *words), query, named, again=again)


LIMIT = Contender("the limit", (sys.executable, str(HERE / "limit.py"), *TARGETS), COUNT.format("subscribers"))
SYNC = sync("drip-flows sync", HISTORY="[]")
WITH_HISTORY = sync("drip-flows sync, with history")
AGAIN = sync("drip-flows sync, 1 % changed, with history", again=True)
AUTO = sync("drip-flows sync --mode auto, 1 % changed, with history", "--mode", "auto", again=True)
GUIDE = Contender(
    "the guide, corrected",
    (sys.executable, str(HERE / "configuration_guide.py"), *TARGETS),
    COUNT.format("guide.subscribers"),
)


def airbyte() -> Contender:
    """PyAirbyte with the published connector; the environment variable `AIRBYTE_MANIFEST` names its manifest."""
    manifest = os.environ.get(MANIFEST, "")
    missing = absent("airbyte") or ("" if Path(manifest).is_file() else f"{MANIFEST} names no file")
    words = (python_of("airbyte"), str(HERE / "peer_airbyte.py"), *TARGETS, manifest)
    return Contender(AIRBYTE, words, COUNT.format("airbyte.subscribers"), {"AIRBYTE_OFFLINE_MODE": "1"}, missing)


def singer() -> Contender:
    """The Singer tap with a public target."""
    words = (sys.executable, str(HERE / "peer_singer.py"), *TARGETS, str(PEERS))
    return Contender(
        "the Singer tap", words, COUNT.format("singer.people"), missing=absent("tap-drip") or absent("target-duckdb")
    )


def contenders(peers: bool) -> Iterator[Contender]:
    """All contenders, the limit first, with or without other tools."""
    yield from (LIMIT, SYNC, WITH_HISTORY, AGAIN, AUTO, GUIDE)
    if peers:
        yield from (airbyte(), singer())
