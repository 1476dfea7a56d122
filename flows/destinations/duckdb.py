"""The DuckDB destination: loads files from any path, and merges by deleting and inserting changed rows.

The merge reads the Parquet files themselves. dlt would first insert them into a staging dataset, which costs as much as
the merge: 0.9 s of 2.0 s of processor time for 100,000 new subscribers.

An UPDATE would be slower: DuckDB stores columns, so it rewrites each affected row group of every column. Loading
1,000,000 subscribers, 10,000 of them changed, takes 8.3 s, against 10.7 s with dlt's MERGE (`benchmarks/history.py`).
"""

import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import dlt
from dlt.common.configuration import configspec
from dlt.common.destination.client import FollowupJobRequest, HasFollowupJobs, LoadJob, RunnableLoadJob
from dlt.common.destination.typing import PreparedTableSchema
from dlt.common.storages.load_package import LoadJobInfo, PackageStorage
from dlt.destinations.impl.duckdb.configuration import DuckDbClientConfiguration
from dlt.destinations.impl.duckdb.duck import DuckDbClient, DuckDbCopyJob
from dlt.destinations.impl.duckdb.sql_client import DuckDbSqlClient
from dlt.destinations.impl.motherduck.motherduck import MotherDuckClient
from dlt.destinations.sql_jobs import SqlMergeFollowupJob

from flows.destinations.sql import literal


class BoundCopyJob(DuckDbCopyJob):
    """Loads a Parquet file, passing its path as a parameter. dlt's own statement fails if it contains an apostrophe."""

    def run(self) -> None:
        """Insert the rows of the file."""
        client = self._job_client.sql_client
        table = client.make_qualified_table_name(self.load_table_name)
        rows = "SELECT * FROM read_parquet(%s, union_by_name=true)"
        client.execute_sql(f"INSERT INTO {table} BY NAME {rows}", self._file_path)


class BoundPaths(DuckDbClient):
    """dlt's client, able to load Parquet files from any path."""

    def create_load_job(
        self, table: PreparedTableSchema, file_path: str, load_id: str, restore: bool = False
    ) -> LoadJob:
        """The job that loads `file_path`."""
        job = super().create_load_job(table, file_path, load_id, restore)
        if isinstance(job, DuckDbCopyJob) and file_path.endswith(".parquet"):
            return BoundCopyJob(file_path)
        return job


class LoadedByMerge(RunnableLoadJob, HasFollowupJobs):
    """A Parquet file that the merge of its table reads, so that nothing is left to do."""

    def run(self) -> None:
        """Leave the file to the merge."""


class FromFiles:
    """dlt's SQL client, with Parquet files in the place of the staging table.

    Args:
        client: dlt's.
        files: the Parquet files of a table.
    """

    def __init__(self, client: DuckDbSqlClient, files: Sequence[Path]) -> None:
        self._client, self._files = client, files

    def __getattr__(self, name: str) -> Any:
        return getattr(self._client, name)

    def get_qualified_table_names(self, table_name: str, quote: bool = True) -> tuple[str, str]:
        """The table, and a query for the new rows with all of its columns; those that the files lack are null."""
        table, _ = self._client.get_qualified_table_names(table_name, quote)
        rows = f"SELECT * FROM read_parquet([{', '.join(map(_expression, self._files))}], union_by_name=true)"
        return table, f"({rows} UNION ALL BY NAME SELECT * FROM {table} WHERE false)"


class ReplacingMergeJob(SqlMergeFollowupJob):
    """dlt's merge by primary key, in one transaction, with DELETE and INSERT instead of MERGE."""

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
        """The statements: delete changed rows, then insert all new rows that the table does not have."""
        same = " AND ".join(f"d.{key} = s.{key}" for key in primary_keys)
        new = f"(SELECT * FROM {staging_root_table_name} WHERE {conditions['source_filter'] or 'true'}) s"
        changed = conditions["changed_cond"] or "true"
        columns = ", ".join(root_table_column_names)
        return [
            f"DELETE FROM {root_table_name} d USING {new} WHERE {same} AND ({changed})",
            f"INSERT INTO {root_table_name} ({columns}) SELECT {columns} FROM {new}"
            f" WHERE NOT EXISTS (SELECT 1 FROM {root_table_name} d WHERE {same})",
        ]


