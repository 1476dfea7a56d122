"""What the notebooks draw: a frame of `flows.metrics` in, an Altair chart out; a sentence where there is nothing."""

from flows.charts.accounts import use_accounts
from flows.charts.audience import (
    NOBODY,
    audience_growth,
    cohorts,
    lead_scores,
    lifetime_values,
    sources,
    status_mix,
    time_zones,
)
from flows.charts.drawing import HISTORY_OFF, sentence
from flows.charts.health import column_coverage, custom_field_coverage, freshness, quarantined, table_growth
from flows.charts.movements import movements, series_over_time, tag_movements
from flows.charts.sending import broadcast_fates, calendar, conversions, running, series_sizes
from flows.charts.tables import table
from flows.charts.tags import tag_overlap, tag_sizes

__all__ = [
    "HISTORY_OFF", "NOBODY", "audience_growth", "broadcast_fates", "calendar", "cohorts", "column_coverage",
    "conversions", "custom_field_coverage", "freshness", "lead_scores", "lifetime_values", "movements",
    "quarantined", "running", "sentence", "series_over_time", "series_sizes", "sources", "status_mix", "table",
    "table_growth", "tag_movements", "tag_overlap", "tag_sizes", "time_zones", "use_accounts",
]  # fmt: skip
