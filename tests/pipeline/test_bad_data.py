"""Invalid data from the API is loaded faithfully or goes to `_quarantine`, and never stops the rest."""

import json
from typing import Any

import pytest

from flows.pipeline.report import SyncReport
from flows.pipeline.report_line import ListReport
from flows.sandbox import Server, World
from flows.source.client import DripClient
from flows.source.decoding.decoder import NUL_KEY, Decoder
from flows.source.endpoints import ENDPOINTS
from flows.source.list_reader import ListReader
from flows.source.settings import load_settings
from tests.conftest import Warehouse, both_destinations

FIRST, SECOND, THIRD = "1000001", "1000002", "1000003"
HUGE = "a number that Python has no text for"
HUGER = "a number that PostgreSQL has no place for"
DEEP = "an object in an object, and so on"
PLACEHOLDERS = {HUGE: "1e400", HUGER: "1e200000", DEEP: '{"a":[' * 1_000 + '"bottom"' + "]}" * 1_000}
PEOPLE = {"account": FIRST, "resource": "subscribers"}


def reply(records: list[Any], meta: Any = None, **siblings: Any) -> dict[str, Any]:
    """A fault rule that returns this reply to every request for the first account's subscribers."""
    count = {"page": 1, "count": len(records), "total_pages": 1, "total_count": len(records)}
    body = {"meta": meta or count, "subscribers": records, **siblings}
    text = json.dumps(body)
    for placeholder, meant in PLACEHOLDERS.items():
        text = text.replace(json.dumps(placeholder), meant)
    return {"match": PEOPLE, "action": {"kind": "raw", "body": text}}


def line_of(report: SyncReport, resource: str, account: str | None = FIRST) -> ListReport:
    return next(line for line in report.lists if (line.account, line.resource) == (account, resource))


TEXTS: list[Any] = [
    {"id": "surrogate", "first_name": "a\ud800b"},
    {"id": "surrogate key", "\udfff": 1},
    {"id": "surro\ud800gate id"},
    {"id": "nul\u0000id"},
    {"id": "nul", "first_name": "a\u0000b", "custom_fields": {"k\u0000": "v\u0000"}, "tags": ["\u0000"]},
    {"id": "healthy", "first_name": "😀"},
    {"id": "space ", "email": " "},
    {"id": ""},
    {"id": " "},
    {"id": True},
    {"id": 1.5},
    {"id": 2**70},
    {"id": {"a": 1}},
    {"id": None},
    {"email": "no-id@example.com"},
    {"id": "twice", "email": "first@example.com"},
    {"id": "twice", "email": "last@example.com"},
    [],
    None,
    "no object",
    17,
]
NAMES = [
    'a "quoted" one', "a'b", "back\\slash", "l" * 300, "", " ", "😀", "ÄÖ", "a.b", "a__b", "1st", "x\ny", "\0",
    "account_id", "_row_hash", "_dlt_id", "_dlt_load_id", "_other_fields", "email__v_json", "select", "Id", "ID",
    "Email", "EMAIL", "newField", "new_field", "NewField", "links__account", "unknown_0",
]  # fmt: skip
NAMED = {"id": "odd", "email": "e"} | {name: f"value of {name}" for name in NAMES}


@both_destinations
def test_text_that_is_no_text_and_names_that_no_column_can_have(sync: Any, world: World, warehouse: Warehouse) -> None:
    world.faults = [reply([*TEXTS, NAMED])]
    report = sync(resources=["subscribers"])
    line = line_of(report, "subscribers")
    assert (report.exit_code, line.complete) == (0, True), report.failures
    assert (line.api_rows, line.loaded, line.quarantined, line.repeated) == (22, 7, 14, 1), line
    assert_texts_are_kept(warehouse)
    assert_names_are_kept(warehouse)
    world.faults = [reply([NAMED, {"id": "plain"}])]
    report = sync(resources=["subscribers"])
    assert (report.exit_code, line_of(report, "subscribers").loaded) == (0, 2), report.failures
    assert_names_are_kept(warehouse)
    assert warehouse.value("SELECT count(*) FROM _quarantine") == 0


