"""The dlt pipeline of a run."""

import dlt

from flows.pipeline.context import ConnectionRun
from flows.source.settings import common_settings

PIPELINE = "drip_flows"
NO_COPY_LEFT = f"{PIPELINE}.load.truncate_staging_dataset"
"""dlt's setting that empties the staging dataset after a load: no second copy of personal data is kept."""

_pipelines: dict[str, dlt.Pipeline] = {}
"""By id of the run. A new object would read its state and schemas from the destination again (0.1 s)."""


def pipeline_of(run: ConnectionRun) -> dlt.Pipeline:
    """The dlt pipeline of a run, whose working folder is its own: it holds no pending package of another run.

    Raises:
        SettingsError: the destination cannot be written to now: another process keeps it open, or the lock was lost.
    """
    settings = common_settings()
    run.target.check_still_writable(settings.lock_wait)
    if run.id not in _pipelines:
        dlt.config[NO_COPY_LEFT] = True
        _pipelines[run.id] = dlt.pipeline(
            PIPELINE,
            pipelines_dir=str(run.pipeline_folder),
            destination=run.target.destination(settings),
            dataset_name=run.target.dataset,
        )
    return _pipelines[run.id]


def release_pipeline(run: ConnectionRun) -> None:
    """Drop the pipeline of a run that has ended."""
    _pipelines.pop(run.id, None)
