"""Whether a mask leaves nothing in the clear, changes no count, and costs little.

- `python -m benchmarks.masking proof`: syncs 10,000 people with every fault of the sandbox that a retry overcomes, with
  and without a mask, searches everything that was written for clear values, and compares counts and joins
- `python -m benchmarks.masking cost`: compares the processor time of syncs with and without two tokens in each row
"""

import atexit
import os
import shutil
import sys
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from statistics import median
from typing import Annotated, Any

import duckdb
import msgspec
import typer
from rich.console import Console

from benchmarks import api
from benchmarks.byte_search import logs_kept, places_of
from benchmarks.command import Place
from benchmarks.findings import Finding, shown
from flows.sandbox import World, serve
from flows.sandbox.faults import PASSING_FAULTS

app = typer.Typer(no_args_is_help=True, help=__doc__)
console = Console(soft_wrap=True)
ACCOUNT = "1000001"
SECRET = "the key of the benchmark"  # noqa: S105 - of invented people
MASKED = {"email": "hmac", "phone": "hmac", "sms_number": "redact", "ip_address": "drop"}
TWO_TOKENS = {"email": "hmac", "phone": "hmac"}
MOST_SHARE = 0.10
RESOURCES = ["subscribers", "campaigns", "campaign_subscribers", "tags"]
ODD_PHONE, LOST_ADDRESS = "+31 6 5550 1234", "nobody.has.this.address@example.com"
"""In a field of a type that does not fit, and in a record without an id, which goes to quarantine."""
COUNTS = """
    SELECT (SELECT count(*) FROM subscribers), (SELECT count(DISTINCT email) FROM subscribers),
        (SELECT count(DISTINCT phone) FROM subscribers),
        (SELECT count(*) FROM campaign_subscribers AS one JOIN subscribers AS other ON one.email = other.email),
        (SELECT count(*) FROM subscriber_tags), (SELECT count(*) FROM subscribers_history),
        (SELECT count(DISTINCT email) FROM subscriber_events),
        (SELECT count(*) FROM subscriber_events JOIN subscribers USING (account_id, email)),
        (SELECT count(*) FROM _quarantine)
"""


def mask_settings(rules: dict[str, str]) -> dict[str, str]:
    """The environment variables of a mask."""
    names = ("SOURCES__DRIP__MASK", "SOURCES__DRIP__MASK_KEY")
    return dict(zip(names, (msgspec.json.encode(rules).decode(), SECRET), strict=True)) if rules else {}


@app.command()
def proof(people: Annotated[int, typer.Option(help="Number of subscribers.")] = 10_000) -> None:
    """Search all that a masked sync writes for clear values, and compare counts and joins with those of a clear one."""
    root = Path(tempfile.mkdtemp(prefix="drip-mask-"))
    atexit.register(shutil.rmtree, root, ignore_errors=True)  # after Prefect has deleted its own folder in it
    findings, counts = [], {}
    for name, rules in (("clear", {}), ("masked", MASKED)):
        folder = root / name / "written"
        folder.mkdir(parents=True)
        world = _world(people)
        counts[name] = _written(folder, world, rules)
        places, size = places_of(_clear_values(world), folder)
        fired = sum(map(bool, world.faults.fired))
        figures = f"{len(places)} files with clear values in {size / 1e6:.0f} MB, {fired} kinds of faults"
        holds = bool(places) == (not rules) and fired == len(PASSING_FAULTS)
        findings.append(shown(console, Finding(f"{people:,} people, {name}", figures, holds)))
        for place in places if rules else ():
            console.print(place, markup=False)
    is_same = counts["clear"] == counts["masked"]
    findings.append(shown(console, Finding("counts and joins", f"{counts['masked']} and {counts['clear']}", is_same)))
    raise SystemExit(int(not all(one.holds for one in findings)))


def _world(people: int) -> World:
    """A world with faults, a person with an odd field, and a record without an id."""
    faults = [{"when": {"after": 2 * number, "times": 1}, "action": one} for number, one in enumerate(PASSING_FAULTS)]
    world = World(sizes={ACCOUNT: people}, faults=faults, largest_page=500)  # type: ignore[arg-type]
    subscribers = world.account(ACCOUNT).subscribers
    subscribers.update(subscribers.ids()[0], phone=[ODD_PHONE])
    subscribers.add({"email": LOST_ADDRESS, "phone": ODD_PHONE})
    return world


