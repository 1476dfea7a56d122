"""The generated tables of the documentation: `python -m tests.readme` writes them, and a test compares them."""

import ast
import inspect
import json
import re
from dataclasses import MISSING, fields
from typing import get_args

from dlt.common.configuration.specs.base_configuration import is_hint_not_resolvable

from flows.destinations.catalogue import DESTINATIONS, REFUSED, Feature
from flows.pipeline.documentation import documented
from flows.pipeline.marts.files import marts
from flows.source import ENDPOINTS, Endpoint
from flows.source.settings import DripSettings
from tests.conftest import PROJECT

README = PROJECT / "README.md"
OPERATIONS, TABLES = (PROJECT / "docs" / f"{name}.md" for name in ("operations", "tables"))
PAGES = [README, *sorted((PROJECT / "docs").glob("*.md"))]


def resource_rows() -> list[str]:
    """A row per resource."""
    return [
        f"| {e.resource} | `{e.path}` | {', '.join(e.primary_key)} | {'yes' if e.paginated else 'no'} | "
        f"{e.per_page or ''} | {filters(e)} | {'only if named' if e.optional else 'yes'} |"
        for e in ENDPOINTS.values()
    ]


def filters(endpoint: Endpoint) -> str:
    """The filters of an endpoint; for a sweep, its statuses and their column."""
    sweep = [f"status={', '.join(endpoint.sweep)}, in `{endpoint.sweep_column}`"] * bool(endpoint.sweep)
    return "; ".join([*(f"{name}={value}" for name, value in endpoint.params.items()), *sweep])


def destination_rows() -> list[str]:
    """A row per destination, including unsupported ones."""
    rows = [
        f"| `{name}` | {kind.title} | {f'`drip-flows[{kind.extra}]`' if kind.extra else ''} | `{kind.setting}` | "
        f"{kind.checked} | {', '.join(one for one in get_args(Feature) if one in kind.without)} | {kind.json} |"
        for name, kind in DESTINATIONS.items()
    ]
    return rows + [f"| {name} | | | | refused | {reason} | |" for name, reason in REFUSED.items()]


def setting_rows() -> list[str]:
    """A row per setting, with its documentation from the code."""
    texts = setting_texts()
    rows = []
    for setting in fields(DripSettings):
        if setting.name in texts and not is_hint_not_resolvable(setting.type):
            default = setting.default if setting.default_factory is MISSING else json.dumps(setting.default_factory())
            shown = "" if default in (None, "") else f"`{default}`"
            rows.append(f"| `{setting.name.upper()}` | {shown} | {texts[setting.name]} |")
    return rows


def setting_texts() -> dict[str, str]:
    """The documentation of each setting, which is the string that follows it in the class."""
    body = ast.parse(inspect.getsource(DripSettings)).body[0].body  # type: ignore[attr-defined]
    texts = {}
    for here, after in zip(body, [*body[1:], None], strict=True):
        if isinstance(here, ast.AnnAssign) and isinstance(here.target, ast.Name):
            has_text = isinstance(after, ast.Expr) and isinstance(after.value, ast.Constant)
            texts[here.target.id] = " ".join(str(after.value.value).split()) if has_text else ""  # type: ignore
    return texts


def column_sections() -> str:
    """A section per table and view, with a line per column."""
    sections = []
    for name, text in documented().items():
        rows = [f"| {column} | {meaning} |" for column, meaning in text.columns.items()]
        sections += [f"## {name}", "", text.description, "", "| column | |", "|---|---|", *rows, ""]
    return "\n".join(sections)


def diagram() -> str:
    """How the tables and views belong together, as an entity-relationship diagram of Mermaid."""
    lines = ["```mermaid", "erDiagram"]
    for name, endpoint in ENDPOINTS.items():
        if endpoint.parent:
            lines.append(f'    {endpoint.parent} ||--o{{ {name} : "{endpoint.parent_column or endpoint.key}"')
        elif endpoint.per_account:
            lines.append(f'    accounts ||--o{{ {name} : "account_id"')
    lines += [f'    {one} {how} {many} : "{key}"' for one, how, many, key in RELATIONS]
    for name, endpoint in ENDPOINTS.items():
        keys = [f"        {'date' if key == 'date' else 'text'} {key} PK" for key in endpoint.primary_key]
        lines += [f"    {name} {{", *keys, "    }"]
    return "\n".join([*lines, "```"])


RELATIONS = [
    ("subscribers", "||--o{", "subscribers_history", "account_id, id"),
    ("subscribers", "||--o{", "subscriber_events", "account_id, subscriber_id"),
    ("subscribers", "||--o{", "subscriber_tags", "account_id, subscriber_id"),
    ("subscribers_history", "||--o{", "subscriber_changes", "account_id, subscriber_id"),
    ("workflow_details", "||--o{", "workflow_emails", "account_id, workflow_id"),
    ("subscribers_all", "||--o|", "subscribers", "account_id, id"),
    ("subscribers", "||--||", "people", "account_id, subscriber_id"),
    ("subscribers_all", "||--o{", "recipients", "account_id, subscriber_id"),
    ("emails", "||--o{", "recipients", "account_id, email_id"),
    ("recipients", "||--o{", "email_clicks", "account_id, subscriber_id, delivery_id"),
    ("emails", "|o--o{", "attributed_events", "account_id, email_id"),
    ("broadcasts", "||--o|", "emails", "account_id, broadcast_id"),
    ("emails", "||--o{", "email_metrics", "account_id, email_id"),
    ("accounts", "||--o{", "list_growth", "account_id"),
    ("accounts", "||--o{", "deliverability", "account_id"),
]
"""How histories, events and views belong to the tables, which the endpoints do not tell."""


def view_rows() -> list[str]:
    """A row per view that answers questions."""
    return [f"| `{name}` | {mart.description} |" for name, mart in marts().items()]


def with_tables(text: str) -> str:
    """A page with its tables, sections and diagrams regenerated from the code."""
    for mark, block in {"columns": column_sections(), "diagram": diagram()}.items():
        begin, end = f"<!-- {mark} -->", f"<!-- end of {mark} -->"
        text = re.sub(f"{begin}.*?{end}", lambda match, b=f"{begin}\n{block}\n{end}": b, text, flags=re.DOTALL)
    tables = {
        "resources": resource_rows(),
        "settings": setting_rows(),
        "destinations": destination_rows(),
        "views": view_rows(),
    }
    for mark, rows in tables.items():
        table = "\n".join([*rows, f"<!-- {mark} -->"])
        text = re.sub(rf"(?<=\|---\|\n)(?:\|[^\n]*\n)*<!-- {mark} -->", lambda match, t=table: t, text)
    return text


if __name__ == "__main__":
    for page in PAGES:
        page.write_text(with_tables(page.read_text()))
