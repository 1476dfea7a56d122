"""File operations of the landing zone, with the same interface for local folders and buckets.

A folder is a `UPath`: a `pathlib.Path` if it is local, otherwise an fsspec path for a URL such as
`s3://bucket/landing`. The credentials and endpoint of a bucket are configured as fsspec or its cloud documents.
"""

import shutil
import tempfile
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
from upath import UPath

from flows.common.project import project_path

Folder = UPath
PRIVATE = 0o700


def folder_at(place: str) -> Folder:
    """The folder at a path or URL; it may not exist. A relative path starts at the project folder.

    Raises:
        SettingsError: there is no project folder.
        ValueError, ImportError: the URL's protocol is unknown, or its package is not installed.
    """
    if "://" not in place:
        return UPath(project_path(place))
    return UPath(place, use_listings_cache=False)  # other processes write there too


def is_local(folder: Folder) -> bool:
    """Whether the folder is on this machine's file system."""
    return isinstance(folder, Path)


def make_private(folder: Folder) -> None:
    """Create a local folder that only the user can access. Does nothing for a bucket. Raises OSError."""
    if isinstance(folder, Path):
        folder.mkdir(mode=PRIVATE, parents=True, exist_ok=True)
        folder.chmod(PRIVATE)


def write_atomically(path: Folder, content: Any) -> None:
    """Write a file atomically, creating its folder if it is missing."""
    if not isinstance(path, Path):
        path.write_bytes(content)  # in a bucket, an object appears only when it is complete
        return
    path.parent.mkdir(mode=PRIVATE, parents=True, exist_ok=True)
    part = path.with_name(f".{path.name}.part")
    part.write_bytes(content)
    part.rename(path)


def parquet(path: Folder) -> pq.ParquetFile:
    """The Parquet file at `path`."""
    return pq.ParquetFile(path if isinstance(path, Path) else pa.BufferReader(path.read_bytes()))


def remove(folder: Folder) -> None:
    """Delete a folder with its contents, if it exists."""
    if isinstance(folder, Path):
        shutil.rmtree(folder, ignore_errors=True)
    elif folder.exists():
        folder.fs.rm(folder.path, recursive=True)


def move(folder: Folder, place: Folder) -> None:
    """Move a folder with its contents to a path that does not exist yet."""
    if isinstance(folder, Path):
        Path(place).parent.mkdir(parents=True, exist_ok=True)
        folder.rename(Path(place))
    else:
        for path in folder.fs.find(folder.path):  # buckets have no folders, so a recursive `mv` fails
            folder.fs.mv(path, UPath(place).path + path.removeprefix(folder.path))


def age(path: Folder) -> float:
    """Seconds since the file was written."""
    changed = path.stat().st_mtime if isinstance(path, Path) else path.fs.modified(path.path).timestamp()
    return float(time.time() - changed)


@contextmanager
def local_copies(paths: Iterable[Folder]) -> Iterator[list[str]]:
    """Paths of local files with the same names and contents, for libraries that only read local files."""
    with tempfile.TemporaryDirectory(prefix="drip-") as folder:
        yield [str(path if isinstance(path, Path) else _copy(path, Path(folder))) for path in paths]


def _copy(path: UPath, folder: Path) -> Path:
    copy = folder / path.name
    copy.write_bytes(path.read_bytes())
    return copy
