"""Compares the processor time of syncs with and without two tokens in each row. `python -m benchmarks.masking`."""

import sys
import tempfile
from pathlib import Path
from statistics import median
from typing import Annotated

import msgspec
import typer
from rich.console import Console

from benchmarks import api
from benchmarks.command import Place
from benchmarks.findings import Finding, shown

console = Console(soft_wrap=True)
ACCOUNT = "1000001"
SECRET = "the key of the benchmark"  # noqa: S105 - of invented people
TWO_TOKENS = {"email": "hmac", "phone": "hmac"}
MOST_SHARE = 0.10


def mask_settings(rules: dict[str, str]) -> dict[str, str]:
    """The environment variables of a mask."""
    names = ("SOURCES__DRIP__MASK", "SOURCES__DRIP__MASK_KEY")
    return dict(zip(names, (msgspec.json.encode(rules).decode(), SECRET), strict=True)) if rules else {}


def main(
    people: Annotated[int, typer.Option(help="Number of subscribers.")] = 10_000,
    runs: Annotated[int, typer.Option(help="Syncs with and without the mask, in turns.")] = 5,
) -> None:
    """Compare the processor time of syncs of subscribers, in a process of their own, without that of its start."""
    seconds: dict[str, list[float]] = {"clear": [], "masked": []}
    with api.running({ACCOUNT: people}) as server:
        for _ in range(runs):
            for name, rules in (("clear", {}), ("masked", TWO_TOKENS)):
                seconds[name].append(_processor_seconds(server, rules))
                console.print(f"{name}: {seconds[name][-1]:.2f} s")
    clear, masked = median(seconds["clear"]), median(seconds["masked"])
    share = masked / clear - 1
    finding = Finding(
        f"{people:,} subscribers", f"{clear:.2f} s, masked {masked:.2f} s: {share:+.1%}", share <= MOST_SHARE
    )
    shown(console, finding)
    raise SystemExit(int(not finding.holds))


def _processor_seconds(server: api.Api, rules: dict[str, str]) -> float:
    with tempfile.TemporaryDirectory(prefix="drip-mask-") as folder:
        words = (sys.executable, "-m", "benchmarks.masked_sync")
        settings = mask_settings(rules) | {"PYTHONPATH": str(Path(__file__).parent.parent)}
        done = Place(Path(folder), settings).start(server.url, server.api_key, words).wait()
    return float(done.output.strip().splitlines()[-1])


if __name__ == "__main__":
    typer.run(main)
