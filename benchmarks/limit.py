"""The limit: request the pages of subscribers one after another, and let DuckDB read their JSON into a table.

`python limit.py URL API_KEY DATABASE`. It checks, retries, deduplicates and keeps nothing, so
every real sync costs more.
"""

import sys
import tempfile
from pathlib import Path

import duckdb
import requests

PAGE = 1000
READ = """
    CREATE TABLE subscribers AS
    SELECT unnest(subscribers, max_depth := 2) FROM read_json(?, maximum_object_size = 100000000)
"""


def fetch(url: str, api_key: str, folder: Path) -> None:
    """Write each page of subscribers of every account to a file."""
    session = requests.Session()
    session.auth = (api_key, "")
    for account in session.get(f"{url}/accounts").json()["accounts"]:
        page, pages = 1, 1
        while page <= pages:
            query: dict[str, str | int] = {"status": "all", "per_page": PAGE, "page": page}
            reply = session.get(f"{url}/{account['id']}/subscribers", params=query)
            (folder / f"{account['id']}-{page}.json").write_bytes(reply.content)
            if page == 1:
                pages = reply.json()["meta"]["total_pages"]
            page += 1


def main(url: str, api_key: str, database: str) -> None:
    """Fetch into a temporary folder and load it."""
    with tempfile.TemporaryDirectory() as folder, duckdb.connect(database) as con:
        fetch(url, api_key, Path(folder))
        con.execute(READ, [f"{folder}/*.json"])


if __name__ == "__main__":
    main(*sys.argv[1:])
