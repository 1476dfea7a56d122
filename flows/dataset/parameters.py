"""Named parameters of a query: `$name`, as DuckDB has them, also for a driver that wants `%(name)s`."""

import re
from collections.abc import Mapping
from typing import Any

from flows.common.errors import SettingsError

TOKENS = re.compile(
    r"""'(?:[^']|'')*' | "(?:[^"]|"")*" | --[^\n]* | /\*.*?\*/ | \$(?P<name>[A-Za-z_]\w*) | %""", re.X | re.S
)
"""What a parameter is not looked for in, parameters, and what the driver would take for its own."""


def pyformat(sql: str, params: Mapping[str, Any]) -> tuple[str, dict[str, Any]]:
    """A query and its parameters as psycopg2 wants them. Without parameters the query is left as it is.

    Raises:
        SettingsError: a parameter of the query has no value.
    """
    if not params:
        return sql, {}

    def replaced(match: re.Match[str]) -> str:
        if not (name := match["name"]):
            return match[0].replace("%", "%%")
        if name not in params:
            raise SettingsError(f"the query has a parameter ${name}, and no value for it was given")
        return f"%({name})s"

    return TOKENS.sub(replaced, sql), dict(params)
