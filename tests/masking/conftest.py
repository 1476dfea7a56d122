"""A masked dataset with everything in it, and the same one unmasked."""

import json
from typing import Any

import pytest

from flows.source.mask_setting import mask_of

KEY = "the key of these tests"
RULES = {
    "email": "hmac",
    "first_name": "hmac",
    "phone": "redact",
    "sms_number": "redact",
    "ip_address": "drop",
    "custom_fields.secret": "hmac",
}
MASK = mask_of(RULES, KEY)
FIRST, SECOND = "1000001", "1000002"
ADDRESS, IP, PHONE = "clear.value@example.com", "203.0.113.77", "+1 555 0100 7777"


def use_mask(monkeypatch: pytest.MonkeyPatch, rules: dict[str, str] | None = None, key: str = KEY) -> None:
    """Set the mask."""
    monkeypatch.setenv("SOURCES__DRIP__MASK", json.dumps(RULES if rules is None else rules))
    monkeypatch.setenv("SOURCES__DRIP__MASK_KEY", key)


def person(**changes: Any) -> dict[str, Any]:
    """A subscriber whose values are all clear."""
    fields = {"secret": ADDRESS, "size": "m"}
    return {"email": ADDRESS, "phone": PHONE, "ip_address": IP, "custom_fields": fields, **changes}
