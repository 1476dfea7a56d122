"""What every table, view and column of a dataset means, in a sentence each: for comments, docs/ and dbt."""

from dataclasses import dataclass
from functools import cache

from flows.pipeline.column_texts import (
    ADDED,
    FIGURES,
    MISFIT_TEXT,
    OWN_COLUMNS,
    OWN_TABLES,
    UNKNOWN_TEXT,
    VIEW_COLUMN_TEXTS,
    VIEWS,
)
from flows.pipeline.history import OPENED_AS, SUFFIX, VALID_FROM, VALID_TO, history_table
from flows.pipeline.marts.files import marts
from flows.pipeline.marts.queries import RECIPIENTS, STORED
from flows.pipeline.marts.recipients import DESCRIPTION
from flows.source.email_metrics.state_tables import DAY_COLUMNS, DAYS
from flows.source.endpoints import ENDPOINTS, HISTORIC, Endpoint
from flows.source.records import field_descriptions
from flows.source.schema import MISFIT_SUFFIX, arrow_schema


@dataclass(frozen=True)
class TableText:
    """A table or view in words.

    Attributes:
        description: what a row is.
        columns: what each declared column means, by name, in order.
        is_view: whether it is a view.
    """

    description: str
    columns: dict[str, str]
    is_view: bool = False


@cache
def documented() -> dict[str, TableText]:
    """Every table and view that a sync may create, by name."""
    tables = {name: TableText(_first_sentence(endpoint), _fields(endpoint)) for name, endpoint in ENDPOINTS.items()}
    for name in HISTORIC:
        own = {column: ADDED[column] for column in (VALID_FROM, VALID_TO, OPENED_AS)}
        tables[history_table(name)] = TableText(f"One row per version of a row of {name}.", tables[name].columns | own)
    for name, text in OWN_TABLES.items():
        counts = {column: FIGURES[column] for column in DAY_COLUMNS if column in FIGURES} if name == DAYS else {}
        tables[name] = TableText(text, counts | OWN_COLUMNS[name])
    for name, text in VIEWS.items():
        tables[name] = TableText(text, VIEW_COLUMN_TEXTS[name], is_view=True)
    for name, mart in marts().items():
        columns = {column: one.description for column, one in mart.columns.items()}
        tables[name] = TableText(mart.description, columns, is_view=True)
    tables[STORED] = TableText(DESCRIPTION, tables[RECIPIENTS].columns)
    return tables


def column_text(table: str, column: str) -> str:
    """What a column means; of undeclared columns of a table too, such as those of unknown fields and misfits."""
    texts = documented()[table].columns
    if column.endswith(MISFIT_SUFFIX):
        return MISFIT_TEXT.format(column.removesuffix(MISFIT_SUFFIX))
    return texts.get(column) or ADDED.get(column) or (UNKNOWN_TEXT if _has_unknown_fields(table) else "")


def _has_unknown_fields(table: str) -> bool:
    return table.removesuffix(SUFFIX) in ENDPOINTS


def _first_sentence(endpoint: Endpoint) -> str:
    return " ".join((endpoint.record.__doc__ or "").split())


def _fields(endpoint: Endpoint) -> dict[str, str]:
    texts = field_descriptions(endpoint.record)
    return {name: texts.get(name) or ADDED.get(name, "") for name in arrow_schema(endpoint).names}
