"""Terminal output. Strings are printed literally, without markup; only `Text` is styled."""

import logging
from typing import Any

from rich.console import Console
from rich.text import Text


def plain_console(**options: Any) -> Console:
    """A Rich console that interprets no markup or emoji codes in strings. Every console of the project is created here.

    Args:
        options: options of `rich.console.Console`, such as `stderr`.
    """
    return Console(markup=False, emoji=False, **options)


def marked(text: str, *rest: str, style: str = "red") -> Text:
    """Styled `text`, followed by unstyled `rest`."""
    return Text.assemble((text, style), *rest)


def mute_dlt() -> None:
    """Mute dlt's log. An error that ends a load is printed separately, on one line."""
    logging.getLogger("dlt").addFilter(reject_all)


def reject_all(record: logging.LogRecord) -> bool:
    """A logging filter that rejects every record."""
    return False