class ReplacingClient(BoundPaths):
    """dlt's client, merging with `ReplacingMergeJob` from the Parquet files, without a copy in a staging dataset."""

    def should_load_data_to_staging_dataset(self, table_name: str) -> bool:
        """Never."""
        return False

    def create_load_job(
        self, table: PreparedTableSchema, file_path: str, load_id: str, restore: bool = False
    ) -> LoadJob:
        """The job that loads `file_path`."""
        if table["write_disposition"] == "merge" and file_path.endswith(".parquet"):
            return LoadedByMerge(file_path)
        return super().create_load_job(table, file_path, load_id, restore)

    def create_table_chain_completed_followup_jobs(
        self,
        table_chain: Sequence[PreparedTableSchema],
        completed_table_chain_jobs: Sequence[LoadJobInfo] | None = None,
    ) -> list[FollowupJobRequest]:
        """The merge of a table whose files have all arrived."""
        if table_chain[0]["write_disposition"] != "merge":
            return super().create_table_chain_completed_followup_jobs(table_chain, completed_table_chain_jobs)
        files = [_completed(Path(job.file_path)) for job in completed_table_chain_jobs or ()]
        return [ReplacingMergeJob.from_table_chain(table_chain, FromFiles(self.sql_client, files))]  # type: ignore[arg-type]


def _expression(path: Path) -> str:
    """A path in SQL. dlt splits statements at line breaks and semicolons, even within strings."""
    return re.sub(r"[;\r\n]", lambda found: f"' || chr({ord(found[0])}) || '", literal(path))


def _completed(path: Path) -> Path:
    """The path of a job's file after the job. dlt moves it from the folder of started jobs after the last one."""
    return path.parent.with_name(PackageStorage.COMPLETED_JOBS_FOLDER) / path.name


@configspec(init=False)
class FileConfiguration(DuckDbClientConfiguration):
    """dlt's configuration. Its string form is printed after each load; dlt's own one imports SQLAlchemy (0.5 s)."""

    def __str__(self) -> str:
        return f"duckdb:///{self.credentials.database}"


class ReplacingDuckDb(dlt.destinations.duckdb):
    """dlt's destination, merging with `ReplacingMergeJob`."""

    spec = FileConfiguration

    def __init__(self, **settings: Any) -> None:
        super().__init__(**settings)
        self._resolved: dict[Any, DuckDbClientConfiguration] = {}

    @property
    def client_class(self) -> type[ReplacingClient]:
        """The client that loads the tables."""
        return ReplacingClient

    def configuration(
        self, initial_config: DuckDbClientConfiguration | None, accept_partial: bool = False
    ) -> DuckDbClientConfiguration:
        """As dlt's, which resolves it 20 times in a sync: 0.2 s of processor time. It does not change during one."""
        if initial_config is not None and initial_config.is_resolved():
            return initial_config
        values = {name: str(value) for name, value in (initial_config or {}).items() if name != "credentials"}
        key = (accept_partial, *sorted(values.items()))
        if key not in self._resolved:
            self._resolved[key] = super().configuration(initial_config, accept_partial)  # type: ignore[arg-type]
        return self._resolved[key]


class BoundMotherDuckClient(BoundPaths, MotherDuckClient):
    """dlt's MotherDuck client, able to load Parquet files from any path."""


class BoundMotherDuck(dlt.destinations.motherduck):
    """dlt's MotherDuck destination, able to load Parquet files from any path."""

    @property
    def client_class(self) -> type[BoundMotherDuckClient]:
        """The client that loads the tables."""
        return BoundMotherDuckClient
