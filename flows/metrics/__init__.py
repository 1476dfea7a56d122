"""What the notebooks count: pandas in, pandas out. Nothing here reads a database or draws."""

from flows.metrics.audience import (
    STATUSES,
    audience_growth,
    cohorts,
    lead_scores,
    lifetime_values,
    sources,
    status_mix,
    time_zones,
    undated,
)
from flows.metrics.churn import churn, deactivated, net_growth
from flows.metrics.counting import UNKNOWN, between, name_accounts
from flows.metrics.health import (
    column_coverage,
    custom_field_coverage,
    freshness,
    last_whole_sync,
    quarantined,
    reconciliation,
    table_growth,
)
from flows.metrics.movements import movements, series_over_time, tag_growth, tag_movements
from flows.metrics.sending import broadcast_fates, calendar, conversions, running, series_sizes
from flows.metrics.tags import tag_overlap, tag_sizes

__all__ = [
    "STATUSES", "UNKNOWN", "audience_growth", "between", "broadcast_fates", "calendar", "churn", "cohorts",
    "column_coverage", "conversions", "custom_field_coverage", "deactivated", "freshness", "last_whole_sync",
    "lead_scores", "lifetime_values", "movements", "name_accounts", "net_growth", "quarantined", "reconciliation",
    "running", "series_over_time", "series_sizes", "sources", "status_mix", "table_growth", "tag_growth",
    "tag_movements", "tag_overlap", "tag_sizes", "time_zones", "undated",
]  # fmt: skip
