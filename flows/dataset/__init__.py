"""Reading the loaded tables as pandas."""

from flows.dataset.files import DatasetError
from flows.dataset.past import as_of, changed_for, diff, moments, person
from flows.dataset.present import present
from flows.dataset.reader import load, load_if_kept, query, tables

__all__ = [
    "DatasetError",
    "as_of",
    "changed_for",
    "diff",
    "load",
    "load_if_kept",
    "moments",
    "person",
    "present",
    "query",
    "tables",
]
