"""Registration in Drip: one webhook, ours to the letter; everybody else's stays as it is."""

import asyncio
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import requests

from benchmarks.webhook_sender import Sender
from flows.common.errors import DripError
from flows.sandbox import Server, World
from flows.sandbox.webhooks import EVENTS, RECEIVED
from flows.source.decoding.redaction import redacted_url
from flows.source.deliveries.registrations import registrations
from flows.webhooks.api import WebhookApi, api_of
from flows.webhooks.registration import Registrar
from flows.webhooks.secret_store import SecretStore
from tests.command import assert_plain_error, drip_flows
from tests.webhooks.conftest import ACCOUNT, Running

PUBLIC = "https://hooks.example.org/in"
WORDS = ("--account", ACCOUNT)


@pytest.fixture
def others(world: World) -> list[Any]:
    """Webhooks that are not ours, one with a URL that only differs from ours at its end."""
    hooks = world.account(ACCOUNT).records["webhooks"]
    hooks.add({"id": "55", "post_url": f"{PUBLIC}/somebody-else", "events": []})
    return hooks.all()


@pytest.fixture
def hooks(server: Server, world: World, spool_folder: Path, others: list[Any]) -> Iterator[Any]:
    """The webhooks of the account; at the end of the test the others have to be what they were."""
    records = world.account(ACCOUNT).records["webhooks"]
    yield records
    assert [one for one in records.all() if one["id"] in {other["id"] for other in others}] == others


def ours(hooks: Any) -> list[dict[str, Any]]:
    return [one for one in hooks.all() if one["id"] > "7000000" and len(one["id"]) == 7]


def test_a_webhook_is_made_once(hooks: Any, spool_folder: Path) -> None:
    words = ("webhooks", "register", *WORDS, "--public-url", PUBLIC, "--yes")
    first, second = drip_flows(*words), drip_flows(*words)
    assert (first.exit_code, second.exit_code) == (0, 0), first.output + second.output
    assert "already" in second.stdout
    (made,) = ours(hooks)
    secret = SecretStore(spool_folder).current(ACCOUNT)
    assert made["post_url"] == f"{PUBLIC}/{secret}"
    assert made["events"] == [one for one in EVENTS if one != RECEIVED]
    assert secret not in first.output + second.output
    kept = registrations(spool_folder)[ACCOUNT]
    assert (kept.webhook, kept.post_url, kept.public_url) == (made["id"], redacted_url(made["post_url"]), PUBLIC)
    assert not [path for path in spool_folder.iterdir() if path.stat().st_mode & 0o077]


def test_it_asks_before_it_writes(hooks: Any) -> None:
    words = ("webhooks", "register", *WORDS, "--public-url", PUBLIC)
    declined = drip_flows(*words, typed="n\n")
    assert (declined.exit_code, "nothing was changed" in declined.stderr) == (2, True)
    assert not ours(hooks)
    assert drip_flows(*words, "--received-email", typed="y\n").exit_code == 0
    assert RECEIVED in ours(hooks)[0]["events"]


def test_a_rotation_replaces_it_by_one_with_another_secret(hooks: Any, spool_folder: Path) -> None:
    assert_plain_error(drip_flows("webhooks", "rotate", *WORDS, "--yes"), "--public-url")
    drip_flows("webhooks", "register", *WORDS, "--public-url", PUBLIC, "--yes")
    (before,) = ours(hooks)
    result = drip_flows("webhooks", "rotate", *WORDS, "--yes")
    assert result.exit_code == 0, result.output
    (after,) = ours(hooks)
    assert after["id"] != before["id"]
    old, new = (one["post_url"].rpartition("/")[2] for one in (before, after))
    store = SecretStore(spool_folder)
    assert [store.account_of(old), store.account_of(new), store.current(ACCOUNT)] == [ACCOUNT, ACCOUNT, new]
    assert not [secret for secret in (old, new) if secret in result.output]


def test_a_rotation_that_fails_leaves_the_old_one_in_use(hooks: Any, spool_folder: Path, world: World) -> None:
    drip_flows("webhooks", "register", *WORDS, "--public-url", PUBLIC, "--yes")
    (before,) = ours(hooks)
    refusal = {"kind": "status", "status": 403}
    world.faults = [{"match": {"path": "/webhooks$"}, "when": {"after": 1}, "action": refusal}]  # type: ignore[assignment]
    result = drip_flows("webhooks", "rotate", *WORDS, "--yes")
    assert_plain_error(result, "write rights", "nothing was changed")
    assert ours(hooks) == [before]
    assert f"{PUBLIC}/{SecretStore(spool_folder).current(ACCOUNT)}" == before["post_url"]