def _clear_values(world: World) -> set[str]:
    """The addresses, numbers and IP addresses of all people."""
    people = world.account(ACCOUNT).subscribers.all()
    found = {str(one[name]) for one in people for name in MASKED if isinstance(one.get(name), str)}
    return (found - {""}) | {ODD_PHONE, LOST_ADDRESS}


def _written(folder: Path, world: World, rules: dict[str, str]) -> list[tuple[Any, ...]]:
    """Run the flow into a folder, with deliveries of each person. Returns the counts of the tables."""
    from prefect.testing.utilities import prefect_test_harness

    kept = {"KEEP_LANDING": "true", "WEBHOOKS": str(folder / "webhooks"), "BACKOFF_FACTOR": "0.01"}
    with ExitStack() as stack:
        stack.enter_context(_temporary_files_in(folder))  # the Prefect server's database, with logs and artifacts
        server = stack.enter_context(serve(world))
        settings = Place(folder).environment(server.url, world.api_key) | mask_settings(rules)
        stack.enter_context(_environment(settings | {f"SOURCES__DRIP__{name}": value for name, value in kept.items()}))
        stack.enter_context(_logged(folder / "log.txt"))
        stack.enter_context(prefect_test_harness(server_startup_timeout=600))
        stack.enter_context(logs_kept(folder))
        _deliver(folder / "webhooks", world, rules)
        _run_flow(folder)
    with duckdb.connect(folder / "warehouse.duckdb", read_only=True) as con:
        con.execute("SET search_path = 'drip'")
        return con.execute(COUNTS).fetchall()


def _run_flow(folder: Path) -> None:
    from flows.sync import sync as flow

    state: Any = flow(resources=RESOURCES, destination="duckdb", return_state=True)  # type: ignore[call-overload]
    report = state.result(raise_on_failure=False)
    (folder / "report.txt").write_text(f"{report!r}\n{report.summary()}")


def _deliver(folder: Path, world: World, rules: dict[str, str]) -> None:
    """Store a delivery about each person in the spool, as the receiver does."""
    from flows.source.deliveries.masking import masked_delivery
    from flows.source.deliveries.spool import Spool
    from flows.source.mask_setting import mask_of

    mask, spool = mask_of(rules, SECRET), Spool(folder)
    people = [one for one in world.account(ACCOUNT).subscribers.all() if one.get("id")]
    spool.append([masked_delivery(mask, ACCOUNT, number, _body(one)) for number, one in enumerate(people)])
    spool.close()


def _body(person: dict[str, Any]) -> bytes:
    subscriber = {name: person[name] for name in ("id", "email", "phone", "ip_address")}
    data = {"account_id": ACCOUNT, "subscriber": subscriber, "properties": {"email": person["email"]}}
    return msgspec.json.encode(
        {"event": "subscriber.updated_email_address", "data": data, "occurred_at": "2026-05-01T12:00:00Z"}
    )


@contextmanager
def _environment(settings: dict[str, str]) -> Iterator[None]:
    """Set environment variables while the block runs."""
    before = dict(os.environ)
    os.environ.update(settings)
    try:
        yield
    finally:
        os.environ.clear()
        os.environ.update(before)


@contextmanager
def _temporary_files_in(folder: Path) -> Iterator[None]:
    """Have all temporary files of this process written to a folder."""
    with _environment({"TMPDIR": str(folder)}):
        tempfile.tempdir = str(folder)
        try:
            yield
        finally:
            tempfile.tempdir = None


@contextmanager
def _logged(path: Path) -> Iterator[None]:
    """Write stdout and stderr, and so the log, to a file."""
    with path.open("w") as file:
        before = os.dup(1), os.dup(2)
        for number in (1, 2):
            os.dup2(file.fileno(), number)
        try:
            yield
        finally:
            for number, kept in enumerate(before, start=1):
                os.dup2(kept, number)
                os.close(kept)


@app.command()
def cost(
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
    app()
