"""The receiver: on the disk before 200, 429 for whatever cannot be kept now, and limits on who connects."""

import socket
import sqlite3
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager, suppress
from pathlib import Path

import pytest
import requests

from flows.source.deliveries import spool as spools
from flows.source.deliveries.spool import DiskShort, Spool
from flows.webhooks import committer, connections
from flows.webhooks.receiver import RETRY_SECONDS
from tests.webhooks.conftest import ACCOUNT, Running, receiving

BODY = b'{"event": "subscriber.created", \xff not even JSON'


def status(running: Running, body: bytes = BODY) -> int:
    return running.post(body).status_code


def wait_for_200(running: Running, seconds: float = 10.0) -> None:
    until = time.monotonic() + seconds
    while (code := status(running)) != 200:
        assert code == 429
        assert time.monotonic() < until, "it does not recover"
        time.sleep(0.02)


@contextmanager
def open_socket(running: Running, sent: bytes = b"") -> Iterator[socket.socket]:
    with socket.create_connection(("127.0.0.1", running.port), timeout=10) as connection:
        connection.sendall(sent)
        yield connection


def test_a_delivery_is_on_the_disk_as_it_came_before_it_is_answered(receiver: Running) -> None:
    before = time.time_ns() // 1000
    answer = receiver.post(BODY)
    assert (answer.status_code, answer.content) == (200, b"")
    (kept,) = receiver.spooled()
    assert (kept.account, kept.body) == (ACCOUNT, BODY)
    assert before <= kept.received <= time.time_ns() // 1000


def test_the_spool_is_synced_at_every_commit(spool_folder: Path) -> None:
    with closing(Spool(spool_folder)) as spool:
        pragma = [spool._connection.execute(f"PRAGMA {name}").fetchone()[0] for name in ("journal_mode", "synchronous")]
    assert pragma == ["wal", 2]


@pytest.mark.parametrize("path", ["", "/", "/x", "/%00", "/../etc/passwd", "/" + "A" * 43, "/healthy", "/é"])
def test_whoever_has_no_secret_is_told_nothing(receiver: Running, path: str) -> None:
    receiver.url()
    for method in ("GET", "POST", "DELETE"):
        answer = requests.request(method, receiver.address + path, data=BODY, timeout=10)
        assert (answer.status_code, answer.content) == (404, b"")
    assert not receiver.spooled()


def test_every_secret_is_compared_with_all_of_them(receiver: Running, monkeypatch: pytest.MonkeyPatch) -> None:
    secrets = [receiver.secrets.current_or_new(account) for account in ("1", "2", "3")]
    compared: list[bytes] = []
    same = receiver.secrets.account_of.__globals__["hmac"].compare_digest
    monkeypatch.setattr("hmac.compare_digest", lambda a, b: compared.append(b) or same(a, b))
    found = []
    for secret in [*secrets, "A" * 43, "", secrets[0][:-1]]:
        compared.clear()
        found.append(receiver.secrets.account_of(secret))
        assert len(compared) == 3
    assert found == ["1", "2", "3", None, None, None]


def test_below_a_proxy_s_prefix_and_by_another_method(receiver: Running) -> None:
    secret = receiver.url().rpartition("/")[2]
    assert requests.post(f"{receiver.address}/some/prefix/{secret}", data=b"{}", timeout=10).status_code == 200
    assert requests.get(receiver.url(), timeout=10).status_code == 405


