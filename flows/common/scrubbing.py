"""Removes secrets from text before it is shown, logged or stored.

Secrets are the current values of secret settings (environment, `.dlt/` and dlt's other providers) and values
remembered earlier in this process. The command line imports this module first, so it must be quick to import.
"""

import json
import os
import re
import sys
from base64 import b64encode
from collections.abc import Iterable, Iterator
from functools import lru_cache
from typing import Any
from urllib.parse import quote, unquote

MASK = "***"
SHORTEST = 3
"""Minimum length of a secret; a shorter one cannot be distinguished from ordinary text."""
SHORT = 8
"""Secrets shorter than this are only removed as whole words."""
SHORTEST_BASE64 = 4
SECRET_NAME = re.compile(
    r"(?i)(password|passwd|passphrase|token|secret|api_?key|access_key|account_key|private_key|mask_key|sas|auth_string)$"
)
HOLDS_CREDENTIALS = re.compile(r"(?i)(credentials|connection_string|connection_url)$")
"""Names of settings that hold a URL, a connection string or JSON, of which only a part is secret."""
SETTINGS = ("SOURCES__", "DESTINATION__", "PREFECT_", "AWS_", "AZURE_", "PG", "SNOWFLAKE_", "MOTHERDUCK_")
"""Prefixes of environment variables whose names indicate whether they are secret."""
USER_INFO = re.compile(r"://([^:/?#\s]*):(.*)@([^@]*)", re.DOTALL)
KEYWORD = re.compile(r"(?i)[?&\s;](\w*(?:password|passphrase|token|secret|key))=('[^']*'|[^&;\s]+)")

_remembered: set[str] = set()


def remember(*secrets: str | None) -> None:
    """Treat these values as secrets for the rest of the process."""
    _remembered.update(secret for secret in secrets if secret)


def remember_credentials(text: str) -> None:
    """Treat the secret parts of a URL or connection string as secrets."""
    remember(*_in_credentials(text))


def scrub(text: str) -> str:
    """Replace each secret in `text`, whether literal or encoded by repr, JSON, a URL or Base64."""
    pattern = _pattern(frozenset({*_remembered, *_in_environment(), *_in_providers()}))
    return pattern.sub(MASK, text) if pattern else text


def _in_environment() -> Iterator[str]:
    for name, value in os.environ.items():
        if name.startswith(SETTINGS):
            yield from _in_setting(name.lower(), value)
        elif "://" in value and "@" in value:
            yield from _in_credentials(value)


def _in_providers() -> Iterator[str]:
    """Secrets in dlt's other providers: secrets.toml, config.toml, Prefect's blocks, a vault."""
    if "dlt" not in sys.modules:
        return
    from dlt.common.configuration.container import Container
    from dlt.common.configuration.specs.pluggable_run_context import PluggableRunContext

    if PluggableRunContext in Container():  # otherwise no provider has been read yet
        for provider in Container()[PluggableRunContext].providers.providers:
            yield from _in_table("", getattr(provider, "_config_doc", {}))


def _in_table(path: str, value: Any) -> Iterator[str]:
    if isinstance(value, dict):
        for name, inner in value.items():
            yield from _in_table(f"{path}__{name}", inner)
    elif isinstance(value, str):
        yield from _in_setting(path, value)


def _in_setting(name: str, value: str) -> Iterator[str]:
    if SECRET_NAME.search(name):
        yield value
    elif HOLDS_CREDENTIALS.search(name):
        if "://" in value or "duckdb" not in name:  # otherwise it is the path of a DuckDB file
            yield from _in_credentials(value) if _parts_known(value) else _pieces(value)
    elif "://" in value:
        yield from _in_credentials(value)


def _parts_known(text: str) -> bool:
    """Whether the secret parts of credentials can be told apart from the rest."""
    return "://" in text or bool(KEYWORD.search(f" {text}")) or text.lstrip().startswith("{")


def _pieces(text: str) -> Iterable[str]:
    """Credentials that cannot be parsed, and each long part of them."""
    return [text, *(piece for piece in re.split(r"[/:@?&=;,\s]+", text) if len(piece) >= SHORT)]


def _in_credentials(text: str) -> Iterator[str]:
    """The secret parts of a URL, a keyword connection string, or JSON."""
    if text.lstrip().startswith("{"):
        yield from _in_json(text)
        return
    for _, value in KEYWORD.findall(f" {text}"):
        yield from (value.strip("'"), unquote(value.strip("'")))
    if found := USER_INFO.search(text):
        user, password, rest = found.groups()
        # A password that equals the user, host or database name cannot be hidden.
        public = {user, *re.split(r"[/:?]", rest)}
        yield from {password, unquote(password), password.partition("?")[0].rpartition("@")[0]} - public


def _in_json(text: str) -> Iterator[str]:
    try:
        yield from _in_table("", json.loads(text))
    except ValueError:
        yield text


@lru_cache(maxsize=16)
def _pattern(secrets: frozenset[str]) -> re.Pattern[str] | None:
    """A pattern that matches every secret in all its encodings, longest first."""
    whole = {part for secret in secrets for part in _parts(secret)}
    forms = [form for secret in sorted(whole, key=len, reverse=True) for form in _forms(secret)]
    return re.compile("|".join(forms)) if forms else None


def _parts(secret: str) -> Iterable[str]:
    """A secret without surrounding white space, and each long line of a multi-line one, such as a private key."""
    stripped = secret.strip()
    lines = [line.strip() for line in stripped.splitlines() if len(line.strip()) >= 2 * SHORT]
    return [one for one in (stripped, *lines) if len(one) >= SHORTEST]


def _forms(secret: str) -> Iterator[str]:
    """Regular expressions for a secret as text and as Base64."""
    text = "".join(map(_character, secret))
    yield rf"(?<!\w){text}(?!\w)" if len(secret) < SHORT else text
    for encoding in ("utf-8", "latin-1"):
        for core in _base64_cores(secret.encode(encoding, errors="replace")):
            if len(core) >= SHORTEST_BASE64:
                yield "".join(map(_base64_character, core))


@lru_cache(maxsize=1024)
def _character(character: str) -> str:
    """A pattern for a character: literal, after backslashes, or escaped by repr, JSON or a URL."""
    if character.isascii() and character.isalnum():
        return character
    quoted = quote(character, safe="", errors="replace")
    percent = quoted if quoted != character else f"%{ord(character):02X}"
    escapes = {repr(character)[1:-1], ascii(character)[1:-1], json.dumps(character)[1:-1]}
    spaces = [r"\+"] if character == " " else []
    forms = [rf"\\*{re.escape(character)}", f"(?i:{re.escape(percent)})", *spaces]
    return f"(?:{'|'.join([*forms, *(re.escape(one) for one in sorted(escapes - {character}))])})"


def _base64_character(character: str) -> str:
    return {"+": r"(?:\+|-|%2[bB])", "/": "(?:/|_|%2[fF])"}.get(character, character)


def _base64_cores(secret: bytes) -> Iterator[str]:
    """The Base64 of these bytes at each of the three alignments, without the characters that neighbours affect."""
    for before in range(3):
        encoded = b64encode(b"\0" * before + secret).decode()
        yield encoded[-(-8 * before // 6) : 8 * (before + len(secret)) // 6]
