"""SQL as text: literals, and the translation of this project's statements into other dialects, with sqlglot."""

from collections.abc import Mapping
from pathlib import Path

from flows.destinations.catalogue import OURS


def literal(text: str | Path) -> str:
    """A string in SQL."""
    return "'" + str(text).replace("'", "''") + "'"


def written_for(dialect: str, statement: str, tables: Mapping[str, str], **values: object) -> str:
    """Fill in a statement, translated into a dialect of SQL.

    Args:
        dialect: sqlglot's name of the dialect.
        statement: SQL that both DuckDB and PostgreSQL accept, with placeholders in braces.
        tables: qualified table names in that dialect, by placeholder.
        values: values of the other placeholders.

    Raises:
        UnsupportedError: the statement cannot be expressed in the dialect.
    """
    if dialect in OURS:
        return statement.format(**tables, **values)
    import sqlglot  # slow to import

    parsed = sqlglot.parse_one(statement.format(**{name: name for name in tables}, **values), read=OURS[0])
    for table in list(parsed.find_all(sqlglot.exp.Table)):
        if table.name in tables:
            alias = table.alias
            qualified = sqlglot.exp.to_table(tables[table.name], dialect=dialect)
            table.replace(sqlglot.exp.alias_(qualified, alias, table=True) if alias else qualified)
    return parsed.sql(dialect, unsupported_level=sqlglot.ErrorLevel.RAISE)
