"""A landing zone in a bucket gives the same rows, is resumed after an interruption, and is empty afterwards."""

import uuid
from collections.abc import Iterator
from typing import Any

import boto3
import pytest
from moto.server import ThreadedMotoServer
from upath import UPath

from flows.common.errors import SettingsError
from flows.pipeline.preparation import prepare
from flows.sandbox import Server, World
from flows.source.landing.storage import folder_at
from tests.conftest import Warehouse
from tests.mirror import assert_mirrors

KEY = "testing"
FEW = ["subscribers", "tags"]


@pytest.fixture(scope="module")
def bucket() -> Iterator[str]:
    """The URL of a bucket on an S3 server; fsspec reads its address and keys from the environment."""
    server = ThreadedMotoServer("127.0.0.1", 0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    with pytest.MonkeyPatch.context() as patch:
        for name, value in (
            ("AWS_ENDPOINT_URL", f"http://{host}:{port}"),
            ("AWS_ACCESS_KEY_ID", KEY),
            ("AWS_SECRET_ACCESS_KEY", KEY),
            ("AWS_DEFAULT_REGION", "us-east-1"),
        ):
            patch.setenv(name, value)
        boto3.client("s3").create_bucket(Bucket="drip-landing")
        yield "s3://drip-landing"
    server.stop()


@pytest.fixture
def landing(bucket: str, warehouse: Warehouse, monkeypatch: pytest.MonkeyPatch) -> UPath:
    url = f"{bucket}/{uuid.uuid4().hex}"
    monkeypatch.setenv("SOURCES__DRIP__LANDING", url)
    monkeypatch.setenv("DLT_DATA_DIR", str(warehouse.path.parent / "dlt"))
    return folder_at(url)


def landed(landing: UPath, pattern: str = "**/*.parquet") -> list[str]:
    return [path.path for path in landing.glob(pattern)]


@pytest.fixture
def world() -> World:
    return World(seed=7, sizes={"1000001": 250}, largest_page=100)


def test_a_list_that_broke_off_goes_on_from_the_bucket_and_clears_it(
    landing: UPath, sync: Any, server: Server, warehouse: Warehouse, world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    world.faults = [{"match": {"resource": "subscribers", "page": 3}, "action": {"kind": "status", "status": 404}}]
    assert sync(resources=FEW).exit_code == 1
    assert len(landed(landing, "*/subscribers/*/*.parquet")) == 2
    world.faults = None
    server.log.clear()
    assert sync(resources=FEW).exit_code == 0
    assert [request.query["page"] for request in server.log if "subscribers" in request.path] == ["3"]
    assert_mirrors(warehouse, world, FEW)
    assert not landed(landing)

    monkeypatch.setenv("SOURCES__DRIP__KEEP_LANDING", "true")
    assert sync(resources=["tags"]).exit_code == 0
    assert len(landed(landing, "*/kept/*/tags/*/*.parquet")) == len(world.account_ids)
    assert not landed(landing, "*/tags/*/*.parquet")
    assert not list((warehouse.path.parent / "dlt").rglob("*.parquet"))


@pytest.mark.parametrize("url", ["s3://no-such-bucket/landing", "nonsense://landing"])
def test_a_bucket_that_cannot_be_written_to_is_named(
    url: str, bucket: str, warehouse: Warehouse, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SOURCES__DRIP__API_KEY", "key")
    monkeypatch.setenv("SOURCES__DRIP__LANDING", url)
    with pytest.raises(SettingsError, match="change SOURCES__DRIP__LANDING"):
        prepare(None, "duckdb", "drip")
