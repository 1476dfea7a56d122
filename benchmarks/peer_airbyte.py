"""Runs a connector with PyAirbyte into a DuckDB file. Needs the Python of PyAirbyte's virtual environment.

`AIRBYTE_OFFLINE_MODE=1 python peer_airbyte.py URL API_KEY DATABASE MANIFEST`: the published connector's manifest, with
its base URL replaced. Three streams are left out: the manifest gives them a key and no columns, so PyAirbyte's MERGE
fails on them, and no later stream is loaded. Its dataset is `airbyte`.
"""

import sys
from pathlib import Path

import airbyte
import yaml

PUBLISHED = "https://api.getdrip.com/v2"
WITHOUT_COLUMNS = {"broadcasts", "conversions", "custom_fields"}


def main(url: str, api_key: str, database: str, manifest: str) -> None:
    """Read all streams once, into an empty cache."""
    connector = yaml.safe_load(Path(manifest).read_text().replace(PUBLISHED, url))
    config = {"api_key": api_key, "password": ""}
    source = airbyte.get_source("source-drip", config=config, source_manifest=connector)
    source.select_streams([name for name in source.get_available_streams() if name not in WITHOUT_COLUMNS])
    source.read(cache=airbyte.caches.DuckDBCache(db_path=database, schema_name="airbyte"))


if __name__ == "__main__":
    main(*sys.argv[1:])
