"""A typed record per resource, from which its schema, decoder and documentation derive.

A record lists the fields in the API reference ("Fields"). Values may be null and fields may be missing, so every field
is optional. Fields that are not listed here are loaded as JSON columns.
"""

from datetime import date, datetime
from typing import Annotated

import msgspec

INT64 = msgspec.Meta(ge=-(2**63), le=2**63 - 1)

Text = str | None
Int = Annotated[int, INT64] | None
Bool = bool | None
Float = float | None
Date = date | None
Time = datetime | None
Json = msgspec.Raw | msgspec.UnsetType
"""Stored as received, in a JSON column, which preserves types, keys and their order."""


class Record(msgspec.Struct, kw_only=True, omit_defaults=True, forbid_unknown_fields=True, gc=False):
    """Base of all records. Decoding fails on unknown fields, so that the decoder detects and adds them.

    Records cannot be part of reference cycles, so the garbage collector does not need to track them.
    """


class Account(Record):
    """A Drip account that the token has access to."""

    id: Text = None
    name: Text = None
    url: Text = None
    default_from_name: Text = None
    default_from_email: Text = None
    default_postal_address: Text = None
    primary_email: Text = None
    enable_third_party_cookies: Bool = None
    phone_number: Text = None
    created_at: Time = None
    href: Text = None


class User(Record):
    """The user that the token belongs to."""

    email: Text = None
    name: Text = None
    time_zone: Text = None


class Broadcast(Record):
    """A one-off email: draft, scheduled, sending, sent, canceled or deleted."""

    id: Text = None
    status: Text = None
    name: Text = None
    from_name: Text = None
    from_email: Text = None
    postal_address: Text = None
    localize_sending_time: Bool = None
    send_at: Time = None
    bcc: Text = None
    created_at: Time = None
    href: Text = None
    preview_url: Text = None
    subject: Text = None
    html_body: Text = None
    text_body: Text = None
    derived: Json = msgspec.UNSET
    links: Json = msgspec.UNSET


class Campaign(Record):
    """An email series: draft, active or paused."""

    id: Text = None
    status: Text = None
    name: Text = None
    from_name: Text = None
    from_email: Text = None
    postal_address: Text = None
    minutes_from_midnight: Int = None
    localize_sending_time: Bool = None
    days_of_the_week_mask: Text = None
    start_immediately: Bool = None
    double_optin: Bool = None
    send_to_confirmation_page: Bool = None
    use_custom_confirmation_page: Bool = None
    confirmation_url: Text = None
    post_confirmation_url: Text = None
    notify_subscribe_email: Text = None
    notify_unsubscribe_email: Text = None
    bcc: Text = None
    email_count: Int = None
    active_subscriber_count: Int = None
    unsubscribed_subscriber_count: Int = None
    created_at: Time = None
    href: Text = None
    links: Json = msgspec.UNSET


class Workflow(Record):
    """An automation: draft, active or paused."""

    id: Text = None
    href: Text = None
    name: Text = None
    status: Text = None
    created_at: Time = None
    links: Json = msgspec.UNSET


class Subscriber(Record):
    """A person on the list, whatever their status. Money is in cents, `utc_offset` in minutes."""

    id: Text = None
    status: Text = None
    initial_status: Text = None
    email: Text = None
    first_name: Text = None
    last_name: Text = None
    address1: Text = None
    address2: Text = None
    city: Text = None
    state: Text = None
    zip: Text = None
    country: Text = None
    phone: Text = None
    sms_number: Text = None
    sms_consent: Bool = None
    eu_consent: Text = None
    time_zone: Text = None
    utc_offset: Int = None
    visitor_uuid: Text = None
    custom_fields: Json = msgspec.UNSET
    tags: Json = msgspec.UNSET
    ip_address: Text = None
    user_agent: Text = None
    original_referrer: Text = None
    landing_url: Text = None
    prospect: Bool = None
    lead_score: Int = None
    base_lead_score: Int = None
    lifetime_value: Int = None
    user_id: Text = None
    created_at: Time = None
    href: Text = None
    links: Json = msgspec.UNSET


class CustomField(Record):
    """The name of a custom field that the account uses."""

    custom_field_identifier: Text = None


class Conversion(Record):
    """A goal; `default_value` is in cents."""

    id: Text = None
    status: Text = None
    name: Text = None
    url: Text = None
    default_value: Int = None
    counting_method: Text = None
    created_at: Time = None
    href: Text = None
    links: Json = msgspec.UNSET


class Event(Record):
    """The name of a custom event that the account records."""

    event_action: Text = None


class Tag(Record):
    """A tag that the account uses."""

    tag: Text = None


class Webhook(Record):
    """A URL that Drip posts events to; `events` is a list of their names."""

    id: Text = None
    href: Text = None
    post_url: Text = None
    version: Text = None
    include_received_email: Bool = None
    events: Json = msgspec.UNSET
    created_at: Time = None
    links: Json = msgspec.UNSET


class Form(Record):
    """A sign-up form. `opacity` is between 0 and 1."""

    id: Text = None
    href: Text = None
    headline: Text = None
    description: Text = None
    button_text: Text = None
    confirmation_heading: Text = None
    confirmation_text: Text = None
    send_ga_event: Bool = None
    seconds_before_popup: Int = None
    days_between_popup: Int = None
    days_between_popup_after_close: Int = None
    orientation: Text = None
    opacity: Float = None
    show_labels: Bool = None
    primary_color: Text = None
    secondary_color: Text = None
    is_widget_enabled: Bool = None
    whitelist: Json = msgspec.UNSET
    blacklist: Json = msgspec.UNSET
    is_whitelist_enabled: Bool = None
    is_blacklist_enabled: Bool = None
    hide_on_mobile: Bool = None
    is_embeddable: Bool = None
    created_at: Time = None
    links: Json = msgspec.UNSET


class CampaignSubscriber(Subscriber):
    """A person in an email series. `id` and `status` are those of the subscriber."""


class WorkflowTrigger(Record):
    """A trigger that starts a workflow."""

    id: Text = None
    href: Text = None
    type: Text = None
    provider: Text = None
    trigger_type: Text = None
    properties: Json = msgspec.UNSET
    actions_required: Json = msgspec.UNSET
    links: Json = msgspec.UNSET
