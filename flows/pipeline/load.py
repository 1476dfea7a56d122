"""The load: one dlt pipeline run, every table and every account, merged into the destination."""

import logging
import time
from collections.abc import Iterable, Iterator, Sequence
from typing import Any

import dlt
import msgspec
import pyarrow as pa
from dlt.extract import DltResource

from flows.common.errors import DripError
from flows.pipeline.context import Run, Runs
from flows.pipeline.extract import Landed
from flows.pipeline.history import keep_history
from flows.pipeline.load_errors import LoadFailed, load_failed
from flows.pipeline.quarantine import quarantine_resource
from flows.pipeline.sync_mode import count_arrived
from flows.pipeline.views import make_views
from flows.source.decoding.column_names import ColumnNames
from flows.source.endpoints import ACCOUNT_ID, ACCOUNTS, ENDPOINTS, ROW_HASH, Endpoint
from flows.source.landing.landed_list import BATCH_ROWS, Unit
from flows.source.landing.storage import parquet
from flows.source.schema import (
    FIELD_HINT,
    FIELD_NAME,
    arrow_schema,
    column_hints,
    extra_columns,
    mirror,
    texts,
)
from flows.source.settings import common_settings

PIPELINE = "drip_flows"
SCHEMA = "drip"
NO_COPY_LEFT = f"{PIPELINE}.load.truncate_staging_dataset"
"""dlt's own setting, for this pipeline alone: a load leaves no second copy of personal data in the staging dataset."""
LOAD_RETRY_SECONDS = 5.0
"""Before a load that failed for a reason that may pass is tried once more."""
logger = logging.getLogger(__name__)


class Loaded(msgspec.Struct):
    """What the destination holds after a load.

    Attributes:
        rows: by resource and account; by key in the tables whose rows no account owns.
        arrived: by account, how many of the subscribers that an incremental sync read are there.
    """

    rows: dict[str, dict[str | None, int]]
    arrived: dict[str, int] = {}


def load_patiently(runs: Runs, landed: Sequence[Landed]) -> Loaded:
    """As `load`, tried once more after a failure that may pass within seconds."""
    try:
        return load(runs, landed)
    except LoadFailed as error:
        if not error.transient:
            raise
    time.sleep(LOAD_RETRY_SECONDS)
    return load(runs, landed)


def load(runs: Runs, landed: Sequence[Landed]) -> Loaded:
    """Merge all that landed into the destination in one dlt pipeline run, keep its history, count what is there.

    Raises:
        LoadFailed: the destination did not take it.
    """
    try:
        return merge(runs, landed)
    except DripError:
        raise
    except Exception as error:
        logger.error("the load failed", exc_info=error)
        failed = load_failed(error, runs.common.target)
    raise failed


def merge(runs: Runs, landed: Sequence[Landed]) -> Loaded:
    """As `load`, with the errors of dlt and of the drivers."""
    run = runs.common
    pipeline = pipeline_of(run)
    with run.target.held_open(pipeline):
        pipeline.run(landed_source(runs, landed), loader_file_format="parquet")
        keep_history(pipeline, run)
        make_views(pipeline, run)
        return Loaded(count_rows(pipeline, run), count_arrived(pipeline, runs, landed))


def pipeline_of(run: Run) -> dlt.Pipeline:
    """The dlt pipeline of this run, in a folder of its own: nothing pending from another run can be in it.

    Raises:
        SettingsError: the destination cannot be opened, for somebody reads it and does not end.
    """
    settings = common_settings()
    run.target.check(settings)
    dlt.config[NO_COPY_LEFT] = True
    return dlt.pipeline(
        PIPELINE,
        pipelines_dir=str(run.pipeline_folder),
        destination=run.target.destination(settings),
        dataset_name=run.target.dataset,
    )


def known_columns(pipeline: dlt.Pipeline) -> dict[str, dict[str, str]]:
    """By table of a pipeline in step with its destination, the columns of fields that the reference does not know."""
    if SCHEMA not in pipeline.schemas:
        return {}
    tables = pipeline.schemas[SCHEMA].tables
    return {
        name: {str(c[FIELD_HINT]): n for n, c in table["columns"].items() if FIELD_HINT in c}  # type: ignore[literal-required]
        for name, table in tables.items()
    }


@dlt.source(name=SCHEMA, section=SCHEMA)
def landed_source(runs: Runs, landed: Sequence[Landed]) -> Any:
    """The landing zone as a dlt source: a resource per table, whatever account its rows are of."""
    run = runs.common
    for resource in run.resources:
        endpoint = ENDPOINTS[resource].of(run.connection)
        lists = [one for one in landed if one.resource == resource]
        yield table_resource(
            runs, endpoint, lists, ColumnNames(arrow_schema(endpoint).names, run.columns.get(resource))
        )
    yield quarantine_resource(runs, landed)


