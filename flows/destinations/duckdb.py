"""DuckDB as the destination: files are found whatever their path, and rows that changed are replaced.

Replaced, not updated in place: DuckDB stores columns, so an update rewrites, for every column, each row group that it
touches. The load of 1,000,000 subscribers, 10,000 of them changed, takes 8.3 s instead of the 10.7 s with dlt's MERGE
(`benchmarks/history.py`).
"""

from collections.abc import Sequence
from typing import Any

import dlt
from dlt.common.configuration import configspec
from dlt.common.destination.client import FollowupJobRequest, LoadJob
from dlt.common.destination.typing import PreparedTableSchema
from dlt.destinations.impl.duckdb.configuration import DuckDbClientConfiguration
from dlt.destinations.impl.duckdb.duck import DuckDbClient, DuckDbCopyJob
from dlt.destinations.impl.motherduck.motherduck import MotherDuckClient
from dlt.destinations.sql_jobs import SqlMergeFollowupJob


class BoundCopyJob(DuckDbCopyJob):
    """dlt's load of a Parquet file, whose path is a parameter. dlt's own statement breaks at an apostrophe in it."""

    def run(self) -> None:
        """Insert the rows of the file."""
        client = self._job_client.sql_client
        table = client.make_qualified_table_name(self.load_table_name)
        rows = "SELECT * FROM read_parquet(%s, union_by_name=true)"
        client.execute_sql(f"INSERT INTO {table} BY NAME {rows}", self._file_path)


class BoundPaths(DuckDbClient):
    """dlt's client, which loads Parquet files from any path."""

    def create_load_job(
        self, table: PreparedTableSchema, file_path: str, load_id: str, restore: bool = False
    ) -> LoadJob:
        """The job that loads a file."""
        job = super().create_load_job(table, file_path, load_id, restore)
        if isinstance(job, DuckDbCopyJob) and file_path.endswith(".parquet"):
            return BoundCopyJob(file_path)
        return job


class ReplacingMergeJob(SqlMergeFollowupJob):
    """dlt's merge by primary key, in one transaction, with other statements."""

    @classmethod
    def gen_upsert_merge_sql(  # type: ignore[override]  # dlt names the conditions
        cls,
        root_table_name: str,
        staging_root_table_name: str,
        primary_keys: Sequence[str],
        root_table_column_names: Sequence[str],
        hard_delete_col: str | None,
        deleted_cond: str | None,
        **conditions: Any,
    ) -> list[str]:
        """The statements that delete the rows which changed, and insert what is not there."""
        same = " AND ".join(f"d.{key} = s.{key}" for key in primary_keys)
        came = f"(SELECT * FROM {staging_root_table_name} WHERE {conditions['source_filter'] or 'true'}) s"
        changed = conditions["changed_cond"] or "true"
        columns = ", ".join(root_table_column_names)
        return [
            f"DELETE FROM {root_table_name} d USING {came} WHERE {same} AND ({changed})",
            f"INSERT INTO {root_table_name} ({columns}) SELECT {columns} FROM {came}"
            f" WHERE NOT EXISTS (SELECT 1 FROM {root_table_name} d WHERE {same})",
        ]


class ReplacingClient(BoundPaths):
    """dlt's client, whose merges replace."""

    def _create_merge_followup_jobs(self, table_chain: Sequence[PreparedTableSchema]) -> list[FollowupJobRequest]:
        return [ReplacingMergeJob.from_table_chain(table_chain, self.sql_client)]


@configspec(init=False)
class FileConfiguration(DuckDbClientConfiguration):
    """dlt's configuration, which dlt prints after each load; its own way to do so imports SQLAlchemy (0.5 s)."""

    def __str__(self) -> str:
        return f"duckdb:///{self.credentials.database}"


class ReplacingDuckDb(dlt.destinations.duckdb):
    """dlt's destination, whose merges replace."""

    spec = FileConfiguration

    @property
    def client_class(self) -> type[ReplacingClient]:
        """What loads the tables."""
        return ReplacingClient


class BoundMotherDuckClient(BoundPaths, MotherDuckClient):
    """dlt's client for MotherDuck, which loads Parquet files from any path."""


class BoundMotherDuck(dlt.destinations.motherduck):
    """dlt's destination, which loads Parquet files from any path."""

    @property
    def client_class(self) -> type[BoundMotherDuckClient]:
        """What loads the tables."""
        return BoundMotherDuckClient
