"""The mask of a dataset, which dlt's schema remembers."""

import dlt

from flows.pipeline.context import ConnectionRun
from flows.source.mask_check import check_table_masks
from flows.source.tables import tables_of


def check_dataset_mask(run: ConnectionRun, pipeline: dlt.Pipeline) -> None:
    """Check that the data of a dataset has the mask of the run.

    Args:
        run: the run.
        pipeline: its pipeline, with the destination's schema.

    Raises:
        SettingsError: it was loaded with another mask or key, or without one.
    """
    check_table_masks(tables_of(pipeline), run.mask, f"{run.target.location}, dataset {run.target.dataset}")