def assert_texts_are_kept(warehouse: Warehouse) -> None:
    """The texts are in their rows, or as they came in `_quarantine`."""
    emails = dict(warehouse.rows(f"SELECT id, email FROM subscribers WHERE account_id = '{FIRST}'"))
    assert emails.keys() == {"nul", "healthy", "space ", " ", str(2**70), "twice", "odd"}
    assert emails["twice"] == "last@example.com"
    assert set(warehouse.rows("SELECT account, resource FROM _quarantine")) == {(FIRST, "subscribers")}
    reasons = dict(warehouse.rows("SELECT reason, count(*) FROM _quarantine GROUP BY 1"))
    assert reasons == {"text that is not valid Unicode": 3, "no key": 6, "not a record": 4, NUL_KEY: 1}
    kept = [json.loads(record) for record in warehouse.column("SELECT record FROM _quarantine")]
    assert {"id": "surrogate", "first_name": "a\ud800b"} in kept
    assert {"id": "nul\u0000id"} in kept
    names = ("first_name", "custom_fields", "tags")
    asked = ", ".join([*names, *(f"{name}__v_json" for name in names)])
    (row,) = warehouse.rows(f"SELECT {asked} FROM subscribers WHERE id = 'nul'")
    assert row[:3] == (None, None, None)
    assert [json.loads(text) for text in row[3:]] == ["a\u0000b", {"k\u0000": "v\u0000"}, ["\u0000"]]


def assert_names_are_kept(warehouse: Warehouse) -> None:
    """Each odd field has a column of its own or is in the column of other fields."""
    (row,) = warehouse.rows("SELECT * FROM subscribers WHERE id = 'odd'")
    assert warehouse.rows("SELECT account_id, email FROM subscribers WHERE id = 'odd'") == [(FIRST, "e")]
    texts = json.dumps(row, default=str)
    other = next(json.loads(value) for value in row if isinstance(value, str) and value.startswith('{"'))
    values = {json.loads(v) for v in row if isinstance(v, str) and v.startswith('"')} | set(other.values())
    assert values >= {f"value of {name}" for name in NAMES}, texts
    assert len(warehouse.columns("subscribers")) == 57 + 3, "the columns of the names, and of text that is no text"


VALUES: list[Any] = [
    {"id": "float", "lead_score": 3.0, "lifetime_value": 3.7},
    {"id": "texts", "lead_score": "12", "prospect": "true", "sms_consent": 1},
    {"id": "objects", "email": {"a": 1}, "first_name": ["x"], "city": False, "zip": 1e3},
    {"id": "numbers", "lead_score": 2**63, "lifetime_value": -(2**63), "utc_offset": HUGE, "zip": 501},
    {"id": "naive", "created_at": "2024-05-06T07:08:09"},
    {"id": "offset", "created_at": "2024-05-06T07:08:09+02:00"},
    {"id": "far", "created_at": "9999-12-31T23:59:59Z"},
    {"id": "early", "created_at": "0001-01-01T00:00:00Z"},
    {"id": "edge", "created_at": "0001-01-01T00:00:00+14:00"},
    {"id": "day", "created_at": "2024-05-06"},
    {"id": "epoch", "created_at": 1714980000},
    {"id": "none", "created_at": ""},
    {"id": "words", "created_at": "the day before yesterday"},
    {"id": "tags", "tags": {"a": 1}, "custom_fields": [1]},
    {"id": "links", "links": {"account": FIRST, "forms": [1], "self": "x"}},
    {"id": "other", "links": {"account": "999"}},
    {"id": "nolinks", "links": "x"},
    {"id": "huge", "custom_fields": {"a": [HUGER]}, "vat": {"a": HUGER}},
    {"id": "like", "custom_fields": {"a": "1e99999", "b\\": "\\u0000"}},
    {"id": "large", "custom_fields": {f"k{n}": "v" * 1_000 for n in range(3_000)}},
    {"id": "deep", "custom_fields": DEEP},
    {"id": 12345},
]
UNASKED = {"account_id", "id", "_row_hash", "_dlt_id", "_dlt_load_id"}


@both_destinations
def test_values_of_another_type_or_very_large(sync: Any, world: World, warehouse: Warehouse) -> None:
    world.faults = [reply(VALUES, links={"subscribers.account": {"not": ["a", "text"]}, "other": 1})]
    report = sync(resources=["subscribers"])
    line = line_of(report, "subscribers")
    assert report.exit_code == 0, report
    assert line.loaded + line.quarantined == len(VALUES), line
    names = list(warehouse.columns("subscribers"))
    rows = {}
    for values in warehouse.rows(f"SELECT * FROM subscribers WHERE account_id = '{FIRST}' AND id <> 'edge'"):
        known = dict(zip(names, values, strict=True))
        rows[known["id"]] = {key: one for key, one in known.items() if one is not None and key not in UNASKED}
    assert len(rows) == line.loaded - 1, "without the one whose year is too early for Python"
    assert {*rows, "edge", "deep"} == {str(record["id"]) for record in VALUES}, "only what is deep may be quarantined"
    assert_values_are_kept(rows)
    assert len(rows["large"]["custom_fields"]) > 3_000_000
    assert "bottom" in str(
        warehouse.rows("SELECT custom_fields::VARCHAR FROM subscribers UNION ALL SELECT record FROM _quarantine")
    )


