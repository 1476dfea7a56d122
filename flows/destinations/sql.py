"""This project's own statements in the SQL of other destinations, by sqlglot."""

from collections.abc import Mapping

from flows.destinations.catalogue import OURS


def written_for(dialect: str, statement: str, tables: Mapping[str, str], **values: object) -> str:
    """A statement in a dialect of SQL.

    Args:
        dialect: sqlglot's name of it.
        statement: in SQL that DuckDB and PostgreSQL both take as it is, with tables and values in braces.
        tables: by the name in braces, the qualified names of tables, in that dialect.
        values: what else stands in braces.

    Raises:
        UnsupportedError: the dialect has no words for it.
    """
    if dialect in OURS:
        return statement.format(**tables, **values)
    import sqlglot  # takes a while

    parsed = sqlglot.parse_one(statement.format(**{name: name for name in tables}, **values), read=OURS[0])
    for table in list(parsed.find_all(sqlglot.exp.Table)):
        if table.name in tables:
            alias = table.alias
            qualified = sqlglot.exp.to_table(tables[table.name], dialect=dialect)
            table.replace(sqlglot.exp.alias_(qualified, alias, table=True) if alias else qualified)
    return parsed.sql(dialect, unsupported_level=sqlglot.ErrorLevel.RAISE)
