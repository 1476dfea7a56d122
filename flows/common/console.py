"""Output on a terminal. Values are printed as they are: nothing in a string is markup, and only `Text` has a style."""

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
