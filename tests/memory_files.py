"""Keeps the files of the tests in memory where there is plenty of it, which takes a tenth off their time."""

import os
import shutil
import tempfile
from pathlib import Path

import psutil

MEMORY = Path("/dev/shm")
NEEDED = 8 * 2**30
"""Bytes that have to be free. A whole run writes about two gigabytes."""


def keep_files_in_memory() -> None:
    """Make a file system in memory the place of temporary files, of this process and of those that it starts."""
    if "TMPDIR" in os.environ or not os.access(MEMORY, os.W_OK):
        return
    if min(shutil.disk_usage(MEMORY).free, psutil.virtual_memory().available) > NEEDED:
        os.environ["TMPDIR"] = str(MEMORY)
        tempfile.tempdir = None
