"""The receiver writes no clear value, and masks what it wrote before the mask was set."""

from contextlib import closing
from pathlib import Path

import msgspec

from flows.source.deliveries.masking import mask_spool
from flows.source.deliveries.spool import Spool
from tests.masking.conftest import ADDRESS, FIRST, MASK, person
from tests.webhooks.conftest import event, receiving, spooled


def test_deliveries_are_masked_before_they_are_written(tmp_path: Path) -> None:
    data = {"account_id": FIRST, "subscriber": {"id": "p1", **person()}, "properties": {"note": "kept"}}
    bodies = [msgspec.json.encode(event(data=data)), f"not JSON {ADDRESS}".encode()]
    folder = tmp_path / "webhooks"
    with receiving(folder, MASK) as receiver:
        assert [receiver.post(body).status_code for body in bodies] == [200, 200]
        assert ADDRESS.encode() not in b"".join(one.read_bytes() for one in folder.iterdir())
        first, second = receiver.spooled()
    assert msgspec.json.decode(first.body)["data"]["subscriber"]["email"] == MASK.token(ADDRESS)
    assert msgspec.json.decode(first.body)["data"]["properties"] == {"note": "kept"}
    assert (first.mask, second.mask) == (MASK.fingerprint, MASK.fingerprint)
    assert len(first.event) == 64
    assert "cannot be read" in second.body.decode()


def test_what_came_before_the_mask_is_masked(tmp_path: Path) -> None:
    with closing(Spool(tmp_path)) as spool:
        spool.append([(FIRST, 1, msgspec.json.encode(event(data={"subscriber": person(id=str(n))}))) for n in range(3)])
        assert mask_spool(spool, MASK) == 3
        assert mask_spool(spool, MASK) == 0
    assert {one.mask for one in spooled(tmp_path)} == {MASK.fingerprint}
    assert ADDRESS.encode() not in b"".join(one.read_bytes() for one in tmp_path.iterdir())


def test_the_spool_of_an_earlier_version_gets_its_new_columns(tmp_path: Path) -> None:
    import sqlite3

    with closing(Spool(tmp_path)) as spool:
        path = spool.path
    with closing(sqlite3.connect(path)) as old:
        for column in ("mask", "event"):
            old.execute(f"ALTER TABLE deliveries DROP COLUMN {column}")
        old.execute("INSERT INTO deliveries (account, received, body) VALUES ('1', 2, x'7b7d')")
        old.commit()
    assert [tuple(one) for one in spooled(tmp_path)] == [(1, "1", 2, b"{}", "", "")]
