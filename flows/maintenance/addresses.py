"""Case-insensitive search for an email address in text, with the same result in every database and file.

Databases fold case by locale: in the locale C, PostgreSQL's `lower` only handles ASCII. All case variants of each
letter are therefore written into a regular expression that Python, DuckDB and PostgreSQL interpret alike.
"""

import re
import sys
import unicodedata
from functools import cache

DIALECTS = {"duckdb": "regexp_matches({text}, %s)", "postgres": "({text}) ~ %s"}
"""SQL, by dialect, to test whether a text matches a pattern."""


def anywhere(text: str) -> str:
    """A pattern that matches the text anywhere in another text, including JSON with escapes."""
    return "".join(_forms(letter) for letter in _letters(text))


def alone(text: str) -> str:
    """A pattern that matches a value equal to the text, ignoring surrounding white space."""
    return rf"^\s*{anywhere(text)}\s*$"


def _letters(text: str) -> list[str]:
    """The characters of a text, stripped, with combining marks composed (NFC)."""
    return list(unicodedata.normalize("NFC", text.strip()))


def _forms(letter: str) -> str:
    if letter.isascii() and not letter.isalpha():
        return re.escape(letter)
    forms = {form for one in _cases(letter) for form in (one, unicodedata.normalize("NFD", one))}
    written = [*map(re.escape, sorted(forms)), *(_escaped(form) for form in sorted(forms) if not form.isascii())]
    return f"(?:{'|'.join(written)})"


def _escaped(form: str) -> str:
    r"""A pattern for the characters as JSON escapes (`\u00e9`)."""
    units = form.encode("utf-16-be").hex()
    digits = [units[at : at + 4] for at in range(0, len(units), 4)]
    return "".join(r"\\u" + "".join(f"[{d}{d.upper()}]" if d.isalpha() else d for d in unit) for unit in digits)


def _cases(letter: str) -> set[str]:
    """The case variants of a letter."""
    return {letter, *_by_folded().get(letter.casefold(), ())}


@cache
def _by_folded() -> dict[str, list[str]]:
    """All cased characters, by their case-folded form."""
    found: dict[str, list[str]] = {}
    for code in range(sys.maxunicode + 1):
        character = chr(code)
        if (folded := character.casefold()) != character or character.upper() != character:
            found.setdefault(folded, []).append(character)
    return found
