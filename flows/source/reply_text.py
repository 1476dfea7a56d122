"""What a reply of the API says, for messages: short, without secrets and without delivery URLs of webhooks."""

import json
import re

import requests

from flows.common.scrubbing import scrub
from flows.source.decoding.masking import REDACTED
from flows.source.decoding.redaction import redacted_text

SNIPPET_CHARS = 80
ADDRESS = re.compile(r"[^\s\"'<>]+@[^\s\"'<>]+")
NOT_SHOWN = "not shown, since SOURCES__DRIP__MASK is set"


def message_of(response: requests.Response, masked: bool = False) -> str:
    """The API's error message: `errors[].message`, `message`, or the beginning of the body.

    Args:
        response: the response.
        masked: whether a mask is set: then the message has no email addresses, and a body is not shown.
    """
    try:
        body = json.loads(response.content)
        errors = body.get("errors") or [body]
        message = scrub("; ".join(str(error["message"]) for error in errors))[:300]
        return ADDRESS.sub(REDACTED, message) if masked else message
    except (ValueError, TypeError, AttributeError, KeyError):
        return snippet_of(response, masked)


def snippet_of(response: requests.Response, masked: bool = False) -> str:
    """The beginning of the body, as a quoted text; what it contains is not known, so a mask hides it."""
    if masked:
        return f"{len(response.content):,} bytes ({NOT_SHOWN})"
    return repr(redacted_text(scrub(response.content[: 4 * SNIPPET_CHARS].decode(errors="replace")))[:SNIPPET_CHARS])
