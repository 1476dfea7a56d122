"""Pipes the Singer tap into a public target that writes a DuckDB file, each in its own virtual environment.

`python peer_singer.py URL API_KEY DATABASE PEERS`: PEERS is the folder with the environments. The dataset is `singer`.
Omits streams that the configuration guide does not have, and those whose columns all belong to the key: the target
builds no UPDATE for them, but tries to run it.
"""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

TAP = Path(__file__).parent / "peer_tap.py"
WANTED = ("accounts", "conversions", "email_series_campaigns", "single_email_campaigns", "people", "users", "workflows")


def main(url: str, api_key: str, database: str, peers: str) -> None:
    """Discover, select streams, and run the pipe. Exits with the first exit code other than 0."""
    folder, python = Path(database).parent, f"{peers}/tap-drip/bin/python"
    tap = _config(folder, "tap", {"api_token": api_key, "start_date": "2000-01-01T00:00:00Z", "base_url": url})
    target = _config(folder, "target", {"path": database, "default_target_schema": "singer"})
    reading = [python, str(TAP), "--config", str(tap)]
    found = subprocess.run([*reading, "--discover"], stdout=subprocess.PIPE, check=True)  # noqa: S603 - our own
    catalog = _config(folder, "catalog", _selected(json.loads(found.stdout)))
    tapped = subprocess.Popen([*reading, "--catalog", str(catalog)], stdout=subprocess.PIPE)  # noqa: S603 - our own
    loading = [f"{peers}/target-duckdb/bin/target-duckdb", "--config", str(target)]
    loaded = subprocess.run(loading, stdin=tapped.stdout, check=False)  # noqa: S603 - our own
    raise SystemExit(tapped.wait() or loaded.returncode)


def _config(folder: Path, name: str, content: dict[str, Any]) -> Path:
    path = folder / f"{name}.json"
    path.write_text(json.dumps(content))
    return path


def _selected(catalog: dict[str, Any]) -> dict[str, Any]:
    for stream in catalog["streams"]:
        whole = next(entry for entry in stream["metadata"] if not entry["breadcrumb"])
        whole["metadata"]["selected"] = stream["tap_stream_id"] in WANTED
    return catalog


if __name__ == "__main__":
    main(*sys.argv[1:])
