"""Reads the body of a response, within limits on its size and duration, and decodes its outermost object."""

import time

import msgspec
import requests
from urllib3.exceptions import HTTPError

from flows.source.decoding.malformed_json import lenient_json

CHUNK_BYTES = 1 << 18
FAULT, FIELDS = "drip_fault", "drip_fields"
"""Attributes set on a response: why its body cannot be used (empty if it can), and its decoded fields."""
Fields = dict[str, msgspec.Raw]
"""A JSON object with undecoded values."""


def read_body(response: requests.Response, max_bytes: int, seconds: float) -> None:
    """Read the streamed body, unless it was read before, and set the attributes `FIELDS` and `FAULT`.

    Args:
        response: a response whose body has not been read by `requests`.
        max_bytes: maximum size of the decompressed body.
        seconds: maximum duration.
    """
    if hasattr(response, FAULT):
        return
    chunks, size, fault, deadline = [], 0, "", time.monotonic() + seconds
    try:
        # `read1` returns what has arrived instead of waiting for a full block, so the deadline applies to slow replies.
        response.raw.decode_content = True
        while not fault and (chunk := response.raw.read1(CHUNK_BYTES)):
            chunks.append(chunk)
            size += len(chunk)
            if size > max_bytes:
                fault = "a reply larger than SOURCES__DRIP__MAX_REPLY_MB"
            elif time.monotonic() > deadline:
                fault = "a reply slower than SOURCES__DRIP__REPLY_TIMEOUT"
    except HTTPError as error:
        fault = f"an incomplete reply ({type(error).__name__})"
    response.close()
    response._content = b"".join(chunks)
    response._content_consumed = True  # type: ignore[attr-defined]
    fields, fault = (None, fault) if fault else _parsed(response._content)
    setattr(response, FIELDS, fields)
    setattr(response, FAULT, fault)


def _parsed(body: bytes) -> tuple[Fields | None, str]:
    """The fields of the body, and why it cannot be used (empty if it can)."""
    try:
        return msgspec.json.decode(body, type=Fields), ""
    except RecursionError:  # the decoder will quarantine the deeply nested record
        return None, ""
    except (msgspec.MsgspecError, UnicodeDecodeError):
        return None, "" if is_lenient_json(body) else "a reply that is not a JSON object"


def is_lenient_json(body: bytes) -> bool:
    """Whether Python's lenient JSON parser accepts it. It allows lone surrogates, whose records are quarantined."""
    try:
        return isinstance(lenient_json(body), dict)
    except (ValueError, RecursionError):
        return False
