"""Delivery URLs are secrets: nothing of them but scheme, host and a fingerprint gets beyond the decoder."""

import json
from pathlib import Path
from typing import Any

import pytest

from flows.sandbox import World
from flows.source.decoding.decoder import Decoder
from flows.source.decoding.redaction import redacted_text, redacted_url
from flows.source.endpoints import ENDPOINTS
from tests.conftest import Warehouse, both_destinations

SECRET = "k9Zc4q7T-hidden_x"
URL = f"https://user:pw@hooks.example.com:8443/drip/{SECRET}?token={SECRET}#x"


def decoded(record: Any, body: bytes | None = None) -> tuple[dict[str, Any], str]:
    """The first row of a page with this record, and all that may land of it, as text."""
    body = body or json.dumps({"webhooks": [record]}).encode()
    page = Decoder(ENDPOINTS["webhooks"]).decode(body, "1")
    rows = page.table.to_pylist()
    return rows[0] if rows else {}, f"{rows} {page.table.schema} {[one.record for one in page.quarantine]}"


def test_scheme_host_and_a_fingerprint_stay() -> None:
    row, text = decoded({"id": "1", "post_url": URL, "href": "https://api.getdrip.com/v2/1/webhooks/1"})
    assert row["post_url"] == redacted_url(URL)
    assert row["post_url"].startswith("https://hooks.example.com:8443/***")
    assert row["href"] == "https://api.getdrip.com/v2/1/webhooks/1"
    assert redacted_url(URL) != redacted_url(URL + "x")
    assert SECRET not in text
    assert "pw" not in text


@pytest.mark.parametrize(
    "record",
    [
        {"id": "1", "post_url": f"hooks.example.com/{SECRET}"},
        {"id": "1", "post_url": [URL, SECRET]},
        {"id": "1", "post_url": {"path": SECRET}},
        {"id": "1", "post_url": f"https://[bad/{SECRET}"},
        {"id": "1", "delivery_url": URL, "more": [{URL: {"x": URL}}]},
        {"id": "1", "new": {"post_url": SECRET}},
        {"post_url": URL},
        {"id": "1", "post_url": URL, "events": "\ud800"},
        URL,
        [URL],
    ],
    ids=lambda record: str(record)[:40],
)
def test_whatever_shape_it_comes_in(record: Any) -> None:
    _, text = decoded(record)
    assert SECRET not in text


@pytest.mark.parametrize(
    "body",
    [
        URL.replace("/", r"\/"),
        "".join(f"\\u{ord(one):04x}" for one in URL),
    ],
)
def test_however_it_is_escaped(body: str) -> None:
    for record in ('{"id": "1", "post_url": "%s"}', '{"id": "1", "other": ["%s"]}', '{"x": "%s"}', '"%s"'):
        _, text = decoded(None, ('{"webhooks": [' + record % body + "]}").encode())
        assert SECRET not in text
    deep = "[" * 5_000 + "]" * 5_000
    _, text = decoded(None, f'{{"webhooks": [{{"id": "1", "post_url": "{body}", "x": {deep}}}]}}'.encode())
    assert SECRET not in text
    assert "***" in text


def test_what_is_no_url_stays_as_it_came() -> None:
    row, _ = decoded({"id": "1", "post_url": None, "events": ["subscriber.created"], "ratio": 1.10, "note": "a:b"})
    assert (row["post_url"], row["events"], row["ratio"], row["note"]) == (
        None,
        '["subscriber.created"]',
        "1.1",
        '"a:b"',
    )


def test_in_a_text() -> None:
    assert redacted_text(f'it began {{"post_url":"{URL}"') == f'it began {{"post_url":"{redacted_url(URL)}"'


@both_destinations
def test_nothing_of_it_is_left_behind_by_a_sync(
    sync: Any, world: World, warehouse: Warehouse, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SOURCES__DRIP__KEEP_LANDING", "true")
    hooks = world.account("1000001").records["webhooks"]
    hooks.add({"id": "9", "post_url": URL})
    hooks.add({"post_url": URL})
    assert sync(resources=["webhooks"]).exit_code == 0
    found = warehouse.value("SELECT post_url FROM webhooks WHERE id = '9'")
    assert found == redacted_url(URL)
    assert warehouse.value("SELECT count(*) FROM _quarantine") == 1
    left = [path for path in tmp_path.rglob("*") if path.is_file() and SECRET.encode() in path.read_bytes()]
    assert not left
    everything = [
        row for name in ("webhooks", "_quarantine", "_syncs") for row in warehouse.rows(f"SELECT * FROM {name}")
    ]
    assert SECRET not in str(everything)
