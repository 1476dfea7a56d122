"""Keys, errors, headers, the rate limit and the log."""

import time
from concurrent.futures import ThreadPoolExecutor
from email.utils import parsedate_to_datetime

import pytest
import requests

from flows.sandbox.generator.timeline import AS_OF

from .conftest import SMALL, TINY, Client

LIMIT = "X-RateLimit-Limit"
REMAINING = "X-RateLimit-Remaining"


@pytest.mark.parametrize("password", ["", "anything"])
def test_the_key_is_the_user_name(client: Client, password: str):
    auth = (client.world.api_key, password)
    assert requests.get(f"{client.server.url}/user", auth=auth, timeout=5).status_code == 200


def test_the_key_is_a_bearer_token(client: Client):
    headers = {"Authorization": f"Bearer {client.world.api_key}"}
    assert requests.get(f"{client.server.url}/user", headers=headers, timeout=5).status_code == 200


@pytest.mark.parametrize(
    "authorization", ["", "Bearer wrong", "Basic d3Jvbmc6", "Basic ???", "sandbox-key", "Token sandbox-key"]
)
def test_any_other_key_is_refused(client: Client, authorization: str):
    headers = {"Authorization": authorization}
    answer = requests.get(f"{client.server.url}/user", headers=headers, timeout=5)
    assert answer.status_code == 401
    assert answer.json()["errors"][0]["code"] == "authentication_error"
    assert answer.headers[LIMIT] == "100000"


@pytest.mark.parametrize(
    "path",
    [
        "nothing",
        f"{TINY}/nothing",
        f"{TINY}/subscribers/more/of/it",
        "7/subscribers",
        f"{TINY}/campaigns/7/subscribers",
        f"{TINY}/workflows/7/triggers",
    ],
)
def test_what_is_not_there_is_not_found(client: Client, path: str):
    answer = client.get(path)
    assert answer.status_code == 404
    assert answer.json()["errors"][0]["code"] == "not_found_error"


def test_a_path_outside_the_base_is_not_found(client: Client):
    url = client.server.url.removesuffix("/v2")
    assert client.session.get(f"{url}/accounts", timeout=5).status_code == 404


@pytest.mark.parametrize("method", ["POST", "PUT", "PATCH", "DELETE"])
def test_the_api_is_only_read(client: Client, method: str):
    answer = client.session.request(method, f"{client.server.url}/{TINY}/tags", timeout=5)
    assert answer.status_code == 405
    assert answer.headers["Allow"] == "GET"
    assert answer.json()["errors"]


def test_a_forbidden_account_is_listed_all_the_same(open_client):
    client = open_client()
    client.world.account(TINY).forbidden = True
    answer = client.get(f"{TINY}/tags")
    assert answer.status_code == 403
    assert answer.json()["errors"][0]["code"] == "authorization_error"
    assert TINY in [account["id"] for account in client.get("accounts").json()["accounts"]]
    assert client.get(f"{SMALL}/tags").status_code == 200


def test_a_removed_account_is_gone(open_client):
    client = open_client()
    client.world.remove_account(TINY)
    assert client.get(f"{TINY}/tags").status_code == 404
    assert [account["id"] for account in client.get("accounts").json()["accounts"]] == [SMALL]


def test_the_date_is_the_worlds(open_client):
    client = open_client()
    shown = parsedate_to_datetime(client.get("user").headers["Date"])
    assert 0 <= (shown - AS_OF).total_seconds() < 5
    everyone = client.get(f"{SMALL}/subscribers", status="all", subscribed_before=shown.isoformat())
    assert everyone.json()["meta"]["total_count"] == 240


def test_every_answer_tells_the_budget(open_client):
    client = open_client(rate_limit=10)
    left = [client.get("user").headers for _ in range(3)]
    assert [headers[LIMIT] for headers in left] == ["10"] * 3
    assert [headers[REMAINING] for headers in left] == ["9", "8", "7"]
    assert client.get("nothing").headers[REMAINING] == "6"


def test_a_spent_budget(open_client):
    client = open_client(rate_limit=2)
    answers = [client.get("user") for _ in range(4)]
    assert [answer.status_code for answer in answers] == [200, 200, 429, 429]
    refused = answers[-1]
    assert refused.headers[REMAINING] == "0"
    assert "Retry-After" not in refused.headers
    assert refused.json()["message"] == "API rate limit exceeded. Please try again in an hour."
    assert "errors" not in refused.json()


