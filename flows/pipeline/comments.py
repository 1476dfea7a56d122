"""Comments on the tables and columns in DuckDB and PostgreSQL, so that every client shows what they mean."""

import logging
from collections.abc import Iterator, Mapping

import dlt
from dlt.destinations.exceptions import DatabaseException

from flows.common.errors import first_line
from flows.destinations.relations import DIALECTS, Relation, relations
from flows.destinations.schemas import quoted
from flows.destinations.sql import literal
from flows.destinations.sql_clients import sql_client
from flows.destinations.target import Target
from flows.pipeline.documentation import column_text, documented
from flows.pipeline.marts.files import marts
from flows.pipeline.marts.queries import STORED
from flows.pipeline.marts.refresh import is_ours
from flows.source.settings import common_settings

logger = logging.getLogger(__name__)


def make_comments(pipeline: dlt.Pipeline, target: Target) -> None:
    """Comment on the tables and columns whose comment is missing or has changed, if this user owns them.

    A failure is only logged: the data is loaded.
    """
    if target.name not in DIALECTS or not common_settings().comments:
        return
    with sql_client(pipeline) as client:
        statements = list(outdated(relations(client.execute_sql, target.name, target.dataset), target.dataset))
        if not statements:
            return
        try:
            with client.begin_transaction():
                client.execute_sql(";\n".join(statements))
        except DatabaseException as error:
            logger.warning("the columns could not be commented on: %s", first_line(error))


def outdated(found: Mapping[str, Relation], dataset: str) -> Iterator[str]:
    """The statements that make the comments of a dataset those of the documentation."""
    for name, relation in found.items():
        if name not in documented() or relation.owner or (name in marts() and not is_ours(marts()[name], relation)):
            continue
        text = documented()[name].description
        if name not in {*marts(), STORED} and relation.comment != text:  # the comment of a mart has its fingerprint
            yield f"COMMENT ON {'VIEW' if relation.is_view else 'TABLE'} {quoted(dataset, name)} IS {literal(text)}"
        for column, there in relation.columns.items():
            if (wanted := column_text(name, column)) and wanted != there.comment:
                yield f"COMMENT ON COLUMN {quoted(dataset, name, column)} IS {literal(wanted)}"