def table_resource(runs: Runs, endpoint: Endpoint, lists: Sequence[Landed], names: ColumnNames) -> DltResource:
    """One table from all its lists; rows of accounts whose list was proven whole, and did not come, go."""
    of_run = [runs.of(one.connection) for one in lists]
    units = [run.unit(one.resource, one.account) for run, one in zip(of_run, lists, strict=True)]
    whole = [one.account for one in lists if one.whole and one.account]
    schema, kind = table_schema(endpoint, units, names), runs.common.target.kind
    resource: DltResource = dlt.resource(
        _rows(endpoint, zip(of_run, units, strict=True), schema, names, kind.is_files),
        name=endpoint.resource,
        primary_key=endpoint.primary_key,
        columns=column_hints(endpoint, extra_columns(endpoint, schema), kind.json),
        write_disposition=mirror(endpoint, whole, kind.is_files),
        file_format="parquet",
        table_format=kind.table_format,
    )
    return resource


def table_schema(endpoint: Endpoint, units: Iterable[Unit], names: ColumnNames) -> pa.Schema:
    """The declared columns, and all extra ones that any page of any account has."""
    extras: dict[str, pa.Field[Any]] = {}
    for unit in units:
        for path in unit.files():
            for field in extra_columns(endpoint, parquet(path).schema_arrow):
                extras[_column(field, names)] = field.with_name(_column(field, names))
    return pa.schema([*arrow_schema(endpoint), *(extras[name] for name in sorted(extras))])


def _column(field: "pa.Field[Any]", names: ColumnNames) -> str:
    api_name = (field.metadata or {}).get(FIELD_NAME)
    return names.column(api_name.decode()) if api_name else field.name


def _rows(
    endpoint: Endpoint,
    lists: Iterable[tuple[Run, Unit]],
    schema: pa.Schema,
    names: ColumnNames,
    in_files: bool,
) -> Iterator[pa.Table]:
    """The rows of all lists in the columns of the table, in batches, after the stand-in row where that is left out."""
    yield schema.empty_table() if in_files else stand_in(endpoint.primary_key, schema)
    batch: list[pa.Table] = []
    taken: set[str] = set()
    for run, unit in lists:
        for table in unit.tables():
            batch.append(_conformed(_own(run, endpoint, table, taken), schema, names))
            if sum(part.num_rows for part in batch) >= BATCH_ROWS:
                yield pa.concat_tables(batch)
                batch = []
    if batch:
        yield pa.concat_tables(batch)


def stand_in(keys: Sequence[str], schema: pa.Schema) -> pa.Table:
    """A row that the merge filters out: a table for which nothing came has to be merged all the same."""
    row = {field.name: "" if field.name in (*keys, ROW_HASH) else None for field in schema}
    return pa.Table.from_pylist([row], schema=schema)


def _own(run: Run, endpoint: Endpoint, table: pa.Table, taken: set[str]) -> pa.Table:
    """Only what is this run's of a list that each token has one of: what no run before it has `taken`.

    Of the accounts themselves, those that it syncs.
    """
    if endpoint.per_account:
        return table
    keys = texts(table, endpoint.key)
    theirs = {*keys} - {*(run.accounts or ())} if endpoint.resource == ACCOUNTS.resource else {*taken}
    taken.update(keys)
    return table.filter(pa.array([key not in theirs for key in keys], pa.bool_()))


def _conformed(table: pa.Table, schema: pa.Schema, names: ColumnNames) -> pa.Table:
    """The page in all columns of the table, null where it has none."""
    columns = {_column(field, names): table[field.name] for field in table.schema}
    arrays = [columns.get(f.name, pa.nulls(table.num_rows, f.type)) for f in schema]
    return pa.Table.from_arrays(arrays, schema=schema)


def count_rows(pipeline: dlt.Pipeline, run: Run) -> dict[str, dict[str | None, int]]:
    """Rows in the destination by table and account, or key where no account owns them."""
    counts: dict[str, dict[str | None, int]] = {}
    with run.target.reader(pipeline) as client:
        for resource in run.resources:
            owner = ACCOUNT_ID if ENDPOINTS[resource].per_account else ENDPOINTS[resource].key
            table = client.make_qualified_table_name(resource)
            rows = client.execute_sql(f"SELECT {owner}, count(*) FROM {table} GROUP BY 1") or []
            counts[resource] = {row[0]: row[1] for row in rows}
    return counts
