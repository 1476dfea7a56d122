"""Finding an address in text, whatever the case of its letters, in the same way in every database and file.

Databases fold case by their locale: in the locale C, PostgreSQL's `lower` knows no letter beyond ASCII. So the forms
that each letter can have are found here, and written into a regular expression that Python, DuckDB and PostgreSQL
read alike.
"""

import re
import sys
import unicodedata
from functools import cache

DIALECTS = {"duckdb": "regexp_matches({text}, %s)", "postgres": "({text}) ~ %s"}
"""By dialect, whether a text matches a pattern."""


def anywhere(text: str) -> str:
    """A pattern that is found wherever the text is part of another one, also of JSON with escapes in it."""
    return "".join(_forms(letter) for letter in _letters(text))


def alone(text: str) -> str:
    """A pattern that is found where the text is all there is, but for spaces around it."""
    return rf"^\s*{anywhere(text)}\s*$"


def _letters(text: str) -> list[str]:
    """The characters of a text, each with the marks that belong to it, folded."""
    return list(unicodedata.normalize("NFC", text.strip()))


def _forms(letter: str) -> str:
    if letter.isascii() and not letter.isalpha():
        return re.escape(letter)
    forms = {form for one in _cases(letter) for form in (one, unicodedata.normalize("NFD", one))}
    written = [*map(re.escape, sorted(forms)), *(_escaped(form) for form in sorted(forms) if not form.isascii())]
    return f"(?:{'|'.join(written)})"


def _escaped(form: str) -> str:
    """As JSON may write it."""
    units = form.encode("utf-16-be").hex()
    digits = [units[at : at + 4] for at in range(0, len(units), 4)]
    return "".join(r"\\u" + "".join(f"[{d}{d.upper()}]" if d.isalpha() else d for d in unit) for unit in digits)


def _cases(letter: str) -> set[str]:
    """Every way to write a letter that differs in case alone."""
    return {letter, *_by_folded().get(letter.casefold(), ())}


@cache
def _by_folded() -> dict[str, list[str]]:
    """All characters that have a case, by what they are when that is folded."""
    found: dict[str, list[str]] = {}
    for code in range(sys.maxunicode + 1):
        character = chr(code)
        if (folded := character.casefold()) != character or character.upper() != character:
            found.setdefault(folded, []).append(character)
    return found
