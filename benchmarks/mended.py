"""The configuration guide's source, mended with the fewest changes that make it run.

`python mended.py URL API_KEY DATABASE`. All else is as the guide has it, and dlt's defaults: no filters, 100 rows a
page, `merge` by the keys that the guide names. Changed, each because it does not run otherwise:

1. `type: basic` is `http_basic`: dlt knows no `basic`.
2. `limit` is gone from the paginators: dlt refuses it there. The API gives 100 rows a page by itself.
3. `base_page` is 1 and `total_path` is `meta.total_pages`: dlt begins at page 0 and looks for `total`.
4. A list without pages has the paginator `single_page`: it answers the same to every page, and dlt would ask for ever.
5. `{account_id}` is resolved from `accounts`: nothing else fills it.
6. `data_selector: []` is the list's name, and its texts become rows of one column, named as the list is.
7. `events` has the key `event_actions`: there is no `account_id` in a text.
8. The base URL and the secrets come from the command: `api.example.com` is a placeholder.
"""

import sys
from pathlib import Path
from typing import Any

import dlt
from dlt.sources.rest_api import rest_api_source

PAGES = {"type": "page_number", "page_param": "page", "base_page": 1, "total_path": "meta.total_pages"}
ACCOUNT = {"account_id": {"type": "resolve", "resource": "accounts", "field": "id"}}


def resource(name: str, path: str, selector: str, paginator: Any = "single_page", **more: Any) -> dict[str, Any]:
    """One resource; `params` where its path needs them."""
    params = {"params": ACCOUNT} if "{account_id}" in path else {}
    return {
        "name": name,
        "endpoint": {"path": path, "data_selector": selector, "paginator": paginator, **params},
        **more,
    }


def texts(name: str, path: str, selector: str, paginator: Any = "single_page") -> dict[str, Any]:
    """A resource whose records are bare texts: rows of one column."""
    steps = [{"map": lambda text: {selector: text}}]
    return resource(name, path, selector, paginator, primary_key=selector, processing_steps=steps)


def source(url: str, api_key: str) -> Any:
    """The guide's eleven resources, in its order."""
    resources: list[Any] = [
        resource("accounts", "/accounts", "accounts"),
        resource("broadcasts", "/{account_id}/broadcasts", "broadcasts", PAGES),
        resource("campaigns", "/{account_id}/campaigns", "campaigns", PAGES),
        resource("users", "/user", "users", primary_key="email"),
        resource("workflows", "/{account_id}/workflows", "workflows", PAGES),
        resource("subscribers", "/{account_id}/subscribers", "subscribers", PAGES),
        texts("custom_fields", "/{account_id}/custom_field_identifiers", "custom_field_identifiers"),
        resource("conversions", "/{account_id}/goals", "goals"),
        texts("events", "/{account_id}/event_actions", "event_actions", PAGES),
        texts("tags", "/{account_id}/tags", "tags"),
        resource("webhooks", "/{account_id}/webhooks", "webhooks"),
    ]
    return rest_api_source(
        {
            "client": {"base_url": url, "auth": {"type": "http_basic", "username": api_key, "password": ""}},
            "resource_defaults": {"primary_key": "id", "write_disposition": "merge"},
            "resources": resources,
        }
    )


def main(url: str, api_key: str, database: str) -> None:
    """Load it all into the dataset `mended`; the pipeline's own files stand beside the database."""
    folder = Path(database).parent / "pipelines"
    destination = dlt.destinations.duckdb(database)
    pipeline = dlt.pipeline("mended", pipelines_dir=str(folder), destination=destination, dataset_name="mended")
    pipeline.run(source(url, api_key))


if __name__ == "__main__":
    main(*sys.argv[1:])
