"""Output on a terminal. Values are printed as they are: nothing in a string is markup, and only `Text` has a style."""

import logging
from typing import Any

from rich.console import Console
from rich.text import Text


def plain_console(**options: Any) -> Console:
    """A console that takes `[` and `:` in a string literally. Every console of the project is made here.

    Args:
        options: of Rich's own console, such as `stderr`.
    """
    return Console(markup=False, emoji=False, **options)


def marked(text: str, *rest: str, style: str = "red") -> Text:
    """`text` in a style, followed by the rest without one."""
    return Text.assemble((text, style), *rest)


def mute_dlt() -> None:
    """Keep dlt's log off the console: an error that ends a load is shown by itself, in one line."""
    logging.getLogger("dlt").addFilter(reject_all)


def reject_all(record: logging.LogRecord) -> bool:
    """A logging filter that lets no record pass."""
    return False
