"""Pages that an earlier version landed are not resumed if it declared other fields."""

from dataclasses import replace
from typing import Any

import msgspec
import pytest

from flows.sandbox import World, serve
from flows.source.endpoints import ENDPOINTS, Endpoint
from flows.source.records import Record, Text, fields_of
from tests.conftest import Warehouse
from tests.mirror import assert_mirrors

THIRD_PAGE = {"match": {"resource": "subscribers", "page": 3}, "action": {"kind": "status", "status": 404}}


def with_fields(endpoint: Endpoint, without: str = "", also: str = "") -> Endpoint:
    """The endpoint as a version declared it whose record lacked one field, or had one more."""
    fields: list[Any] = [
        (one.name, one.type, msgspec.field(default=one.default))
        for one in fields_of(endpoint.record)
        if one.name != without
    ]
    more = [(also, Text, None)] if also else []
    return replace(endpoint, record=msgspec.defstruct(endpoint.record.__name__, fields + more, bases=(Record,)))


@pytest.mark.parametrize("earlier", [{"without": "initial_status"}, {"also": "shoe_size"}])
def test_pages_with_other_fields_are_read_again(
    sync: Any, warehouse: Warehouse, monkeypatch: pytest.MonkeyPatch, earlier: dict[str, str]
) -> None:
    world = World(seed=7, sizes={"1000001": 210}, largest_page=100)
    world.faults = [THIRD_PAGE]
    with serve(world) as server:
        monkeypatch.setenv("SOURCES__DRIP__BASE_URL", server.url)
        with monkeypatch.context() as patch:
            patch.setitem(ENDPOINTS, "subscribers", with_fields(ENDPOINTS["subscribers"], **earlier))
            assert sync(resources=["subscribers"]).exit_code == 1
        world.faults = None
        server.log.clear()
        assert sync(resources=["subscribers"]).exit_code == 0
        assert sorted(one.query["page"] for one in server.log if one.path.endswith("/subscribers")) == ["1", "2", "3"]
    assert_mirrors(warehouse, world, ["subscribers"])
