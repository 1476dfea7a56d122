"""Refuses to mix masks: all rows of a dataset have to be masked in the same way, or tokens would not match."""

from collections.abc import Mapping
from typing import Any

from flows.common.errors import SettingsError
from flows.source.endpoints import ENDPOINTS
from flows.source.mask_setting import EVENTS, MASK, MASK_KEY

MASK_HINT = "x-drip-mask"
"""dlt's hint of a table with the fingerprint of the mask that its rows were loaded with; missing without a mask."""


def table_hints(fingerprint: str) -> dict[str, Any]:
    """The hints of a table whose rows are masked."""
    return {MASK_HINT: fingerprint} if fingerprint else {}


def check_table_masks(tables: Mapping[str, Any], fingerprint: str, place: str) -> None:
    """Check that the tables of a dataset were loaded with a mask.

    Args:
        tables: the tables in dlt's schema of the dataset, by name.
        fingerprint: of the mask in the settings; empty for none.
        place: the dataset, for the message.

    Raises:
        SettingsError: they were loaded with another mask or key, or without one.
    """
    loaded_tables = [tables[name] for name in (*ENDPOINTS, EVENTS) if tables.get(name, {}).get("columns")]
    found = {str(table.get(MASK_HINT, "")) for table in loaded_tables}
    if found - {fingerprint}:
        loaded = "masked with another mask or key" if found - {fingerprint, ""} else "not masked"
        now = f"{MASK} and {MASK_KEY} as they were" if found - {fingerprint, ""} else f"{MASK} to nothing"
        raise SettingsError(
            f"the data in {place} is {loaded}: set {now}, or sync with --rebuild, which empties the dataset, "
            "its history included, and reads everything again"
        )
