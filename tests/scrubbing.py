"""Removes secrets and personal data from a cassette before it is written.

Each value is consistently replaced with another one of the same type, so that keys still match across lists. This is
needed for recordings with a real key before they can be committed; for the sandbox, it makes no relevant difference.
"""

import hashlib
import json
import re
from typing import Any

import yaml

HOST = "api.getdrip.com"
SCRUBBED = "x-scrubbed"
KEPT_HEADERS = ("date", "content-type", "x-ratelimit-limit", "x-ratelimit-remaining", "retry-after")
KEPT_FIELDS = frozenset(
    """
    initial_status orientation
    status created_at send_at time_zone utc_offset version counting_method prospect lead_score base_lead_score
    lifetime_value eu_consent sms_consent days_of_the_week_mask minutes_from_midnight localize_sending_time
    start_immediately double_optin send_to_confirmation_page use_custom_confirmation_page email_count
    active_subscriber_count unsubscribed_subscriber_count default_value include_received_email
    enable_third_party_cookies trigger_type provider type send_ga_event page count total_pages total_count
    node_count updated_at
    """.split()  # noqa: SIM905 - a list of forty quoted words hides what is in it
)
PARENT = re.compile(r"(/(?:campaigns|workflows|broadcasts)/|(?:workflow|broadcast)_ids(?:%5B%5D|\[\])=)([^/?&]+)")
"""An id in a path or a filter, which has to be the one that stands in the scrubbed list of the parents."""
ID_FIELDS = ("id", "account", "forms", "workflow", "campaign", "workflow_id", "broadcast_id")
OURS = "100000"
"""Prefix of ids that need no pseudonym: the sandbox's ids, and pseudonyms."""
KEPT_LISTS = frozenset({"events"})


def scrub_request(request: Any) -> Any:
    """The request with the real API's URL, without credentials; None for Prefect's traffic, which is not recorded."""
    if not request.path.startswith("/v2/"):
        return None
    path = PARENT.sub(lambda found: found[1] + pseudonym("id", found[2]), request.uri.split("/v2/", 1)[1])
    request.uri = f"https://{HOST}/v2/{path}"
    request.headers = {}
    return request


def scrub_response(response: dict[str, Any]) -> dict[str, Any]:
    """The response with a readable, pseudonymized body and only the relevant headers.

    vcrpy also calls this on replay, with responses that are already scrubbed.
    """
    if SCRUBBED in response["headers"]:
        return response
    response["headers"] = {SCRUBBED: ["yes"]} | {
        k: v for k, v in response["headers"].items() if k.lower() in KEPT_HEADERS
    }
    body = json.loads(response["body"]["string"])
    scrubbed = {key: _scrub(key, value) for key, value in body.items() if key != "links"}
    response["body"]["string"] = json.dumps(scrubbed, ensure_ascii=False, indent=1).encode()
    return response


def _scrub(field: str, value: Any) -> Any:
    if field in KEPT_FIELDS or (field in KEPT_LISTS and isinstance(value, list)):
        return value
    if isinstance(value, dict):
        return {key: _scrub(key, inner) for key, inner in value.items()}
    if isinstance(value, list):
        return [_scrub(field, inner) for inner in value]
    return pseudonym(field, value) if isinstance(value, str) and value else value


def pseudonym(field: str, value: str) -> str:
    """A pseudonym for a text, of the same kind."""
    digest = hashlib.blake2b(value.encode(), digest_size=10).hexdigest()
    if value.isdecimal() and field in ID_FIELDS:
        return value if value.startswith(OURS) else OURS + str(int(digest[:7], 16))
    if "@" in value:
        return f"someone-{digest[:8]}@example.com"
    if value.startswith("http"):
        return f"https://example.com/{digest[:8]}"
    return digest if field == "id" else f"{field[:12]} {digest[:6]}" + "".join(c for c in value if not c.isascii())[:6]


class ReadableSerializer:
    """Writes cassettes as YAML with readable bodies: one value per line, without escapes."""

    class Dumper(yaml.SafeDumper):
        """Dumps multi-line strings as block scalars."""

    @classmethod
    def serialize(cls, cassette: dict[str, Any]) -> str:
        return yaml.dump(cassette, Dumper=cls.Dumper, allow_unicode=True, sort_keys=False, width=1_000_000)

    @staticmethod
    def deserialize(text: str) -> Any:
        return yaml.safe_load(text)


def _block(dumper: yaml.SafeDumper, text: str) -> Any:
    return dumper.represent_scalar("tag:yaml.org,2002:str", text, style="|" if "\n" in text else None)


ReadableSerializer.Dumper.add_representer(str, _block)
