"""What a reply of the API says, for messages: short, without secrets and without delivery URLs of webhooks."""

import json

import requests

from flows.common.scrubbing import scrub
from flows.source.decoding.redaction import redacted_text

SNIPPET_CHARS = 80


def message_of(response: requests.Response) -> str:
    """The API's error message: `errors[].message`, `message`, or the beginning of the body."""
    try:
        body = json.loads(response.content)
        errors = body.get("errors") or [body]
        return scrub("; ".join(str(error["message"]) for error in errors))[:300]
    except (ValueError, TypeError, AttributeError, KeyError):
        return repr(snippet_of(response))


def snippet_of(response: requests.Response) -> str:
    """The beginning of the body."""
    return redacted_text(scrub(response.content[: 4 * SNIPPET_CHARS].decode(errors="replace")))[:SNIPPET_CHARS]