@pytest.mark.parametrize("chunked", [False, True])
def test_a_body_over_the_size_is_refused(receiver: Running, chunked: bool) -> None:
    def post(size: int) -> int:
        body = b"x" * size
        data = iter([body[: size // 2], body[size // 2 :]]) if chunked else body
        return requests.post(receiver.url(), data=data, timeout=10).status_code

    assert [post(1 << 20), post((1 << 20) + 1)] == [200, 413]
    assert [len(one.body) for one in receiver.spooled()] == [1 << 20]


def test_health_tells_whether_deliveries_are_accepted(receiver: Running) -> None:
    secret = receiver.url().rpartition("/")[2]
    answer = requests.get(f"{receiver.address}/health", timeout=10)
    assert (answer.status_code, answer.json()) == (200, {"status": "ok", "accepting": True})
    receiver.receiver.closing = True
    answer = requests.get(f"{receiver.address}/health", timeout=10)
    assert (answer.status_code, answer.json()["accepting"]) == (200, False)
    assert secret not in answer.text


def test_while_it_shuts_down(receiver: Running) -> None:
    receiver.receiver.closing = True
    answer = receiver.post(BODY)
    assert (answer.status_code, int(answer.headers["retry-after"])) == (429, RETRY_SECONDS)
    assert not receiver.spooled()


def test_what_was_accepted_is_finished_at_the_end(spool_folder: Path) -> None:
    with receiving(spool_folder) as running:
        path = running.url().removeprefix(running.address)
        head = f"POST {path} HTTP/1.1\r\nHost: x\r\nContent-Length: 8\r\n\r\n1234"
        with open_socket(running, head.encode()) as connection:
            time.sleep(0.1)
            running.server.should_exit = True
            time.sleep(0.2)
            connection.sendall(b"5678")
            assert connection.recv(100).startswith(b"HTTP/1.1 200 ")
        assert [one.body for one in running.spooled()] == [b"12345678"]


def test_a_full_disk_by_sqlite_s_own_error(receiver: Running) -> None:
    assert status(receiver) == 200
    spool = receiver.receiver.committer._spool  # type: ignore[union-attr]
    opens = receiver.receiver.committer._open  # type: ignore[union-attr]
    pages: list[int] = [20]

    def small(folder: Path) -> Spool:
        opened = opens(folder)
        opened._connection.execute(f"PRAGMA max_page_count = {pages[0]}").fetchall()
        return opened

    receiver.receiver.committer._open = small  # type: ignore[union-attr]
    receiver.receiver.committer._forget_spool()  # type: ignore[union-attr]
    assert spool
    codes = [status(receiver, b"x" * 8_000) for _ in range(20)]
    assert codes[0] == 200
    assert codes[-1] == 429
    assert len(receiver.spooled()) == 1 + codes.count(200)
    pages[0] = 1_000_000
    wait_for_200(receiver)


def test_a_disk_that_is_nearly_full(receiver: Running, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(spools, "RESERVED_BYTES", 1 << 60)
    monkeypatch.setattr(spools, "RESERVED_SHARE", 1.0)
    assert [status(receiver), len(receiver.spooled())] == [429, 0]
    monkeypatch.undo()
    wait_for_200(receiver)


def test_the_reserve_is_small_on_a_small_disk(tmp_path: Path) -> None:
    spools._check_space(tmp_path, 0)
    with pytest.raises(DiskShort, match="kept free"):
        spools._check_space(tmp_path, 1 << 60)


def test_a_spool_that_was_replaced_while_it_was_open(receiver: Running) -> None:
    assert status(receiver) == 200
    (receiver.folder / spools.FILE).rename(receiver.folder / "elsewhere")
    for name in ("-wal", "-shm"):
        (receiver.folder / (spools.FILE + name)).unlink()
    assert status(receiver) == 429
    wait_for_200(receiver)
    assert len(receiver.spooled()) == 1


def test_a_commit_that_takes_seconds(receiver: Running, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("flows.webhooks.receiver.ANSWER_SECONDS", 0.3)
    monkeypatch.setattr(committer, "SLOW_SECONDS", 0.2)
    assert status(receiver) == 200
    with closing(sqlite3.connect(receiver.folder / spools.FILE, isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        began = time.monotonic()
        assert status(receiver) == 429
        assert 0.2 < time.monotonic() - began < 1.5
        began = time.monotonic()
        assert status(receiver) == 429
        assert time.monotonic() - began < 0.2, "while the disk is slow nothing waits for it"
        assert requests.get(f"{receiver.address}/health", timeout=10).json()["reason"] == "the disk is slow"
        other.execute("COMMIT")
    wait_for_200(receiver)


def test_a_queue_that_is_full(receiver: Running, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(committer, "MOST_WAITING", 0)
    assert status(receiver) == 429
    monkeypatch.undo()
    assert status(receiver) == 200


def test_an_error_that_nobody_foresaw(receiver: Running, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(account: str, body: bytes) -> None:
        raise ValueError("oh")

    monkeypatch.setattr(receiver.receiver.committer, "put", broken)
    assert status(receiver) == 429


@pytest.mark.parametrize(
    "sent", [b"", b"POST / HTTP/1.1\r\nHost:", b"GET /health HTTP/1.1\r\nHost: x\r\n\r\nPOST /x"], ids=len
)
def test_a_request_that_does_not_arrive(receiver: Running, monkeypatch: pytest.MonkeyPatch, sent: bytes) -> None:
    monkeypatch.setattr(connections, "REQUEST_SECONDS", 0.2)
    with open_socket(receiver, sent) as connection:
        received = b""
        with suppress(ConnectionResetError):
            while part := connection.recv(1000):
                received += part
        assert received.startswith(b"HTTP/1.1 200") == sent.startswith(b"GET")


def test_a_body_that_does_not_arrive(receiver: Running, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("flows.webhooks.receiver.BODY_SECONDS", 0.2)
    path = receiver.url().removeprefix(receiver.address)
    head = f"POST {path} HTTP/1.1\r\nHost: x\r\nContent-Length: 8\r\n\r\n1234"
    with open_socket(receiver, head.encode()) as connection:
        assert connection.recv(100).startswith(b"HTTP/1.1 429 ")
    assert not receiver.spooled()


def test_more_connections_than_there_may_be(receiver: Running) -> None:
    receiver.receiver.connections.most = 5
    crowd = [socket.create_connection(("127.0.0.1", receiver.port)) for _ in range(40)]
    assert status(receiver) == 200
    for one in crowd:
        one.close()