def assert_values_are_kept(rows: dict[str, dict[str, Any]]) -> None:
    """The values are in the columns of their fields, or as JSON beside them if they do not fit."""
    assert rows["float"] == {"lead_score": 3, "lifetime_value__v_json": "3.7"}
    assert rows["texts"] == {"lead_score__v_json": '"12"', "prospect__v_json": '"true"', "sms_consent__v_json": "1"}
    assert rows["objects"] == {
        "email__v_json": '{"a": 1}',
        "first_name__v_json": '["x"]',
        "city__v_json": "false",
        "zip__v_json": "1000.0",
    }
    assert rows["numbers"] == {
        "lead_score__v_json": str(2**63),
        "lifetime_value": -(2**63),
        "utc_offset__v_json": "1e400",
        "zip": "501",
    }
    assert [f"{rows[key]['created_at']:%H:%M %z}" for key in ("naive", "offset")] == ["07:08 +0000", "05:08 +0000"]
    assert rows["far"]["created_at"].year == 9999
    assert rows["early"]["created_at"].year == 1
    assert [rows[key] for key in ("day", "none", "epoch", "words")] == [
        {"created_at__v_json": text} for text in ('"2024-05-06"', '""', "1714980000", '"the day before yesterday"')
    ]
    assert rows["tags"] == {"tags": '{"a": 1}', "custom_fields": "[1]"}
    assert rows["huge"] == {
        "custom_fields__v_json": '{"a": [1e200000]}',
        "vat__v_json": '{"a": 1e200000}',
    }
    assert json.loads(rows["like"]["custom_fields"]) == {"a": "1e99999", "b\\": "\\u0000"}
    assert rows["nolinks"] == {"links__v_json": '"x"'}
    assert json.loads(rows["links"]["links__v_json"])["self"] == "x"
    assert json.loads(rows["other"]["links__v_json"]) == {"account": "999"}


COUNTS: list[dict[str, Any]] = [
    {"values": {"total_pages": 1}},
    {"values": {"total_pages": 99}},
    {"values": {"total_pages": "two"}},
    {"values": {"total_pages": None}},
    {"values": {"total_pages": 0}},
    {"values": {"total_pages": -1}},
    {"values": {"total_pages": 2**70}},
    {"remove": ["total_pages"]},
    {"remove": ["total_count"]},
    {"values": {"total_count": "many"}},
    {"values": {"total_count": None}},
    {"values": {"total_count": 1.5}},
    {"remove": ["total_count"], "values": {"total_pages": "two"}},
    {"values": {"total_count": -5}},
    {"absent": True},
]


@pytest.fixture
def world(request: pytest.FixtureRequest) -> World:
    """A few people in each of two accounts, with pages as large as the API's or as a test chooses."""
    return World(seed=7, sizes={FIRST: 13, SECOND: 2}, largest_page=getattr(request, "param", None))


@pytest.mark.parametrize("world", [100], indirect=True, ids=[""])
@pytest.mark.parametrize("resource", ["subscribers", "events"])
def test_counts_that_are_wrong_or_missing(server: Server, world: World, resource: str) -> None:
    people = world.account(FIRST).records[resource]
    size = 210 if resource == "subscribers" else 201
    for number in range(size - len(people)):
        people.add(f"event {number}" if resource == "events" else {"id": f"added{number}", "status": "active"})
    for counts in COUNTS:
        world.faults = [{"match": {"account": FIRST, "resource": resource}, "action": {"kind": "meta", **counts}}]
        server.log.clear()
        endpoint = ENDPOINTS[resource]
        reader = ListReader(DripClient(load_settings()), endpoint, FIRST, Decoder(endpoint))
        keys = {key for page in reader.pages() for key in page.table[endpoint.key].to_pylist()}
        assert reader.outcome, counts
        assert (len(keys), reader.outcome.complete) == (size, True), (counts, reader.outcome)
        assert len(server.log) <= 6, (counts, len(server.log))


@pytest.mark.parametrize("world", [World(seed=7, sizes={FIRST: 5, SECOND: 6, THIRD: 7})], ids=[""])
def test_a_total_count_that_is_wrong_is_reported_and_deletes_nothing(
    sync: Any, world: World, warehouse: Warehouse, server: Server
) -> None:
    sync(resources=["subscribers"])
    people = {account: world.account(account).records["subscribers"] for account in world.account_ids}
    before = {account: len(some) for account, some in people.items()}
    counts = dict(zip(people, (0, before[SECOND], 10**12), strict=True))
    for some in people.values():
        some.delete([some.all()[0]["id"]])
    world.faults = [
        {"match": PEOPLE | {"account": account}, "action": {"kind": "meta", "values": {"total_count": count}}}
        for account, count in counts.items()
    ]
    server.log.clear()
    report = sync(resources=["subscribers"])
    assert report.exit_code == 1
    notes = {line.account: line.note for line in report.failures}
    assert notes.keys() == counts.keys()
    assert all(str(count) in notes[account] for account, count in counts.items())
    assert dict(warehouse.rows("SELECT account_id, count(*) FROM subscribers GROUP BY 1")) == before
    for account in counts:
        assert sum(f"/{account}/" in request.path for request in server.log) < 30


