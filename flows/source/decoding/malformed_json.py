"""Handling of replies that libraries reject: JSON nested too deep, invalid Unicode, a decimal Retry-After."""

import json
import math
import re
from collections.abc import Iterator, Mapping, MutableMapping
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Any

MOST_LEVELS = 200
"""Records with more levels are removed from a page that is nested too deep to be decoded."""
ITEM_LEVEL = 3
"""Level of a list item: inside the reply object and its list."""
BRACKETS = re.compile(rb'"(?:[^"\\]|\\.)*"|[\[\]{}]', re.DOTALL)
"""Matches brackets, and strings, so that brackets within strings are skipped."""

RETRY_AFTER = "Retry-After"
DECIMAL = re.compile(r"\s*(\d+\.\d*|\.\d+)\s*")


def round_retry_after(headers: MutableMapping[str, str]) -> None:
    """Round a decimal Retry-After up, since dlt's client ignores everything but whole seconds and dates."""
    if DECIMAL.fullmatch(seconds := headers.get(RETRY_AFTER, "")):
        headers[RETRY_AFTER] = str(math.ceil(float(seconds)))


def retry_after(headers: Mapping[str, str]) -> float | None:
    """The seconds of a Retry-After, which is a number of them or a date; None where there is none."""
    text = headers.get(RETRY_AFTER, "").strip()
    if text.isdecimal():
        return float(text)
    try:
        return max((parsedate_to_datetime(text) - datetime.now(UTC)).total_seconds(), 0.0)
    except (ValueError, TypeError):
        return None


def lenient_json(body: bytes) -> Any:
    """Parse JSON, with surrogates for escapes and bytes that are not valid Unicode. Raises ValueError."""
    return json.loads(body.decode(errors="surrogateescape"))


def without_bad_unicode(body: bytes, selector: str) -> tuple[bytes, list[str]]:
    """The reply without records that contain invalid Unicode, and those records as JSON. Raises ValueError."""
    reply = lenient_json(body)
    records = reply.get(selector)
    good: list[Any] = []
    bad: list[Any] = []
    for record in records if isinstance(records, list) else []:
        (good if _is_unicode(record) else bad).append(record)
    rest = {key: value for key, value in reply.items() if key == "meta" and _is_unicode(value)}
    text = json.dumps({**rest, selector: good if isinstance(records, list) else None})
    return text.encode(), [json.dumps(record) for record in bad]


def without_deep_records(body: bytes) -> tuple[bytes, list[str]]:
    """The reply without list items that are nested too deep, and those items. Does not use recursion."""
    spans = [(start, end) for start, end, levels in _list_items(body) if levels > MOST_LEVELS]
    deep = [body[start:end].decode(errors="replace") for start, end in spans]
    for start, end in reversed(spans):
        before, after = body[:start].rstrip(), body[end:].lstrip()
        if after.startswith(b","):
            after = after[1:]
        elif before.endswith(b","):
            before = before[:-1]
        body = before + after
    return body, deep


def _list_items(body: bytes) -> Iterator[tuple[int, int, int]]:
    """Start, end and depth of every object or list that is an item of a list at the top level of the reply."""
    open_brackets, start, levels = bytearray(), 0, 0
    for found in BRACKETS.finditer(body):
        if found[0] in (b"[", b"{"):
            open_brackets += found[0]
            start, levels = (found.start(), 0) if len(open_brackets) == ITEM_LEVEL else (start, levels)
            levels = max(levels, len(open_brackets))
        elif found[0] in (b"]", b"}"):
            is_item = len(open_brackets) == ITEM_LEVEL and open_brackets[-2:-1] == b"["
            del open_brackets[-1:]
            if is_item:
                yield start, found.end(), levels


def _is_unicode(value: Any) -> bool:
    try:
        json.dumps(value, ensure_ascii=False, allow_nan=False).encode()
    except ValueError:
        return False
    return True
