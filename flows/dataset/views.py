"""The columns of the views, which dlt's schema does not have."""

from functools import cache
from typing import Any

from flows.pipeline import changes
from flows.pipeline.marts.files import marts
from flows.pipeline.views import SUBSCRIBER_TAGS
from flows.source.endpoints import ACCOUNT_ID


@cache
def view_columns() -> dict[str, list[Any]]:
    """By view, its columns as dlt describes them."""
    types = {
        SUBSCRIBER_TAGS: dict.fromkeys((ACCOUNT_ID, "subscriber_id", "tag"), "text"),
        changes.VIEW: dict.fromkeys(changes.COLUMNS, "text") | {changes.SEEN_AT: "timestamp"},
        **{name: mart.types for name, mart in marts().items()},
    }
    return {
        view: [{"name": name, "data_type": kind} for name, kind in columns.items()] for view, columns in types.items()
    }
