"""Reading the loaded tables as pandas."""

from flows.dataset.files import DatasetError
from flows.dataset.reader import load, load_if_kept, query, tables

__all__ = ["DatasetError", "load", "load_if_kept", "query", "tables"]
