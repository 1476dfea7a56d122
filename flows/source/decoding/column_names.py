"""Column names for fields that are not in the API reference."""

import hashlib
import threading
from collections.abc import Iterable, Mapping

from dlt.common.normalizers.naming.snake_case import NamingConvention

NAMING = NamingConvention()
RESERVED_PREFIX = "_dlt"


class ColumnNames:
    """Assigns a unique column name to each unknown field of a table.

    Args:
        declared: columns that already exist.
        known: column names by API field name, as chosen by earlier loads.
    """

    def __init__(self, declared: Iterable[str], known: Mapping[str, str] | None = None) -> None:
        self._columns = dict(known or {})
        self._taken = {*declared, *self._columns.values()}
        self._lock = threading.Lock()

    def column(self, field: str) -> str:
        """The column name of a field: its name in snake case, with a hash of its name appended if that is taken."""
        with self._lock:
            if field not in self._columns:
                self._columns[field] = self._free_name(field)
                self._taken.add(self._columns[field])
            return self._columns[field]

    def _free_name(self, field: str) -> str:
        plain = NAMING.normalize_path(field) if field.strip() else "unnamed"
        if plain not in self._taken and not plain.startswith(RESERVED_PREFIX):
            return plain
        digest = hashlib.blake2b(field.encode(errors="surrogatepass"), digest_size=4).hexdigest()
        return NAMING.normalize_path(f"field_{plain.strip('_')}__{digest}")