def test_field_names_without_end_make_no_columns_without_end(sync: Any, world: World, warehouse: Warehouse) -> None:
    for turn in range(2):
        people = [{"id": f"p{n}", **{f"field {turn} {n} {m}": m for m in range(10)}} for n in range(30)]
        world.faults = [reply(people)]
        report = sync(resources=["subscribers"])
        assert (report.exit_code, line_of(report, "subscribers").loaded) == (0, 30), report.failures
        assert len(warehouse.columns("subscribers")) < 140
        (last,) = warehouse.rows("SELECT * FROM subscribers WHERE id = 'p29'")
        assert f"field {turn} 29 9" in str(last)


def test_lists_of_strings(sync: Any, world: World, warehouse: Warehouse) -> None:
    tags = [
        "plain",
        None,
        3,
        {"a": 1},
        ["x"],
        "",
        " ",
        "twice",
        "twice",
        "Twice",
        "nul\u0000",
        "a'b\"c",
        "\ud800",
        "x" * 10_000,
    ]
    body = json.dumps({"tags": tags})
    world.faults = [{"match": {"account": FIRST, "resource": "tags"}, "action": {"kind": "raw", "body": body}}]
    report = sync(resources=["tags"])
    line = line_of(report, "tags")
    assert (report.exit_code, line.complete) == (0, True), report.failures
    assert (line.api_rows, line.loaded, line.quarantined, line.repeated) == (14, 6, 7, 1), line
    assert set(warehouse.column(f"SELECT tag FROM tags WHERE account_id = '{FIRST}'")) == {
        "plain", " ", "twice", "Twice", "a'b\"c", "x" * 10_000,
    }  # fmt: skip


def test_accounts_that_are_odd(sync: Any, world: World, warehouse: Warehouse) -> None:
    odd = ["../../etc", "1 OR 1=1", "", "١٢٣", "1000003'", None]
    world.accounts.extend({"id": account_id, "name": "odd"} for account_id in odd)
    world.accounts.append(dict(world.accounts[0]))
    shared = world.account(FIRST).records["subscribers"].all()[0]
    world.account(SECOND).records["subscribers"].add(shared)
    report = sync(resources=["accounts", "subscribers"])
    line = line_of(report, "accounts", None)
    assert (line.quarantined, line.loaded, line.repeated, line.complete) == (6, 2, 1, True), report
    assert set(warehouse.column("SELECT id FROM accounts")) == {FIRST, SECOND}
    owners = warehouse.column(f"SELECT account_id FROM subscribers WHERE id = '{shared['id']}'")
    assert sorted(owners) == [FIRST, SECOND]
    assert warehouse.value("SELECT count(*) FROM _quarantine WHERE resource = 'accounts'") == 6
    assert not list(warehouse.path.parent.glob("**/etc*"))


TRICKLE = {"seconds": 300.0, "drip": 600}
"""Long enough that the test would time out if the eight attempts waited for the end of the reply."""


ENDLESS = {
    "MAX_REPLY_MB": ("1", {"kind": "raw", "body": '{"tags": ["%s"]}' % ("x" * (2 << 20))}),
    "REPLY_TIMEOUT": ("0.5", {"kind": "slow", **TRICKLE}),
}


def test_a_reply_that_does_not_end(
    sync: Any, world: World, warehouse: Warehouse, monkeypatch: pytest.MonkeyPatch
) -> None:
    sync(resources=["tags"])
    before = warehouse.rows("SELECT * FROM tags ORDER BY account_id, tag")
    assert len(before) == sum(len(world.account(account).records["tags"]) for account in world.account_ids)
    settings = dict(zip(world.account_ids, ENDLESS, strict=True))
    world.faults = [
        {"match": {"account": account, "resource": "tags"}, "action": ENDLESS[setting][1]}
        for account, setting in settings.items()
    ]
    for setting, (value, _) in ENDLESS.items():
        monkeypatch.setenv(f"SOURCES__DRIP__{setting}", value)
    notes = {line.account: line.note for line in sync(resources=["tags"]).failures}
    assert notes.keys() == settings.keys()
    assert all(f"SOURCES__DRIP__{setting}" in notes[account] for account, setting in settings.items())
    assert warehouse.rows("SELECT * FROM tags ORDER BY account_id, tag") == before
