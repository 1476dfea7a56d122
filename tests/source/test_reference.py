"""Every field that the API reference names arrives in a column of its type."""

import json
from datetime import UTC, datetime
from typing import Any

import pyarrow as pa
import pytest

from flows.source import ENDPOINTS
from flows.source.decoding.decoder import Decoder
from flows.source.decoding.redaction import redacted_url
from flows.source.schema import MISFIT_SUFFIX, arrow_schema, column_hints, json_columns

TEXT, INT, BOOL, FLOAT = pa.string(), pa.int64(), pa.bool_(), pa.float64()
TIME, JSON = pa.timestamp("us", tz="UTC"), "json"
EXAMPLES: dict[Any, Any] = {TEXT: "7", INT: 7, BOOL: True, FLOAT: 0.95, TIME: "2013-06-21T10:31:58Z", JSON: {"a": [1]}}

SENDING = {"id": TEXT, "status": TEXT, "name": TEXT, "from_name": TEXT, "from_email": TEXT, "postal_address": TEXT,
           "localize_sending_time": BOOL, "bcc": TEXT, "created_at": TIME, "href": TEXT}  # fmt: skip
TEXTS = (
    "id status initial_status email first_name last_name address1 address2 city state zip country phone sms_number "
    "eu_consent time_zone visitor_uuid ip_address user_agent original_referrer landing_url user_id href"
)
REFERENCE: dict[str, dict[str, Any]] = {
    "accounts": dict.fromkeys(("id", "name", "url", "primary_email", "phone_number", "href"), TEXT)
    | dict.fromkeys(("default_from_name", "default_from_email", "default_postal_address"), TEXT)
    | {"enable_third_party_cookies": BOOL, "created_at": TIME},
    "users": {"email": TEXT, "name": TEXT, "time_zone": TEXT},
    "broadcasts": SENDING
    | {"send_at": TIME, "preview_url": TEXT, "subject": TEXT, "html_body": TEXT, "text_body": TEXT, "derived": JSON},
    "campaigns": SENDING
    | dict.fromkeys(["minutes_from_midnight", "email_count", "active_subscriber_count"], INT)
    | dict.fromkeys(["start_immediately", "double_optin", "send_to_confirmation_page"], BOOL)
    | dict.fromkeys(["days_of_the_week_mask", "confirmation_url", "post_confirmation_url"], TEXT)
    | dict.fromkeys(["notify_subscribe_email", "notify_unsubscribe_email"], TEXT)
    | {"use_custom_confirmation_page": BOOL, "unsubscribed_subscriber_count": INT},
    "workflows": {"id": TEXT, "href": TEXT, "name": TEXT, "status": TEXT, "created_at": TIME},
    "subscribers": dict.fromkeys(TEXTS.split(), TEXT)
    | dict.fromkeys(["utc_offset", "lead_score", "base_lead_score", "lifetime_value"], INT)
    | {"sms_consent": BOOL, "prospect": BOOL, "custom_fields": JSON, "tags": JSON, "created_at": TIME},
    "conversions": dict.fromkeys(["id", "status", "name", "url", "counting_method", "href"], TEXT)
    | {"default_value": INT, "created_at": TIME},
    "webhooks": {"id": TEXT, "href": TEXT, "post_url": TEXT, "version": TEXT, "include_received_email": BOOL,
                 "events": JSON, "created_at": TIME},
    "forms": dict.fromkeys(["id", "href", "headline", "description", "button_text", "confirmation_heading"], TEXT)
    | dict.fromkeys(["confirmation_text", "orientation", "primary_color", "secondary_color"], TEXT)
    | dict.fromkeys(["seconds_before_popup", "days_between_popup", "days_between_popup_after_close"], INT)
    | dict.fromkeys(["send_ga_event", "show_labels", "is_widget_enabled", "is_whitelist_enabled"], BOOL)
    | dict.fromkeys(["is_blacklist_enabled", "hide_on_mobile", "is_embeddable"], BOOL)
    | {"opacity": FLOAT, "whitelist": JSON, "blacklist": JSON, "created_at": TIME},
    "workflow_triggers": {"id": TEXT, "type": TEXT, "trigger_type": TEXT, "provider": TEXT, "properties": JSON,
                          "actions_required": JSON},
}  # fmt: skip
"""By resource, each documented field with its type."""


@pytest.mark.parametrize("resource", REFERENCE)
def test_every_documented_field_has_a_column_of_its_type(resource: str) -> None:
    endpoint = ENDPOINTS[resource].alone
    record = {name: EXAMPLES[kind] for name, kind in REFERENCE[resource].items()}
    table = (
        Decoder(endpoint)
        .decode(json.dumps({endpoint.selector: [record]}).encode(), "1" if endpoint.per_account else None)
        .table
    )
    assert table.num_columns == len(arrow_schema(endpoint)), "some field has no column of its own"
    (row,) = table.to_pylist()
    for name, kind in REFERENCE[resource].items():
        assert table.schema.field(name).type == (TEXT if kind == JSON else kind), name
        assert (name in json_columns(endpoint)) == (kind == JSON), name
        expected = arrived(record[name])
        assert row[name] == (redacted_url(expected) if name == "post_url" else expected), name


def arrived(value: Any) -> Any:
    """A value as its column has it."""
    if isinstance(value, dict):
        return json.dumps(value)
    return datetime(2013, 6, 21, 10, 31, 58, tzinfo=UTC) if value == EXAMPLES[TIME] else value


def test_forms_have_no_name_and_no_redirect_url() -> None:
    assert not {"name", "redirect_url"} & set(arrow_schema(ENDPOINTS["forms"]).names)


def test_the_campaign_that_a_form_is_of_has_a_column() -> None:
    endpoint = ENDPOINTS["forms"]
    body = {"forms": [{"id": "1", "links": {"account": "1", "campaign": "22"}}, {"id": "2", "links": {"account": "1"}}]}
    table = Decoder(endpoint).decode(json.dumps(body).encode(), "1").table
    assert table["links__campaign"].to_pylist() == ['"22"', None]
    assert column_hints(endpoint)["links__campaign"] == {"data_type": "json"}


def test_a_whole_number_in_a_text_column_becomes_its_text() -> None:
    values = [2, "2", -17, 2.5, True, [2], 10**39]
    body = {"webhooks": [{"id": str(place), "version": value} for place, value in enumerate(values)]}
    table = Decoder(ENDPOINTS["webhooks"]).decode(json.dumps(body).encode(), "1").table
    assert table["version"].to_pylist() == ["2", "2", "-17", None, None, None, str(10**39)]
    assert table["version" + MISFIT_SUFFIX].to_pylist() == [None, None, None, "2.5", "true", "[2]", None]


def test_the_wording_of_a_broadcast_makes_no_version() -> None:
    assert "derived" in ENDPOINTS["broadcasts"].ignored_in_history


def test_lists_that_know_a_direction_are_read_from_their_oldest_row() -> None:
    assert {name for name, one in ENDPOINTS.items() if one.params.get("direction") == "asc"} == {
        "broadcasts",
        "campaign_subscribers",
    }
