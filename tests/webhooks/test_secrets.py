"""The secrets of the delivery URLs: where they are kept, and how long one is accepted."""

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from flows.common.errors import SettingsError
from flows.webhooks.secret_store import ACCEPTED_DAYS, FIT, SecretStore
from tests.command import assert_plain_error, drip_flows
from tests.webhooks.conftest import ACCOUNT, Running

LONG = "k" * 43


def test_a_secret_is_256_random_bits_in_a_private_file(tmp_path: Path) -> None:
    store = SecretStore(tmp_path)
    first, second = store.current_or_new("1"), store.current_or_new("2")
    assert first != second
    assert FIT.fullmatch(first)
    assert len(first) == 43
    assert store.path.stat().st_mode & 0o777 == 0o600
    assert SecretStore(tmp_path).current_or_new("1") == first


def test_a_file_that_others_can_read_is_refused(tmp_path: Path) -> None:
    store = SecretStore(tmp_path)
    secret = store.current_or_new("1")
    store.path.chmod(0o640)
    with pytest.raises(SettingsError, match="chmod 600") as refused:
        SecretStore(tmp_path)
    assert secret not in str(refused.value)


def test_a_replaced_secret_is_accepted_for_some_days(tmp_path: Path) -> None:
    store = SecretStore(tmp_path)
    first = store.current_or_new("1")
    second = store.promote("1", store.prepare("1"))
    assert [store.account_of(first), store.account_of(second), store.current("1")] == ["1", "1", second]
    stored = json.loads(store.path.read_text())
    until = datetime.fromisoformat(stored["1"][1]["until"])
    assert timedelta(days=3) < until - datetime.now(UTC) <= timedelta(days=ACCEPTED_DAYS)
    stored["1"][1]["until"] = "2026-01-01T00:00:00Z"
    store.path.write_text(json.dumps(stored))
    assert [store.account_of(second), SecretStore(tmp_path).account_of(first)] == ["1", None]


def test_the_setting_goes_before_the_file(tmp_path: Path) -> None:
    SecretStore(tmp_path).current_or_new("1")
    store = SecretStore(tmp_path, json.dumps({"1": [LONG, LONG + "2"], "2": "z" * 32}))
    assert [store.account_of(one) for one in (LONG, LONG + "2", "z" * 32)] == ["1", "1", "2"]
    assert store.current("1") == LONG
    with pytest.raises(SettingsError, match="SOURCES__DRIP__WEBHOOK_SECRETS"):
        store.prepare("1")


@pytest.mark.parametrize("value", ["not JSON", "[]", '{"1": "short"}', '{"1": "' + "/" * 40 + '"}'])
def test_a_setting_that_cannot_be_used(spool_folder: Path, value: str) -> None:
    result = drip_flows(
        "webhooks", "url", "--account", "1", "--public-url", "http://x", SOURCES__DRIP__WEBHOOK_SECRETS=value
    )
    assert_plain_error(result, "SOURCES__DRIP__WEBHOOK_SECRETS")
    assert value not in result.output


def test_a_secret_made_while_the_receiver_runs(receiver: Running) -> None:
    assert receiver.post(b"{}").status_code == 200
    words = ("webhooks", "url", "--account", "1000002", "--public-url", receiver.address + "/")
    first, second = drip_flows(*words), drip_flows(*words)
    assert first.stdout == second.stdout
    assert first.stdout.startswith(f"{receiver.address}/")
    assert receiver.secrets.account_of(first.stdout.strip().rpartition("/")[2]) == "1000002"


@pytest.mark.parametrize(
    ("account", "url"),
    [("x", "http://x"), (ACCOUNT, "x"), (ACCOUNT, "ftp://x"), (ACCOUNT, "https://x/?y"), (ACCOUNT, "https://u:p@x")],
)
def test_what_no_url_can_be_made_of(spool_folder: Path, account: str, url: str) -> None:
    assert_plain_error(drip_flows("webhooks", "url", "--account", account, "--public-url", url), "--")
    assert not spool_folder.exists()