def test_removing_it(hooks: Any, spool_folder: Path) -> None:
    drip_flows("webhooks", "register", *WORDS, "--public-url", PUBLIC, "--yes")
    secret = ours(hooks)[0]["post_url"].rpartition("/")[2]
    for done in ("removed webhook", "no webhook to remove"):
        result = drip_flows("webhooks", "unregister", *WORDS, "--public-url", PUBLIC, "--yes")
        assert (result.exit_code, done in result.stdout) == (0, True), result.output
    assert not ours(hooks)
    assert not registrations(spool_folder)
    store = SecretStore(spool_folder)
    assert (store.current(ACCOUNT), store.account_of(secret)) == (None, ACCOUNT)


def test_a_webhook_that_was_made_although_the_answer_broke_off(
    hooks: Any, spool_folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    send = requests.request

    def cut(method: str, url: str, **options: Any) -> Any:
        answer = send(method, url, **options)
        if method == "POST":
            raise requests.ConnectionError(f"gone {url}")
        return answer

    monkeypatch.setattr("requests.request", cut)
    registrar = Registrar(spool_folder, SecretStore(spool_folder), ACCOUNT, lambda text: True)
    registrar.register(PUBLIC)
    assert len(ours(hooks)) == 1


def test_a_webhook_that_was_not_made(hooks: Any, spool_folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def cut(method: str, url: str, **options: Any) -> Any:
        raise requests.ConnectionError("gone")

    monkeypatch.setattr("requests.request", cut)
    registrar = Registrar(spool_folder, SecretStore(spool_folder), ACCOUNT, lambda text: True)
    with pytest.raises(DripError, match="no answer to POST"):
        registrar.register(PUBLIC)
    assert not ours(hooks)
    assert not registrations(spool_folder)


def test_the_status(hooks: Any, receiver: Running) -> None:
    result = drip_flows("webhooks", "status")
    assert result.exit_code == 0
    assert "No account" in result.stdout
    drip_flows("webhooks", "register", *WORDS, "--public-url", PUBLIC, "--yes")
    assert drip_flows("webhooks", "url", "--account", "1000002", "--public-url", PUBLIC).exit_code == 0
    receiver.post(b"{}")
    result = drip_flows("webhooks", "status")
    assert result.exit_code == 1
    assert "1000002: no webhook posts to this receiver" in result.stdout
    (line,) = [line for line in result.stdout.splitlines() if ACCOUNT in line]
    assert [word in line for word in (ours(hooks)[0]["id"], "yes", str(len(EVENTS) - 1), "UTC")] == [True] * 4
    assert "holds 1 delivery" in result.stdout
    assert "None is loaded anywhere" in result.stdout
    secrets = [SecretStore(receiver.folder).current(account) or "" for account in (ACCOUNT, "1000002")]
    assert not [secret for secret in secrets if secret in result.output]


def test_an_account_that_no_key_sees(hooks: Any, spool_folder: Path) -> None:
    result = drip_flows("webhooks", "register", "--account", "99", "--public-url", PUBLIC, "--yes")
    assert_plain_error(result, "no key sees the account 99")


def test_a_rotation_under_load_loses_nothing(hooks: Any, receiver: Running) -> None:
    words = ("webhooks", "register", *WORDS, "--public-url", receiver.address, "--yes")
    assert drip_flows(*words).exit_code == 0
    first, second = (Sender(ours(hooks)[0]["post_url"], 4, insist=False, rate=150) for _ in range(2))
    thread = threading.Thread(target=lambda: asyncio.run(first.send(range(300), ACCOUNT)))
    thread.start()
    assert drip_flows("webhooks", "rotate", *WORDS, "--yes").exit_code == 0
    asyncio.run(Sender(ours(hooks)[0]["post_url"], 4, insist=False).send(range(300, 400), ACCOUNT))
    thread.join()
    asyncio.run(second.send(range(400, 420), ACCOUNT))  # what comes again to the old URL
    assert {*first.sent.statuses, *second.sent.statuses} == {200}
    assert len(receiver.spooled()) == 420


def test_the_list_that_is_not_what_the_reference_says(hooks: Any, spool_folder: Path) -> None:
    hooks.add({"id": None, "post_url": 3})
    with pytest.raises(DripError, match="not what the reference says"):
        api_of(ACCOUNT)
    hooks.delete([None])
    api, there = api_of(ACCOUNT)
    assert isinstance(api, WebhookApi)
    assert len(there) == len(hooks.all())
