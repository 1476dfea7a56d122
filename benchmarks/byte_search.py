"""Searches everything that was written to a folder for clear values, also what compressed files hold."""

import contextlib
import json
import os
import subprocess
import threading
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path

import duckdb
import pyarrow.parquet as pq

DECODED = "decoded"
"""Folder with the rows of Parquet files and databases as text, since both are compressed."""
TABLES = "SELECT table_schema, table_name FROM information_schema.tables WHERE table_type = 'BASE TABLE'"
POLL_SECONDS = 0.02


def places_of(values: Iterable[str], folder: Path) -> tuple[list[str], int]:
    """Search a folder for values, in any letter case, plain or as JSON escapes them.

    Returns:
        The files in which one occurs, and the number of bytes searched.
    """
    _decode(folder)
    forms = {form for value in values for form in (value, json.dumps(value)[1:-1])}
    patterns = folder.parent / "values.txt"
    patterns.write_text("\n".join(sorted(forms)))
    words = ("grep", "--recursive", "--files-with-matches", "--text", "--ignore-case", "--fixed-strings", "--file")
    found = subprocess.run(  # noqa: S603 - our own command
        [*words, patterns, folder], capture_output=True, text=True, check=False, env=os.environ | {"LC_ALL": "C"}
    )
    if found.returncode > 1:
        raise RuntimeError(found.stderr)
    size = sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())
    return [line.removeprefix(f"{folder}/") for line in found.stdout.splitlines()], size


def _decode(folder: Path) -> None:
    target = folder / DECODED
    target.mkdir(exist_ok=True)
    for number, path in enumerate([*folder.rglob("*.parquet"), *folder.rglob("*.duckdb")]):
        rows = _rows(path) if path.suffix == ".duckdb" else iter([str(pq.read_table(path).to_pylist())])
        (target / f"{number}-{path.name}.txt").write_text("\n".join(rows))


def _rows(path: Path) -> Iterator[str]:
    with duckdb.connect(path, read_only=True) as con:
        for schema, name in con.execute(TABLES).fetchall():
            yield f"{schema}.{name}"
            for (row,) in con.execute(f'SELECT CAST(one AS VARCHAR) FROM "{schema}"."{name}" AS one').fetchall():
                yield str(row)


@contextmanager
def logs_kept(folder: Path) -> Iterator[None]:
    """Keep what is written to write-ahead logs, which databases delete, while a block runs."""
    over, lengths = threading.Event(), dict[Path, int]()

    def watch() -> None:
        while not over.wait(POLL_SECONDS):
            for path in folder.glob("*.wal"):
                _keep(path, lengths, folder / f"{path.name}.kept")

    watcher = threading.Thread(target=watch)
    watcher.start()
    try:
        yield
    finally:
        over.set()
        watcher.join()


def _keep(path: Path, lengths: dict[Path, int], kept: Path) -> None:
    """Append what a log has more than when it was last looked at; all of it, if it is a new one."""
    with contextlib.suppress(FileNotFoundError), path.open("rb") as log, kept.open("ab") as file:
        length = lengths.get(path, 0)
        log.seek(length if path.stat().st_size >= length else 0)
        file.write(log.read())
        lengths[path] = log.tell()