def test_the_window_rolls_and_refusals_cost_nothing(open_client):
    client = open_client(rate_limit=5, rate_window=0.4)
    until = time.monotonic() + 1.3
    while time.monotonic() < until:
        client.get("user")
        time.sleep(0.01)
    served = [entry.time for entry in client.server.log if entry.status == 200]
    assert 15 <= len(served) <= 20
    assert all(later - earlier > 0.39 for earlier, later in zip(served, served[5:], strict=False))


def test_a_test_may_spend_and_restore_the_budget(open_client):
    client = open_client(rate_limit=50)
    client.world.budget.spend()
    assert client.get("user").status_code == 429
    client.world.budget.reset()
    assert client.get("user").status_code == 200


def test_the_log_tells_who_asked_what(open_client):
    client = open_client()
    client.session.headers["User-Agent"] = "Drip Flows (www.example.com)"
    client.get(f"{TINY}/subscribers", page=2, status="all")
    requests.get(f"{client.server.url}/user", timeout=5)
    known, unknown = client.server.log
    assert (known.method, known.path, known.status) == ("GET", f"/v2/{TINY}/subscribers", 200)
    assert known.query == {"page": "2", "status": "all"}
    assert (known.user_agent, known.authorized) == ("Drip Flows (www.example.com)", True)
    assert (unknown.status, unknown.authorized) == (401, False)
    assert abs(known.time - time.time()) < 5


def test_requests_wait_side_by_side(open_client):
    client = open_client(latency=0.3)
    start = time.monotonic()
    with ThreadPoolExecutor(8) as pool:
        statuses = list(pool.map(lambda _: client.get("user").status_code, range(8)))
    assert statuses == [200] * 8
    assert 0.3 <= time.monotonic() - start < 1.5


def test_the_world_may_change_while_it_is_read(open_client):
    client = open_client()
    people = client.world.account(SMALL).records["subscribers"]

    def thin_out() -> None:
        for one in [person["id"] for person in people.all()][:100]:
            people.delete([one])

    with ThreadPoolExecutor(1) as pool:
        thinning = pool.submit(thin_out)
        totals = [client.get(f"{SMALL}/subscribers", status="all").json()["meta"]["total_count"] for _ in range(40)]
        thinning.result()
    assert totals == sorted(totals, reverse=True)
    assert len(people) == 140


def test_a_webhook_is_made_and_removed(client: Client):
    url = f"{client.server.url}/{TINY}/webhooks"
    before = client.session.get(url, timeout=5).json()["webhooks"]
    made = client.session.post(url, json={"webhooks": [{"post_url": "https://x.example.com/y"}]}, timeout=5)
    assert made.status_code == 201
    (record,) = made.json()["webhooks"]
    assert (record["post_url"], record["version"], len(record["events"])) == ("https://x.example.com/y", "2", 28)
    assert client.session.get(url, timeout=5).json()["webhooks"] == [*before, record]
    codes = [client.session.delete(f"{url}/{record['id']}", timeout=5).status_code for _ in range(2)]
    assert codes == [204, 404]
    assert client.session.get(url, timeout=5).json()["webhooks"] == before


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"{}",
        b'{"webhooks": []}',
        b'{"webhooks": [{"post_url": "x"}]}',
        b'{"webhooks": [{"post_url": "https://x.example.com", "events": ["subscriber.unheard_of"]}]}',
    ],
)
def test_a_webhook_that_makes_no_sense_is_refused(client: Client, body: bytes):
    answer = client.session.post(f"{client.server.url}/{TINY}/webhooks", data=body, timeout=5)
    assert answer.status_code == 422


@pytest.mark.parametrize(("method", "path"), [("POST", "tags"), ("DELETE", "webhooks"), ("PUT", "webhooks")])
def test_everything_else_can_only_be_read(client: Client, method: str, path: str):
    answer = client.session.request(method, f"{client.server.url}/{TINY}/{path}", timeout=5)
    assert answer.status_code == 405


@pytest.mark.parametrize("path", ["accounts/", "1000003/broadcasts/", "1000003/subscribers/", "1000003/tags/"])
def test_a_slash_at_the_end_is_no_other_path(client: Client, path: str) -> None:
    """The provider's Node client asks like this."""
    assert client.get(path).status_code == 200
    assert client.get(path).json() == client.get(path.rstrip("/")).json()
