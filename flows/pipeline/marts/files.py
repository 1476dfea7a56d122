"""The SQL files of the marts: what each row is, the columns, and the query with placeholders for its sources."""

import re
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from string import Formatter

from flows.source.endpoints import ENDPOINTS
from flows.source.records import field_descriptions
from flows.source.schema import LINKS, arrow_schema, data_type

FOLDER = Path(__file__).parent
COLUMN = re.compile(r'"?(\w+)"? \((\w+)\): (.+)')
SUBSCRIBER_FIELDS = "subscribers.*"
"""A line of the list of columns: all declared fields of subscribers that are not listed."""


@dataclass(frozen=True)
class Column:
    """A column of a view: dlt's data type, and what it means in a sentence."""

    data_type: str
    description: str


@dataclass(frozen=True)
class Mart:
    """A view that answers questions.

    Attributes:
        name: of the view.
        description: what a row is, and the limits of the view.
        columns: by name, in order.
        query: its SELECT, for DuckDB and PostgreSQL, with placeholders in braces.
    """

    name: str
    description: str
    columns: dict[str, Column]
    query: str

    @property
    def types(self) -> dict[str, str]:
        """dlt's data types by column, in order."""
        return {name: column.data_type for name, column in self.columns.items()}

    @property
    def placeholders(self) -> set[str]:
        """The names in braces: tables, other marts and values."""
        return {name for _, name, _, _ in Formatter().parse(self.query) if name}


@cache
def marts() -> dict[str, Mart]:
    """Every mart by name."""
    return {path.stem: _read(path) for path in sorted(FOLDER.glob("*.sql"))}


def _read(path: Path) -> Mart:
    lines = path.read_text().splitlines()
    start = next(number for number, line in enumerate(lines) if not line.startswith("--"))
    comment = [line.removeprefix("--").strip() for line in lines[:start]]
    blank = comment.index("")
    columns = [column for line in comment[blank + 1 :] for column in _columns(line, path)]
    return Mart(path.stem, " ".join(comment[:blank]), dict(columns), "\n".join(lines[start:]))


def _columns(line: str, path: Path) -> list[tuple[str, Column]]:
    if line == SUBSCRIBER_FIELDS:
        return list(subscriber_columns().items())
    found = COLUMN.fullmatch(line)
    if found is None:
        raise ValueError(f"{path.name} does not describe a column as `name (type): text`: {line!r}")
    return [(found[1], Column(found[2], found[3]))]


@cache
def subscriber_columns() -> dict[str, Column]:
    """The declared fields of subscribers but for their id, in order."""
    endpoint = ENDPOINTS["subscribers"]
    schema, texts = arrow_schema(endpoint), field_descriptions(endpoint.record)
    names = [name for name in texts if name not in ("id", LINKS)]
    return {name: Column(data_type(endpoint, schema.field(name)), texts[name]) for name in names}
