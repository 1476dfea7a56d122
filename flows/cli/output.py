"""Where a command writes: results go to stdout; progress and remarks to stderr, where they can be silenced."""

import re
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import msgspec
from rich import box
from rich.cells import cell_len
from rich.console import Console
from rich.table import Table
from rich.text import Text

from flows.common.console import plain_console

WORD = re.compile(r"\S+")
console = plain_console(highlight=False)
"""For results."""
remarks = plain_console(stderr=True, highlight=False)
"""For progress and remarks."""


def silence(quiet: bool) -> None:
    """Show no progress and no remarks from now on, or show them again."""
    remarks.quiet = quiet


def say(text: str | Text, target: Console = console) -> None:
    """Print a sentence: a terminal wraps it between words, a file or a pipe gets it in one line."""
    target.print(wrapped(text, target.width) if target.is_terminal else text, soft_wrap=True)


def wrapped(text: str | Text, width: int) -> Text:
    """Text with line breaks between words. A word that is longer than a line, such as a path, stays whole."""
    whole = Text(text) if isinstance(text, str) else text
    starts, line = [], 0
    for word in WORD.finditer(whole.plain):
        if word.start() > line and cell_len(whole.plain[line : word.end()]) > width:
            line = word.start()
            starts.append(line)
    lines = whole.divide(starts)
    for one in lines:
        one.rstrip()
    return Text("\n").join(lines)


def remark(text: str | Text) -> None:
    """Print a sentence that is no result."""
    say(text, remarks)


def show_json(value: Any) -> None:
    """Print a result as JSON on stdout: a document, indented."""
    sys.stdout.write(msgspec.json.format(msgspec.json.encode(value), indent=2).decode() + "\n")


@contextmanager
def activity(text: str) -> Iterator[None]:
    """Show a moving sign on a terminal for as long as the block lasts.

    Elsewhere nothing is shown: where nothing can start, stderr has the reason alone, in one line.
    """
    if remarks.is_terminal and not remarks.quiet:
        # Around the stream without secrets, which looks at dlt's settings: a thread must not while dlt is imported.
        with plain_console(file=sys.__stderr__).status(Text(text)):
            yield
    else:
        yield


def plain_table(*left: str, right: tuple[str, ...] = (), title: str = "") -> Table:
    """A table that fits 80 columns where its cells do, and whose cells are wrapped between words.

    Args:
        left: headings of columns with text.
        right: headings of columns with numbers, after those.
        title: above it.
    """
    table = Table(box=box.SIMPLE_HEAD, title=title or None, title_justify="left", pad_edge=False, show_edge=False)
    for heading in left:
        table.add_column(heading)
    for heading in right:
        table.add_column(heading, justify="right", no_wrap=True)
    return table
