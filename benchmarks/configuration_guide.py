"""The configuration guide's source, with the fewest changes that make it run.

`python configuration_guide.py URL API_KEY DATABASE`. Everything else is as in the guide, or
dlt's default: no filters, 100 rows per page, `merge` by the keys of the guide. These changes are needed to run it:

1. `type: basic` is `http_basic`: dlt has no `basic`.
2. `limit` is removed from the paginators: dlt rejects it there. The API returns 100 rows per page by default.
3. `base_page` is 1 and `total_path` is `meta.total_pages`: dlt would start at page 0 and look for `total`.
4. A list without pages has the paginator `single_page`: it returns the same for every page, so dlt would never stop.
5. `{account_id}` is resolved from `accounts`: nothing else provides it.
6. `data_selector: []` is the name of the list, and its strings become rows of one column of that name.
7. `events` has the key `event_actions`: a string has no `account_id`.
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
    """One resource, with `params` if its path needs them."""
    params = {"params": ACCOUNT} if "{account_id}" in path else {}
    return {
        "name": name,
        "endpoint": {"path": path, "data_selector": selector, "paginator": paginator, **params},
        **more,
    }


def texts(name: str, path: str, selector: str, paginator: Any = "single_page") -> dict[str, Any]:
    """A resource whose records are strings: rows of one column."""
    steps = [{"map": lambda text: {selector: text}}]
    return resource(name, path, selector, paginator, primary_key=selector, processing_steps=steps)


def source(url: str, api_key: str) -> Any:
    """The eleven resources of the guide, in its order."""
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
    """Load everything into the dataset `guide`. The files of the pipeline are stored beside the database."""
    folder = Path(database).parent / "pipelines"
    destination = dlt.destinations.duckdb(database)
    pipeline = dlt.pipeline("guide", pipelines_dir=str(folder), destination=destination, dataset_name="guide")
    pipeline.run(source(url, api_key))


if __name__ == "__main__":
    main(*sys.argv[1:])
