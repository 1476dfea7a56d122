"""Explains a setting whose value does not have its type."""

import json
from typing import Any, get_origin

from dlt.common.configuration.exceptions import ConfigValueCannotBeCoercedException

from flows.common.errors import SettingsError

TYPES = {
    dict: "a JSON object",
    list: "a JSON list, or names with commas",
    bool: "true or false",
    int: "a whole number",
    float: "a number",
    str: "text",
}
EXAMPLES = {
    "mask": '{"email": "hmac"}',
    "history": '["subscribers", "campaigns"]',
    "optional_resources": '["email_metrics", "segments"]',
    "connections": '["acme", "zenith"]',
}
JSON_TYPES = {list: "a list", dict: "an object", bool: "true or false"}
LONGEST = 40
"""Characters of a value that are shown."""


def wrong_type(error: ConfigValueCannotBeCoercedException, setting: str, example: object) -> SettingsError:
    """An error in one line that names the setting, what it has to be, what was found, and an example.

    The value is shown for numbers and flags only: text and JSON may be a secret in the wrong place.

    Args:
        error: dlt's.
        setting: the environment variable.
        example: a valid value, where `EXAMPLES` has none.
    """
    kind = get_origin(error.hint) or error.hint
    wanted = TYPES.get(kind, str(error.hint))
    shown = EXAMPLES.get(error.field_name.rpartition(".")[2], json.dumps(example))
    return SettingsError(f"{setting} has to be {wanted}, such as {shown}; it is {_found(kind, error.field_value)}")


def _found(kind: object, value: Any) -> str:
    if not isinstance(value, str):
        return JSON_TYPES.get(type(value), "a number")
    if kind in (bool, int, float):
        return repr(value[:LONGEST])
    try:
        json.loads(value)
    except ValueError as reason:
        return f"text that is not JSON ({reason})" if value.strip() else "empty"
    return "a JSON text"
