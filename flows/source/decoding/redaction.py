"""Removes delivery URLs from the list of webhooks before a page lands: whoever knows such a URL can post to it.

Scheme and host stay, and a fingerprint that shows whether the URL has changed.
"""

import hashlib
import json
import re
from typing import Any
from urllib.parse import urlsplit

import msgspec

POST_URL, HREF = "post_url", "href"
URL = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*:(?:\\?/){2}[^\s\"'<>]*")
"""A URL, also in JSON, which may escape its slashes. Wider than RFC 3986: too much rather than too little goes."""
MARKS = (b":/", b":\\", b"\\u", POST_URL.encode())
"""One of them is in every JSON text that holds a URL or such a field, however it is escaped."""
FINGERPRINT = 16
"""Hexadecimal digits of SHA-256."""


def redacted_url(url: str) -> str:
    """The scheme and host of a URL, and a fingerprint of all of it."""
    digest = hashlib.sha256(url.encode(errors="surrogatepass")).hexdigest()[:FINGERPRINT]
    try:
        parts = urlsplit(url)
        port = f":{parts.port}" if parts.port else ""
        place = f"{parts.scheme}://{parts.hostname}{port}/" if parts.hostname else ""
    except ValueError:
        place = ""
    return f"{place}***{digest}"


def redacted_text(text: str) -> str:
    """A text with every URL in it redacted."""
    return URL.sub(lambda found: redacted_url(found[0].replace("\\/", "/")), text)


def redacted_list(raw: msgspec.Raw) -> msgspec.Raw:
    """A JSON list of records without the URLs that they hold, but for their `href`, which is of the API."""
    items = [_redacted_record(item) for item in msgspec.json.decode(raw, type=list[msgspec.Raw])]
    return msgspec.Raw(msgspec.json.encode(items))


def redacted_json(text: str) -> str:
    """A record without the URLs that it holds; its fingerprint alone where it cannot be read."""
    try:
        return json.dumps(_redacted(json.loads(text), False))
    except (ValueError, RecursionError):
        return redacted_url(text)


def _redacted_record(item: msgspec.Raw) -> msgspec.Raw:
    try:
        fields = msgspec.json.decode(item, type=dict[str, msgspec.Raw])
    except msgspec.ValidationError:
        return _redacted_value(item)
    clean = {name: value if name == HREF else _redacted_value(value, name) for name, value in fields.items()}
    return msgspec.Raw(msgspec.json.encode(clean))


def _redacted_value(value: msgspec.Raw, name: str = "") -> msgspec.Raw:
    """A value as it came where it holds no URL."""
    text = bytes(value)
    if name != POST_URL and not any(mark in text for mark in MARKS):
        return value
    return msgspec.Raw(msgspec.json.encode(_redacted(msgspec.json.decode(value), name == POST_URL)))


def _redacted(value: Any, whole: bool) -> Any:
    """A value with each text redacted: as a whole, or the URLs in it."""
    if isinstance(value, str):
        return redacted_url(value) if whole else redacted_text(value)
    if isinstance(value, list):
        return [_redacted(one, whole) for one in value]
    if isinstance(value, dict):
        return {
            redacted_text(key): one if key == HREF else _redacted(one, whole or key == POST_URL)
            for key, one in value.items()
        }
    return value
