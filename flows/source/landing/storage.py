"""What the landing zone asks of a file system, the same for a local folder and for one in a bucket.

A folder is a `UPath`: a `pathlib.Path` where it is local, and otherwise what fsspec makes of its URL, such as
`s3://bucket/landing`. Credentials and endpoints of a bucket are configured as fsspec or its cloud has them.
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
    """The folder of a path or URL, which need not exist. A relative path starts at the project.

    Raises:
        SettingsError: there is no project folder.
        ValueError, ImportError: nothing is known about such a URL, or the package that knows it is missing.
    """
    if "://" not in place:
        return UPath(project_path(place))
    return UPath(place, use_listings_cache=False)  # others write there too


def is_local(folder: Folder) -> bool:
    """Whether it is on this machine's file system."""
    return isinstance(folder, Path)


def make_private(folder: Folder) -> None:
    """Make the folder, for the user alone where it is local; a bucket has rules of its own. Raises OSError."""
    if isinstance(folder, Path):
        folder.mkdir(mode=PRIVATE, parents=True, exist_ok=True)
        folder.chmod(PRIVATE)


def write_atomically(path: Folder, content: Any) -> None:
    """Write a file that is there whole or not at all, whatever happens; its folder is made if need be."""
    if not isinstance(path, Path):
        path.write_bytes(content)  # a bucket shows an object once it is whole
        return
    path.parent.mkdir(mode=PRIVATE, parents=True, exist_ok=True)
    part = path.with_name(f".{path.name}.part")
    part.write_bytes(content)
    part.rename(path)


def parquet(path: Folder) -> pq.ParquetFile:
    """The Parquet file at `path`."""
    return pq.ParquetFile(path if isinstance(path, Path) else pa.BufferReader(path.read_bytes()))


def remove(folder: Folder) -> None:
    """Remove it and all in it, if it is there."""
    if isinstance(folder, Path):
        shutil.rmtree(folder, ignore_errors=True)
    elif folder.exists():
        folder.fs.rm(folder.path, recursive=True)


def move(folder: Folder, place: Folder) -> None:
    """Move it and all in it to a place where nothing is."""
    if isinstance(folder, Path):
        Path(place).parent.mkdir(parents=True, exist_ok=True)
        folder.rename(Path(place))
    else:
        for path in folder.fs.find(folder.path):  # a bucket has no folders, which `mv` of all at once stumbles over
            folder.fs.mv(path, UPath(place).path + path.removeprefix(folder.path))


def age(path: Folder) -> float:
    """Seconds since it was written."""
    changed = path.stat().st_mtime if isinstance(path, Path) else path.fs.modified(path.path).timestamp()
    return float(time.time() - changed)


@contextmanager
def local_copies(paths: Iterable[Folder]) -> Iterator[list[str]]:
    """The paths of local files with the same names and contents, for libraries that read nothing else."""
    with tempfile.TemporaryDirectory(prefix="drip-") as folder:
        yield [str(path if isinstance(path, Path) else _copy(path, Path(folder))) for path in paths]


def _copy(path: UPath, folder: Path) -> Path:
    copy = folder / path.name
    copy.write_bytes(path.read_bytes())
    return copy
