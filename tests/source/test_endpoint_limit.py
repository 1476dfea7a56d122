"""The limit of an endpoint: no process takes more than all together may, however a request ends."""

import subprocess
import sys
from pathlib import Path

import pytest

from flows.source import endpoint_limit
from flows.source.endpoint_limit import EndpointLimit, LimitReached, limits_file

PURPOSE = ("https://example.com", "1000001", "email_metrics")
TAKE = """
import sys
from pathlib import Path
from flows.source.endpoint_limit import EndpointLimit, LimitReached

limit, taken = EndpointLimit(Path(sys.argv[1]), ("somewhere", "1"), 20, 3600), 0
try:
    while True:
        with limit.request():
            taken += 1
except LimitReached:
    print(taken)
"""


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """A clock that a test sets."""
    clock = [1_000_000.0]
    monkeypatch.setattr(endpoint_limit, "now", lambda: clock[0])
    return clock


def take(limit: EndpointLimit, requests: int) -> None:
    for _ in range(requests):
        with limit.request():
            pass


def seconds_to_wait(limit: EndpointLimit) -> float:
    with pytest.raises(LimitReached) as reached, limit.request():
        pass
    return reached.value.seconds


def test_processes_share_the_requests(tmp_path: Path) -> None:
    words = [sys.executable, "-c", TAKE, str(tmp_path / "limits")]
    running = [subprocess.Popen(words, stdout=subprocess.PIPE, text=True) for _ in range(2)]
    taken = [int(process.communicate(timeout=120)[0]) for process in running]
    assert sum(taken) == 20


def test_a_request_counts_until_a_window_after_its_answer(tmp_path: Path, clock: list[float]) -> None:
    limit = EndpointLimit(tmp_path / "limits", PURPOSE, 2, 60)
    take(limit, 1)
    clock[0] += 10
    with limit.request():
        clock[0] += 5
    assert limit.left() == 0
    assert seconds_to_wait(limit) == pytest.approx(45.05)
    clock[0] += 45.1
    assert limit.left() == 1
    take(limit, 1)
    assert seconds_to_wait(limit) == pytest.approx(14.95)


def test_a_request_that_a_killed_process_sent_counts_as_well(tmp_path: Path, clock: list[float]) -> None:
    limit = EndpointLimit(tmp_path / "limits", PURPOSE, 1, 60)
    limit._take()
    clock[0] += 61
    assert limit.left() == 0, "the API may have counted it late"
    clock[0] += 60
    assert limit.left() == 1


def test_a_request_that_fails_counts(tmp_path: Path, clock: list[float]) -> None:
    limit = EndpointLimit(tmp_path / "limits", PURPOSE, 1, 60)
    with pytest.raises(ValueError, match="no"), limit.request():
        raise ValueError("no")
    assert limit.left() == 0


def test_a_refusal_holds_for_all_until_it_ends(tmp_path: Path, clock: list[float]) -> None:
    limit, other = (EndpointLimit(tmp_path / "limits", PURPOSE, 5, 60) for _ in range(2))
    limit.close(30)
    assert other.left() == 0
    assert seconds_to_wait(other) == pytest.approx(30.05)
    clock[0] += 31
    assert other.left() == 5


def test_accounts_and_windows_are_counted_apart(tmp_path: Path, clock: list[float]) -> None:
    take(EndpointLimit(tmp_path / "limits", PURPOSE, 3, 60), 3)
    assert EndpointLimit(tmp_path / "limits", ("https://example.com", "2", "email_metrics"), 3, 60).left() == 3


def test_the_file_is_in_the_landing_zone_and_tells_nothing_of_an_account(tmp_path: Path) -> None:
    file = limits_file(str(tmp_path / "landing"))
    assert file.parent == tmp_path / "landing"
    assert file.parent.stat().st_mode & 0o777 == 0o700
    take(EndpointLimit(file, PURPOSE, 3, 60), 1)
    assert b"1000001" not in file.read_bytes()


def test_a_bucket_has_the_count_on_this_machine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DLT_DATA_DIR", str(tmp_path / "dlt"))
    assert limits_file("memory://bucket/landing").is_relative_to(tmp_path / "dlt")
