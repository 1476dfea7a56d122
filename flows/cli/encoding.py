"""What is written to a terminal, a file or a pipe, whatever its encoding."""

import io
from typing import TextIO


def accept_any_text(*streams: TextIO | None) -> None:
    """Have streams write a character that their encoding does not have as an escape, with its code point."""
    for stream in streams:
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")
